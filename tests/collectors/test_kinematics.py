from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from collectors.franka import HOME_RAD, JOINT_LOWER_RAD, JOINT_UPPER_RAD
from collectors.geometry import Array, Pose, matrix_from_quat, quat_about_axis, quat_conjugate, quat_multiply
from collectors.kinematics import (
    JOINT_MARGIN_RAD,
    clip_to_limits,
    fingertip_position,
    hand_jacobian,
    hand_pose,
    least_tilt,
    solve_planar,
    within_limits,
    wrist_yaw_along,
)
from collectors.objects import CUBE, YCB
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M, LIFT_M, RELEASE_HEIGHT_M

GRASP_HEIGHTS_M = sorted({TABLE_SURFACE_Z_M + kind.grasp_height_m for kind in (CUBE, *YCB.values())})
HEIGHTS_M = [z + rise for z in GRASP_HEIGHTS_M for rise in (0, RELEASE_HEIGHT_M, LIFT_M, LIFT_M + RELEASE_HEIGHT_M)]


def area(z_m: float, points_x: int = 9, points_y: int = 13) -> list[Array]:
    """A grid of targets over the whole pick and place area, corners included."""
    xs, ys = np.linspace(*AREA_X_M, points_x), np.linspace(*AREA_Y_M, points_y)
    return [np.array([x, y, z_m]) for x, y in itertools.product(xs, ys)]


def random_arm(rng: np.random.Generator) -> Array:
    return rng.uniform(JOINT_LOWER_RAD, JOINT_UPPER_RAD)


def closing_axis(hand_to_world: Pose) -> Array:
    return matrix_from_quat(hand_to_world.quat_wxyz)[:, 1]


def test_forward_kinematics_of_the_zero_and_the_home_position() -> None:
    zero = hand_pose(np.zeros(7))
    np.testing.assert_allclose(zero.position, (0.088, 0, 0.333 + 0.316 + 0.384 - 0.107), atol=1e-12)
    home = hand_pose(HOME_RAD)
    np.testing.assert_allclose(fingertip_position(home), (0.307, 0, 0.487), atol=5e-4)
    axes = matrix_from_quat(home.quat_wxyz)
    np.testing.assert_allclose(axes[:, 2], (0, 0, -1), atol=1e-3)
    np.testing.assert_allclose(axes[:, 0], (1, 0, 0), atol=1e-3)


def test_the_first_joint_turns_the_hand_about_the_world_z_and_the_last_about_its_own() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        arm, turn = random_arm(rng), rng.uniform(-2, 2)
        about_z = Pose((0, 0, 0), quat_about_axis((0, 0, 1), turn))
        pose = hand_pose(arm)
        np.testing.assert_allclose(hand_pose(arm + turn * np.eye(7)[0]).matrix(), (about_z @ pose).matrix(), atol=1e-12)
        np.testing.assert_allclose(hand_pose(arm + turn * np.eye(7)[6]).matrix(), (pose @ about_z).matrix(), atol=1e-12)


def test_the_jacobian_equals_central_finite_differences() -> None:
    rng, step = np.random.default_rng(2), 1e-5
    for _ in range(50):
        arm = random_arm(rng)
        jacobian = hand_jacobian(arm)
        assert jacobian.shape == (6, 7)
        for joint, direction in enumerate(np.eye(7)):
            before, after = hand_pose(arm - step * direction), hand_pose(arm + step * direction)
            turn = quat_multiply(after.quat_wxyz, quat_conjugate(before.quat_wxyz))  # in the world
            angular = 2 * turn[1:] * np.sign(turn[0]) / (2 * step)
            linear = (after.position - before.position) / (2 * step)
            np.testing.assert_allclose(jacobian[:, joint], np.concatenate([linear, angular]), atol=1e-8)


@pytest.mark.parametrize("shape", [(6,), (8,), (7, 1)])
def test_an_arm_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(7,\)"):
        hand_pose(np.zeros(shape))
    with pytest.raises(ValueError, match=r"expected shape \(7,\)"):
        hand_jacobian(np.zeros(shape))


