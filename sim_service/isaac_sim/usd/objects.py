"""What an episode puts somewhere: an object of the run, while the others stand parked, and the goal disc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pxr import Usd, UsdGeom, UsdPhysics, UsdShade

from collectors.geometry import Pose
from collectors.objects import ObjectKind
from collectors.scene import GOAL_HEIGHT_M, GOAL_RADIUS_M, GOAL_RGB, TABLE_CENTRE_M, TABLE_SURFACE_Z_M
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import StageError
from sim_service.isaac_sim.usd.materials import (
    author_surface,
    bind_grip,
    bind_surface,
    linear_from_srgb,
    set_surface_rgb,
)
from sim_service.isaac_sim.usd.shapes import author_box, author_cylinder
from sim_service.isaac_sim.usd.xform import set_transform, set_translation

_UNTINTED_RGB: Final = (0.5, 0.5, 0.5)  # sRGB, until the first episode's colour
_CENTRE: Final = Pose((0.0, 0.0, 0.0))

# Parking: behind the robot and below the floor, in a row along y.
_FIRST_PARKED_M: Final = (-2.0, 0.0, -0.5)
_PARKING_SPACING_M: Final = 0.3  # wider than any object is tall
_PARKING_SLAB_M: Final = (0.25, 0.25, 0.05)


def author_objects(
    stage: Usd.Stage, kinds: Sequence[ObjectKind], looks: Sequence[str | None], grip: UsdShade.Material
) -> None:
    """A free body for each kind at paths.object_path, parked; its origin is the centre of the object's box.

    looks: for each kind the asset to show, which needs `look_fit.fit_look` once it is loaded, or None: then the
    collision shape is what is seen, in the colour of `set_object_rgb`. grip: the material of `author_grip`. The
    inertia is left to the engine, which takes it from shape and mass.
    """
    parking = UsdGeom.Xform.Define(stage, paths.PARKING)
    parking.MakeInvisible()
    for number, (kind, look_usd) in enumerate(zip(kinds, looks, strict=True)):
        author_slab(stage, f"slab_{number}", parking_pose(number), kind.size_m[2])
        body = UsdGeom.Xform.Define(stage, paths.object_path(kind)).GetPrim()
        set_transform(body, parking_pose(number))
        UsdPhysics.RigidBodyAPI.Apply(body)
        UsdPhysics.MassAPI.Apply(body).CreateMassAttr(kind.mass_kg)
        bind_grip(body, grip)
        collision = _author_collision(stage, kind)
        if look_usd is None:
            rgb = linear_from_srgb(kind.rgb or _UNTINTED_RGB)
            bind_surface(collision, author_surface(stage, body.GetName(), rgb))
        else:
            UsdGeom.Imageable(collision).CreatePurposeAttr(UsdGeom.Tokens.guide)  # solid, but not drawn
            _author_look(stage, kind, look_usd)


def parking_pose(number: int, row: int = 0) -> Pose:
    """Object to world of the object that is `number` in the run, upright on its slab while no episode uses it. row: one
    farther behind the robot for each."""
    x, y, z = _FIRST_PARKED_M
    return Pose((x - row * _PARKING_SPACING_M, y + number * _PARKING_SPACING_M, z))


def set_object_rgb(stage: Usd.Stage, kind: ObjectKind, rgb: tuple[float, float, float]) -> None:
    """Colour an object; one with a look of its own stays as it is. rgb: sRGB 0..1."""
    body = stage.GetPrimAtPath(paths.object_path(kind))
    if not body:
        raise StageError(f"object {kind.name!r} is not on the stage: there is no prim {paths.object_path(kind)}")
    if not stage.GetPrimAtPath(paths.look_path(kind)):
        set_surface_rgb(stage, body.GetName(), linear_from_srgb(rgb))


def author_goal(stage: Usd.Stage) -> None:
    """The goal disc in the middle of the table: seen by the cameras, touched by nothing."""
    disc = author_cylinder(stage, paths.GOAL, GOAL_RADIUS_M, GOAL_HEIGHT_M, _CENTRE)
    bind_surface(disc, author_surface(stage, disc.GetName(), GOAL_RGB))
    move_goal(stage, (TABLE_CENTRE_M[0], TABLE_CENTRE_M[1], TABLE_SURFACE_Z_M))


def move_goal(stage: Usd.Stage, position_m: Sequence[float]) -> None:
    """Lay the goal disc on a surface. position_m: middle of its underside in the world, shape (3,)."""
    x, y, z = position_m
    set_translation(stage.GetPrimAtPath(paths.GOAL), (x, y, z + GOAL_HEIGHT_M / 2))


def author_slab(stage: Usd.Stage, name: str, parked: Pose, height_m: float) -> None:
    """What a parked object of that height stands on: its surface is where the object's lowest face is."""
    x, y, z = parked.position.tolist()
    surface_z_m = z - height_m / 2
    centre = Pose((x, y, surface_z_m - _PARKING_SLAB_M[2] / 2))
    slab = author_box(stage, f"{paths.PARKING}/{name}", _PARKING_SLAB_M, centre)
    UsdPhysics.CollisionAPI.Apply(slab)


def _author_collision(stage: Usd.Stage, kind: ObjectKind) -> Usd.Prim:
    path = paths.collision_path(kind)
    if kind.shape == "cylinder":
        shape = author_cylinder(stage, path, kind.size_m[0] / 2, kind.size_m[2], _CENTRE)
    else:
        shape = author_box(stage, path, kind.size_m, _CENTRE)
    UsdPhysics.CollisionAPI.Apply(shape)
    return shape


def _author_look(stage: Usd.Stage, kind: ObjectKind, look_usd: str) -> None:
    """The reference is one level further down: what the asset's own root has for a transform stays as it is."""
    look = UsdGeom.Xform.Define(stage, paths.look_path(kind)).GetPrim()
    set_transform(look, _CENTRE)
    asset = UsdGeom.Xform.Define(stage, look.GetPath().AppendChild("asset")).GetPrim()
    asset.GetReferences().AddReference(look_usd)
