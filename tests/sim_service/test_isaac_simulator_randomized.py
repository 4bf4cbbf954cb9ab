"""Scenes out of the ordinary on the Isaac Sim adapter: set up kinematically, whatever was there before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from isaac_cell import VERSIONS, Cell, isaac_cell, prim_count, refused
from pxr import Tf, Usd
from simulator_contract import BLIND, RGB, SEEING, in_hand, move, scene

from collectors.franka import (
    ARM_STIFFNESS_NM_RAD,
    FINGER_CLOSED_M,
    FINGER_OPEN_M,
    FINGER_STIFFNESS_N_M,
    HOME_RAD,
    SERVO_LAG_S,
)
from collectors.geometry import Pose
from collectors.kinematics import least_tilt, solve_planar, wrist_yaw_along
from collectors.objects import CUBE, ObjectError, ObjectKind
from collectors.randomization import PRESETS
from collectors.scene import TABLE_SURFACE_Z_M, Distractor, Light, Plant, Scene, Table
from collectors.simulator import Action, Observation
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.simulators import SimulatorSettings

FULL = SimulatorSettings.of(30, False, "fast", PRESETS["full"])
BIG = replace(CUBE, size_m=(0.05, 0.05, 0.05), mass_kg=0.3, grasp_below_top_m=0.025)
SMALL = replace(CUBE, size_m=(0.03, 0.03, 0.03), mass_kg=0.05, grasp_below_top_m=0.015)


@pytest.fixture(scope="module", params=VERSIONS)
def cell(request: pytest.FixtureRequest) -> Iterator[Cell]:
    with isaac_cell(request.param, FULL) as cell:
        yield cell


def drawn(index: int) -> Scene:
    variation = draw_variation(PRESETS["full"], (3, index, 0))
    return TASKS["pick_place"]((CUBE,), 0.05).draw(np.random.default_rng([3, index, 0]), variation).scene


def standing(kind: ObjectKind, height_m: float = 0.0, **changes: Any) -> Scene:
    position = (0.5, 0.1, TABLE_SURFACE_Z_M + height_m + kind.size_m[2] / 2)
    return scene(kind, object_pose=Pose(position), table=Table(height_m), **changes)


def after(cell: Cell, scene: Scene, ticks: int = 5) -> tuple[list[Observation], dict[str, Any]]:
    """Observations while the arm moves, and what physics has then."""
    cell.simulator.reset(scene)
    seen = [cell.simulator.observe()]
    for tick in range(ticks):
        cell.simulator.command(turned(scene, 0.02 * tick))
        cell.simulator.advance(BLIND)
        seen.append(cell.simulator.observe())
    physics = cell.isaac.kit.physics
    model, edits = physics._model, physics._edits
    solid = {
        path: (
            model.geom_size[geom].round(12).tolist(),
            model.geom_friction[geom].tolist(),
            model.geom_pos[geom].tolist(),
        )
        for path, geom in {**edits._known, **edits._added, **edits._statics}.items()
        if model.geom_contype[geom]
    }
    return seen, {
        "solid": solid,
        "mass": model.body_mass.tolist(),
        "inertia": model.body_inertia.tolist(),
        "stiffness": physics.stiffness.tolist(),
        "damping": physics.damping.tolist(),
    }


def turned(scene: Scene, turned_rad: float) -> Action:
    return Action(np.array(scene.arm_rad) + turned_rad, FINGER_OPEN_M)


def test_neither_stopped_nor_stepped_nor_turned_and_no_handle_dies(cell: Cell) -> None:
    view = cell.isaac.kit.physics.view
    counts = cell.isaac.updates, cell.isaac.physics_steps, cell.isaac.stages_opened
    for index in range(8):
        cell.simulator.reset(drawn(index))
    assert (cell.isaac.updates, cell.isaac.physics_steps, cell.isaac.stages_opened) == counts
    for index in range(8):
        cell.simulator.reset(drawn(index))
        cell.simulator.advance(BLIND)
    assert cell.isaac.kit.physics.view is view
    assert cell.isaac.errors == []


def test_an_episode_depends_on_its_scene_alone(cell: Cell) -> None:
    scenes = [scene(CUBE), *(drawn(index) for index in range(3))]
    first = [after(cell, one) for one in scenes]
    for before in (3, 0, 2):
        for number, one in enumerate(scenes):
            after(cell, scenes[before], ticks=1)
            seen, physics = after(cell, one)
            assert physics == first[number][1]
            for one_seen, other_seen in zip(seen, first[number][0], strict=True):  # but for the solver's memory
                np.testing.assert_allclose(one_seen.arm_rad, other_seen.arm_rad, atol=1e-6)
                np.testing.assert_allclose(one_seen.finger_m, other_seen.finger_m, atol=1e-5)
                one_object, other_object = one_seen.object_to_world, other_seen.object_to_world
                np.testing.assert_allclose(one_object.matrix(), other_object.matrix(), atol=2e-5)


@pytest.mark.parametrize("kind", [SMALL, CUBE, BIG], ids=["small", "nominal", "big"])
@pytest.mark.parametrize("height_m", [-0.03, 0.03])
def test_the_cube_rests_on_the_table_with_its_size_and_mass(cell: Cell, kind: ObjectKind, height_m: float) -> None:
    wanted = standing(kind, height_m)
    seen, physics = after(cell, wanted, ticks=30)
    np.testing.assert_allclose(seen[-1].object_to_world.position, wanted.object_pose.position, atol=2e-4)
    assert cell.isaac.kit.physics.body_mass("/World/PickObject") == pytest.approx(kind.mass_kg)
    [size] = [size for path, (size, _, _) in physics["solid"].items() if path.startswith("/World/PickObject/")]
    np.testing.assert_allclose(2 * np.array(size), kind.size_m)


def test_friction_is_the_scenes(cell: Cell) -> None:
    for friction in (0.3, 1.5, 1.0):
        for kind in (CUBE, BIG):
            _, physics = after(cell, standing(kind, friction=friction), ticks=1)
            [found] = [parts[1][0] for path, parts in physics["solid"].items() if path.startswith("/World/PickObject/")]
            assert found == pytest.approx(friction)
            others = [parts[1][0] for path, parts in physics["solid"].items() if "/Distractor_" in path]
            assert others == [1.0] * 5


def test_the_drives_are_scaled_and_back_again(cell: Cell) -> None:
    nominal = np.array([*ARM_STIFFNESS_NM_RAD, FINGER_STIFFNESS_N_M, FINGER_STIFFNESS_N_M])
    for gain in (0.8, 1.0, 1.2):
        _, physics = after(cell, scene(CUBE, plant=Plant(gain)), ticks=1)
        np.testing.assert_allclose(physics["stiffness"], gain * nominal, rtol=1e-6)
        np.testing.assert_allclose(physics["damping"], nominal * SERVO_LAG_S, rtol=1e-6)


def test_the_fingers_are_held_at_the_width_of_this_episode(cell: Cell) -> None:
    for kind in (BIG, SMALL):
        at = (0.5, 0.1, TABLE_SURFACE_Z_M + kind.grasp_height_m)
        tilt = least_tilt(at)
        assert tilt is not None
        arm = solve_planar(at, wrist_yaw_along(0.0, np.pi, at, tilt), tilt)
        assert arm is not None
        cell.simulator.reset(standing(kind, arm_rad=tuple(arm)))
        move(cell.simulator, arm, FINGER_CLOSED_M, 20)
        cell.simulator.attach()
        carried = in_hand(cell.simulator.observe())
        seen = move(cell.simulator, np.array(HOME_RAD), FINGER_CLOSED_M, 20)
        assert np.linalg.norm(in_hand(seen).position - carried.position) < 0.001
        np.testing.assert_allclose(seen.finger_m, kind.size_m[0] / 2, atol=1.5e-3)


def test_distractors_stand_where_the_scene_has_them_and_the_others_are_parked(cell: Cell) -> None:
    things = tuple(
        Distractor(slot, (0.03, 0.03, 0.05), Pose((0.35, 0.15 * slot - 0.3, TABLE_SURFACE_Z_M + 0.025)), RGB)
        for slot in (0, 3)
    )
    cell.simulator.reset(scene(CUBE, (0.6, 0.1), distractors=things))
    for _ in range(20):
        cell.simulator.advance(BLIND)
    for slot in range(5):
        position = cell.isaac.kit.physics.body_pose(f"/World/Distractor_{slot}").position
        wanted = next((thing.pose.position for thing in things if thing.slot == slot), None)
        if wanted is None:
            assert position[0] < -1.5
            assert position[2] < 0
        else:
            np.testing.assert_allclose(position, wanted, atol=2e-4)


def test_a_refresh_leaves_distractors_where_they_are(cell: Cell) -> None:
    thing = Distractor(1, (0.03, 0.03, 0.05), Pose((0.35, 0.2, TABLE_SURFACE_Z_M + 0.3)), RGB)  # in the air
    cell.simulator.reset(scene(CUBE, (0.6, 0.1), distractors=(thing,)))
    cell.simulator.refresh(images=True)
    position = cell.isaac.kit.physics.body_pose("/World/Distractor_1").position
    np.testing.assert_allclose(position, thing.pose.position, atol=1e-6)


def test_pictures_show_table_lights_and_cameras(cell: Cell) -> None:
    def shot(scene: Scene) -> dict[str, np.ndarray]:
        cell.simulator.reset(scene)
        cell.simulator.advance(SEEING)
        return {name: image.astype(int) for name, image in cell.simulator.observe(images=True).images.items()}

    nominal = shot(scene(CUBE))
    cameras = tuple(
        replace(
            camera,
            position_m=tuple(np.add(camera.position_m, 0.02)),
            horizontal_fov_rad=1.03 * camera.horizontal_fov_rad,
        )
        for camera in cell.simulator.cameras
    )
    for change in (
        {"table": Table(rgb=(0.3, 0.3, 0.5))},
        {"table": Table(rgb=(0.3, 0.3, 0.3), texture="grain")},
        {"light": Light(intensity=0.7)},
        {"light": Light(rgb=(1.2, 1.0, 0.7))},
        {"cameras": cameras},
    ):
        changed = shot(scene(CUBE, **change))
        for name, picture in changed.items():
            assert np.abs(picture - nominal[name]).mean() > 2, (change, name)
    from_aside = shot(scene(CUBE, light=Light((0.6, 0.3))))
    assert np.abs(from_aside["cam_high"] - nominal["cam_high"]).mean() > 1
    again = shot(scene(CUBE))
    assert all(np.array_equal(again[name], nominal[name]) for name in nominal)


def test_a_restart_of_physics_amid_such_a_scene(cell: Cell) -> None:
    """No view of the new start knows a collider of an episode: so the next scene costs none."""
    cell.simulator.reset(drawn(2))
    cell.simulator.advance(BLIND)
    cell.isaac.user_stops()
    cell.isaac.app_update()
    before = after(cell, standing(BIG))[1]
    assert after(cell, standing(SMALL))[1] != before
    assert after(cell, standing(BIG))[1] == before
    assert cell.isaac.errors == []


def test_scenes_leave_nothing_on_the_stage(cell: Cell) -> None:
    """What a distractor has once it was on the table stays with it; the same scenes again add nothing."""
    for index in range(12):
        cell.simulator.reset(drawn(index))
    cell.simulator.reset(scene(CUBE))
    nominal, lines = prim_count(cell.isaac), len(cell.isaac.stage.GetRootLayer().ExportToString().splitlines())
    for index in range(12):
        cell.simulator.reset(drawn(index))
        cell.simulator.advance(BLIND)
    cell.simulator.reset(scene(CUBE))
    assert prim_count(cell.isaac) == nominal
    assert len(cell.isaac.stage.GetRootLayer().ExportToString().splitlines()) == lines


def test_what_is_there_already_is_not_touched(cell: Cell) -> None:
    """Not even written again: every change of the stage costs the renderer and physics something."""
    changed: list[str] = []

    def note(notice: Any, stage: Any) -> None:
        changed.extend(map(str, [*notice.GetResyncedPaths(), *notice.GetChangedInfoOnlyPaths()]))

    cell.simulator.reset(drawn(3))
    listener = Tf.Notice.Register(Usd.Notice.ObjectsChanged, note, cell.isaac.stage)
    for one in (scene(CUBE), drawn(0), drawn(1), drawn(2)):
        cell.simulator.reset(one)
        assert changed
        changed.clear()
        cell.simulator.reset(one)
        assert changed == []
    listener.Revoke()


def test_what_a_run_has_not_is_refused_and_nothing_changes(cell: Cell) -> None:
    cell.reopen(SimulatorSettings())
    before = after(cell, scene(CUBE))[1]
    thing = Distractor(0, (0.03, 0.03, 0.05), Pose((0.3, 0.0, 0.44)), RGB)
    with pytest.raises(ObjectError, match=r"distractors \[0\] are not part of this run, which has 0"):
        cell.simulator.reset(scene(BIG, distractors=(thing,)))
    with pytest.raises(ValueError, match="the table's texture 'checker' needs a run with textures"):
        cell.simulator.reset(scene(BIG, table=Table(texture="checker")))
    assert after(cell, scene(CUBE))[1] == before
    cell.reopen(FULL)


def test_a_texture_that_cannot_be_written_fails_the_attempt_alone(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    before = after(cell, scene(CUBE))[1]
    monkeypatch.setattr(Path, "write_bytes", no_space)
    message = refused(lambda: cell.simulator.reset(scene(BIG, table=Table(texture="checker", texture_seed=99))))
    assert "the table's texture cannot be written" in message
    assert after(cell, scene(CUBE))[1] == before
