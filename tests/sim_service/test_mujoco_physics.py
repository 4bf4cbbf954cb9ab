"""How the embedded simulator's robot, objects and weld behave, beyond the common contract."""

import math
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest
from simulator_contract import BLIND, arm_above, grasped, in_hand, move, scene

from collectors.cameras import CAMERAS
from collectors.franka import (
    FINGER_CLOSED_M,
    FINGER_OPEN_M,
    HOME_RAD,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    NUM_ARM_JOINTS,
)
from collectors.geometry import Pose, quat_about_axis, rotation_angle
from collectors.kinematics import hand_pose
from collectors.objects import CUBE, YCB, ObjectKind
from collectors.scene import PHYSICS_PERIOD_S, TABLE_SURFACE_Z_M
from collectors.simulator import Action, Simulator, SimulatorError
from sim_service.mujoco_sim.object_slot import ObjectSlot
from sim_service.mujoco_sim.presets import QUALITY
from sim_service.mujoco_sim.scene_mjcf import INNER_STEP_S, scene_xml
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings

FAST = QUALITY["fast"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    opened = MujocoSimulator(SimulatorSettings(render_preset="fast"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ycb_simulator() -> Iterator[Simulator]:
    opened = MujocoSimulator(SimulatorSettings(use_ycb=True, render_preset="fast"))
    yield opened
    opened.close()


def cell(*kinds: ObjectKind) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(scene_xml(kinds, CAMERAS, FAST))


def test_the_hand_is_where_the_published_kinematics_puts_it() -> None:
    model = cell(CUBE)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(7)
    for _ in range(20):
        arm = rng.uniform(JOINT_LOWER_RAD, JOINT_UPPER_RAD)
        data.qpos[:NUM_ARM_JOINTS] = arm
        mujoco.mj_kinematics(model, data)
        expected, hand = hand_pose(arm), data.body("panda_hand")
        np.testing.assert_allclose(hand.xpos, expected.position, atol=1e-9)
        assert rotation_angle(hand.xquat, expected.quat_wxyz) < 1e-9


def test_joints_have_the_published_limits() -> None:
    model = cell(CUBE)
    ranges = np.array([model.joint(f"panda_joint{number}").range for number in range(1, NUM_ARM_JOINTS + 1)])
    np.testing.assert_array_equal(ranges, np.stack([JOINT_LOWER_RAD, JOINT_UPPER_RAD], axis=1))
    for number in (1, 2):
        np.testing.assert_array_equal(
            model.joint(f"panda_finger_joint{number}").range, [FINGER_CLOSED_M, FINGER_OPEN_M]
        )


def test_a_control_period_is_a_whole_number_of_inner_steps() -> None:
    np.testing.assert_allclose(1 / INNER_STEP_S, 960)
    for fps in (1, 10, 30, 60, 120):
        steps = 1 / fps / INNER_STEP_S
        assert steps == pytest.approx(round(steps))
        assert 1 / fps / PHYSICS_PERIOD_S == pytest.approx(round(1 / fps / PHYSICS_PERIOD_S))


def test_the_arm_holds_home_against_gravity(simulator: Simulator) -> None:
    simulator.reset(scene(CUBE))
    for _ in range(90):
        simulator.advance(BLIND)
        np.testing.assert_allclose(simulator.observe().arm_rad, HOME_RAD, atol=1e-4)


def test_poses_and_joints_of_an_observation_are_of_one_instant(simulator: Simulator) -> None:
    """In full swing: a pose that is one inner step old is a tenth of a millimetre off."""
    simulator.reset(scene(CUBE))
    simulator.command(Action(np.array(HOME_RAD) + 0.3, FINGER_OPEN_M))
    for _ in range(3):
        simulator.advance(BLIND)
        seen = simulator.observe()
        expected = hand_pose(seen.arm_rad)
        assert np.abs(seen.arm_rad_s).max() > 0.5
        np.testing.assert_allclose(seen.hand_to_world.position, expected.position, atol=1e-9)
        assert rotation_angle(seen.hand_to_world.quat_wxyz, expected.quat_wxyz) < 1e-9


def test_at_home_nothing_touches_but_the_object_and_the_table() -> None:
    model = cell(CUBE)
    data = mujoco.MjData(model)
    ObjectSlot(model, CUBE, 0).place(model, data, scene(CUBE))
    data.qpos[:NUM_ARM_JOINTS] = HOME_RAD
    for _ in range(50):
        mujoco.mj_step(model, data)
    touching = {
        frozenset((model.geom(one).name, model.body(int(model.geom_bodyid[other])).name))
        for one, other in data.contact.geom
    }
    assert touching == {frozenset(("table", CUBE.name))}


@pytest.mark.parametrize("tilt_rad", [0.0, 0.2])
def test_a_dropped_cube_comes_to_rest_on_the_table(simulator: Simulator, tilt_rad: float) -> None:
    dropped = Pose((0.55, -0.1, TABLE_SURFACE_Z_M + 0.06), quat_about_axis((1, 0, 0), tilt_rad))
    simulator.reset(scene(CUBE, object_pose=dropped))
    for _ in range(60):
        simulator.advance(BLIND)
    resting = simulator.observe().object_to_world
    assert resting.position[2] == pytest.approx(TABLE_SURFACE_Z_M + 0.02, abs=1e-4)
    simulator.advance(BLIND)
    assert np.linalg.norm(simulator.observe().object_to_world.position - resting.position) < 1e-5


@pytest.mark.parametrize("kind", YCB.values(), ids=YCB.keys())
def test_every_object_stands_still_where_it_is_put(ycb_simulator: Simulator, kind: ObjectKind) -> None:
    yaw = quat_about_axis((0, 0, 1), 0.7)
    pose = Pose((0.5, 0.1, TABLE_SURFACE_Z_M + kind.size_m[2] / 2), yaw)
    ycb_simulator.reset(scene(kind, object_pose=pose))
    for _ in range(60):
        ycb_simulator.advance(BLIND)
    seen = ycb_simulator.observe().object_to_world
    np.testing.assert_allclose(seen.position, pose.position, atol=5e-4)
    assert rotation_angle(seen.quat_wxyz, yaw) < math.radians(0.5)


def test_fingers_close_on_the_cube_and_open_again(simulator: Simulator) -> None:
    grasp = arm_above(CUBE, (0.5, 0.1), 0.0)
    simulator.reset(scene(CUBE, arm_rad=tuple(grasp)))
    closed = move(simulator, grasp, FINGER_CLOSED_M, 20)
    np.testing.assert_allclose(closed.finger_m, CUBE.size_m[0] / 2, atol=5e-4)
    np.testing.assert_allclose(closed.object_to_world.position, scene(CUBE).object_pose.position, atol=5e-4)
    opened = move(simulator, grasp, FINGER_OPEN_M, 20)
    np.testing.assert_allclose(opened.finger_m, FINGER_OPEN_M, atol=5e-4)


def test_without_an_object_the_fingers_meet(simulator: Simulator) -> None:
    simulator.reset(scene(CUBE))
    closed = move(simulator, np.array(HOME_RAD), FINGER_CLOSED_M, 20)
    np.testing.assert_allclose(closed.finger_m, 0, atol=1e-4)


@pytest.mark.parametrize("kind", YCB.values(), ids=YCB.keys())
def test_fingers_close_on_the_published_width(ycb_simulator: Simulator, kind: ObjectKind) -> None:
    grasp = arm_above(kind, (0.5, 0.1), 0.0)
    ycb_simulator.reset(scene(kind, arm_rad=tuple(grasp)))
    closed = move(ycb_simulator, grasp, FINGER_CLOSED_M, 25)
    np.testing.assert_allclose(closed.finger_m, kind.size_m[0] / 2, atol=6e-4)


def test_friction_alone_holds_the_cube(simulator: Simulator) -> None:
    """Fingers grip for real: without a weld the cube comes along."""
    grasp = arm_above(CUBE, (0.5, 0.1), 0.0)
    simulator.reset(scene(CUBE, arm_rad=tuple(grasp)))
    move(simulator, grasp, FINGER_CLOSED_M, 20)
    lifted = move(simulator, arm_above(CUBE, (0.5, 0.1), 0.1), FINGER_CLOSED_M, 30)
    assert lifted.object_to_world.position[2] == pytest.approx(TABLE_SURFACE_Z_M + 0.12, abs=0.005)


def test_a_carried_cube_slips_less_than_a_tenth_of_a_millimetre(simulator: Simulator) -> None:
    held = in_hand(grasped(simulator, CUBE, (0.4, 0.2)))
    path = [arm_above(CUBE, (0.4, 0.2), 0.1), arm_above(CUBE, (0.55, -0.2), 0.1), arm_above(CUBE, (0.55, -0.2), 0.003)]
    start = simulator.observe().arm_rad
    for waypoint in path:
        for share in np.linspace(1 / 30, 1, 30):
            simulator.command(Action(start + share * (waypoint - start), FINGER_CLOSED_M))
            simulator.advance(BLIND)
            now = in_hand(simulator.observe())
            assert np.linalg.norm(now.position - held.position) < 1e-4
            assert rotation_angle(now.quat_wxyz, held.quat_wxyz) < math.radians(0.2)
        start = waypoint


def test_the_arm_does_not_pass_through_the_table(simulator: Simulator) -> None:
    into_the_table = arm_above(CUBE, (0.5, 0.1), -0.06)
    simulator.reset(scene(CUBE, (0.6, -0.2)))
    seen = move(simulator, into_the_table, FINGER_OPEN_M, 60)
    commanded_z = hand_pose(into_the_table).position[2]
    assert seen.hand_to_world.position[2] > commanded_z + 0.02


def test_parked_objects_stay_where_they_are_and_touch_nothing() -> None:
    kinds = tuple(YCB.values())
    model = cell(*kinds)
    data = mujoco.MjData(model)
    slots = [ObjectSlot(model, kind, number) for number, kind in enumerate(kinds)]
    slots[2].place(model, data, scene(kinds[2]))
    parked = [slot for slot in slots if slot is not slots[2]]
    for slot in parked:
        slot.park(model, data)
    data.qpos[:NUM_ARM_JOINTS] = HOME_RAD
    mujoco.mj_forward(model, data)
    before = np.array([data.xpos[slot.body_id] for slot in parked])
    assert len(np.unique(before, axis=0)) == len(parked)
    for _ in range(30):
        mujoco.mj_step(model, data, 32)
        bodies = set(model.geom_bodyid[data.contact.geom.reshape(-1)])
        assert bodies.isdisjoint(slot.body_id for slot in parked)
    after = np.array([data.xpos[slot.body_id] for slot in parked])
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_an_object_that_was_parked_falls_and_collides_again() -> None:
    model = cell(CUBE)
    data = mujoco.MjData(model)
    slot = ObjectSlot(model, CUBE, 0)
    slot.park(model, data)
    mujoco.mj_step(model, data, 100)
    mujoco.mj_resetData(model, data)
    slot.place(model, data, scene(CUBE, object_pose=Pose((0.5, 0.1, TABLE_SURFACE_Z_M + 0.05))))
    mujoco.mj_step(model, data, 960)
    mujoco.mj_kinematics(model, data)
    assert data.xpos[slot.body_id][2] == pytest.approx(TABLE_SURFACE_Z_M + 0.02, abs=1e-4)


def test_a_weld_is_gone_without_trace_when_its_object_is_put_anew() -> None:
    model = cell(CUBE)
    data = mujoco.MjData(model)
    before = model.eq_data.copy()
    slot = ObjectSlot(model, CUBE, 0)
    for put in (
        lambda: slot.place(model, data, scene(CUBE)),
        lambda: slot.park(model, data),
    ):
        slot.weld(model, data, Pose((0.01, 0.02, 0.1), quat_about_axis((1, 0, 0), 0.3)))
        assert data.eq_active.any()
        assert not np.array_equal(model.eq_data, before)
        mujoco.mj_resetData(model, data)
        put()
        assert not data.eq_active.any()
        np.testing.assert_array_equal(model.eq_data, before)


@pytest.mark.parametrize("kind", [CUBE, *YCB.values()], ids=lambda kind: kind.name)
def test_collision_shapes_fill_the_published_bounding_box(kind: ObjectKind) -> None:
    model = cell(kind)
    geoms = [
        g for g in range(model.ngeom) if model.geom_bodyid[g] == model.body(kind.name).id and model.geom_contype[g]
    ]
    half = np.array(
        [
            model.geom_size[g] if model.geom_type[g] == mujoco.mjtGeom.mjGEOM_BOX else model.geom_size[g][[0, 0, 1]]
            for g in geoms
        ]
    )
    centres = model.geom_pos[geoms]
    np.testing.assert_allclose((centres + half).max(axis=0), np.divide(kind.size_m, 2), atol=1e-9)
    np.testing.assert_allclose((centres - half).min(axis=0), -np.divide(kind.size_m, 2), atol=1e-9)
    assert model.body(kind.name).mass[0] == kind.mass_kg
    # Where the pads close, 10 mm about the grasp point, the object has its full width.
    grasp_z = kind.grasp_height_m - kind.size_m[2] / 2
    widest = centres[:, 2] + half[:, 2] >= grasp_z + 0.0095
    lowest = centres[:, 2] - half[:, 2] <= grasp_z - 0.0095
    assert any(half[i, 0] == kind.size_m[0] / 2 for i in np.flatnonzero(widest & lowest))


@pytest.mark.parametrize("bad", [np.zeros(6), np.full(7, np.nan)])
def test_a_command_that_is_no_arm_position_is_refused(simulator: Simulator, bad: np.ndarray) -> None:
    simulator.reset(scene(CUBE))
    with pytest.raises(ValueError, match="7 finite numbers"):
        simulator.command(Action(bad, 0.04))
    with pytest.raises(ValueError, match="not a number"):
        simulator.command(Action(np.array(HOME_RAD), math.inf))


def test_there_is_no_world_before_reset_and_after_close() -> None:
    simulator = MujocoSimulator(SimulatorSettings(render_preset="fast"))
    with pytest.raises(SimulatorError, match="reset"):
        simulator.observe()
    with pytest.raises(SimulatorError, match="reset"):
        simulator.advance(BLIND)
    simulator.reset(scene(CUBE))
    simulator.close()
    with pytest.raises(SimulatorError, match="closed"):
        simulator.advance(BLIND)
    with pytest.raises(SimulatorError, match="closed"):
        simulator.reset(scene(CUBE))


def test_a_divergence_is_an_error_and_the_next_reset_recovers(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its own log into the working directory
    assert isinstance(simulator, MujocoSimulator)
    for calm_ticks in (0, 2):
        simulator.reset(scene(CUBE))
        for _ in range(calm_ticks):
            simulator.advance(BLIND)
        simulator._data.qvel[:] = 1e12
        with pytest.raises(SimulatorError, match="diverged"):
            simulator.advance(BLIND)
    simulator.reset(scene(CUBE))
    simulator.advance(BLIND)
    np.testing.assert_allclose(simulator.observe().arm_rad, HOME_RAD, atol=1e-4)
