"""The scenes of the examination."""

from __future__ import annotations

import math
from typing import Any, Final

from collectors.geometry import Array, Pose
from collectors.kinematics import least_tilt, solve_planar, wrist_yaw_along
from collectors.objects import CUBE, PALETTE, ObjectKind
from collectors.scene import TABLE_SURFACE_Z_M, Scene

PICK_XY_M: Final = (0.5, 0.1)
GOAL_XY_M: Final = (0.45, -0.2)
HOVER_M: Final = 0.2  # of the fingertips above the table, for the wrist camera to see the table by


def standing(kind: ObjectKind, xy_m: tuple[float, float] = PICK_XY_M, **changes: Any) -> Scene:
    """The object upright on the table, its faces along the world's axes; a cube is blue. The arm is at HOME."""
    pose = Pose((*xy_m, TABLE_SURFACE_Z_M + kind.size_m[2] / 2))
    return Scene(
        **{
            "kind": kind,
            "object_pose": pose,
            "object_rgb": kind.rgb or PALETTE["blue"],
            "goal_xy_m": GOAL_XY_M,
            **changes,
        }
    )


def arm_at(fingertips_m: tuple[float, float, float]) -> Array:
    """Joint positions [rad], shape (7,), with the fingertips there, to close along the world's x."""
    tilt = least_tilt(fingertips_m)
    arm = None if tilt is None else solve_planar(fingertips_m, wrist_yaw_along(0.0, math.pi, fingertips_m, tilt), tilt)
    assert arm is not None, f"the examination reaches for {fingertips_m}, which is out of reach"
    return arm


def arm_above(kind: ObjectKind, height_m: float) -> Array:
    """With the fingertips that far above the grasp point of the object at PICK_XY_M."""
    return arm_at((*PICK_XY_M, TABLE_SURFACE_Z_M + kind.grasp_height_m + height_m))


def arm_hovering(xy_m: tuple[float, float] = PICK_XY_M) -> Array:
    return arm_at((*xy_m, TABLE_SURFACE_Z_M + HOVER_M))


def grasping(kind: ObjectKind) -> Scene:
    """The open fingers around the object."""
    return standing(kind, arm_rad=tuple(arm_above(kind, 0.0).tolist()))


def label(kind: ObjectKind) -> str:
    """In the names of checks."""
    return kind.name if kind == CUBE else kind.label
