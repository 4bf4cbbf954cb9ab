"""The lights. An Isaac Sim stage without any gives black pictures."""

from __future__ import annotations

import math
from typing import Final

from pxr import Gf, Usd, UsdGeom, UsdLux

from collectors.geometry import Array, Pose, quat_about_axis, quat_multiply, quat_rotate
from collectors.scene import TABLE_CENTRE_M, Light
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.materials import linear_from_srgb
from sim_service.isaac_sim.usd.xform import set_transform

DOME_INTENSITY: Final = 3000.0
KEY_INTENSITY: Final = 5000.0
LAMP_INTENSITY: Final = 15000.0
LAMP_RADIUS_M: Final = 0.15
LAMP_HEIGHT_M: Final = 2.0  # above the overhead camera, which so never sees it

# From beyond the table, so that the hand's shadow falls towards the robot, out of the wrist camera's way.
TOWARDS_KEY: Final = (0.7, 0.3, 2.2)


def author_lights(stage: Usd.Stage) -> None:
    UsdGeom.Scope.Define(stage, paths.LIGHTS)
    dome = UsdLux.DomeLight.Define(stage, f"{paths.LIGHTS}/Dome")
    dome.CreateIntensityAttr(DOME_INTENSITY)
    key = UsdLux.DistantLight.Define(stage, f"{paths.LIGHTS}/Key")
    key.CreateIntensityAttr(KEY_INTENSITY)
    set_transform(key.GetPrim(), Pose((0.0, 0.0, 0.0), _quat_from_z_to(TOWARDS_KEY)))
    lamp = UsdLux.SphereLight.Define(stage, f"{paths.LIGHTS}/Lamp")
    lamp.CreateIntensityAttr(LAMP_INTENSITY)
    lamp.CreateRadiusAttr(LAMP_RADIUS_M)
    set_transform(lamp.GetPrim(), Pose((TABLE_CENTRE_M[0], TABLE_CENTRE_M[1], LAMP_HEIGHT_M)))


def set_lights(stage: Usd.Stage, light: Light) -> None:
    """The key light's direction, and the strength and tint of all lights.

    The tint is that of a white surface in the picture, in sRGB: a light's colour is linear, and at most 1, so that what
    is above goes into its intensity.
    """
    turn_x, turn_y = light.turn_rad
    turn = quat_multiply(quat_about_axis((1, 0, 0), turn_x), quat_about_axis((0, 1, 0), turn_y))
    x, y, z = quat_rotate(turn, TOWARDS_KEY).tolist() if any(light.turn_rad) else TOWARDS_KEY
    key = stage.GetPrimAtPath(f"{paths.LIGHTS}/Key")
    set_transform(key, Pose((0.0, 0.0, 0.0), _quat_from_z_to((x, y, z))))
    red, green, blue = linear_from_srgb(light.rgb)
    brightest = max(red, green, blue)
    for name, intensity in (("Dome", DOME_INTENSITY), ("Key", KEY_INTENSITY), ("Lamp", LAMP_INTENSITY)):
        api = UsdLux.LightAPI(stage.GetPrimAtPath(f"{paths.LIGHTS}/{name}"))
        api.GetIntensityAttr().Set(intensity * light.intensity * brightest)
        colour = Gf.Vec3f(red / brightest, green / brightest, blue / brightest)
        if api.GetColorAttr().Get() != colour:
            api.CreateColorAttr(colour)


def _quat_from_z_to(direction: tuple[float, float, float]) -> Array:
    """The least rotation that takes z to a direction other than -z; a distant light shines along its own -z."""
    x, y, z = direction
    return quat_about_axis((-y, x, 0.0), math.atan2(math.hypot(x, y), z))
