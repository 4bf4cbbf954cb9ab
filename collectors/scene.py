"""The work cell, and what one episode puts into it. World frame = robot base frame, z up; metres, radians, kg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from collectors.franka import HOME_RAD
from collectors.geometry import Pose
from collectors.objects import ObjectKind

TABLE_CENTRE_M: Final = (0.5, 0.0, 0.4)
TABLE_SIZE_M: Final = (0.6, 0.8, 0.02)
TABLE_RGB: Final = (0.6, 0.4, 0.2)
TABLE_SURFACE_Z_M: Final = TABLE_CENTRE_M[2] + TABLE_SIZE_M[2] / 2

GOAL_RGB: Final = (0.1, 0.6, 0.2)
GOAL_RADIUS_M: Final = 0.03
GOAL_HEIGHT_M: Final = 0.001

PHYSICS_PERIOD_S: Final = 1 / 120


@dataclass(frozen=True)
class Scene:
    """What `Simulator.reset` sets up.

    object_pose: object to world; its position is the centre of the object's bounding box.
    object_rgb: sRGB 0..1. goal_xy_m: centre of the goal disc, which lies on the table.
    arm_rad: joint positions, and targets, at the start, shape (7,).
    """

    kind: ObjectKind
    object_pose: Pose
    object_rgb: tuple[float, float, float]
    goal_xy_m: tuple[float, float]
    arm_rad: tuple[float, ...] = HOME_RAD

    @property
    def goal_position_m(self) -> tuple[float, float, float]:
        """Centre of the goal disc on the table's surface, in the world frame."""
        return (*self.goal_xy_m, TABLE_SURFACE_Z_M)
