"""Transforms: always the three ops in order, each in the precision that its attribute has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom
from usd_stage import THREE_OPS, ops, to_world

from collectors.geometry import Pose
from sim_service.isaac_sim.usd.errors import XformOpError
from sim_service.isaac_sim.usd.xform import set_transform, set_translation, world_scale

PRECISIONS = {
    "double": UsdGeom.XformOp.PrecisionDouble,
    "float": UsdGeom.XformOp.PrecisionFloat,
    "half": UsdGeom.XformOp.PrecisionHalf,
}
EXACT = Pose((0.5, -0.25, 2.0), (0.5, 0.5, -0.5, 0.5))  # in half precision too
HALF_SIZE = Gf.Vec3d(0.5, 0.5, 0.5)


@pytest.fixture
def stage() -> Usd.Stage:
    return Usd.Stage.CreateInMemory()


@pytest.fixture
def thing(stage: Usd.Stage) -> UsdGeom.Xform:
    return UsdGeom.Xform.Define(stage, "/thing")


def random_pose(rng: np.random.Generator) -> Pose:
    quat = rng.normal(size=4)
    return Pose(rng.normal(size=3), quat / np.linalg.norm(quat))


def test_new_transform_is_three_double_ops(thing: UsdGeom.Xform) -> None:
    set_transform(thing.GetPrim(), EXACT)
    assert ops(thing.GetPrim()) == THREE_OPS
    assert world_scale(thing.GetPrim()) == pytest.approx((1.0, 1.0, 1.0), rel=1e-14)


def test_transform_reads_back_exactly(thing: UsdGeom.Xform) -> None:
    """Translation after rotation after scale, no digit of double precision lost."""
    rng = np.random.default_rng(3)
    prim = thing.GetPrim()
    for _ in range(100):
        pose, scale = random_pose(rng), rng.uniform(0.1, 3, 3)
        set_transform(prim, pose, scale.tolist())
        expected = pose.matrix() @ np.diag([*scale, 1.0])
        assert np.allclose(to_world(prim), expected, rtol=0, atol=1e-14)
        assert np.allclose(world_scale(prim), scale, rtol=1e-14)
        assert np.array_equal(np.array(prim.GetAttribute("xformOp:translate").Get()), pose.position)


@pytest.mark.parametrize(("translate", "orient", "scale"), list(product(PRECISIONS, repeat=3)))
def test_precision_of_an_existing_op_is_matched(thing: UsdGeom.Xform, translate: str, orient: str, scale: str) -> None:
    """The Franka's ops are double; other assets have single ones, in any mixture and order."""
    thing.AddScaleOp(PRECISIONS[scale]).Set({"double": Gf.Vec3d, "float": Gf.Vec3f, "half": Gf.Vec3h}[scale](2, 2, 2))
    thing.AddOrientOp(PRECISIONS[orient])
    thing.AddTranslateOp(PRECISIONS[translate])
    types = [str(op.GetAttr().GetTypeName()) for op in reversed(thing.GetOrderedXformOps())]
    set_transform(thing.GetPrim(), EXACT)
    names = [name for name, _ in THREE_OPS]
    assert ops(thing.GetPrim()) == list(zip(names, types, strict=True))
    assert np.allclose(to_world(thing.GetPrim()), EXACT.matrix() @ np.diag([2.0, 2.0, 2.0, 1.0]), rtol=0, atol=1e-14)
    set_translation(thing.GetPrim(), (1.0, 2.0, 3.0))
    assert np.array_equal(to_world(thing.GetPrim())[:3, 3], (1.0, 2.0, 3.0))
    assert types == [str(op.GetAttr().GetTypeName()) for op in thing.GetOrderedXformOps()]


def test_other_ops_count_no_more(thing: UsdGeom.Xform) -> None:
    thing.AddRotateXYZOp().Set(Gf.Vec3f(10, 20, 30))
    thing.AddTranslateOp(opSuffix="pivot").Set(Gf.Vec3d(1, 2, 3))
    set_transform(thing.GetPrim(), EXACT)
    assert ops(thing.GetPrim()) == THREE_OPS
    assert np.allclose(to_world(thing.GetPrim()), EXACT.matrix(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("scale", [None, (3.0, 3.0, 3.0)])
def test_scale_is_kept_unless_given(thing: UsdGeom.Xform, scale: tuple[float, float, float] | None) -> None:
    thing.AddScaleOp(UsdGeom.XformOp.PrecisionDouble).Set(HALF_SIZE)
    set_transform(thing.GetPrim(), EXACT, scale)
    assert world_scale(thing.GetPrim()) == pytest.approx(scale or (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "found", "allowed"),
    [
        ("xformOp:translate", Sdf.ValueTypeNames.Color3f, "double3, float3, half3"),
        ("xformOp:orient", Sdf.ValueTypeNames.Float3, "quatd, quatf, quath"),
        ("xformOp:scale", Sdf.ValueTypeNames.Double, "double3, float3, half3"),
    ],
)
def test_op_of_an_unexpected_type_is_refused(
    thing: UsdGeom.Xform, name: str, found: Sdf.ValueTypeName, allowed: str
) -> None:
    prim = thing.GetPrim()
    prim.CreateAttribute(name, found)
    before = prim.GetStage().GetRootLayer().ExportToString()
    with pytest.raises(XformOpError, match=f"/thing.{name} has type {found}; allowed: {allowed}"):
        set_transform(prim, EXACT)
    assert prim.GetStage().GetRootLayer().ExportToString() == before


def test_prim_that_was_never_placed_cannot_be_moved(thing: UsdGeom.Xform) -> None:
    with pytest.raises(XformOpError, match="/thing has no xformOp:translate"):
        set_translation(thing.GetPrim(), (0.0, 0.0, 0.0))


def test_world_scale_sees_the_scale_of_parents(thing: UsdGeom.Xform) -> None:
    set_transform(thing.GetPrim(), EXACT, (2.0, 3.0, 4.0))
    child = UsdGeom.Xform.Define(thing.GetPrim().GetStage(), "/thing/child")
    assert world_scale(child.GetPrim()) == pytest.approx((2.0, 3.0, 4.0))
