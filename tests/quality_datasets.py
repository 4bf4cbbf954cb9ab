"""Trajectories of the expert as a dataset has them, clean and damaged, without a physics engine.

The episodes come from the collector's own planner and loop, on a simulator whose joints follow their targets like the
servos do: a first-order lag of SERVO_LAG_S, which is three frames. `clean` gives the three kinds of motion and
randomization that a gate must pass; the damages below change what is recorded, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from fake_simulator import FakeSimulator
from numpy.typing import NDArray

from collectors.episode import run_episode
from collectors.features import ACTION_NAMES, EXTRA_FEATURES, ROBOT_TYPE, STATE_NAMES, TRUE_STATE, extra_features
from collectors.franka import SERVO_LAG_S
from collectors.motion import LINEAR, Motion
from collectors.objects import CUBE
from collectors.randomization import PRESETS, Randomization
from collectors.scene import Scene
from collectors.simulator import Tick
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from lerobot_writer import SimLeRobotWriter
from sim_service.collection import drive, episode_columns
from sim_service.config import CollectConfig
from sim_service.quality.gate import EpisodeNumbers

Kind = Literal["linear", "min-jerk", "full"]
KINDS: tuple[Kind, ...] = ("linear", "min-jerk", "full")
FPS = 30
SIZE = (32, 32)
"""Pixels of a picture, (width, height)."""
CAMERAS = ("cam_high", "cam_wrist")
NAMES: dict[str, tuple[str, ...]] = {
    "observation.state": STATE_NAMES,
    "action": ACTION_NAMES,
    TRUE_STATE: STATE_NAMES,
    **{name: names for name, (_, names) in EXTRA_FEATURES.items()},
}

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One episode. row: its `collection/...` columns, `length` and `tasks`. columns: each feature's numbers, shape
    (frames,) or (frames, size)."""

    row: dict[str, Any]
    columns: dict[str, Array]

    @property
    def length(self) -> int:
        return len(self.columns["action"])

    def with_columns(self, **changed: Array) -> Trajectory:
        """Names with _ for "." ("observation_state"); a feature of another length than it had changes none of the
        others."""
        by_name = {name.replace(".", "_"): name for name in self.columns}
        return replace(self, columns={**self.columns, **{by_name[key]: value for key, value in changed.items()}})

    def with_row(self, **changed: object) -> Trajectory:
        """Columns of meta/episodes, named without `collection/`."""
        return replace(self, row={**self.row, **{f"collection/{name}": value for name, value in changed.items()}})


Damage = Callable[[list[Trajectory]], list[Trajectory]]


class _ServoSimulator(FakeSimulator):
    """Joints and fingers follow a held target exactly as a first-order lag does, shorter where the servos are stiffer;
    the closed fingers stop on what is between them."""

    def advance(self, tick: Tick) -> None:
        fingers_m = self._fingers
        super().advance(tick)
        scene = self._scene
        lag_s = SERVO_LAG_S / (scene.plant.gain if scene is not None else 1.0)
        left = math.exp(-self.control_period_s / lag_s)
        before = self._before
        self._arm = self._target.arm_rad + left * (before - self._target.arm_rad)
        self._speed = (self._target.arm_rad - self._arm) / lag_s
        self._fingers = self._target.finger_m + left * (fingers_m - self._target.finger_m)
        if scene is not None and self._target.finger_m < scene.kind.size_m[0] / 2:
            self._fingers = max(self._fingers, scene.kind.size_m[0] / 2 - 1e-4)
        self._before = self._arm.copy()
        if self._in_hand is not None:
            self._object = self.observe().hand_to_world @ self._in_hand

    def reset(self, scene: Scene) -> None:
        super().reset(scene)
        self._before = np.array(scene.arm_rad, dtype=np.float64)


