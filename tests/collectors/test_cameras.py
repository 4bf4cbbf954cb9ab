from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from collectors.cameras import CAM_HIGH, CAM_WRIST, CAMERAS, Camera
from collectors.franka import FINGERTIP_OFFSET_M
from collectors.geometry import matrix_from_quat
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M

every_camera = pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)


def pixel(camera: Camera, point_m: ArrayLike) -> tuple[float, float]:
    """Where a point in the parent's frame is seen: column, row [px]. It must lie in front of the camera."""
    point = np.append(np.asarray(point_m, dtype=float), 1.0)
    x, y, depth, _ = np.linalg.inv(camera.camera_to_parent().matrix()) @ point
    assert depth > 0
    fx, fy, cx, cy = camera.intrinsics()
    return float(fx * x / depth + cx), float(fy * y / depth + cy)


def sees(camera: Camera, point_m: ArrayLike) -> bool:
    column, row = pixel(camera, point_m)
    return 0 < column < camera.width_px and 0 < row < camera.height_px


@every_camera
def test_axes_are_opencv_and_right_handed(camera: Camera) -> None:
    axes = matrix_from_quat(camera.camera_to_parent().quat_wxyz)
    np.testing.assert_allclose(axes[:, 2], camera.forward, atol=1e-12)
    np.testing.assert_allclose(-axes[:, 1], camera.up, atol=1e-12)
    np.testing.assert_allclose(np.cross(axes[:, 0], axes[:, 1]), axes[:, 2], atol=1e-12)
    np.testing.assert_array_equal(camera.camera_to_parent().position, camera.position_m)


@every_camera
def test_the_optical_axis_is_the_image_centre_and_up_is_up(camera: Camera) -> None:
    ahead = np.asarray(camera.position_m) + 0.5 * np.asarray(camera.forward)
    centre = camera.width_px / 2, camera.height_px / 2
    assert pixel(camera, ahead) == pytest.approx(centre)
    column, row = pixel(camera, ahead + 0.01 * np.asarray(camera.up))
    assert column == pytest.approx(centre[0])
    assert row < centre[1]


@every_camera
def test_the_field_of_view_ends_at_the_image_edges(camera: Camera) -> None:
    right = np.cross(camera.forward, camera.up)
    for half_angle, side, edge in (
        (camera.horizontal_fov_rad / 2, right, (camera.width_px, camera.height_px / 2)),
        (camera.vertical_fov_rad / 2, -np.asarray(camera.up), (camera.width_px / 2, camera.height_px)),
    ):
        ray = math.cos(half_angle) * np.asarray(camera.forward) + math.sin(half_angle) * side
        assert pixel(camera, np.asarray(camera.position_m) + ray) == pytest.approx(edge)


def test_pixels_are_square_whatever_the_aspect() -> None:
    wide = Camera("wide", "world", (0, 0, 0), (0, 0, -1), (0, 1, 0), math.radians(90), width_px=640, height_px=320)
    assert wide.focal_length_px == pytest.approx(320)
    assert wide.vertical_fov_rad == pytest.approx(2 * math.atan(0.5))
    assert wide.intrinsics() == pytest.approx((320, 320, 320, 160))


def test_an_up_vector_that_is_not_at_right_angles_is_made_so() -> None:
    slanted = Camera("slanted", "world", (0, 0, 0), (0, 0, -2), (0, 1, -3), 1.0)
    straight = Camera("straight", "world", (0, 0, 0), (0, 0, -1), (0, 1, 0), 1.0)
    np.testing.assert_allclose(slanted.camera_to_parent().quat_wxyz, straight.camera_to_parent().quat_wxyz, atol=1e-12)


def test_the_overhead_camera_is_the_stated_usd_camera() -> None:
    """A USD camera looks along -z with y up; this one is turned by +25 degrees about x."""
    assert math.degrees(CAM_HIGH.horizontal_fov_rad) == pytest.approx(73.6, abs=0.05)
    assert math.degrees(CAM_HIGH.vertical_fov_rad) == pytest.approx(73.6, abs=0.05)
    turn = math.radians(25)
    about_x = np.array([[1, 0, 0], [0, math.cos(turn), -math.sin(turn)], [0, math.sin(turn), math.cos(turn)]])
    np.testing.assert_allclose(CAM_HIGH.forward, about_x @ (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(CAM_HIGH.up, about_x @ (0, 1, 0), atol=1e-12)


def test_the_overhead_camera_sees_every_pick_and_place() -> None:
    for x, y in itertools.product(AREA_X_M, AREA_Y_M):
        assert sees(CAM_HIGH, (x, y, TABLE_SURFACE_Z_M))


def test_the_wrist_camera_sees_the_finger_tops_at_the_bottom_edge_and_what_lies_under_the_hand() -> None:
    finger_end_m = FINGERTIP_OFFSET_M + 0.009  # the fingers end 9 mm beyond the point between the fingertips
    column, row = pixel(CAM_WRIST, (0.0, 0.0, finger_end_m))
    assert column == pytest.approx(CAM_WRIST.width_px / 2)
    assert 0.85 * CAM_WRIST.height_px < row < CAM_WRIST.height_px
    rows = [pixel(CAM_WRIST, (0.0, 0.0, depth))[1] for depth in (finger_end_m, 0.2, 0.4)]
    assert rows == sorted(rows, reverse=True)  # farther along the tool is nearer to the centre
