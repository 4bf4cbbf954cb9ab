"""A referenced look fills the object's published box, whatever its units, axes and origin."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom, UsdPhysics
from usd_franka import write_franka, write_ycb_look
from usd_stage import THREE_OPS, cell_stage, object_prim, ops, to_world

from collectors.cameras import CAMERAS
from collectors.geometry import Array, Pose
from collectors.objects import CUBE, YCB, ObjectKind
from sim_service.isaac_sim.usd import look_fit, paths
from sim_service.isaac_sim.usd.cell import author_cell
from sim_service.isaac_sim.usd.errors import LookError
from sim_service.isaac_sim.usd.look_fit import fit_look
from sim_service.isaac_sim.usd.xform import set_transform

SUGAR = YCB["004_sugar_box"]
ASKEW = Pose((0.4, -0.1, 0.7), (0.5, 0.5, 0.5, 0.5))
each_ycb = pytest.mark.parametrize("kind", YCB.values(), ids=lambda kind: kind.name)


def staged(folder: Path, kind: ObjectKind, look: Path) -> Usd.Stage:
    """A cell with that look, loaded and not yet fitted."""
    stage = Usd.Stage.CreateInMemory()
    robot = write_franka(folder / "franka.usda", variants=False)
    author_cell(stage, (kind,), CAMERAS, str(robot), lambda _: str(look))
    return stage


def drawn_box(stage: Usd.Stage, kind: ObjectKind) -> tuple[Array, Array]:
    """Lower and upper corner [m] in the object's own frame of what is drawn."""
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), [UsdGeom.Tokens.default_, UsdGeom.Tokens.render])
    box = cache.ComputeUntransformedBound(object_prim(stage, kind)).ComputeAlignedRange()
    return np.array(box.GetMin()), np.array(box.GetMax())


def components(prim: Usd.Prim, name: str) -> list[float]:
    """Of a vector, or the imaginary ones of a quaternion."""
    value = prim.GetAttribute(name).Get()
    return list(value.GetImaginary() if isinstance(value, Gf.Quatd) else value)


def write_box(path: Path, edges: Array, centre: Array) -> Path:
    asset = Usd.Stage.CreateInMemory()
    asset.SetDefaultPrim(UsdGeom.Xform.Define(asset, "/thing").GetPrim())
    box = UsdGeom.Mesh.Define(asset, "/thing/box")
    corners = np.array(list(product((-0.5, 0.5), repeat=3))) * edges + centre
    box.CreatePointsAttr([Gf.Vec3f(*corner) for corner in corners.tolist()])
    box.CreateExtentAttr([Gf.Vec3f(*corners.min(0).tolist()), Gf.Vec3f(*corners.max(0).tolist())])
    asset.GetRootLayer().Export(str(path))
    return path


@pytest.mark.parametrize("yaw_quarters", range(4))
@pytest.mark.parametrize("units_per_metre", [1.0, 100.0, 1000.0])
@each_ycb
def test_look_fills_the_published_box_on_its_feet(
    tmp_path: Path, kind: ObjectKind, units_per_metre: float, yaw_quarters: int
) -> None:
    """Y-up assets in metres, centimetres and millimetres, their origin off centre, turned any way about Y."""
    asset = write_ycb_look(
        tmp_path / "look.usda", kind, units_per_metre=units_per_metre, yaw_rad=yaw_quarters * np.pi / 2
    )
    stage = staged(tmp_path, kind, asset)
    fit_look(stage, kind)
    half = np.array(kind.size_m) / 2
    assert np.allclose(drawn_box(stage, kind), (-half, half), rtol=0, atol=1e-6)
    look = stage.GetPrimAtPath(paths.look_path(kind))
    top = to_world(look.GetChild("asset").GetChild("top"))[:3, 3] - to_world(object_prim(stage, kind))[:3, 3]
    assert top[2] == pytest.approx(kind.size_m[2] / 2 - 0.002, abs=1e-6)
    assert ops(look) == THREE_OPS
    assert np.allclose(look.GetAttribute("xformOp:scale").Get(), 1 / units_per_metre, rtol=1e-6)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@each_ycb
def test_any_order_of_the_axes_is_turned_upright(tmp_path: Path, kind: ObjectKind, order: tuple[int, ...]) -> None:
    """Lying or standing: x carries the published x extent, z the height."""
    rng = np.random.default_rng(order)
    unit = rng.choice([0.3, 1.0, 100.0])
    edges, centre = np.array(kind.size_m)[list(order)] * unit, rng.normal(size=3) * unit
    stage = staged(tmp_path, kind, write_box(tmp_path / "box.usda", edges, centre))
    fit_look(stage, kind)
    half = np.array(kind.size_m) / 2
    assert np.allclose(drawn_box(stage, kind), (-half, half), rtol=0, atol=3e-6)


