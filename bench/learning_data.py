"""Demonstrations in memory, as `collect` would record their numbers, and what can be wrong with a dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.outcomes import BlindSimulator
from collectors.episode import run_episode
from collectors.features import GOAL_POSITION, OBJECT_POSE
from collectors.franka import NUM_ARM_JOINTS
from collectors.geometry import Pose
from collectors.randomization import PRESETS
from collectors.recording_noise import RecordingNoise
from collectors.task import TASKS
from collectors.variation import draw_variation
from collectors.waypoints import Plan
from sim_service.collection import TASK_NAME, drive
from sim_service.config import CollectConfig

Rows = NDArray[np.float32]

# Of a failed attempt: how far from the object it reaches. Less, and the fingers would come down on a cube of 4 cm.
MISS_M: Final = (0.08, 0.12)


@dataclass(frozen=True, eq=False)
class Demonstration:
    """One episode. states: observation.state, shape (N, 23). actions: shape (N, 8). object_poses: shape (N, 7).
    goal_m: shape (3,). held: rows in which the object is in the hand, shape (N,)."""

    states: Rows
    actions: Rows
    object_poses: Rows
    goal_m: Rows
    held: NDArray[np.bool_]


@dataclass(frozen=True)
class Recording:
    """How the demonstrations come about. failed_share: of the attempts, which reach beside the object and are kept.
    observation_noise: factor, as in `Randomization`."""

    waypoint_noise_rad: float = CollectConfig.waypoint_noise_rad
    observation_noise: float = 0.0
    failed_share: float = 0.0


def collect(simulator: BlindSimulator, count: int, seed: int, recording: Recording) -> list[Demonstration]:
    """The first attempt of each of the first `count` episodes, as `collect` draws them; failures are kept."""
    task = TASKS[TASK_NAME](simulator.objects, recording.waypoint_noise_rad)
    demonstrations = []
    for index in range(count):
        attempt = (seed, index, 0)
        plan = task.draw(np.random.default_rng(attempt), draw_variation(PRESETS["none"], attempt))
        rng = np.random.default_rng([*attempt, 0])  # not the plan's
        if rng.random() < recording.failed_share:
            plan = _missing(plan, rng)
        plan = replace(plan, noise=RecordingNoise(recording.observation_noise, seed=attempt))
        sink = _Memory()
        outcome = drive(
            simulator,
            run_episode(
                simulator,
                task,
                plan,
                sink,
                episode_index=index,
                steps_per_segment=CollectConfig.steps_per_segment,
                finish_failures=True,
            ),
        )
        demonstrations.append(sink.demonstration(outcome.attach_frame, outcome.detach_frame))
    return demonstrations


def actions_late(demonstration: Demonstration) -> Demonstration:
    """The mistake of recording the command that is in force instead of the one that is issued: one row late."""
    actions = demonstration.actions
    return replace(demonstration, actions=np.concatenate([actions[:1], actions[:-1]]))


def states_as_actions(demonstration: Demonstration) -> Demonstration:
    """The mistake of recording, as the action, where the joints and the fingers are."""
    states = demonstration.states
    fingers_m = states[:, 14:16].mean(axis=1, keepdims=True)
    return replace(demonstration, actions=np.concatenate([states[:, :NUM_ARM_JOINTS], fingers_m], axis=1))


def _missing(plan: Plan, rng: np.random.Generator) -> Plan:
    """The same motion, with the object elsewhere."""
    distance_m, angle_rad = rng.uniform(*MISS_M), rng.uniform(0, 2 * math.pi)
    stands = plan.scene.object_pose
    shift_m = np.array([distance_m * math.cos(angle_rad), distance_m * math.sin(angle_rad), 0.0])
    return replace(plan, scene=replace(plan.scene, object_pose=Pose(stands.position + shift_m, stands.quat_wxyz)))


class _Memory:
    """Takes frames and keeps their numbers."""

    def __init__(self) -> None:
        self._rows: list[Sequence[ArrayLike]] = []

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: ArrayLike,
        action: ArrayLike,
        timestamp: float,
        next_done: bool,
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        assert extra is not None
        self._rows.append((state, action, extra[OBJECT_POSE], extra[GOAL_POSITION]))

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        pass

    def demonstration(self, attach_frame: int, detach_frame: int) -> Demonstration:
        states, actions, poses, goals = (np.array(column, dtype=np.float32) for column in zip(*self._rows, strict=True))
        frames = np.arange(len(states))
        held = (frames >= attach_frame) & (frames < detach_frame) & (attach_frame >= 0)
        return Demonstration(states, actions, poses, goals[0], held)