@pytest.mark.parametrize("z_m", HEIGHTS_M)
def test_the_inverse_brings_the_fingertips_to_every_target_of_the_area(z_m: float) -> None:
    """With the least tilt and with more; with every wrist yaw a grasp can ask for."""
    for target in area(z_m):
        tilt = least_tilt(target)
        assert tilt is not None
        for wrist_yaw, extra in itertools.product((-1.57, -0.5, 0.0, 1.57), (0.0, 0.05)):
            arm = solve_planar(target, wrist_yaw, tilt + extra)
            assert arm is not None, (target, wrist_yaw, extra)
            np.testing.assert_allclose(fingertip_position(hand_pose(arm)), target, atol=1e-9)
            assert within_limits(arm)
            assert arm[2] == arm[4] == 0


def test_the_hand_leans_outward_by_the_tilt_and_is_turned_by_the_wrist_yaw() -> None:
    for target, wrist_yaw, tilt in itertools.product(area(0.5, 3, 4), (-1.2, 0.0, 0.7), (0.25, 0.4)):
        arm = solve_planar(target, wrist_yaw, tilt)
        assert arm is not None
        outward = np.array([target[0], target[1], 0]) / math.hypot(target[0], target[1])
        leftward = np.cross((0, 0, 1), outward)
        axes = matrix_from_quat(hand_pose(arm).quat_wxyz)
        np.testing.assert_allclose(axes[:, 2], math.sin(tilt) * outward - (0, 0, math.cos(tilt)), atol=1e-12)
        # Unturned, the hand's y axis is opposite to `leftward`; the wrist yaw turns it about the tool.
        across = math.cos(tilt) * outward + np.array([0, 0, math.sin(tilt)])
        expected = math.sin(wrist_yaw) * across - math.cos(wrist_yaw) * leftward
        np.testing.assert_allclose(axes[:, 1], expected, atol=1e-12)


def test_the_inverse_reproduces_home() -> None:
    target = fingertip_position(hand_pose(HOME_RAD))
    arm = solve_planar(target, wrist_yaw_rad=math.pi / 4 - HOME_RAD[6], tilt_rad=0.0)
    assert arm is not None
    np.testing.assert_allclose(arm, HOME_RAD, atol=1e-12)


def test_equal_tilt_and_wrist_yaw_mean_equal_height_lean_and_seventh_joint() -> None:
    """So a thing carried from one to the other turns about the vertical and stays upright."""
    rng = np.random.default_rng(3)
    for _ in range(100):
        tilt, wrist_yaw = rng.uniform(0.1, 0.3), rng.uniform(-1.5, 1.5)
        a, b = (solve_planar((*xy, 0.43), wrist_yaw, tilt) for xy in rng.uniform((0.3, -0.3), (0.6, 0.3), (2, 2)))
        assert a is not None
        assert b is not None
        assert a[6] == b[6]
        turn = quat_multiply(hand_pose(b).quat_wxyz, quat_conjugate(hand_pose(a).quat_wxyz))
        np.testing.assert_allclose(turn[1:3], 0, atol=1e-12)


def test_the_whole_area_is_reached_at_the_cube_with_at_most_the_stated_tilt() -> None:
    tilts = [least_tilt(target) for target in area(0.43, 41, 61)]
    assert all(tilt is not None and tilt < math.radians(5.7) for tilt in tilts)


@pytest.mark.parametrize(
    ("z_m", "reach_m", "share", "largest_tilt_deg"),
    [(0.43, 0.738, 0.99, 5.3), (0.51, 0.694, 0.92, 14.5), (0.53, 0.681, 0.89, 17.1), (0.61, 0.617, 0.73, 28.5)],
)
def test_reach_of_the_untilted_hand(z_m: float, reach_m: float, share: float, largest_tilt_deg: float) -> None:
    assert least_tilt((reach_m - 0.001, 0, z_m)) == 0
    beyond = least_tilt((reach_m + 0.001, 0, z_m))
    assert beyond is not None
    assert beyond > 0
    tilts = [least_tilt(target) for target in area(z_m, 81, 121)]
    assert np.mean([tilt == 0 for tilt in tilts]) == pytest.approx(share, abs=0.01)
    assert max(math.degrees(tilt) for tilt in tilts if tilt is not None) == pytest.approx(largest_tilt_deg, abs=0.1)


