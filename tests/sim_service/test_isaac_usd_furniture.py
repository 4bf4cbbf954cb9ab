"""Table, floor, goal disc and lights have the specification's places, sizes, colours and strengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom, UsdLux, UsdPhysics, UsdShade
from usd_stage import THREE_OPS, cell_stage, ops, parsed, to_world, world_box

from collectors.objects import CUBE
from sim_service.isaac_sim.usd.objects import move_goal


@pytest.fixture
def stage(tmp_path: Path) -> Usd.Stage:
    return cell_stage(tmp_path, (CUBE,))


def diffuse(prim: Usd.Prim) -> tuple[float, ...]:
    """The colour that a renderer takes: that of the surface of the bound material."""
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    shader, output, _ = material.ComputeSurfaceSource()
    assert output == "surface"
    assert shader.GetIdAttr().Get() == "UsdPreviewSurface"
    return tuple(shader.GetInput("diffuseColor").Get())


@pytest.mark.parametrize(
    ("path", "lower", "upper", "rgb"),
    [
        ("/World/Table", (0.2, -0.4, 0.39), (0.8, 0.4, 0.41), (0.6, 0.4, 0.2)),
        ("/World/Floor", (-10, -10, -0.1), (10, 10, 0.0), (0.34, 0.36, 0.39)),
    ],
)
def test_static_furniture(
    stage: Usd.Stage,
    path: str,
    lower: tuple[float, float, float],
    upper: tuple[float, float, float],
    rgb: tuple[float, float, float],
) -> None:
    prim = stage.GetPrimAtPath(path)
    assert np.allclose(world_box(prim), (lower, upper), rtol=0, atol=1e-12)
    shape = parsed(stage, "CubeShape")[path]
    assert np.allclose(np.array(shape.halfExtents), np.subtract(upper, lower) / 2, rtol=1e-6)
    assert not shape.rigidBody  # static
    assert diffuse(prim) == pytest.approx(rgb, rel=1e-6)
    assert UsdGeom.Imageable(prim).ComputeVisibility() == "inherited"


def test_goal_disc_is_seen_and_touched_by_nothing(stage: Usd.Stage) -> None:
    disc = stage.GetPrimAtPath("/World/PlaceTarget")
    assert disc.IsA(UsdGeom.Cylinder)
    assert not disc.HasAPI(UsdPhysics.CollisionAPI)
    assert not disc.HasAPI(UsdPhysics.RigidBodyAPI)
    assert diffuse(disc) == pytest.approx((0.1, 0.6, 0.2), rel=1e-6)
    lower, upper = world_box(disc)
    assert np.allclose(upper - lower, (0.06, 0.06, 0.001), rtol=0, atol=1e-8)
    assert lower[2] == pytest.approx(0.41, abs=1e-9)


def test_goal_disc_lies_where_it_is_moved_to(stage: Usd.Stage) -> None:
    """Underside on the surface: half of a disc centred there would be inside the table."""
    rng = np.random.default_rng(2)
    disc = stage.GetPrimAtPath("/World/PlaceTarget")
    for position in rng.uniform((0.3, -0.3, 0.41), (0.7, 0.3, 0.42), (20, 3)):
        move_goal(stage, position)
        lower, upper = world_box(disc)
        assert np.allclose((lower + upper)[:2] / 2, position[:2], rtol=0, atol=1e-9)
        assert lower[2] == pytest.approx(position[2], abs=1e-9)
        assert ops(disc) == THREE_OPS


def test_shapes_carry_their_extents(stage: Usd.Stage) -> None:
    """Renderers cull by them."""
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Gprim):
            extent = UsdGeom.Gprim(prim).GetExtentAttr()
            computed = UsdGeom.Boundable.ComputeExtentFromPlugins(UsdGeom.Gprim(prim), Usd.TimeCode.Default())
            assert extent.HasAuthoredValue()
            assert np.array_equal(np.array(extent.Get()), np.array(computed))


def test_lights(stage: Usd.Stage) -> None:
    lights = {str(p.GetTypeName()): p for p in stage.Traverse() if p.HasAPI(UsdLux.LightAPI)}
    intensities = {name: prim.GetAttribute("inputs:intensity").Get() for name, prim in lights.items()}
    assert intensities == {"DomeLight": 3000.0, "DistantLight": 5000.0, "SphereLight": 15000.0}
    lamp = lights["SphereLight"]
    assert lamp.GetAttribute("inputs:radius").Get() == pytest.approx(0.15, rel=1e-7)
    x, y, z = to_world(lamp)[:3, 3]
    assert (x, y) == (0.5, 0.0)
    camera_z = to_world(stage.GetPrimAtPath("/World/OverheadCam"))[2, 3]
    assert z - 0.15 > camera_z  # above the table and out of the picture


def test_key_light_shines_down_and_towards_the_robot(stage: Usd.Stage) -> None:
    (key,) = [prim for prim in stage.Traverse() if prim.IsA(UsdLux.DistantLight)]
    x, y, z = -to_world(key)[:3, 2]  # a distant light shines along its -z
    assert z < -0.9
    assert x < -0.2
    assert y == pytest.approx(x * 0.3 / 0.7, rel=1e-12)


def test_grip_material(stage: Usd.Stage) -> None:
    grip = parsed(stage, "RigidBodyMaterial")["/World/GripMaterial"]
    assert (grip.staticFriction, grip.dynamicFriction, grip.restitution) == (1.5, 1.0, 0.0)


def test_a_light_that_is_too_weak_is_noticed(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath("/World/Lights/Dome").GetAttribute("inputs:intensity").Set(1.0)
    with pytest.raises(AssertionError):
        test_lights(stage)


def test_a_table_of_another_size_is_noticed(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath("/World/Table").GetAttribute("xformOp:scale").Set(Gf.Vec3d(0.6, 0.8, 0.021))
    with pytest.raises(AssertionError):
        test_static_furniture(stage, "/World/Table", (0.2, -0.4, 0.39), (0.8, 0.4, 0.41), (0.6, 0.4, 0.2))
