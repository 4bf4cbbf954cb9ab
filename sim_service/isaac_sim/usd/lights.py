"""The lights. An Isaac Sim stage without any gives black pictures."""

from __future__ import annotations

import math
from typing import Final

from pxr import Usd, UsdGeom, UsdLux

from collectors.geometry import Array, Pose, quat_about_axis
from collectors.scene import TABLE_CENTRE_M
from sim_service.isaac_sim.usd import paths
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


def _quat_from_z_to(direction: tuple[float, float, float]) -> Array:
    """The least rotation that takes z to a direction other than -z; a distant light shines along its own -z."""
    x, y, z = direction
    return quat_about_axis((-y, x, 0.0), math.atan2(math.hypot(x, y), z))
