"""A work cell authored on stand-in assets, and what is wrong with a stage: by usd-core's validators, and by what the
adapter needs beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics, UsdValidation
from usd_franka import write_franka, write_ycb_look

from collectors.cameras import CAMERAS
from collectors.geometry import Array
from collectors.objects import CUBE, YCB, ObjectKind
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.cell import author_cell
from sim_service.isaac_sim.usd.look_fit import fit_look

KINDS: Final = (CUBE, *YCB.values())
THREE_OPS: Final = [("xformOp:translate", "double3"), ("xformOp:orient", "quatd"), ("xformOp:scale", "double3")]


def cell_stage(
    folder: Path, kinds: Sequence[ObjectKind] = KINDS, *, looks: bool = True, variants: bool = False
) -> Usd.Stage:
    """The cell on a new stage in memory. looks: whether the YCB objects have a referenced look, fitted."""
    robot = write_franka(folder / f"franka_{'with' if variants else 'without'}_variants.usda", variants=variants)
    assets = {
        kind.name: str(write_ycb_look(folder / f"{kind.name}.usda", kind, units_per_metre=100.0))
        for kind in kinds
        if looks and kind != CUBE
    }
    stage = Usd.Stage.CreateInMemory()
    author_cell(stage, kinds, CAMERAS, str(robot), lambda kind: assets.get(kind.name))
    for kind in kinds:
        if kind.name in assets:
            fit_look(stage, kind)
    return stage


def complaints(stage: Usd.Stage) -> list[str]:
    """What all validators of this usd-core find wrong, those of physics among them; each begins with the error's name.

    None of them knows that rigid bodies must not be nested or scaled: `faults` does.
    """
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    names = {str(validator.GetMetadata().name) for validator in validators}
    nouns = ("RigidBodyChecker", "ColliderChecker", "ArticulationChecker", "PhysicsJointChecker")
    assert {f"usdPhysicsValidators:{noun}" for noun in nouns} < names
    return [
        f"{error.GetName()} {[str(site.GetPrim().GetPath()) for site in error.GetSites() if site.GetPrim()]}: "
        f"{error.GetMessage()}"
        for error in UsdValidation.ValidationContext(validators).Validate(stage)
    ]


def faults(stage: Usd.Stage) -> list[str]:
    """What the adapter cannot live with although it is valid USD, one line each."""
    found = []
    for prim in stage.Traverse():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI):
            found += [f"{prim.GetPath()} is below the rigid body {outer}" for outer in _bodies_above(prim)]
            if not np.allclose(np.linalg.norm(to_world(prim)[:3, :3], axis=0), 1.0, rtol=0, atol=1e-9):
                found.append(f"{prim.GetPath()} is a scaled rigid body")
        is_added_joint = prim.IsA(UsdPhysics.Joint) and not prim.GetPath().HasPrefix(paths.ROBOT)
        if is_added_joint and not UsdPhysics.Joint(prim).GetExcludeFromArticulationAttr().Get():
            found.append(f"{prim.GetPath()} is part of an articulation")
        if (prim.HasAPI(UsdPhysics.RigidBodyAPI) or prim.IsA(UsdGeom.Camera)) and ops(prim) != THREE_OPS:
            found.append(f"{prim.GetPath()} has the transform ops {ops(prim)}")
    return found


def parsed(stage: Usd.Stage, noun: str) -> dict[str, Any]:
    """The physics descriptions that usd-core makes of a stage, by prim path; noun: one of UsdPhysics.ObjectType."""
    # 26.11 renames it and warns of the old name.
    new_name = "UsdPhysicsLoadStageFromPrimRange"
    load = getattr(UsdPhysics, new_name if hasattr(UsdPhysics, new_name) else "LoadUsdPhysicsFromRange")
    found, descriptions = load(stage, ["/"]).get(getattr(UsdPhysics.ObjectType, noun), ([], []))
    return {str(path): description for path, description in zip(found, descriptions, strict=True)}


def ops(prim: Usd.Prim) -> list[tuple[str, str]]:
    """The transform ops of a prim that count, in order: names and value types."""
    ordered = UsdGeom.Xformable(prim).GetOrderedXformOps()
    return [(str(op.GetOpName()), str(op.GetAttr().GetTypeName())) for op in ordered]


def to_world(prim: Usd.Prim) -> Array:
    """Homogeneous transform, shape (4, 4), from the prim to the world; it acts on columns."""
    matrix = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    return np.array(matrix).T


def world_box(prim: Usd.Prim) -> tuple[Array, Array]:
    """Lower and upper corner [m], shape (3,) each, of what is below the prim, drawn or not."""
    purposes = [UsdGeom.Tokens.default_, UsdGeom.Tokens.guide]
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), purposes, False, True)  # extents not from hints; visible or not
    box = cache.ComputeWorldBound(prim).ComputeAlignedRange()
    return np.array(box.GetMin()), np.array(box.GetMax())


def object_prim(stage: Usd.Stage, kind: ObjectKind) -> Usd.Prim:
    return stage.GetPrimAtPath(paths.object_path(kind))


def _bodies_above(prim: Usd.Prim) -> list[str]:
    outer = prim.GetParent()
    found = []
    while outer:
        if outer.HasAPI(UsdPhysics.RigidBodyAPI):
            found.append(str(outer.GetPath()))
        outer = outer.GetParent()
    return found
