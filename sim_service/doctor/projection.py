"""Where things are in a picture: by the camera's pinhole model, and by what the picture shows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectors.cameras import Camera
from collectors.geometry import Array, Pose, matrix_from_quat
from collectors.kinematics import hand_pose
from collectors.objects import ObjectKind
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.simulator import Image

LEAST_TINT: Final = 12.0  # of 255: less is no colour that came or went
_WORLD: Final = Pose((0.0, 0.0, 0.0))


def camera_to_world(camera: Camera, arm_rad: ArrayLike) -> Pose:
    """In OpenCV axes; of a camera that the hand carries by our kinematics, whatever the simulator says."""
    return (_WORLD if camera.parent == "world" else hand_pose(arm_rad)) @ camera.camera_to_parent()


def project(camera: Camera, to_world: Pose, points_m: ArrayLike) -> Array:
    """Points in the world, shape (n, 3), to pixels, shape (n, 2): right and down from the upper left corner. What lies
    behind the camera is not a number."""
    fx, fy, cx, cy = camera.intrinsics()
    x, y, depth = matrix_from_quat(to_world.quat_wxyz).T @ (np.asarray(points_m) - to_world.position).T
    depth = np.where(depth > 0, depth, np.nan)
    return np.stack([cx + fx * x / depth, cy + fy * y / depth], axis=1)


def on_table(camera: Camera, to_world: Pose, pixel: tuple[float, float]) -> tuple[float, float]:
    """The point of the table's surface, x and y [m] in the world, that a pixel shows."""
    fx, fy, cx, cy = camera.intrinsics()
    ray = matrix_from_quat(to_world.quat_wxyz) @ ((pixel[0] - cx) / fx, (pixel[1] - cy) / fy, 1.0)
    x, y, _ = to_world.position + ray * (TABLE_SURFACE_Z_M - to_world.position[2]) / ray[2]
    return float(x), float(y)


def tint_gained(picture: Image, other: Image, rgb: tuple[float, float, float]) -> NDArray[np.float32]:
    """How much more of a colour's hue each pixel has than in the other picture, about -255 to 255; light and shadow
    alone change little of it."""
    hue = np.asarray(rgb) - np.mean(rgb)
    hue = (hue / np.linalg.norm(hue)).astype(np.float32)
    gained: NDArray[np.float32] = (picture.astype(np.float32) - other.astype(np.float32)) @ hue
    return gained


def locate(gained: NDArray[np.float32], size_px: float) -> tuple[float, float] | None:
    """The middle, right and down [px], of a thing that covers about `size_px` pixels and has gained a tint; None where
    nothing did."""
    half = max(1, round(size_px / 2))
    gain = float(np.partition(gained, -half, axis=None)[-half:].mean())
    if gain < LEAST_TINT:
        return None
    rows, columns = np.nonzero(gained > gain / 2)
    return float(np.median(columns)) + 0.5, float(np.median(rows)) + 0.5


def inner_points_m(kind: ObjectKind) -> Array:
    """Points all through the inner part of an object, in its frame, shape (n, 3)."""
    steps = np.linspace(-0.9, 0.9, 13)
    points = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    if kind.shape == "cylinder":
        points = points[np.hypot(points[:, 0], points[:, 1]) <= 0.9]
    return np.asarray(points * (np.asarray(kind.size_m) / 2))


def values_at(values: NDArray[np.float32], pixels: Array) -> NDArray[np.float32]:
    """Of an image, shape (height, width), at pixels, shape (n, 2); those outside the picture are left out."""
    columns, rows = (np.floor(pixels).astype(int)).T
    inside = (columns >= 0) & (rows >= 0) & (columns < values.shape[1]) & (rows < values.shape[0])
    found: NDArray[np.float32] = values[rows[inside], columns[inside]]
    return found
