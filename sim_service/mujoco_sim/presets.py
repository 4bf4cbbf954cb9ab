"""What each render preset costs and shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim_service.simulators import RenderPreset


@dataclass(frozen=True)
class RenderQuality:
    """shadow_map_px: edge of the key light's shadow map; 0 means no shadows. msaa_samples: 0 means none.

    slices, stacks, quads: how finely MuJoCo's round primitives and box faces are cut (`visual/quality`).
    robot_segments: edges around the robot's circles, which is drawn as meshes; 0 draws it as primitives.
    """

    shadow_map_px: int
    msaa_samples: int
    slices: int
    stacks: int
    quads: int
    robot_segments: int
    checker_floor: bool

    @property
    def shadows(self) -> bool:
        return self.shadow_map_px > 0


QUALITY: Final[dict[RenderPreset, RenderQuality]] = {
    "fast": RenderQuality(
        shadow_map_px=0, msaa_samples=0, slices=16, stacks=8, quads=1, robot_segments=16, checker_floor=False
    ),
    "default": RenderQuality(
        shadow_map_px=512, msaa_samples=0, slices=16, stacks=8, quads=1, robot_segments=16, checker_floor=False
    ),
    "high": RenderQuality(
        shadow_map_px=4096, msaa_samples=4, slices=48, stacks=24, quads=4, robot_segments=48, checker_floor=True
    ),
}
