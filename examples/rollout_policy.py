"""A policy for `isaac-collect rollout`: a small network in numpy that sees the state, the object's pose and the goal.

Train one, then run it:

    python -m bench.learning --only "as recorded" --trainings 1 --save policy.npz
    isaac-collect rollout --policy examples/rollout_policy.py:load

`load` reads the file that the environment variable POLICY_WEIGHTS names, else policy.npz.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from collectors.policy import PolicyObservation

Array = NDArray[np.float32]

FINGER_OPEN_M = 0.04
TIPS_BELOW_HAND_M = 0.1034  # fingertips, along the z axis of panda_hand


def load() -> NetworkPolicy:
    with np.load(os.environ.get("POLICY_WEIGHTS", "policy.npz")) as weights:
        return NetworkPolicy(dict(weights))


class NetworkPolicy:
    """weights: as `bench.learning_policy.Network.weights` gives them.

    The network answers with how far the joint targets are from the joints, and by how much the gripper's target
    differs from the one before. For while the fingers rest on the object the state does not tell how far they are
    commanded to close; the policy has to remember it.
    """

    wants_images = False

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._gripper_m = FINGER_OPEN_M

    def reset(self, task: str) -> None:
        del task  # it is always the same one
        self._gripper_m = FINGER_OPEN_M

    def act(self, observation: PolicyObservation) -> Array:
        state, pose = observation.state, observation.privileged_object_pose
        inputs = features(
            gripper_m=np.array([[self._gripper_m]], dtype=np.float32),
            joints_rad=state[None, 0:7],
            fingers_m=state[None, 14:16],
            hand_m=state[None, 16:19],
            hand_rotation=rotation(state[None, 19:23]),
            object_m=pose[None, 0:3],
            object_yaw_rad=yaw_rad(pose[None, 3:7]),
            goal_m=observation.privileged_goal_position[None],
        )
        change = forward(self._weights, inputs)[0]
        self._gripper_m = float(np.clip(self._gripper_m + change[7], 0.0, FINGER_OPEN_M))
        return np.append(state[:7] + change[:7], np.float32(self._gripper_m)).astype(np.float32)


def forward(weights: Mapping[str, Array], inputs: Array) -> Array:
    """What the network answers to rows of features, shape (n, 8): [rad] seven times, then [m]."""
    hidden = (inputs - weights["input_mean"]) / weights["input_std"]
    layers = sum(name.startswith("weight_") for name in weights)
    for layer in range(layers):
        hidden = hidden @ weights[f"weight_{layer}"] + weights[f"bias_{layer}"]
        if layer < layers - 1:
            hidden = np.maximum(hidden, 0)
    answer: Array = hidden * weights["output_std"] + weights["output_mean"]
    return answer


def features(
    *,
    gripper_m: Array,
    joints_rad: Array,
    fingers_m: Array,
    hand_m: Array,
    hand_rotation: Array,
    object_m: Array,
    object_yaw_rad: Array,
    goal_m: Array,
) -> Array:
    """What the network sees, shape (n, 43), of n rows each: the last gripper command, the state, and where hand, object
    and goal are to each other.

    Shapes: (n, 1), (n, 7), (n, 2), (n, 3), (n, 3, 3), (n, 3), (n,), (n, 3); positions and rotation in the world.
    """
    tips_m = hand_m + TIPS_BELOW_HAND_M * hand_rotation[:, :, 2]
    to_object_m, to_goal_m = object_m - tips_m, goal_m - object_m
    apart_m = np.linalg.norm(to_object_m, axis=1, keepdims=True)
    aside_m = np.linalg.norm(to_object_m[:, :2], axis=1, keepdims=True)
    off_goal_m = np.linalg.norm(to_goal_m[:, :2], axis=1, keepdims=True)
    object_azimuth_rad = np.arctan2(object_m[:, 1], object_m[:, 0])
    goal_azimuth_rad = np.arctan2(goal_m[:, 1], goal_m[:, 0])
    hand_yaw_rad = np.arctan2(hand_rotation[:, 1, 1], hand_rotation[:, 0, 1])
    columns = [
        *(gripper_m, joints_rad, fingers_m, tips_m, object_m, goal_m[:, :2]),
        *(to_object_m, to_goal_m, goal_m - tips_m, hand_rotation[:, :, 2]),
        *(aside_m, off_goal_m, _near(apart_m, 0.02), _near(aside_m, 0.02), _near(off_goal_m, 0.03)),
        *(object_azimuth_rad[:, None], goal_azimuth_rad[:, None]),
        _cube_angle(object_yaw_rad),
        _cube_angle(object_yaw_rad - object_azimuth_rad),
        _cube_angle(object_yaw_rad - hand_yaw_rad),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _near(distance_m: Array, scale_m: float) -> Array:
    """1 at no distance, 0 far away."""
    return np.asarray(np.exp(-((distance_m / scale_m) ** 2)))


def _cube_angle(yaw_rad: Array) -> Array:
    """Shape (n, 2); the same for angles that differ by a quarter turn."""
    return np.stack([np.cos(4 * yaw_rad), np.sin(4 * yaw_rad)], axis=1)


def rotation(quat_wxyz: Array) -> Array:
    """Rotation matrices, shape (n, 3, 3), of unit quaternions, shape (n, 4)."""
    w, x, y, z = quat_wxyz.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows, dtype=np.float32), 2, 0)


def yaw_rad(quat_wxyz: Array) -> Array:
    """Angle about the world's z axis, shape (n,), of orientations, shape (n, 4)."""
    w, x, y, z = quat_wxyz.T
    return np.asarray(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
