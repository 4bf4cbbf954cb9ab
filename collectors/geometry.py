"""Rigid transforms in three dimensions; quaternions are unit length in w, x, y, z order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

IDENTITY_QUAT_WXYZ = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid transform from a child frame to its parent: `parent = rotate(quat_wxyz, child) + position`.

    position: origin of the child frame in the parent frame [m], shape (3,).
    quat_wxyz: rotation from child to parent, unit quaternion, shape (4,).
    Both are copied and made read-only.
    """

    position: Array
    quat_wxyz: Array

    def __init__(self, position: ArrayLike, quat_wxyz: ArrayLike = IDENTITY_QUAT_WXYZ) -> None:
        p = np.array(position, dtype=np.float64)
        q = np.array(quat_wxyz, dtype=np.float64)
        if p.shape != (3,) or q.shape != (4,):
            raise ValueError(
                f"a pose needs a position of shape (3,) and a quaternion of shape (4,), got {p.shape} and {q.shape}"
            )
        p.setflags(write=False)
        q.setflags(write=False)
        object.__setattr__(self, "position", p)
        object.__setattr__(self, "quat_wxyz", q)

    def __matmul__(self, other: Pose) -> Pose:
        """Composition: `a_to_world = b_to_world @ a_to_b`."""
        return Pose(
            self.position + quat_rotate(self.quat_wxyz, other.position),
            quat_multiply(self.quat_wxyz, other.quat_wxyz),
        )

    def inverse(self) -> Pose:
        conjugate = quat_conjugate(self.quat_wxyz)
        return Pose(-quat_rotate(conjugate, self.position), conjugate)

    def matrix(self) -> Array:
        """The homogeneous transform, shape (4, 4)."""
        transform = np.eye(4)
        transform[:3, :3] = matrix_from_quat(self.quat_wxyz)
        transform[:3, 3] = self.position
        return transform


def quat_multiply(a_wxyz: ArrayLike, b_wxyz: ArrayLike) -> Array:
    """Hamilton product a * b: the rotation b followed by the rotation a. Shape (4,)."""
    aw, ax, ay, az = np.asarray(a_wxyz, dtype=np.float64)
    bw, bx, by, bz = np.asarray(b_wxyz, dtype=np.float64)
    return np.array(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def quat_conjugate(quat_wxyz: ArrayLike) -> Array:
    w, x, y, z = np.asarray(quat_wxyz, dtype=np.float64)
    return np.array([w, -x, -y, -z])


def quat_rotate(quat_wxyz: ArrayLike, vector: ArrayLike) -> Array:
    """The vector, shape (3,), turned by the quaternion."""
    q = np.asarray(quat_wxyz, dtype=np.float64)
    v = np.asarray(vector, dtype=np.float64)
    t = 2.0 * np.cross(q[1:], v)
    return np.asarray(v + q[0] * t + np.cross(q[1:], t))


def quat_about_axis(axis: ArrayLike, angle_rad: float) -> Array:
    """Rotation by `angle_rad` about `axis` (any length but 0), right-handed."""
    a = np.asarray(axis, dtype=np.float64)
    a = a / np.linalg.norm(a)
    return np.concatenate([[np.cos(angle_rad / 2)], np.sin(angle_rad / 2) * a])


def matrix_from_quat(quat_wxyz: ArrayLike) -> Array:
    """The rotation matrix, shape (3, 3); its columns are the child's axes in the parent frame."""
    w, x, y, z = np.asarray(quat_wxyz, dtype=np.float64)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quat_from_matrix(rotation: ArrayLike) -> Array:
    """Unit quaternion of a rotation matrix, shape (3, 3), with a non-negative w (Shepperd's method)."""
    m = np.asarray(rotation, dtype=np.float64)
    trace = float(np.trace(m))
    squares = np.array([trace, m[0, 0], m[1, 1], m[2, 2]])
    largest = int(np.argmax(squares))
    if largest == 0:
        q = np.array([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[0] = m[k, j] - m[j, k]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[k, k]
        q[1 + j] = m[j, i] + m[i, j]
        q[1 + k] = m[k, i] + m[i, k]
    q /= np.linalg.norm(q)
    return -q if q[0] < 0 else q


def rotation_vector(quat_wxyz: ArrayLike) -> Array:
    """Axis times angle [rad], shape (3,), by the shorter way round."""
    q = np.asarray(quat_wxyz, dtype=np.float64)
    q = -q if q[0] < 0 else q
    sine = float(np.linalg.norm(q[1:]))
    if sine == 0.0:
        return np.zeros(3)
    return np.asarray(q[1:] / sine * 2 * np.arctan2(sine, q[0]))


def quat_slerp(a_wxyz: ArrayLike, b_wxyz: ArrayLike, part: float) -> Array:
    """The orientation that has turned `part` of the shorter way from a to b, at even speed."""
    vector = rotation_vector(quat_multiply(b_wxyz, quat_conjugate(a_wxyz)))
    angle = float(np.linalg.norm(vector))
    a = np.asarray(a_wxyz, dtype=np.float64)
    return quat_multiply(quat_about_axis(vector, part * angle), a) if angle else a


def rotation_angle(a_wxyz: ArrayLike, b_wxyz: ArrayLike) -> float:
    """The angle [rad] between two orientations, 0 to pi; exact near zero."""
    relative = quat_multiply(quat_conjugate(a_wxyz), b_wxyz)
    return float(2.0 * np.arctan2(np.linalg.norm(relative[1:]), abs(relative[0])))
