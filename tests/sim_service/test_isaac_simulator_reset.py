"""Reset of the Isaac Sim adapter: kinematic, cheap, and everything of before is gone."""

from collections.abc import Iterator

import numpy as np
import pytest
from isaac_cell import VERSIONS, Cell, isaac_cell, prim_count
from simulator_contract import BLIND, SEEING, grasped, move, scene

from collectors.franka import FINGER_OPEN_M, HOME_RAD
from collectors.geometry import Pose, quat_about_axis
from collectors.objects import YCB
from collectors.scene import TABLE_SURFACE_Z_M, Scene
from sim_service.simulators import SimulatorSettings

RESETS = 20


@pytest.fixture(scope="module", params=VERSIONS)
def cell(request: pytest.FixtureRequest) -> Iterator[Cell]:
    with isaac_cell(request.param, SimulatorSettings(use_ycb=True)) as cell:
        yield cell


def any_scene(cell: Cell, number: int) -> Scene:
    rng = np.random.default_rng(number)
    kind = cell.simulator.objects[number % len(cell.simulator.objects)]
    position = (*rng.uniform((0.35, -0.25), (0.65, 0.25)), TABLE_SURFACE_Z_M + kind.size_m[2] / 2)
    return Scene(
        kind,
        Pose(position, quat_about_axis((0, 0, 1), rng.uniform(-3, 3))),
        tuple(rng.uniform(size=3)),
        tuple(rng.uniform((0.35, -0.25), (0.65, 0.25))),
        tuple(np.array(HOME_RAD) + rng.uniform(-0.2, 0.2, 7)),
    )


def test_it_neither_stops_nor_steps_nor_turns_the_application(cell: Cell) -> None:
    view = cell.isaac.kit.physics.view  # of this start of physics
    counts = cell.isaac.updates, cell.isaac.physics_steps, cell.isaac.stages_opened
    for number in range(RESETS):
        cell.simulator.reset(any_scene(cell, number))
    assert (cell.isaac.updates, cell.isaac.physics_steps, cell.isaac.stages_opened) == counts
    assert cell.isaac.kit.physics.view is view
    assert cell.isaac.physics_callbacks == ["isaac_collect"]


def test_it_leaves_nothing_on_the_stage(cell: Cell) -> None:
    """Objects, materials and welds are not made again and again."""
    cell.simulator.reset(any_scene(cell, 0))
    cell.simulator.advance(SEEING)
    before, layer = prim_count(cell.isaac), cell.isaac.stage.GetRootLayer()
    lines = None
    for number in range(RESETS):
        cell.simulator.reset(any_scene(cell, number))
        cell.simulator.attach()
        cell.simulator.advance(BLIND)
        assert prim_count(cell.isaac) == before + 1
        if number % 2:
            cell.simulator.detach()
            cell.simulator.advance(SEEING)
            assert prim_count(cell.isaac) == before
            lines = lines or len(layer.ExportToString().splitlines())
    cell.simulator.reset(any_scene(cell, 1))
    assert prim_count(cell.isaac) == before
    assert len(layer.ExportToString().splitlines()) == lines


def test_unused_objects_stand_parked_out_of_view(cell: Cell) -> None:
    """They stay where they are, whatever the arm does, and look the same whether they are coloured or not."""
    kinds = cell.simulator.objects
    for kind in kinds:
        cell.simulator.reset(scene(kind))
        for _ in range(20):
            cell.simulator.advance(BLIND)
        for number, other in enumerate(kinds):
            pose = cell.isaac.kit.physics.body_pose(f"/World/PickObject_{other.name}")
            if other == kind:
                np.testing.assert_allclose(pose.position, scene(kind).object_pose.position, atol=0.002)
            else:
                assert pose.position[0] < -1.5, other.name
                assert pose.position[2] < 0, other.name
                np.testing.assert_allclose(pose.position[1], number * 0.3, atol=0.002)


def test_a_weld_that_was_left_over_is_removed(cell: Cell) -> None:
    """Of another session on the same stage, so that this one knows nothing of it."""
    from sim_service.isaac_sim.usd.weld import attach_weld, is_welded

    kind = YCB["008_pudding_box"]
    seen = grasped(cell.simulator, kind)
    cell.simulator.detach()
    attach_weld(cell.isaac.stage, kind, seen.hand_to_world, seen.object_to_world)
    cell.simulator.reset(scene(kind))
    assert not is_welded(cell.isaac.stage)
    move(cell.simulator, np.array(HOME_RAD) + (0.5, 0, 0, 0, 0, 0, 0), FINGER_OPEN_M, 10)
    resting = scene(kind).object_pose.position
    np.testing.assert_allclose(cell.simulator.observe().object_to_world.position, resting, atol=0.002)


def test_the_goal_and_the_object_are_where_the_scene_has_them_in_the_pictures(cell: Cell) -> None:
    kind = cell.simulator.objects[0]
    pictures = []
    for goal_xy_m, xy in (((0.45, -0.2), (0.5, 0.1)), ((0.3, -0.1), (0.5, 0.1)), ((0.45, -0.2), (0.5, 0.0))):
        cell.simulator.reset(scene(kind, xy, goal_xy_m=goal_xy_m))
        cell.simulator.refresh(images=True)
        pictures.append(cell.simulator.observe(images=True).images["cam_high"].astype(int))
    first, other_goal, other_object = pictures
    assert (np.abs(first - other_goal).max(axis=2) > 40).sum() > 500
    assert (np.abs(first - other_object).max(axis=2) > 40).sum() > 500


@pytest.mark.parametrize("arm_rad", [(0.0,) * 6, (*HOME_RAD[:6], float("nan"))], ids=["six joints", "not a number"])
def test_an_arm_that_is_none_is_refused_and_nothing_changes(cell: Cell, arm_rad: tuple[float, ...]) -> None:
    cell.simulator.reset(any_scene(cell, 3))
    before = cell.simulator.observe()
    with pytest.raises(ValueError, match="arm joints must be 7 finite numbers"):
        cell.simulator.reset(scene(cell.simulator.objects[0], arm_rad=arm_rad))
    np.testing.assert_array_equal(cell.simulator.observe().arm_rad, before.arm_rad)
    np.testing.assert_array_equal(cell.simulator.observe().object_to_world.matrix(), before.object_to_world.matrix())