@pytest.mark.parametrize("z_m", [0.43, 0.53, 0.672])
def test_no_smaller_tilt_reaches(z_m: float) -> None:
    tilted = 0
    for target in area(z_m, 21, 31):
        tilt = least_tilt(target)
        assert tilt is not None
        assert solve_planar(target, 0.0, tilt) is not None
        if tilt > 0:
            tilted += 1
            for smaller in (tilt - 1e-4, tilt / 2, 0.0):
                assert solve_planar(target, 0.0, smaller) is None
    assert tilted > 0


def test_far_targets_have_neither_tilt_nor_solution() -> None:
    for target in ((0.95, 0, 0.43), (0.7, 0.7, 0.43), (0.5, 0.0, 1.6), (0.0, -2.0, 0.5)):
        assert least_tilt(target) is None
        for tilt in np.linspace(0, 1.5, 16):
            assert solve_planar(target, 0.0, float(tilt)) is None


def test_solutions_beyond_a_joint_limit_are_refused() -> None:
    assert solve_planar((0.5, 0, 0.43), 0.0, 0.0) is not None
    assert solve_planar((-0.5, 0, 0.43), 0.0, 0.0) is None  # joint 1 would have to turn by 180 degrees
    assert solve_planar((0.3, 0, 0.43), 0.0, 1.0) is None  # the elbow would fold to -3.21 rad
    # Joint 7 is pi / 4 less the wrist yaw.
    least_yaw = math.pi / 4 - JOINT_UPPER_RAD[6] + JOINT_MARGIN_RAD
    most_yaw = math.pi / 4 - JOINT_LOWER_RAD[6] - JOINT_MARGIN_RAD
    for inside, outside in ((least_yaw + 1e-9, least_yaw - 1e-9), (most_yaw - 1e-9, most_yaw + 1e-9)):
        assert solve_planar((0.5, 0, 0.43), inside, 0.0) is not None
        assert solve_planar((0.5, 0, 0.43), outside, 0.0) is None


def test_clipping_is_the_nearest_position_within_the_limits() -> None:
    rng = np.random.default_rng(4)
    outside = 0
    for _ in range(200):
        arm = 1.2 * random_arm(rng)
        clipped = clip_to_limits(arm)
        assert within_limits(clipped)
        assert within_limits(arm) == np.array_equal(arm, clipped)
        outside += not within_limits(arm)
        np.testing.assert_array_less(np.asarray(JOINT_LOWER_RAD), clipped)
        np.testing.assert_array_less(clipped, np.asarray(JOINT_UPPER_RAD))
    assert outside > 0


@pytest.mark.parametrize("period_rad", [math.pi, math.pi / 2])
def test_the_fingers_close_along_the_asked_axis_with_the_nearest_wrist_yaw(period_rad: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        target, axis_yaw, tilt = (*rng.uniform((0.3, -0.3), (0.6, 0.3)), 0.45), rng.uniform(-7, 7), rng.uniform(0, 0.3)
        wrist_yaw = wrist_yaw_along(axis_yaw, period_rad, target, tilt)
        arm = solve_planar(target, wrist_yaw, tilt)
        assert arm is not None
        x, y, _ = closing_axis(hand_pose(arm))
        assert math.remainder(math.atan2(y, x) - axis_yaw, period_rad) == pytest.approx(0, abs=1e-9)
        slack = math.atan2(math.sin(period_rad / 2), math.cos(period_rad / 2) * math.cos(tilt))  # what tilting adds
        assert abs(wrist_yaw) <= slack + 1e-9
