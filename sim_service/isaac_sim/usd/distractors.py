"""The distractors of a run: free bodies like the objects, in the way of the eye alone."""

from __future__ import annotations

from typing import Final

from pxr import Usd, UsdGeom, UsdPhysics, UsdShade

from collectors.distractors import distractor_mass_kg
from collectors.geometry import Pose
from collectors.scene import Distractor
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.materials import (
    author_grip,
    author_surface,
    bind_grip,
    bind_surface,
    linear_from_srgb,
    set_surface_rgb,
)
from sim_service.isaac_sim.usd.objects import author_slab, parking_pose
from sim_service.isaac_sim.usd.sized_body import distractor_body
from sim_service.isaac_sim.usd.xform import set_transform

_PARKED_RGB: Final = (0.5, 0.5, 0.5)  # sRGB
_ROW: Final = 1  # of the parking: behind the objects'


def author_distractors(stage: Usd.Stage, number: int) -> None:
    """So many, parked; those that are there already stay."""
    missing = [slot for slot in range(number) if not stage.GetPrimAtPath(paths.distractor_path(slot))]
    if not missing:
        return
    grip = UsdShade.Material(stage.GetPrimAtPath(paths.DISTRACTOR_MATERIAL))
    if not grip:
        grip = author_grip(stage, paths.DISTRACTOR_MATERIAL)
    for slot in missing:
        sized = distractor_body(slot)
        author_slab(stage, f"distractor_slab_{slot}", distractor_parking(slot), sized.size_m[2])
        body = UsdGeom.Xform.Define(stage, sized.path).GetPrim()
        set_transform(body, distractor_parking(slot))
        UsdPhysics.RigidBodyAPI.Apply(body)
        UsdPhysics.MassAPI.Apply(body).CreateMassAttr(sized.mass_kg)
        bind_grip(body, grip)
        shape = sized.author_shape(stage, paths.COLLISION, sized.size_m)
        bind_surface(shape, author_surface(stage, body.GetName(), linear_from_srgb(_PARKED_RGB)))


def distractor_parking(slot: int) -> Pose:
    """Distractor to world, while no episode uses it."""
    return parking_pose(slot, _ROW)


def dress_distractor(stage: Usd.Stage, slot: int, distractor: Distractor | None) -> None:
    """Size, mass and colour; None for one that is parked, which is as it was authored."""
    body = distractor_body(slot)
    if distractor is None:
        body.adapt_back(stage)
    else:
        body.adapt(stage, distractor.size_m, distractor_mass_kg(slot, distractor.size_m))
    rgb = _PARKED_RGB if distractor is None else distractor.rgb
    set_surface_rgb(stage, stage.GetPrimAtPath(body.path).GetName(), linear_from_srgb(rgb))
