"""The stand-in for Isaac Sim has a world, handles and physics with the habits of the real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from isaac_standin import Faults
from isaac_standin.small_cell import ARM_RAD, CUBE, ROBOT, WELD, SmallCell, running, script

from collectors.geometry import Pose

BEFORE_AND_AFTER_6 = pytest.mark.parametrize("version", ["5.1.0", "6.0.1"])


def enable_fabric() -> None:
    """The experience of scripts comes without."""
    from isaacsim.core.utils.extensions import enable_extension

    assert enable_extension("omni.physx.fabric")


# The world


def test_there_is_one_world_and_a_new_stage_ends_it() -> None:
    with script() as cell:
        from isaacsim.core.utils.stage import create_new_stage

        assert cell.names.World(physics_dt=1 / 60) is cell.world
        assert (cell.world.get_physics_dt(), cell.isaac.ignored_worlds) == (1 / 120, 1)
        create_new_stage()
        with pytest.raises(RuntimeError, match="stage was closed"):
            cell.world.step()
        assert cell.names.World.instance() is None
        assert cell.names.World() is not cell.world


def test_the_rate_of_physics_is_cut_to_a_whole_number() -> None:
    with script() as cell:
        cell.world.set_simulation_dt(physics_dt=0.0067, rendering_dt=0.02)  # 149.25 Hz
        assert cell.world.get_physics_dt() == 1 / 149


def test_what_takes_time() -> None:
    with running() as cell:
        world, steps = cell.world, []
        world.add_physics_callback("count", steps.append)

        def passed(turn: Any) -> tuple[int, float]:
            steps.clear()
            before = world.current_time
            turn()
            return len(steps), pytest.approx(world.current_time - before)

        assert passed(lambda: world.step(render=True)) == (4, 4 / 120)
        assert passed(lambda: world.step(render=False)) == (1, 1 / 120)
        assert passed(world.render) == (0, 0.0)
        cell.isaac.faults.slow_time = 1
        assert passed(world.step) == (3, 3 / 120)
        cell.isaac.user_pauses()
        assert passed(world.step) == (0, 0.0)
        assert passed(lambda: world.step(render=False)) == (0, 0.0)


@BEFORE_AND_AFTER_6
def test_a_reset_subscribes_callbacks_anew(version: str) -> None:
    """6.0.1 binds every one of them to the last."""
    with running(version) as cell:
        called: list[str] = []
        for name in ("one", "two"):
            cell.world.add_physics_callback(name, lambda _, name=name: called.append(name))
        cell.isaac.user_stops()
        assert (cell.world.current_time, cell.isaac.physics_callbacks) == (0.0, [])
        cell.reset()
        assert called[:2] == (["two", "two"] if version == "6.0.1" else ["one", "two"])


def test_an_update_may_be_shorter_than_the_worlds_rendering_step() -> None:
    with running(faults=Faults(update_s=1 / 100)) as cell:  # 1.2 steps of physics
        made = []
        for _ in range(10):
            before = cell.isaac.physics_steps
            cell.world.step()
            made.append(cell.isaac.physics_steps - before)
        assert sum(made) == 12
        assert set(made) == {1, 2}


def test_the_user_stops_the_timeline() -> None:
    with running() as cell:
        cell.isaac.faults.stop_at_update = cell.isaac.updates + 2
        cell.world.step()
        assert cell.world.is_playing()
        cell.world.step()
        assert cell.world.is_stopped()


def test_a_lost_play_leaves_physics_frozen() -> None:
    with script("6.0.1", Faults(plays_lost=1)) as cell:
        cell.world.reset()
        cell.initialize()
        cell.world.step()
        assert not cell.world.is_playing()
        assert (cell.isaac.physics_steps, cell.world.is_simulating()) == (0, True)


# Handles


def test_handles_need_physics_and_die_with_it() -> None:
    with script() as cell:
        with pytest.raises(AttributeError, match="before physics runs"):
            cell.robot.initialize()
        cell.reset()
        cell.world.reset()
        assert cell.robot.get_joint_positions() is None
        cell.robot.set_joint_positions(np.zeros(9, dtype=np.float32))  # goes nowhere, in silence
        with pytest.raises(AttributeError, match="dead handles"):
            cell.robot.apply_action(cell.names.ArticulationAction(np.zeros(9)))
        cell.initialize()
        assert cell.robot.get_joint_positions().shape == (9,)
        cell.isaac.faults.views_stale_after = cell.isaac.physics_steps + 3
        cell.world.step()
        assert cell.robot.get_joint_positions() is None


def test_a_dead_rigid_body_answers_with_what_usd_has() -> None:
    with running() as cell:
        enable_fabric()
        cell.cube.set_world_pose(position=np.array([0.5, 0.1, 0.42]))
        cell.world.step(render=False)  # nothing of which USD sees
        cell.isaac.faults.views_stale_after = cell.isaac.physics_steps + 1
        cell.world.step(render=False)
        position, orientation = cell.cube.get_world_pose()
        assert position == pytest.approx([0.5, 0.0, 0.42], abs=1e-3)
        assert (position.dtype, orientation.shape) == (np.float32, (4,))


def test_links_follow_joints_at_the_next_step_or_when_told() -> None:
    with running() as cell:
        before = cell.hand.get_world_pose()[0]
        turned = ARM_RAD + np.array([0.5, 0, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
        cell.robot.set_joint_positions(turned)
        assert cell.robot.get_joint_positions() == pytest.approx(turned)
        assert cell.robot.get_applied_action().joint_positions == pytest.approx(turned)
        assert np.array_equal(cell.hand.get_world_pose()[0], before)
        cell.world.physics_sim_view.update_articulations_kinematic()
        after = cell.hand.get_world_pose()[0]
        assert np.linalg.norm(after - before) > 0.1
        cell.world.step(render=False)
        assert cell.hand.get_world_pose()[0] == pytest.approx(after, abs=1e-4)


def test_an_action_leaves_what_it_does_not_name() -> None:
    with running() as cell:
        target = ARM_RAD.copy()
        cell.robot.apply_action(
            cell.names.ArticulationAction(joint_positions=[None, np.nan, 0.1], joint_indices=[0, 1, 2])
        )
        target[2] = 0.1
        assert np.array_equal(cell.robot.get_applied_action().joint_positions, target)
        for _ in range(60):
            cell.world.step(render=False)
        assert cell.robot.get_joint_positions() == pytest.approx(target, abs=2e-3)


def test_a_reset_brings_back_gains_and_weight() -> None:
    with running() as cell:
        controller = cell.robot.get_articulation_controller()
        assert controller.get_gains()[0] == pytest.approx(2000.0)
        cell.world.reset()
        cell.initialize()
        assert controller.get_gains()[0][:7] == pytest.approx(400 * 180 / np.pi)  # USD's are per degree
        for weighs in (True, False):
            (cell.robot.enable_gravity if weighs else cell.robot.disable_gravity)()
            controller.set_gains(kps=np.full(9, 100.0), kds=np.full(9, 10.0))
            cell.robot.set_joint_positions(ARM_RAD)
            for _ in range(60):
                cell.world.step(render=False)
            sagged = np.abs(cell.robot.get_joint_positions() - ARM_RAD).max()
            assert sagged > 0.05 if weighs else sagged < 0.01


def test_velocities_are_those_of_the_world_frame() -> None:
    with running() as cell:
        turned = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0])
        cell.cube.set_world_pose(position=np.array([0.0, 1.0, 5.0]), orientation=turned)
        cell.cube.set_linear_velocity(np.array([1.0, 2.0, 3.0]))
        cell.cube.set_angular_velocity(np.array([0.0, 0.0, 4.0]))
        assert cell.cube.get_angular_velocity() == pytest.approx([0.0, 0.0, 4.0], abs=1e-6)
        cell.world.step(render=False)
        assert cell.cube.get_linear_velocity() == pytest.approx([1.0, 2.0, 3.0 - 9.81 / 120], abs=1e-4)


# Physics


def test_only_what_is_on_the_stage_is_simulated() -> None:
    with script() as cell:
        cell.isaac.stage.GetPrimAtPath(ROBOT).GetReferences().ClearReferences()
        cell.world.reset()
        with pytest.raises(RuntimeError, match="Can't find articulations"):
            cell.robot.initialize()
        cell.cube.initialize()
        for _ in range(30):
            cell.world.step()
        assert cell.cube.get_world_pose()[0][2] == pytest.approx(0.42, abs=1e-3)


@pytest.mark.parametrize("fabric", [True, False])
def test_physics_reaches_usd_and_a_stop_takes_it_back(fabric: bool) -> None:
    """With every step, or with Fabric only in an update."""

    def on_stage(cell: SmallCell) -> float:
        from pxr import UsdGeom

        return UsdGeom.Xformable(cell.isaac.stage.GetPrimAtPath(CUBE)).ComputeLocalToWorldTransform(0)[3][2]

    with running() as cell:
        if fabric:
            enable_fabric()
        resting = on_stage(cell)
        cell.cube.set_world_pose(position=np.array([0.5, 0.0, 1.0]))
        cell.world.step(render=False)
        assert (on_stage(cell) == resting) == fabric
        cell.world.step(render=True)
        assert on_stage(cell) > 0.9
        cell.isaac.user_stops()
        assert on_stage(cell) == np.float32(0.42)


def test_the_same_turns_give_the_same_state() -> None:
    states = []
    for _ in range(2):
        with running() as cell:
            cell.robot.apply_action(cell.names.ArticulationAction(joint_positions=ARM_RAD + 0.1))
            for _ in range(10):
                cell.world.step()
            picture = np.array(cell.camera.get_rgba())
            states.append((cell.robot.get_joint_positions(), *cell.cube.get_world_pose(), picture))
    assert all(np.array_equal(one, other) for one, other in zip(*states, strict=True))


def test_a_weld_holds_what_its_frames_say() -> None:
    with running() as cell:
        cell.cube.set_world_pose(position=np.array([0.307, 0.0, 0.49]))
        as_it_is = cell.cube_in_hand()
        off = Pose(as_it_is.position + (0.0, 0.03, 0.0), as_it_is.quat_wxyz)
        for frames in (as_it_is, off):
            joint = cell.weld(frames)
            for _ in range(30):
                cell.world.step(render=False)
            assert cell.cube_in_hand().position == pytest.approx(frames.position, abs=5e-4)
        cell.robot.apply_action(cell.names.ArticulationAction(joint_positions=[0.3], joint_indices=[0]))
        for _ in range(60):
            cell.world.step(render=False)
        assert cell.cube_in_hand().position == pytest.approx(off.position, abs=2e-3)
        joint.GetJointEnabledAttr().Set(False)
        cell.world.step(render=False)
        joint.GetJointEnabledAttr().Set(True)
        cell.isaac.stage.RemovePrim(WELD)
        for _ in range(60):
            cell.world.step(render=False)
        assert cell.cube.get_world_pose()[0][2] == pytest.approx(0.42, abs=1e-3)  # on the table
        assert not cell.isaac.errors


def test_a_welded_object_may_slip() -> None:
    with running(faults=Faults(weld_slip_m=0.004)) as cell:
        cell.cube.set_world_pose(position=np.array([0.307, 0.0, 0.49]))
        before = cell.cube_in_hand()
        cell.weld(before)
        for _ in range(30):
            cell.world.step(render=False)
        assert np.linalg.norm(cell.cube_in_hand().position - before.position) == pytest.approx(0.004, abs=5e-4)


def test_a_joint_inside_the_articulation_kills_every_handle() -> None:
    with running() as cell:
        cell.weld(cell.cube_in_hand(), excluded=False)
        cell.world.step()
        assert cell.robot.get_joint_positions() is None
        assert "parsed anew" in cell.isaac.errors[0]
