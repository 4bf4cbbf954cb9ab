"""The cameras of collectors.cameras as USD cameras."""

from __future__ import annotations

import math
from typing import Final

from pxr import Gf, Sdf, Usd, UsdGeom

from collectors.cameras import Camera
from collectors.geometry import Pose
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import CameraError
from sim_service.isaac_sim.usd.xform import set_transform

# USD's default. USD counts apertures and focal lengths in tenths of a scene unit and only their ratio decides what is
# seen (UsdGeom.Camera, "Units of Measure for Camera Properties"); Isaac Sim's Camera class divides both by ten.
HORIZONTAL_APERTURE: Final = 20.955
CLIPPING_RANGE_M: Final = (0.01, 100.0)

_USD_TO_OPENCV: Final = Pose((0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0))  # half a turn about x: USD looks along -z, y up


def author_camera(stage: Usd.Stage, camera: Camera) -> None:
    """The camera at its path of paths.CAMERAS. Raises CameraError when it has none, or another parent there."""
    if camera.name not in paths.CAMERAS:
        raise CameraError(f"camera {camera.name!r} has no path on the stage; known: {', '.join(paths.CAMERAS)}")
    path = paths.CAMERAS[camera.name]
    parent = paths.WORLD if camera.parent == "world" else f"{paths.ROBOT}/{camera.parent}"
    if str(Sdf.Path(path).GetParentPath()) != parent:
        raise CameraError(f"camera {camera.name!r} is carried by {camera.parent!r} ({parent}), but its path is {path}")
    prim = UsdGeom.Camera.Define(stage, path)
    prim.CreateProjectionAttr(UsdGeom.Tokens.perspective)
    prim.CreateHorizontalApertureAttr(HORIZONTAL_APERTURE)
    prim.CreateVerticalApertureAttr(HORIZONTAL_APERTURE * camera.height_px / camera.width_px)
    prim.CreateFocalLengthAttr(_focal_length(camera))
    prim.CreateClippingRangeAttr(Gf.Vec2f(*CLIPPING_RANGE_M))
    place_camera(stage, camera)


def place_camera(stage: Usd.Stage, camera: Camera) -> None:
    """Put the camera where it belongs in its parent's frame.

    To be called after every reset of the world too: Isaac Sim's camera class, like all its prim classes, then writes
    back the pose that the prim had in the *world* when the object was made, wherever the hand is by now
    (`_on_post_reset` of isaacsim.core.prims, 4.5 to 6.0).
    """
    prim = stage.GetPrimAtPath(paths.CAMERAS[camera.name])
    set_transform(prim, camera.camera_to_parent() @ _USD_TO_OPENCV)


def set_camera(stage: Usd.Stage, camera: Camera) -> None:
    """Let the camera be where that one is, and see as much."""
    UsdGeom.Camera(stage.GetPrimAtPath(paths.CAMERAS[camera.name])).GetFocalLengthAttr().Set(_focal_length(camera))
    place_camera(stage, camera)


def _focal_length(camera: Camera) -> float:
    return HORIZONTAL_APERTURE / (2 * math.tan(camera.horizontal_fov_rad / 2))
