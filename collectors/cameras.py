"""Where the two cameras are and what they see, for every simulator.

A camera is given by position, forward and up vectors: words such as "tilted by 25 degrees" are read several ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.geometry import Array, Pose, quat_from_matrix

_TILT_RAD = math.radians(25)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion and with square pixels.

    parent: "world", or the link that carries the camera. position_m, forward, up: in the parent's frame.
    horizontal_fov_rad: full angle of view across the image's width. width_px, height_px: image size.
    """

    name: str
    parent: str
    position_m: tuple[float, float, float]
    forward: tuple[float, float, float]
    up: tuple[float, float, float]
    horizontal_fov_rad: float
    width_px: int = 512
    height_px: int = 512

    @property
    def focal_length_px(self) -> float:
        return self.width_px / (2 * math.tan(self.horizontal_fov_rad / 2))

    @property
    def vertical_fov_rad(self) -> float:
        return 2 * math.atan(self.height_px / (2 * self.focal_length_px))

    def intrinsics(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy [px]; the origin is the image's upper left corner, so the centre is at half the size."""
        return self.focal_length_px, self.focal_length_px, self.width_px / 2, self.height_px / 2

    def camera_to_parent(self) -> Pose:
        """The camera's frame in OpenCV axes (x right, y down, z forward) seen from the parent's frame."""
        forward: Array = np.asarray(self.forward) / np.linalg.norm(self.forward)
        up = np.asarray(self.up) - forward * float(np.asarray(self.up) @ forward)
        down = -up / np.linalg.norm(up)
        right = np.cross(down, forward)
        return Pose(self.position_m, quat_from_matrix(np.stack([right, down, forward], axis=1)))


# A USD camera of focal length 14 mm with USD's default horizontal aperture of 20.955 mm.
CAM_HIGH: Final = Camera(
    name="cam_high",
    parent="world",
    position_m=(0.3, -0.3, 1.3),
    forward=(0.0, math.sin(_TILT_RAD), -math.cos(_TILT_RAD)),
    up=(0.0, math.cos(_TILT_RAD), math.sin(_TILT_RAD)),
    horizontal_fov_rad=2 * math.atan(20.955 / (2 * 14.0)),
)
CAM_WRIST: Final = Camera(
    name="cam_wrist",
    parent="panda_hand",
    position_m=(0.05, 0.0, 0.04),
    forward=(0.0, 0.0, 1.0),
    up=(1.0, 0.0, 0.0),
    horizontal_fov_rad=math.radians(75),
)
CAMERAS: Final = (CAM_HIGH, CAM_WRIST)