in_any_order = pytest.mark.parametrize("backwards", [False, True])


def enumerate_rotations(monkeypatch: pytest.MonkeyPatch, backwards: bool) -> None:
    rotations = look_fit._axis_rotations()
    monkeypatch.setattr(look_fit, "_axis_rotations", lambda: rotations[::-1] if backwards else rotations)


@in_any_order
@pytest.mark.parametrize("size_m", [(0.05, 0.05, 0.05), (0.05, 0.05, 0.051), (0.05, 0.07, 0.069)])
@each_ycb
def test_y_is_up_where_several_turns_fit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: ObjectKind,
    size_m: tuple[float, float, float],
    backwards: bool,
) -> None:
    """Of both ends, and of turns that fit as well to within 5 %, though another were better."""
    enumerate_rotations(monkeypatch, backwards)
    nearly_cubic = replace(kind, size_m=size_m, shape="box")
    x, y, z = size_m
    asset = write_ycb_look(tmp_path / "look.usda", replace(nearly_cubic, size_m=(x, z, y)))
    for shape, look in ((kind, write_ycb_look(tmp_path / "own.usda", kind)), (nearly_cubic, asset)):
        stage = staged(tmp_path, shape, look)
        fit_look(stage, shape)
        look_to_object = to_world(stage.GetPrimAtPath(paths.look_path(shape)))[:3, :3]
        assert look_to_object[2, 1] > 0
        assert look_to_object[[0, 1], 1] == pytest.approx(0, abs=1e-12)


@in_any_order
@each_ycb
def test_asset_that_stands_right_is_only_scaled_and_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ObjectKind, backwards: bool
) -> None:
    """Of the turns that do not take Y up, the least."""
    enumerate_rotations(monkeypatch, backwards)
    stage = staged(tmp_path, kind, write_box(tmp_path / "box.usda", np.array(kind.size_m) * 100, np.array((1, 2, 3))))
    fit_look(stage, kind)
    orient = stage.GetPrimAtPath(paths.look_path(kind)).GetAttribute("xformOp:orient").Get()
    assert orient == Gf.Quatd(1)


def test_fit_does_not_depend_on_where_the_object_is(tmp_path: Path) -> None:
    asset = write_ycb_look(tmp_path / "look.usda", SUGAR)
    here, there = (staged(tmp_path, SUGAR, asset) for _ in range(2))
    set_transform(object_prim(there, SUGAR), ASKEW)
    for stage in (here, there):
        fit_look(stage, SUGAR)
    look_here, look_there = (stage.GetPrimAtPath(paths.look_path(SUGAR)) for stage in (here, there))
    for name, _ in THREE_OPS:
        assert components(look_here, name) == pytest.approx(components(look_there, name), abs=1e-9)


