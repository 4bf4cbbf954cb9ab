"""Behaviour cloning with a small network, in numpy: what `examples/rollout_policy.py` runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.learning_data import Demonstration, Rows
from collectors.franka import DH_CRAIG, FINGER_OPEN_M, FLANGE_OFFSET_M, HAND_YAW_ON_FLANGE_RAD, HOME_RAD
from examples.rollout_policy import features, forward, yaw_rad

HIDDEN: Final = (256, 256)
BATCH: Final = 512
LEARNING_RATE: Final = 1e-3  # after the warm-up; falls to 0 along a cosine
WARM_UP_STEPS: Final = 500
# Adam, as Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, suggest it.
MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8
HUBER: Final = 0.1  # of a standard deviation: errors beyond count linearly

# A row teaches nothing of what lies beside it, so it is shown as if the arm had been a little off, with the hand, and
# what is in it, where that brings them; the target stays. Largest standard deviation of a joint; those of the fingers
# and of the command before.
OFF_RAD: Final = 0.04
OFF_FINGER_M: Final = 0.001
OFF_GRIPPER_M: Final = 0.0005
# An episode's last row is on its way to where its last action leads. So many more lead there, that it learns to stop.
ARRIVAL_ROWS: Final = 15


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of all demonstrations. commands: actions; before_m: the gripper's command in the row before."""

    joints_rad: Rows
    fingers_m: Rows
    object_m: Rows
    object_yaw_rad: Rows
    goal_m: Rows
    held: NDArray[np.bool_]
    before_m: Rows
    commands: Rows

    @staticmethod
    def of(demonstrations: Sequence[Demonstration]) -> Examples:
        parts = [_examples(demonstration) for demonstration in demonstrations]
        return Examples(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def batch(self, rng: np.random.Generator, size: int, off_rad: float = OFF_RAD) -> tuple[Rows, Rows]:
        """Features, shape (size, 43), and what the network shall answer to them, shape (size, 8)."""
        rows = rng.integers(len(self.commands), size=size)

        def noise(*shape: int) -> Rows:
            return rng.standard_normal((size, *shape), dtype=np.float32)

        held, object_m, yaw = self.held[rows], self.object_m[rows], self.object_yaw_rad[rows]
        joints_rad, before_m = self.joints_rad[rows], self.before_m[rows]
        hand_m, hand_rotation = hand_poses(joints_rad)
        joints_rad = joints_rad + np.float32(off_rad) * rng.random((size, 1), dtype=np.float32) * noise(7)
        off_hand_m, off_rotation = hand_poses(joints_rad)
        in_hand_m = np.einsum("nji,nj->ni", hand_rotation, object_m - hand_m)
        carried_m = off_hand_m + np.einsum("nij,nj->ni", off_rotation, in_hand_m)
        turned_rad = _hand_yaw_rad(off_rotation) - _hand_yaw_rad(hand_rotation)
        inputs = features(
            gripper_m=before_m + OFF_GRIPPER_M * noise(1),
            joints_rad=joints_rad,
            fingers_m=self.fingers_m[rows] + OFF_FINGER_M * noise(2),
            hand_m=off_hand_m,
            hand_rotation=off_rotation,
            object_m=np.where(held[:, None], carried_m, object_m),
            object_yaw_rad=yaw + np.where(held, turned_rad, 0),
            goal_m=self.goal_m[rows],
        )
        return inputs, self.commands[rows] - np.concatenate([joints_rad, before_m], axis=1)


def _examples(demonstration: Demonstration) -> tuple[NDArray[np.generic], ...]:
    """The columns of `Examples`, with ARRIVAL_ROWS more rows."""
    rows = np.concatenate([np.arange(len(demonstration.states)), np.full(ARRIVAL_ROWS, len(demonstration.states) - 1)])
    joints_rad, commands = demonstration.states[rows, :7], demonstration.actions[rows]
    part = np.linspace(0, 1, ARRIVAL_ROWS + 1, dtype=np.float32)[1:, None]
    joints_rad[-ARRIVAL_ROWS:] += part * (commands[-1, :7] - joints_rad[-1])
    poses = demonstration.object_poses[rows]
    before_m = np.append(np.float32(FINGER_OPEN_M), commands[:-1, 7])[:, None]
    goal_m = np.tile(demonstration.goal_m, (len(rows), 1))
    fingers_m = demonstration.states[rows, 14:16]
    held = demonstration.held[rows]
    return joints_rad, fingers_m, poses[:, :3], yaw_rad(poses[:, 3:]), goal_m, held, before_m, commands


class Network:
    """A perceptron with rectified linear units; inputs and outputs in their own units."""

    def __init__(self, rng: np.random.Generator, inputs: Rows, outputs: Rows) -> None:
        """inputs, outputs: examples, from which the scales are taken."""
        sizes = [inputs.shape[1], *HIDDEN, outputs.shape[1]]
        self.weights: dict[str, Rows] = {
            "input_mean": inputs.mean(axis=0),
            "input_std": inputs.std(axis=0) + np.float32(1e-6),
            "output_mean": outputs.mean(axis=0),
            "output_std": outputs.std(axis=0) + np.float32(1e-6),
        }
        self.layers = len(sizes) - 1
        for layer, (wide, narrow) in enumerate(pairwise(sizes)):
            scale = math.sqrt(2 / wide) * (0.1 if layer == self.layers - 1 else 1.0)
            self.weights[f"weight_{layer}"] = rng.normal(0, scale, (wide, narrow)).astype(np.float32)
            self.weights[f"bias_{layer}"] = np.zeros(narrow, dtype=np.float32)

    def loss(self, inputs: Rows, wanted: Rows) -> float:
        """Huber's, of errors in standard deviations, summed over the outputs, mean of the rows."""
        errors = np.abs((forward(self.weights, inputs) - wanted) / self.weights["output_std"])
        return float(np.where(errors < HUBER, errors**2 / (2 * HUBER), errors - HUBER / 2).sum(axis=1).mean())

    def gradient(self, inputs: Rows, wanted: Rows) -> dict[str, Rows]:
        """Of the loss, by the weights of the layers."""
        weights = self.weights
        hidden = [(inputs - weights["input_mean"]) / weights["input_std"]]
        for layer in range(self.layers):
            sums = hidden[-1] @ weights[f"weight_{layer}"] + weights[f"bias_{layer}"]
            hidden.append(np.maximum(sums, 0) if layer < self.layers - 1 else sums)
        errors = hidden[-1] - (wanted - weights["output_mean"]) / weights["output_std"]
        back = np.clip(errors / np.float32(HUBER), -1, 1) / np.float32(len(inputs))
        gradient: dict[str, Rows] = {}
        for layer in reversed(range(self.layers)):
            gradient[f"weight_{layer}"], gradient[f"bias_{layer}"] = hidden[layer].T @ back, back.sum(axis=0)
            if layer:
                back = (back @ weights[f"weight_{layer}"].T) * (hidden[layer] > 0)
        return gradient


def train(demonstrations: Sequence[Demonstration], steps: int, seed: int, off_rad: float = OFF_RAD) -> dict[str, Rows]:
    """The weights of a network after `steps` batches; a function of the arguments, to the bit on one machine."""
    rng = np.random.default_rng(seed)
    examples = Examples.of(demonstrations)
    network = Network(rng, *examples.batch(rng, 20_000, off_rad))
    means = {name: np.zeros_like(part) for name, part in network.weights.items()}
    squares = {name: np.zeros_like(part) for name, part in network.weights.items()}
    for step in range(1, steps + 1):
        rate = LEARNING_RATE * min(1.0, step / WARM_UP_STEPS) * (1 + math.cos(math.pi * step / steps)) / 2
        mean_scale, square_scale = 1 - MEAN_DECAY**step, 1 - SQUARE_DECAY**step
        for name, slope in network.gradient(*examples.batch(rng, BATCH, off_rad)).items():
            mean, square = means[name], squares[name]
            mean += (1 - MEAN_DECAY) * (slope - mean)
            square += (1 - SQUARE_DECAY) * (slope * slope - square)
            deviation = np.sqrt(square / np.float32(square_scale)) + np.float32(EPSILON)
            network.weights[name] -= np.float32(rate / mean_scale) * mean / deviation
    return network.weights


def save(path: Path, weights: Mapping[str, Rows]) -> None:
    """As `examples/rollout_policy.py` loads them."""
    arrays: dict[str, Any] = dict(weights)  # numpy's own keyword, allow_pickle, has another type
    np.savez(path, **arrays)


def hand_poses(joints_rad: Rows) -> tuple[Rows, Rows]:
    """`collectors.kinematics.hand_pose` of many: positions [m], shape (n, 3), and rotations, shape (n, 3, 3)."""
    count = len(joints_rad)
    assert joints_rad.shape == (count, len(HOME_RAD))
    position = np.zeros((count, 3), dtype=np.float32)
    rotations = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    for joint, (a, d, alpha) in enumerate(DH_CRAIG):
        position = position + np.float32(a) * rotations[:, :, 0]
        rotations = rotations @ _about_x_then_z(alpha, joints_rad[:, joint])
        position = position + np.float32(d) * rotations[:, :, 2]
    hand = rotations @ _about_x_then_z(0.0, np.full(1, HAND_YAW_ON_FLANGE_RAD, dtype=np.float32))
    return position + np.float32(FLANGE_OFFSET_M) * rotations[:, :, 2], hand


def _about_x_then_z(alpha_rad: float, turns_rad: Rows) -> Rows:
    """A turn about x, then one about the new z, shape (n, 3, 3)."""
    cos_alpha, sin_alpha = math.cos(alpha_rad), math.sin(alpha_rad)
    cos, sin = np.cos(turns_rad), np.sin(turns_rad)
    matrices = np.zeros((len(turns_rad), 3, 3), dtype=np.float32)
    matrices[:, 0, 0], matrices[:, 0, 1] = cos, -sin
    matrices[:, 1, 0], matrices[:, 1, 1], matrices[:, 1, 2] = cos_alpha * sin, cos_alpha * cos, -sin_alpha
    matrices[:, 2, 0], matrices[:, 2, 1], matrices[:, 2, 2] = sin_alpha * sin, sin_alpha * cos, cos_alpha
    return matrices


def _hand_yaw_rad(hand_rotation: Rows) -> Rows:
    """Of the axis along which the fingers close."""
    return np.asarray(np.arctan2(hand_rotation[:, 1, 1], hand_rotation[:, 0, 1]))
