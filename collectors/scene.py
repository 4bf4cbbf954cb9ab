"""The work cell, and what one episode puts into it. World frame = robot base frame, z up; metres, radians, kg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from collectors.cameras import Camera
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

OBJECT_FRICTION: Final = 1.0  # sliding; the design's dynamic friction

PHYSICS_PERIOD_S: Final = 1 / 120


Rgb = tuple[float, float, float]
"""sRGB, 0..1."""


@dataclass(frozen=True)
class Table:
    """height_m: of its surface above the nominal TABLE_SURFACE_Z_M. texture: of TEXTURES in table_texture.py, in shades
    of `rgb`, drawn from `texture_seed`."""

    height_m: float = 0.0
    rgb: Rgb = TABLE_RGB
    texture: str = "plain"
    texture_seed: int = 0


@dataclass(frozen=True)
class Light:
    """The key light. turn_rad: about the world's x and y axes, from its nominal direction. intensity: factor on all
    lights. rgb: what all lights are tinted by, (1, 1, 1) for none; `kelvin` is the colour temperature it comes from."""

    turn_rad: tuple[float, float] = (0.0, 0.0)
    intensity: float = 1.0
    kelvin: float = 6500.0
    rgb: Rgb = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Plant:
    """What lies between a command and the arm's motion. gain: factor on the servos' stiffness and damping.
    delay_ticks: control periods until a command takes effect."""

    gain: float = 1.0
    delay_ticks: int = 0


@dataclass(frozen=True)
class Distractor:
    """A thing that is in the way of the eye alone. slot: which of the distractors of the run it is, from 0; size_m:
    x, y, z extents of its bounding box, at most 5 cm high. pose: of its centre in the world."""

    slot: int
    size_m: tuple[float, float, float]
    pose: Pose
    rgb: Rgb


@dataclass(frozen=True)
class Scene:
    """What `Simulator.reset` sets up.

    kind: the object, with the size and mass of this episode. object_pose: object to world; its position is the centre
    of the object's bounding box. object_rgb: sRGB 0..1. goal_xy_m: centre of the goal disc, which lies on the table.
    arm_rad: joint positions, and targets, at the start, shape (7,). friction: the object's sliding friction.
    cameras: as they are in this episode; those of the run where there is none.
    """

    kind: ObjectKind
    object_pose: Pose
    object_rgb: Rgb
    goal_xy_m: tuple[float, float]
    arm_rad: tuple[float, ...] = HOME_RAD
    friction: float = OBJECT_FRICTION
    distractors: tuple[Distractor, ...] = ()
    table: Table = Table()
    light: Light = Light()
    cameras: tuple[Camera, ...] = ()
    plant: Plant = Plant()

    @property
    def surface_z_m(self) -> float:
        """Height of the table's surface in the world."""
        return TABLE_SURFACE_Z_M + self.table.height_m

    @property
    def goal_position_m(self) -> tuple[float, float, float]:
        """Centre of the goal disc on the table's surface, in the world frame."""
        return (*self.goal_xy_m, self.surface_z_m)