def test_fitting_again_changes_nothing(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    for kind in YCB.values():
        look = stage.GetPrimAtPath(paths.look_path(kind))
        before = [components(look, name) for name, _ in THREE_OPS]
        fit_look(stage, kind)
        for (name, _), values in zip(THREE_OPS, before, strict=True):
            assert components(look, name) == pytest.approx(values, abs=1e-9)


def test_transform_of_the_asset_itself_is_respected(tmp_path: Path) -> None:
    """Some assets have their units or their turn on their own root."""
    asset = write_ycb_look(tmp_path / "look.usda", SUGAR)
    layer = Usd.Stage.Open(str(asset))
    root = UsdGeom.Xformable(layer.GetDefaultPrim())
    root.AddRotateXYZOp().Set(Gf.Vec3f(90, 0, 0))
    root.AddScaleOp().Set(Gf.Vec3f(0.01))
    layer.GetRootLayer().Save()
    stage = staged(tmp_path, SUGAR, asset)
    fit_look(stage, SUGAR)
    half = np.array(SUGAR.size_m) / 2
    assert np.allclose(drawn_box(stage, SUGAR), (-half, half), rtol=0, atol=1e-6)
    assert np.allclose(stage.GetPrimAtPath(f"{paths.look_path(SUGAR)}/asset").GetAttribute("xformOp:scale").Get(), 0.01)


@pytest.mark.parametrize("stretch", [1 / 1.3, 1 / 1.2, 1.2, 1.3])
@pytest.mark.parametrize("axis", range(3))
@each_ycb
def test_scan_with_somewhat_other_proportions_is_centred_and_near(
    tmp_path: Path, kind: ObjectKind, axis: int, stretch: float
) -> None:
    """Stretched along one axis it keeps to the right axes, and no edge differs by more than 20 %."""
    edges = np.array(kind.size_m)[[0, 2, 1]]  # Y up
    edges[axis] *= stretch
    stage = staged(tmp_path, kind, write_box(tmp_path / "box.usda", edges, np.array((0.1, 0.2, 0.3))))
    fit_look(stage, kind)
    lower, upper = drawn_box(stage, kind)
    assert np.allclose(lower, -upper, rtol=0, atol=1e-6)
    ratios = (upper - lower) / kind.size_m
    assert np.all(ratios < 1.2)
    assert np.all(ratios > 1 / 1.2)


@pytest.mark.parametrize("stretch", [0.5, 2.0])
@each_ycb
def test_wrong_proportions_are_refused_with_both_sizes(tmp_path: Path, kind: ObjectKind, stretch: float) -> None:
    edges = np.array(kind.size_m) * (1, 1, stretch) * 100
    stage = staged(tmp_path, kind, write_box(tmp_path / "box.usda", edges, np.zeros(3)))
    found = " x ".join(f"{edge:.4g}" for edge in np.float32(edges).tolist())
    published = " x ".join(f"{edge:.4g}" for edge in kind.size_m)
    before = stage.GetRootLayer().ExportToString()
    with pytest.raises(LookError, match=rf"{kind.name}.*box\.usda.*{found}.*published: {published} m.*20%"):
        fit_look(stage, kind)
    assert stage.GetRootLayer().ExportToString() == before


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("worst", [1.19, 1.21])
def test_twenty_percent_is_the_limit(tmp_path: Path, axis: int, worst: float) -> None:
    """At the best common scale: of a stretch by f along one axis, two thirds (in the logarithm) stay there."""
    edges = np.array(SUGAR.size_m)
    edges[axis] *= worst**1.5
    stage = staged(tmp_path, SUGAR, write_box(tmp_path / "box.usda", edges, np.zeros(3)))
    if worst > 1.2:
        with pytest.raises(LookError, match=r"box\.usda"):
            fit_look(stage, SUGAR)
    else:
        fit_look(stage, SUGAR)
        lower, upper = drawn_box(stage, SUGAR)
        assert ((upper - lower) / SUGAR.size_m)[axis] == pytest.approx(worst, rel=1e-5)


def test_look_of_another_object_is_refused(tmp_path: Path) -> None:
    can = write_ycb_look(tmp_path / "can.usda", YCB["005_tomato_soup_can"])
    stage = staged(tmp_path, SUGAR, can)
    with pytest.raises(LookError, match=r"can\.usda"):
        fit_look(stage, SUGAR)


def test_empty_look_is_refused_with_its_path(tmp_path: Path) -> None:
    asset = Usd.Stage.CreateInMemory()
    asset.SetDefaultPrim(UsdGeom.Xform.Define(asset, "/nothing").GetPrim())
    asset.GetRootLayer().Export(str(tmp_path / "empty.usda"))
    stage = staged(tmp_path, SUGAR, tmp_path / "empty.usda")
    with pytest.raises(LookError, match=r"004_sugar_box.*empty\.usda.*nothing visible"):
        fit_look(stage, SUGAR)


def test_look_that_does_not_exist_is_refused_with_its_path(tmp_path: Path) -> None:
    stage = staged(tmp_path, SUGAR, tmp_path / "missing.usda")
    with pytest.raises(LookError, match=r"missing\.usda.*did not load"):
        fit_look(stage, SUGAR)


@pytest.mark.parametrize("schema", [UsdPhysics.RigidBodyAPI, UsdPhysics.CollisionAPI])
@pytest.mark.parametrize("instanced", [False, True])
def test_look_with_physics_of_its_own_is_refused(tmp_path: Path, schema: type, instanced: bool) -> None:
    """Such assets exist beside the plain ones; inside an instance too it would be simulated."""
    look = write_ycb_look(tmp_path / "physics.usda", SUGAR)
    asset = Usd.Stage.Open(str(look))
    schema.Apply(asset.GetDefaultPrim().GetChild("body"))
    asset.GetDefaultPrim().SetInstanceable(instanced)
    asset.GetRootLayer().Save()
    stage = staged(tmp_path, SUGAR, look)
    with pytest.raises(LookError, match=r"physics\.usda.*/look/asset/body is a rigid body or collider"):
        fit_look(stage, SUGAR)


def test_flat_look_is_refused(tmp_path: Path) -> None:
    stage = staged(tmp_path, SUGAR, write_box(tmp_path / "flat.usda", np.array((1.0, 2.0, 0.0)), np.zeros(3)))
    with pytest.raises(LookError, match=r"flat\.usda.*its box 1 x 2 x 0 is flat; published: 0.038 x 0.089 x 0.175"):
        fit_look(stage, SUGAR)


def test_object_without_a_look_cannot_be_fitted(tmp_path: Path) -> None:
    with pytest.raises(LookError, match="'cube' has no look"):
        fit_look(cell_stage(tmp_path), CUBE)
