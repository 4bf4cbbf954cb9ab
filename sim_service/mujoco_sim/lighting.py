"""The lights, for both renderers: linear shading without gamma, so a surface that gets 1.0 shows its own colour.

Stand-ins for the dome and the key light of the Isaac Sim scene. A level surface seen from above gets
0.42 + 0.20 + 0.40 * cos(19 deg) = 1.0: wood shows as wood, and nothing on the table is over-exposed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from collectors.geometry import quat_about_axis, quat_multiply, quat_rotate
from collectors.scene import Light

AMBIENT: Final = 0.42
HEADLIGHT_DIFFUSE: Final = 0.20  # directional, along the line of sight of whichever camera looks
KEY_DIFFUSE: Final = 0.40
KEY_SPECULAR: Final = 0.25

# From beyond the table, so that the hand's shadow falls towards the robot, out of the wrist camera's way.
_TOWARDS_KEY: Final = (0.7, 0.3, 2.2)
KEY_DIRECTION: Final = tuple(-component / math.hypot(*_TOWARDS_KEY) for component in _TOWARDS_KEY)
KEY_TARGET_M: Final = (0.53, 0.06, 0.35)  # the middle of the shadow map
KEY_DISTANCE_M: Final = 2.4


def key_direction(light: Light) -> Sequence[float]:
    """Unit vector in the world along which the key light shines."""
    if not any(light.turn_rad):
        return KEY_DIRECTION
    turn_x, turn_y = light.turn_rad
    turn = quat_multiply(quat_about_axis((1, 0, 0), turn_x), quat_about_axis((0, 1, 0), turn_y))
    direction: list[float] = quat_rotate(turn, KEY_DIRECTION).tolist()
    return direction
