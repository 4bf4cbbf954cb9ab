"""Forward and inverse kinematics of the Franka Panda with its hand. World frame = robot base frame, z up.

The inverse is a closed form for table-top poses. It keeps the whole arm in one vertical plane, the *arm plane*, through
the base axis and the target (joints 3 and 5 at zero). What is left in that plane is a triangle of two links, and three
numbers describe the hand: where its fingertips are, its *tilt* (how far the tool leans outward in the arm plane; 0 is
straight down) and its *wrist yaw* (how far the hand is turned about the tool, measured from the arm plane). Because
the wrist yaw turns with the arm plane, two poses with equal tilt and wrist yaw differ by a rotation about the world's
z axis and a shift: what the hand carries from one to the other stays exactly upright.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from collectors.franka import (
    DH_CRAIG,
    FINGERTIP_OFFSET_M,
    FLANGE_OFFSET_M,
    HAND_YAW_ON_FLANGE_RAD,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    NUM_ARM_JOINTS,
)
from collectors.geometry import Array, Pose, quat_from_matrix, quat_rotate

JOINT_MARGIN_RAD: Final = 0.01  # kept to every joint limit, so that a servo's overshoot does not touch the stop

_SHOULDER_HEIGHT_M: Final = DH_CRAIG[0][1]
_UPPER_ARM_M: Final = DH_CRAIG[2][1]
_FOREARM_M: Final = DH_CRAIG[4][1]
_ELBOW_OFFSET_M: Final = DH_CRAIG[3][0]
_WRIST_OFFSET_M: Final = DH_CRAIG[6][0]
_TOOL_M: Final = FLANGE_OFFSET_M + FINGERTIP_OFFSET_M  # wrist to fingertips, along the tool

# The two links of the planar triangle (shoulder to elbow joint, elbow joint to wrist) and the angle between each of
# them and the straight part of its link.
_UPPER_LINK_M: Final = math.hypot(_ELBOW_OFFSET_M, _UPPER_ARM_M)
_LOWER_LINK_M: Final = math.hypot(_ELBOW_OFFSET_M, _FOREARM_M)
_UPPER_LINK_ANGLE_RAD: Final = math.atan2(_ELBOW_OFFSET_M, _UPPER_ARM_M)
_LOWER_LINK_ANGLE_RAD: Final = math.atan2(_ELBOW_OFFSET_M, _FOREARM_M)
_REACH_M: Final = _UPPER_LINK_M + _LOWER_LINK_M
_STRETCH_MARGIN_M: Final = 1e-6  # `least_tilt` stays this short of the stretched arm: rounding cannot make it too far


def hand_pose(arm_rad: ArrayLike) -> Pose:
    """Pose of panda_hand in the world for joint positions [rad], shape (7,)."""
    rotation, position = joint_frames(arm_rad)[-1]
    hand_on_joint = _about_z(HAND_YAW_ON_FLANGE_RAD)
    return Pose(position + FLANGE_OFFSET_M * rotation[:, 2], quat_from_matrix(rotation @ hand_on_joint))


def fingertip_position(hand_to_world: Pose) -> Array:
    """The point midway between the fingertips [m] in the world, shape (3,)."""
    return hand_to_world.position + quat_rotate(hand_to_world.quat_wxyz, (0.0, 0.0, FINGERTIP_OFFSET_M))


def hand_jacobian(arm_rad: ArrayLike) -> Array:
    """Velocity of panda_hand per joint velocity, shape (6, 7): linear [m/rad], then angular [rad/rad], in the world."""
    frames = joint_frames(arm_rad)
    last_rotation, last_position = frames[-1]
    hand = last_position + FLANGE_OFFSET_M * last_rotation[:, 2]
    axes = np.stack([rotation[:, 2] for rotation, _ in frames])
    arms = hand - np.stack([position for _, position in frames])
    return np.concatenate([np.cross(axes, arms).T, axes.T])


def within_limits(arm_rad: ArrayLike) -> bool:
    """Whether every joint [rad], shape (7,), keeps JOINT_MARGIN_RAD from its limits."""
    return bool(np.array_equal(clip_to_limits(arm_rad), np.asarray(arm_rad)))


def clip_to_limits(arm_rad: ArrayLike) -> Array:
    """The nearest joint positions [rad], shape (7,), that keep JOINT_MARGIN_RAD from the limits."""
    lower = np.asarray(JOINT_LOWER_RAD) + JOINT_MARGIN_RAD
    upper = np.asarray(JOINT_UPPER_RAD) - JOINT_MARGIN_RAD
    return np.clip(np.asarray(arm_rad, dtype=np.float64), lower, upper)


def solve_planar(fingertip_m: ArrayLike, wrist_yaw_rad: float, tilt_rad: float) -> Array | None:
    """Joint positions [rad], shape (7,), that bring the fingertips to a point; None where that is out of reach.

    fingertip_m: the target in the world, shape (3,). wrist_yaw_rad: turn of the hand from the arm plane, counter-
    clockwise seen from above; at 0 the fingers close at right angles to the plane. tilt_rad: outward lean of the tool.
    Out of reach means farther than the stretched arm or beyond a joint limit less JOINT_MARGIN_RAD.
    """
    x, y, z = np.asarray(fingertip_m, dtype=np.float64)
    sin_tilt, cos_tilt = math.sin(tilt_rad), math.cos(tilt_rad)
    # The wrist (joint 6) seen from the shoulder, in the arm plane: outward and up.
    outward = math.hypot(x, y) - _TOOL_M * sin_tilt - _WRIST_OFFSET_M * cos_tilt
    up = z + _TOOL_M * cos_tilt - _WRIST_OFFSET_M * sin_tilt - _SHOULDER_HEIGHT_M
    distance = math.hypot(outward, up)
    if not abs(_UPPER_LINK_M - _LOWER_LINK_M) <= distance <= _REACH_M:
        return None
    cos_bend = (distance**2 - _UPPER_LINK_M**2 - _LOWER_LINK_M**2) / (2 * _UPPER_LINK_M * _LOWER_LINK_M)
    bend = math.acos(min(1.0, max(-1.0, cos_bend)))  # between the links; 0 is the stretched arm
    # From the bend itself, not by a second arc cosine: both lose half their digits near the stretched arm.
    lead = math.atan2(_LOWER_LINK_M * math.sin(bend), _UPPER_LINK_M + _LOWER_LINK_M * math.cos(bend))
    joint_2 = math.atan2(outward, up) - lead - _UPPER_LINK_ANGLE_RAD
    joint_4 = -bend - _UPPER_LINK_ANGLE_RAD - _LOWER_LINK_ANGLE_RAD
    joint_6 = joint_2 - joint_4 + tilt_rad
    joint_7 = -HAND_YAW_ON_FLANGE_RAD - wrist_yaw_rad
    arm = np.array([math.atan2(y, x), joint_2, 0.0, joint_4, 0.0, joint_6, joint_7])
    return arm if within_limits(arm) else None


def least_tilt(fingertip_m: ArrayLike) -> float | None:
    """The least outward tilt [rad], 0 or more, with which the arm is long enough for a point; None without one.

    fingertip_m: the target in the world, shape (3,). For several targets it is the largest of theirs. The joint limits
    are left to `solve_planar`.
    """
    x, y, z = np.asarray(fingertip_m, dtype=np.float64)
    radius, height = math.hypot(x, y), z - _SHOULDER_HEIGHT_M
    # The squared distance from shoulder to wrist is  constant - along_sin * sin(tilt) - along_cos * cos(tilt).
    along_sin = 2 * (radius * _TOOL_M + height * _WRIST_OFFSET_M)
    along_cos = 2 * (radius * _WRIST_OFFSET_M - height * _TOOL_M)
    constant = radius**2 + height**2 + _TOOL_M**2 + _WRIST_OFFSET_M**2
    needed = constant - (_REACH_M - _STRETCH_MARGIN_M) ** 2
    if along_cos >= needed:
        return 0.0
    amplitude = math.hypot(along_sin, along_cos)
    if needed > amplitude:
        return None
    tilt = math.atan2(along_sin, along_cos) - math.acos(needed / amplitude)
    return tilt if tilt > 0 else None  # below zero: only leaning inward would help


def wrist_yaw_along(axis_yaw_rad: float, period_rad: float, fingertip_m: ArrayLike, tilt_rad: float) -> float:
    """The wrist yaw [rad] at which the fingers, seen from above, close along a horizontal axis.

    axis_yaw_rad: direction of the axis in the world, about z. period_rad: turning the axis by this changes nothing (pi
    or less: the gripper itself is symmetric); of the equivalent choices the answer is the one nearest to 0.
    fingertip_m: the target in the world, shape (3,), which fixes the arm plane.
    """
    x, y, _ = np.asarray(fingertip_m, dtype=np.float64)
    from_plane_normal = math.remainder(axis_yaw_rad - math.atan2(y, x) - math.pi / 2, period_rad)
    return math.atan2(math.sin(from_plane_normal), math.cos(from_plane_normal) * math.cos(tilt_rad))


def joint_frames(arm_rad: ArrayLike) -> list[tuple[Array, Array]]:
    """Rotation, shape (3, 3), and origin [m], shape (3,), of each joint's frame in the world; z is the joint's axis."""
    arm = np.asarray(arm_rad, dtype=np.float64)
    if arm.shape != (NUM_ARM_JOINTS,):
        raise ValueError(f"the arm has {NUM_ARM_JOINTS} joints: expected shape ({NUM_ARM_JOINTS},), got {arm.shape}")
    rotation, position = np.eye(3), np.zeros(3)
    frames = []
    for angle, (a, d, alpha) in zip(arm, DH_CRAIG, strict=True):
        position = position + a * rotation[:, 0]
        sin_alpha, cos_alpha = math.sin(alpha), math.cos(alpha)
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos_alpha, -sin_alpha], [0.0, sin_alpha, cos_alpha]])
        rotation = rotation @ about_x @ _about_z(float(angle))
        position = position + d * rotation[:, 2]
        frames.append((rotation, position))
    return frames


def _about_z(angle_rad: float) -> Array:
    sin, cos = math.sin(angle_rad), math.cos(angle_rad)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
