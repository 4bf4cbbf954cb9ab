"""Edits of the stage while physics runs, on the stand-in: what omni.physx takes over, what it overlooks, what kills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from isaac_contract import VERSIONS
from isaac_standin.small_cell import CUBE, SmallCell, running
from pxr import Gf, UsdGeom, UsdPhysics

SHAPE = f"{CUBE}/shape"
MORE = f"{CUBE}/more"
DIED = "was deleted while being used by a shape in a tensor view class"


@pytest.fixture(params=VERSIONS)
def cell(request: pytest.FixtureRequest) -> Iterator[SmallCell]:
    with running(request.param) as cell:
        yield cell


def prim(cell: SmallCell, path: str) -> Any:
    return cell.isaac.stage.GetPrimAtPath(path)


def lowest_m(cell: SmallCell, steps: int = 40) -> float:
    """Of the cube's centre, after it has come to rest on the table."""
    for _ in range(steps):
        cell.world.step(render=False)
    return float(cell.cube.get_world_pose()[0][2])


def more(cell: SmallCell, edge_m: float) -> None:
    shape = UsdGeom.Cube.Define(cell.isaac.stage, MORE)
    shape.CreateSizeAttr(edge_m)
    UsdPhysics.CollisionAPI.Apply(shape.GetPrim())


def is_dead(cell: SmallCell) -> bool:
    cell.world.step(render=False)
    errors, cell.isaac.errors[:] = list(cell.isaac.errors), []
    dead = cell.robot.get_joint_positions() is None
    assert dead == any(DIED in error for error in errors)
    return dead


def test_a_new_size_of_a_collider_is_not_noticed(cell: SmallCell) -> None:
    UsdGeom.Cube(prim(cell, SHAPE)).GetSizeAttr().Set(0.06)
    assert lowest_m(cell) == pytest.approx(0.42, abs=1e-4)
    assert not is_dead(cell)


@pytest.mark.parametrize("edit", ["scale", "move", "remove"])
def test_a_collider_that_a_view_knows_takes_every_view_with_it(cell: SmallCell, edit: str) -> None:
    if edit == "remove":
        cell.isaac.stage.RemovePrim(SHAPE)
    elif edit == "scale":
        UsdGeom.Xformable(prim(cell, SHAPE)).AddScaleOp().Set(Gf.Vec3f(2.0))
        prim(cell, SHAPE).GetAttribute("xformOp:scale").Set(Gf.Vec3f(1.5))
    else:
        UsdGeom.Xformable(prim(cell, SHAPE)).AddTranslateOp().Set(Gf.Vec3d(0.01))
    assert is_dead(cell)


def test_a_collider_that_comes_later_may_go_again(cell: SmallCell) -> None:
    for edge_m in (0.06, 0.05):
        more(cell, edge_m)
        assert lowest_m(cell) == pytest.approx(0.4 + edge_m / 2, abs=1e-4)
        cell.isaac.stage.RemovePrim(MORE)
    assert lowest_m(cell) == pytest.approx(0.42, abs=1e-4)
    assert not is_dead(cell)


def test_once_physics_started_with_it_views_know_it(cell: SmallCell) -> None:
    more(cell, 0.06)
    cell.reset()
    cell.isaac.stage.RemovePrim(MORE)
    assert is_dead(cell)


def test_a_collider_can_be_switched_off_and_on(cell: SmallCell) -> None:
    more(cell, 0.06)
    lowest_m(cell)
    enabled = UsdPhysics.CollisionAPI(prim(cell, MORE)).CreateCollisionEnabledAttr()
    enabled.Set(False)
    assert lowest_m(cell) == pytest.approx(0.42, abs=1e-4)
    enabled.Set(True)
    cell.cube.set_world_pose(position=np.array([0.5, 0.0, 0.44]))
    assert lowest_m(cell) == pytest.approx(0.43, abs=1e-4)
    assert not is_dead(cell)


def test_mass_and_inertia_hold_from_the_next_step_on(cell: SmallCell) -> None:
    mass = UsdPhysics.MassAPI(prim(cell, CUBE))
    mass.GetMassAttr().Set(0.3)
    assert cell.cube.get_mass() == pytest.approx(0.1)
    cell.world.step(render=False)
    assert cell.cube.get_mass() == pytest.approx(0.3)
    physics = cell.isaac.kit.physics
    body = physics._id("body", CUBE)
    np.testing.assert_allclose(physics._model.body_inertia[body], [0.3 * 0.04**2 / 6] * 3)
    mass.CreateDiagonalInertiaAttr().Set(Gf.Vec3f(1, 2, 3))
    cell.world.step(render=False)
    np.testing.assert_allclose(physics._model.body_inertia[body], [1, 2, 3])


def test_a_table_that_is_lifted_lifts_what_is_put_on_it(cell: SmallCell) -> None:
    prim(cell, "/World/Table").GetAttribute("xformOp:translate").Set(Gf.Vec3d(0.5, 0.0, 0.22))
    cell.cube.set_world_pose(position=np.array([0.5, 0.0, 0.441]))
    assert lowest_m(cell) == pytest.approx(0.44, abs=1e-4)
    assert not is_dead(cell)
