from __future__ import annotations

import numpy as np
import pytest

from collectors.geometry import (
    Array,
    Pose,
    matrix_from_quat,
    quat_about_axis,
    quat_conjugate,
    quat_from_matrix,
    quat_multiply,
    quat_rotate,
    rotation_angle,
)

CASES = 200


def random_quat(rng: np.random.Generator) -> Array:
    quat = rng.normal(size=4)
    return np.asarray(quat / np.linalg.norm(quat))


def random_pose(rng: np.random.Generator) -> Pose:
    return Pose(rng.uniform(-2, 2, size=3), random_quat(rng))


def same_rotation(a_wxyz: Array, b_wxyz: Array) -> bool:
    return abs(abs(float(a_wxyz @ b_wxyz)) - 1) < 1e-12


def test_inverse_of_inverse_is_the_pose() -> None:
    rng = np.random.default_rng(1)
    for _ in range(CASES):
        pose = random_pose(rng)
        again = pose.inverse().inverse()
        np.testing.assert_allclose(again.position, pose.position, atol=1e-12)
        assert same_rotation(again.quat_wxyz, pose.quat_wxyz)


def test_a_pose_and_its_inverse_compose_to_the_identity_from_both_sides() -> None:
    rng = np.random.default_rng(2)
    for _ in range(CASES):
        pose = random_pose(rng)
        np.testing.assert_allclose((pose @ pose.inverse()).matrix(), np.eye(4), atol=1e-12)
        np.testing.assert_allclose((pose.inverse() @ pose).matrix(), np.eye(4), atol=1e-12)


def test_composition_is_the_product_of_the_matrices_and_associative() -> None:
    rng = np.random.default_rng(3)
    for _ in range(CASES):
        a, b, c = (random_pose(rng) for _ in range(3))
        np.testing.assert_allclose((a @ b).matrix(), a.matrix() @ b.matrix(), atol=1e-12)
        np.testing.assert_allclose(((a @ b) @ c).matrix(), (a @ (b @ c)).matrix(), atol=1e-12)


def test_rotating_a_vector_equals_the_matrix_and_the_sandwich_product() -> None:
    rng = np.random.default_rng(4)
    for _ in range(CASES):
        quat, vector = random_quat(rng), rng.normal(size=3)
        turned = quat_rotate(quat, vector)
        np.testing.assert_allclose(turned, matrix_from_quat(quat) @ vector, atol=1e-12)
        sandwich = quat_multiply(quat_multiply(quat, np.append(0.0, vector)), quat_conjugate(quat))
        np.testing.assert_allclose(np.append(0.0, turned), sandwich, atol=1e-12)


def test_matrices_are_right_handed_rotations() -> None:
    rng = np.random.default_rng(5)
    for _ in range(CASES):
        matrix = matrix_from_quat(random_quat(rng))
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_matrix_round_trip_keeps_the_rotation_and_gives_a_non_negative_w() -> None:
    rng = np.random.default_rng(6)
    half_turns = [quat_about_axis(axis, np.pi) for axis in np.eye(3)]  # the trace is least here
    for quat in [*half_turns, *(random_quat(rng) for _ in range(CASES))]:
        again = quat_from_matrix(matrix_from_quat(quat))
        assert same_rotation(again, quat)
        assert again[0] >= 0
        assert np.linalg.norm(again) == pytest.approx(1.0, abs=1e-15)


def test_every_branch_of_the_matrix_conversion_is_exact_near_its_own_axis() -> None:
    for axis in np.eye(3):
        for angle in (1e-9, 1.0, np.pi - 1e-9, np.pi):
            quat = quat_about_axis(axis, angle)
            np.testing.assert_allclose(quat_from_matrix(matrix_from_quat(quat)), quat, atol=1e-12)


def test_about_axis_is_right_handed_and_ignores_the_axis_length() -> None:
    np.testing.assert_allclose(quat_rotate(quat_about_axis((0, 0, 5), np.pi / 2), (1, 0, 0)), (0, 1, 0), atol=1e-15)
    np.testing.assert_allclose(quat_rotate(quat_about_axis((3, 0, 0), np.pi / 2), (0, 1, 0)), (0, 0, 1), atol=1e-15)


def test_turns_about_one_axis_add_up() -> None:
    rng = np.random.default_rng(7)
    for _ in range(CASES):
        axis, (a, b) = rng.normal(size=3), rng.uniform(-3, 3, size=2)
        product = quat_multiply(quat_about_axis(axis, a), quat_about_axis(axis, b))
        np.testing.assert_allclose(product, quat_about_axis(axis, a + b), atol=1e-12)


def test_rotation_angle_is_the_angle_of_the_relative_turn_whatever_the_signs() -> None:
    rng = np.random.default_rng(8)
    for angle in (0.0, 1e-9, 1e-4, 1.0, 3.0, np.pi):
        start = random_quat(rng)
        end = quat_multiply(start, quat_about_axis(rng.normal(size=3), angle))
        for a, b in ((start, end), (end, start), (-start, end)):
            assert rotation_angle(a, b) == pytest.approx(angle, rel=1e-6, abs=1e-15)


def test_a_pose_owns_read_only_copies_of_its_numbers() -> None:
    position, quat = np.zeros(3), np.array([1.0, 0, 0, 0])
    pose = Pose(position, quat)
    position[0], quat[1] = 9.0, 9.0
    assert pose.position[0] == 0
    assert pose.quat_wxyz[1] == 0
    with pytest.raises(ValueError, match="read-only"):
        pose.position[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        pose.quat_wxyz[0] = 0.5


def test_a_pose_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and \(4,\)"):
        Pose((1.0, 2.0))
    with pytest.raises(ValueError, match=r"\(3,\) and \(3,\)"):
        Pose((1.0, 2.0, 3.0), (1.0, 0.0, 0.0))
