"""What a recorded frame holds, by name and in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collectors.franka import NUM_ARM_JOINTS
from collectors.geometry import Array, Pose
from collectors.simulator import Action, Observation

Row = NDArray[np.float32]

ROBOT_TYPE: Final = "franka_panda"

# rad, rad/s, m (each finger), m and quaternion of panda_hand in the world.
STATE_NAMES: Final = (
    *(f"joint_pos_{i}" for i in range(NUM_ARM_JOINTS)),
    *(f"joint_vel_{i}" for i in range(NUM_ARM_JOINTS)),
    "gripper_pos_0",
    "gripper_pos_1",
    "eef_pos_x",
    "eef_pos_y",
    "eef_pos_z",
    "eef_quat_w",
    "eef_quat_x",
    "eef_quat_y",
    "eef_quat_z",
)
# rad (absolute joint targets), m (target of each finger).
ACTION_NAMES: Final = (*(f"action_joint_{i}" for i in range(NUM_ARM_JOINTS)), "action_gripper")

OBJECT_POSE: Final = "privileged.object_pose"
GOAL_POSITION: Final = "privileged.goal_position"
TRUE_STATE: Final = "privileged.state"

Features = Mapping[str, tuple[tuple[int, ...], tuple[str, ...]]]
# Ground truth. Never named observation.* or action*: LeRobot makes any such feature a policy input.
EXTRA_FEATURES: Final[Features] = {
    OBJECT_POSE: ((7,), ("x", "y", "z", "quat_w", "quat_x", "quat_y", "quat_z")),
    GOAL_POSITION: ((3,), ("x", "y", "z")),
}


def extra_features(noisy_state: bool) -> Features:
    """Name to shape and names. noisy_state: whether observation.state is measured, so that the truth stands beside
    it."""
    return {**EXTRA_FEATURES, TRUE_STATE: ((len(STATE_NAMES),), STATE_NAMES)} if noisy_state else EXTRA_FEATURES


def state_row(observation: Observation, eef_quat_wxyz: Array) -> Row:
    """Shape (23,). eef_quat_wxyz: the hand's orientation with the sign to record."""
    return np.concatenate(
        [
            observation.arm_rad,
            observation.arm_rad_s,
            observation.finger_m,
            observation.hand_to_world.position,
            eef_quat_wxyz,
        ]
    ).astype(np.float32)


def action_row(action: Action) -> Row:
    """Shape (8,)."""
    return np.append(action.arm_rad, action.finger_m).astype(np.float32)


def action_of_row(row: NDArray[np.floating]) -> Action:
    """The command that an action row records, to the bit."""
    values = row.astype(np.float64)
    return Action(values[:NUM_ARM_JOINTS], float(values[NUM_ARM_JOINTS]))


def pose_row(pose: Pose, quat_wxyz: Array) -> Row:
    """Shape (7,): position [m], then the quaternion with the sign to record."""
    return np.concatenate([pose.position, quat_wxyz]).astype(np.float32)


class ContinuousQuat:
    """Chooses between q and -q so that an orientation's four numbers never jump within an episode.

    The first one gets the sign that makes its largest component positive, so that all episodes begin alike.
    """

    def __init__(self) -> None:
        self._previous: Array | None = None

    def __call__(self, quat_wxyz: Array) -> Array:
        reference = self._previous
        if reference is None:
            reference = np.zeros(4)
            largest = int(np.argmax(np.abs(quat_wxyz)))
            reference[largest] = 1.0
        self._previous = -quat_wxyz if float(quat_wxyz @ reference) < 0 else np.array(quat_wxyz)
        return self._previous
