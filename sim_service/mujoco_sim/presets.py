"""What each render preset costs and shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim_service.simulators import RenderPreset


@dataclass(frozen=True)
class RenderQuality:
    """shadow_map_px: edge of the key light's shadow map; 0 means no shadows.
    shadow_box_m: half the edge of the square, across the key light, in which shadows are cast.
    msaa_samples: 0 means none. robot_segments: edges around the circles of the robot's meshes; 0 draws it as MuJoCo's
    primitives. slices, stacks, quads: how finely MuJoCo cuts the other shapes (its `visual/quality`).
    checker_floor: a checker floor that takes shadows; else it is plain and takes none, since within a tight shadow box
    a floor shows MuJoCo's shadow map as stripes: it is drawn one texel from where it is looked up at the box's edge.
    """

    shadow_map_px: int
    shadow_box_m: float
    msaa_samples: int
    robot_segments: int
    slices: int
    stacks: int
    quads: int
    checker_floor: bool

    @property
    def shadows(self) -> bool:
        return self.shadow_map_px > 0


QUALITY: Final[dict[RenderPreset, RenderQuality]] = {
    "fast": RenderQuality(
        shadow_map_px=0,
        shadow_box_m=0.65,
        msaa_samples=0,
        robot_segments=16,
        slices=16,
        stacks=8,
        quads=1,
        checker_floor=False,
    ),
    "default": RenderQuality(
        shadow_map_px=512,
        shadow_box_m=0.65,
        msaa_samples=0,
        robot_segments=16,
        slices=16,
        stacks=8,
        quads=1,
        checker_floor=False,
    ),
    "high": RenderQuality(
        shadow_map_px=4096,
        shadow_box_m=3.0,
        msaa_samples=4,
        robot_segments=48,
        slices=48,
        stacks=24,
        quads=4,
        checker_floor=True,
    ),
}
