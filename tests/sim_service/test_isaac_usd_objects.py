"""The objects of a run: published sizes and masses, grip, colours, parking."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdGeom, UsdPhysics, UsdShade
from usd_stage import KINDS, THREE_OPS, cell_stage, object_prim, ops, parsed, to_world, world_box

from collectors.geometry import Pose
from collectors.objects import CUBE, PALETTE, YCB, ObjectKind
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import StageError
from sim_service.isaac_sim.usd.materials import linear_from_srgb
from sim_service.isaac_sim.usd.objects import parking_pose, set_object_rgb
from sim_service.isaac_sim.usd.xform import set_transform

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
with_and_without_looks = pytest.mark.parametrize("looks", [False, True])
RED = PALETTE["red"]


def colour(stage: Usd.Stage, kind: ObjectKind) -> tuple[float, ...]:
    collision = stage.GetPrimAtPath(paths.collision_path(kind))
    material, _ = UsdShade.MaterialBindingAPI(collision).ComputeBoundMaterial()
    shader, _, _ = material.ComputeSurfaceSource()
    return tuple(shader.GetInput("diffuseColor").Get())


@with_and_without_looks
@each_kind
def test_body_has_the_published_size_and_mass(tmp_path: Path, kind: ObjectKind, looks: bool) -> None:
    stage = cell_stage(tmp_path, looks=looks)
    body = object_prim(stage, kind)
    assert ops(body) == THREE_OPS
    assert body.GetAttribute("physics:mass").Get() == pytest.approx(kind.mass_kg, rel=1e-6)
    assert not body.GetAttribute("physics:diagonalInertia").HasAuthoredValue()
    path = f"{body.GetPath()}/collision"
    description = parsed(stage, "RigidBody")[str(body.GetPath())]
    assert [str(collider) for collider in description.collisions] == [path]
    assert description.rigidBodyEnabled
    assert not description.kinematicBody
    shape = parsed(stage, "CylinderShape" if kind.shape == "cylinder" else "CubeShape")[path]
    assert str(shape.rigidBody) == str(body.GetPath())
    assert np.array_equal(np.array(shape.localPos), np.zeros(3))
    if kind.shape == "cylinder":
        assert (2 * shape.radius, 2 * shape.halfHeight) == pytest.approx((kind.size_m[0], kind.size_m[2]), rel=1e-6)
        assert shape.axis == UsdPhysics.Axis.Z
    else:
        assert np.allclose(2 * np.array(shape.halfExtents), kind.size_m, rtol=1e-6)


def test_paths_are_the_specified_ones() -> None:
    assert paths.object_path(CUBE) == "/World/PickObject"
    assert len({paths.object_path(kind) for kind in KINDS}) == len(KINDS)
    assert all(Sdf.Path.IsValidPathString(paths.object_path(kind)) for kind in KINDS)


@each_kind
def test_grip_reaches_the_collider_and_gives_way_to_a_closer_one(tmp_path: Path, kind: ObjectKind) -> None:
    stage = cell_stage(tmp_path)
    body, collision = object_prim(stage, kind), stage.GetPrimAtPath(paths.collision_path(kind))
    binding = body.GetRelationship("material:binding:physics")
    assert UsdShade.MaterialBindingAPI.GetMaterialBindingStrength(binding) == "weakerThanDescendants"
    bound, _ = UsdShade.MaterialBindingAPI(collision).ComputeBoundMaterial("physics")
    assert bound.GetPath() == "/World/GripMaterial"
    slippery = UsdShade.Material.Define(stage, "/World/Slippery")
    UsdShade.MaterialBindingAPI.Apply(collision).Bind(slippery, materialPurpose="physics")
    bound, _ = UsdShade.MaterialBindingAPI(collision).ComputeBoundMaterial("physics")
    assert bound.GetPath() == "/World/Slippery"


@each_kind
def test_collider_is_hidden_behind_a_look_and_else_is_what_is_seen(tmp_path: Path, kind: ObjectKind) -> None:
    for looks in (True, False):
        stage = cell_stage(tmp_path, looks=looks)
        purpose = UsdGeom.Imageable(stage.GetPrimAtPath(paths.collision_path(kind))).ComputePurpose()
        has_look = looks and kind != CUBE
        assert purpose == ("guide" if has_look else "default")
        assert bool(stage.GetPrimAtPath(paths.look_path(kind))) == has_look


def test_look_has_no_physics(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    for kind in YCB.values():
        for prim in Usd.PrimRange(stage.GetPrimAtPath(paths.look_path(kind))):
            assert not any(schema.startswith("Physics") for schema in prim.GetAppliedSchemas())


@pytest.mark.parametrize(
    ("srgb", "linear"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.21404114), (0.04045, 0.0031308), (0.02, 0.02 / 12.92)]
)
def test_srgb_becomes_linear(srgb: float, linear: float) -> None:
    """Values of IEC 61966-2-1."""
    assert linear_from_srgb((srgb, 0.0, 0.0))[0] == pytest.approx(linear, abs=1e-7)


def test_linear_becomes_srgb_again() -> None:
    for srgb in np.linspace(0, 1, 101).tolist():
        linear, _, _ = linear_from_srgb((srgb, 0.0, 0.0))
        again = linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
        assert again == pytest.approx(srgb, abs=2e-6)  # the standard's two branches meet no closer


def test_colour_of_an_object_without_a_look(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, looks=False)
    before = {kind.name: colour(stage, kind) for kind in KINDS}
    for kind in YCB.values():
        assert kind.rgb
        assert before[kind.name] == pytest.approx(linear_from_srgb(kind.rgb), abs=1e-6)
    for kind in KINDS:
        set_object_rgb(stage, kind, RED)
        assert colour(stage, kind) == pytest.approx(linear_from_srgb(RED), abs=1e-6)
        set_object_rgb(stage, kind, (0.25, 0.5, 0.75))
        assert colour(stage, kind) == pytest.approx(linear_from_srgb((0.25, 0.5, 0.75)), abs=1e-6)


def test_colouring_one_object_leaves_the_others(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, looks=False)
    before = {kind.name: colour(stage, kind) for kind in KINDS}
    set_object_rgb(stage, CUBE, RED)
    after = {kind.name: colour(stage, kind) for kind in KINDS}
    assert {name for name in before if before[name] != after[name]} == {CUBE.name}


@pytest.mark.parametrize("kind", YCB.values(), ids=lambda kind: kind.name)
def test_object_with_a_look_keeps_it(tmp_path: Path, kind: ObjectKind) -> None:
    stage = cell_stage(tmp_path)
    before = stage.GetRootLayer().ExportToString()
    set_object_rgb(stage, kind, RED)
    assert stage.GetRootLayer().ExportToString() == before


def test_object_of_another_run_cannot_be_coloured(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    with pytest.raises(StageError, match=r"'004_sugar_box' is not on the stage.*/World/PickObject_004_sugar_box"):
        set_object_rgb(stage, YCB["004_sugar_box"], RED)


@with_and_without_looks
def test_parked_objects_stand_on_their_slabs_below_the_floor(tmp_path: Path, looks: bool) -> None:
    stage = cell_stage(tmp_path, looks=looks)
    _, floor_top = world_box(stage.GetPrimAtPath(paths.FLOOR))
    floor_bottom = world_box(stage.GetPrimAtPath(paths.FLOOR))[0][2]
    assert floor_top[2] == 0
    for number, kind in enumerate(KINDS):
        body = object_prim(stage, kind)
        assert np.allclose(to_world(body), parking_pose(number).matrix(), rtol=0, atol=1e-12)
        lower, upper = world_box(body)
        slab_lower, slab_upper = world_box(stage.GetPrimAtPath(f"{paths.PARKING}/slab_{number}"))
        assert lower[2] == pytest.approx(slab_upper[2], abs=1e-6)
        assert np.all(slab_lower[:2] < lower[:2])
        assert np.all(upper[:2] < slab_upper[:2])
        assert upper[2] < floor_bottom
        assert upper[0] < -1  # behind the robot


def test_nothing_parked_touches_anything_else(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    solids = [object_prim(stage, kind) for kind in KINDS]
    boxes = [world_box(prim) for prim in (*solids, *stage.GetPrimAtPath(paths.PARKING).GetChildren())]
    for (lower, upper), (other_lower, other_upper) in combinations(boxes, 2):
        gap = np.maximum(lower - other_upper, other_lower - upper).max()
        assert gap > -1e-6


def test_slabs_are_solid_but_not_seen(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    slabs = stage.GetPrimAtPath(paths.PARKING).GetChildren()
    assert len(slabs) == len(KINDS)
    for slab in slabs:
        assert UsdGeom.Imageable(slab).ComputeVisibility() == "invisible"
        assert not parsed(stage, "CubeShape")[str(slab.GetPath())].rigidBody


def test_origin_is_the_centre_of_the_object(tmp_path: Path) -> None:
    """Wherever it is put."""
    stage = cell_stage(tmp_path)
    for kind in KINDS:
        set_transform(object_prim(stage, kind), Pose((0.5, 0.1, 0.6)))
        lower, upper = world_box(object_prim(stage, kind))
        assert np.allclose((lower + upper) / 2, (0.5, 0.1, 0.6), rtol=0, atol=1e-6)
        assert np.allclose(upper - lower, kind.size_m, rtol=0, atol=1e-6)