class _Sink:
    """Keeps the numbers of the frames."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Array]] = []

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: Array,
        action: Array,
        timestamp: float,
        next_done: bool,
        extra: Mapping[str, Array] | None = None,
    ) -> None:
        values = {"observation.state": state, "action": action, **(extra or {})}
        frame = {name: np.asarray(value, np.float32) for name, value in values.items()}
        frame["timestamp"] = np.float32(timestamp)
        frame["frame_index"], frame["episode_index"] = np.int64(frame_index), np.int64(episode_index)
        frame["next.done"] = np.bool_(next_done)
        self.frames.append(frame)

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        pass


def _collect(kind: Kind, seed: int, index: int) -> Trajectory:
    randomization: Randomization = PRESETS["full" if kind == "full" else "none"]
    motion = LINEAR if kind == "linear" else Motion("min-jerk")
    simulator = _ServoSimulator(FPS)
    task = PickPlace((CUBE,))
    config = CollectConfig(output=Path("nowhere"), seed=seed, randomization=randomization, motion=motion)
    for attempt in range(5):
        variation = draw_variation(randomization, (seed, index, attempt), simulator.cameras)
        plan = task.draw(np.random.default_rng([seed, index, attempt]), variation)
        sink = _Sink()
        ticks = run_episode(simulator, task, plan, sink, episode_index=index, steps_per_segment=30, motion=motion)
        outcome = drive(simulator, ticks)
        if outcome.success:
            columns = {name: np.stack([frame[name] for frame in sink.frames]) for name in sink.frames[0]}
            row = episode_columns(config, SimpleNamespace(cameras=simulator.cameras), index, attempt, [], plan, outcome)  # type: ignore[arg-type]
            return Trajectory({"length": outcome.frames, "tasks": [plan.task], **row}, columns)
    raise AssertionError(f"no attempt at episode {index} of seed {seed} succeeded")


@cache
def _collected(kind: Kind, seed: int, index: int) -> Trajectory:
    return _collect(kind, seed, index)


def clean(kind: Kind, episodes: int = 4, seed: int = 1) -> list[Trajectory]:
    """The trajectories of a dataset: linear interpolation without randomization, minimum-jerk without, or minimum-jerk
    with everything varied: noise on observation.state, the truth beside it, delays of 0 to 3 ticks, gains, speeds.
    They are shared between calls: change copies (`with_columns`, `with_row`)."""
    return [_collected(kind, seed, index) for index in range(episodes)]


def episode_numbers(trajectories: Sequence[Trajectory]) -> list[EpisodeNumbers]:
    """As the runner shows them to a gate."""
    shown, first = [], 0
    for number, trajectory in enumerate(trajectories):
        row = {
            **trajectory.row,
            "episode_index": number,
            "length": trajectory.length,
            "dataset_from_index": first,
            "dataset_to_index": first + trajectory.length,
        }
        columns = {
            **trajectory.columns,
            "index": first + np.arange(trajectory.length),
            "task_index": np.zeros(trajectory.length, np.int64),
            "episode_index": np.full(trajectory.length, number),
        }
        first += trajectory.length
        shown.append(
            EpisodeNumbers(number, FPS, row, columns, {name: NAMES[name] for name in columns if name in NAMES})
        )
    return shown


def moving_picture(camera: int, episode: int, frame: int) -> NDArray[np.uint8]:
    """A patterned picture, uint8 (height, width, 3), that drifts by a pixel a frame."""
    width, height = SIZE
    blocks = np.random.default_rng([camera, episode]).integers(40, 200, (height // 8, width // 8, 3))
    return np.roll(blocks.repeat(8, axis=0).repeat(8, axis=1), frame, axis=1).astype(np.uint8)


def write(
    root: Path,
    trajectories: Sequence[Trajectory],
    pictures: Callable[[int, int, int], NDArray[np.uint8]] = moving_picture,
    cameras: Sequence[str] = CAMERAS,
) -> Path:
    """A dataset of the trajectories, in a folder that does not exist yet; returns it.

    pictures: from camera, episode and frame to uint8 (height, width, 3), all of one even size. The writer makes
    timestamps and indices itself, and refuses numbers that are not finite: such damages do not get there."""
    noisy = TRUE_STATE in trajectories[0].columns
    height, width, _ = pictures(0, 0, 0).shape
    extra = extra_features(noisy)
    writer = SimLeRobotWriter(
        root,
        "test/quality",
        FPS,
        ROBOT_TYPE,
        len(STATE_NAMES),
        len(ACTION_NAMES),
        list(cameras),
        (width, height),
        STATE_NAMES,
        ACTION_NAMES,
        extra_features=extra,
    )
    for episode, trajectory in enumerate(trajectories):
        columns = trajectory.columns
        for frame in range(trajectory.length):
            writer.add_frame(
                episode,
                frame,
                columns["observation.state"][frame],
                columns["action"][frame],
                frame / FPS,
                frame == trajectory.length - 1,
                extra={name: columns[name][frame] for name in extra},
            )
            for number, camera in enumerate(cameras):
                writer.add_video_frame(camera, pictures(number, episode, frame))
        row = {name: value for name, value in trajectory.row.items() if name.startswith("collection/")}
        writer.finish_episode(episode, trajectory.length, trajectory.row["tasks"][0], row)
    writer.finalize()
    return root
