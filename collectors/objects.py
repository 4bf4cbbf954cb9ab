"""The things that can be picked: a cube, and YCB objects by their published dimensions.

Object frame: origin at the centre of the bounding box, z up when the object stands as it is placed on the table.
The gripper closes along the object's x axis, so x carries the width that has to fit between the fingers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from collectors.geometry import Pose, matrix_from_quat

GRIPPER_SPAN_M: Final = 0.080  # Franka Hand: 2 x 40 mm of travel
FINGER_REACH_M: Final = 0.037  # from fingertip to palm: nothing taller may stand above the grasp point


class ObjectError(ValueError):
    """An object that does not exist or that the gripper cannot take."""


@dataclass(frozen=True)
class ObjectKind:
    """size_m: x, y, z extents [m] of the upright bounding box. grasp_below_top_m: depth of the fingertips' target."""

    name: str
    label: str
    shape: Literal["box", "cylinder"]
    size_m: tuple[float, float, float]
    mass_kg: float
    grasp_below_top_m: float
    yaw_period_rad: float  # turning by this much changes nothing for the gripper
    rgb: tuple[float, float, float] | None  # None: drawn each episode from the palette

    @property
    def is_tall(self) -> bool:
        """Over 6 cm: the stricter placement and motion rules for tall objects hold."""
        return self.size_m[2] > 0.06

    @property
    def grasp_height_m(self) -> float:
        """Height of the grasp point above the object's lowest face."""
        return self.size_m[2] - self.grasp_below_top_m


CUBE: Final = ObjectKind("cube", "cube", "box", (0.04, 0.04, 0.04), 0.1, 0.02, math.pi / 2, None)

# Dimensions and masses: Calli et al., "Benchmarking in Manipulation Research: Using the YCB Object and Model Set",
# IEEE RAM 22(3), 2015, table of objects. Colours: the dominant colour of each package.
YCB: Final[dict[str, ObjectKind]] = {
    kind.name: kind
    for kind in (
        ObjectKind(
            "004_sugar_box", "sugar box", "box", (0.038, 0.089, 0.175), 0.514, 0.03, math.pi, (0.92, 0.80, 0.12)
        ),
        ObjectKind(
            "005_tomato_soup_can",
            "tomato soup can",
            "cylinder",
            (0.066, 0.066, 0.101),
            0.349,
            0.03,
            math.pi,
            (0.80, 0.10, 0.09),
        ),
        ObjectKind(
            "006_mustard_bottle",
            "mustard bottle",
            "box",
            (0.058, 0.095, 0.190),
            0.603,
            0.03,
            math.pi,
            (0.95, 0.75, 0.05),
        ),
        ObjectKind(
            "008_pudding_box", "pudding box", "box", (0.035, 0.110, 0.089), 0.187, 0.03, math.pi, (0.45, 0.22, 0.10)
        ),
        ObjectKind(
            "010_potted_meat_can",
            "potted meat can",
            "box",
            (0.050, 0.097, 0.082),
            0.370,
            0.03,
            math.pi,
            (0.15, 0.25, 0.62),
        ),
    )
}

# Part of the YCB set, yet not for this gripper.
REFUSED: Final = {
    "007_tuna_fish_can": f"its diameter of 85 mm exceeds the gripper's {GRIPPER_SPAN_M * 1000:.0f} mm",
}

# Named colours of the cube, sRGB 0..1. Never the goal disc's green.
PALETTE: Final[dict[str, tuple[float, float, float]]] = {
    "red": (0.80, 0.10, 0.08),
    "orange": (0.95, 0.45, 0.05),
    "yellow": (0.95, 0.82, 0.10),
    "blue": (0.10, 0.25, 0.80),
    "purple": (0.48, 0.16, 0.62),
    "white": (0.92, 0.92, 0.92),
    "black": (0.07, 0.07, 0.07),
}


def object_kind(name: str) -> ObjectKind:
    """The object of that name. Raises ObjectError naming what exists, or why the gripper cannot take it."""
    if name in REFUSED:
        raise ObjectError(f"object {name!r} cannot be picked: {REFUSED[name]}")
    if name == CUBE.name:
        return CUBE
    if name not in YCB:
        raise ObjectError(f"unknown object {name!r}; known: {', '.join([CUBE.name, *YCB])}")
    return YCB[name]


def lowest_point_m(kind: ObjectKind, object_to_world: Pose) -> float:
    """Height [m] in the world of the object's lowest point."""
    half_x, half_y, half_z = (size / 2 for size in kind.size_m)
    x, y, z = (
        abs(float(part)) for part in matrix_from_quat(object_to_world.quat_wxyz)[2]
    )  # vertical parts of its axes
    across = half_x * math.hypot(x, y) if kind.shape == "cylinder" else half_x * x + half_y * y
    return float(object_to_world.position[2]) - across - half_z * z
