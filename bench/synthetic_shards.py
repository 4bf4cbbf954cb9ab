"""Shards of a collection that nobody simulated: `python -m bench.synthetic_shards FOLDER --shards 8 --episodes 1000`.

Schema, columns, ledger and shard records are the product's own, so that its commands take them; pictures are tiny and
states drawn. An episode depends on its index alone, so that shards and a whole collection hold the same ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from bench.measure import ChildError
from collectors.cameras import CAMERAS, Camera
from collectors.episode import EpisodeOutcome
from collectors.features import ACTION_NAMES, EXTRA_FEATURES, GOAL_POSITION, OBJECT_POSE, ROBOT_TYPE, STATE_NAMES
from collectors.objects import CUBE, ObjectKind
from collectors.randomization import PRESETS
from collectors.simulator import Simulator
from collectors.task import TASKS
from collectors.variation import draw_variation
from collectors.waypoints import Plan
from lerobot_writer import SimLeRobotWriter
from sim_service.collection import REPO_ID, TASK_NAME, Collection, describe_configuration, episode_columns
from sim_service.config import CollectConfig
from sim_service.exit_codes import DONE
from sim_service.ledger import Ledger
from sim_service.shard import Shard
from sim_service.shard_report import ShardReport

ROOT: Final = Path(__file__).resolve().parents[1]
SIDE_PX: Final = 16
FPS: Final = 30
_PROCESSES: Final = 2
_SEED: Final = 42
_PICTURES: Final = 64  # distinct ones per camera
_PLANS: Final = 16  # distinct ones; drawing one takes as long as writing an episode


@dataclass(frozen=True)
class Frames:
    """Bounds of an episode's length, both included."""

    least: int
    most: int

    @staticmethod
    def parse(text: str) -> Frames:
        """text: N, or N-M."""
        least, _, most = text.partition("-")
        frames = Frames(int(least), int(most or least))
        if not 1 <= frames.least <= frames.most:
            raise ValueError(f"frames per episode must be N or N-M, from 1 on, got {text!r}")
        return frames

    def __str__(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least}-{self.most}"


@dataclass(frozen=True)
class _NoSimulator:
    """What the collector's columns and configuration say of a simulator."""

    cameras: tuple[Camera, ...] = tuple(
        dataclasses.replace(camera, width_px=SIDE_PX, height_px=SIDE_PX) for camera in CAMERAS
    )
    objects: tuple[ObjectKind, ...] = (CUBE,)

    @property
    def versions(self) -> Mapping[str, str]:
        return {"simulator": "synthetic", "renderer": "none"}


class Episodes:
    """The drawn content of each episode."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        rng = np.random.default_rng(_SEED)
        self._pictures = _draw_pictures(rng)
        task = TASKS[TASK_NAME]((CUBE,), CollectConfig.waypoint_noise_rad)
        plain = PRESETS["none"]
        self._plans = [
            task.draw(np.random.default_rng([_SEED, number]), draw_variation(plain, (_SEED, number, 0)))
            for number in range(_PLANS)
        ]

    def plan(self, index: int) -> Plan:
        return self._plans[index % _PLANS]

    def states(self, index: int) -> NDArray[np.float32]:
        """Random walks from a common start, shape (frames, state dimensions)."""
        rng = np.random.default_rng([_SEED, index])
        length = int(rng.integers(self._frames.least, self._frames.most + 1))
        return np.cumsum(rng.normal(0, 0.02, (length, len(STATE_NAMES))), axis=0).astype(np.float32)

    def picture(self, index: int, frame: int, camera: int) -> NDArray[np.uint8]:
        picture: NDArray[np.uint8] = self._pictures[(7 * index + frame) % _PICTURES, camera]
        return picture


def _draw_pictures(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Plain colours with a slope and some noise, shape (_PICTURES, cameras, SIDE_PX, SIDE_PX, 3). Wild ones would lose
    more of their colours in the encoder than `check` allows."""
    colours = rng.uniform(70, 180, (_PICTURES, len(CAMERAS), 1, 1, 3))
    slope = np.linspace(-40, 40, SIDE_PX)[:, None, None]
    noise = rng.normal(0, 3, (_PICTURES, len(CAMERAS), SIDE_PX, SIDE_PX, 1))
    return np.rint(colours + slope + noise).astype(np.uint8)


def write_part(
    output: Path,
    num_episodes: int,
    frames: Frames,
    shard: Shard | None = None,
    after_episode: Callable[[int, float], None] | None = None,
) -> SimLeRobotWriter:
    """Write a shard, or all episodes into one dataset, with what `collect` writes per episode; returns the writer, not
    yet finalized, whose shard record says "complete" already.

    after_episode: called with the episode's index and the seconds that its frames, commit, ledger and record took.
    """
    config = CollectConfig(output, num_episodes, _SEED, shard=shard)
    simulator = cast(Simulator, _NoSimulator())
    episodes = Episodes(frames)
    writer = SimLeRobotWriter(
        output,
        REPO_ID,
        FPS,
        ROBOT_TYPE,
        len(STATE_NAMES),
        len(ACTION_NAMES),
        [camera.name for camera in simulator.cameras],
        (SIDE_PX, SIDE_PX),
        STATE_NAMES,
        ACTION_NAMES,
        extra_features=EXTRA_FEATURES,
    )
    ledger = Ledger.open(output, describe_configuration(config, simulator), num_episodes)
    ledger.save()
    collection = SimpleNamespace(ledger=ledger, frames_recorded=0)
    report = None if shard is None else ShardReport(config, shard)
    if report is not None:
        report.watch(cast(Collection, collection), simulator)
    for index in config.indices:
        states, plan = episodes.states(index), episodes.plan(index)
        began = time.perf_counter()
        _write_frames(writer, episodes, index, states)
        outcome = _outcome(index, len(states))
        columns = episode_columns(config, simulator, index, 0, [], plan, outcome)
        writer.finish_episode(writer.num_episodes, len(states), plan.task, columns)
        ledger.add_episode(index, 0, [], outcome)
        collection.frames_recorded = writer.num_frames
        if report is not None:
            report.advanced(cast(Any, None))
        if after_episode is not None:
            after_episode(index, time.perf_counter() - began)
    if report is not None:
        report.finish(DONE, None)
    return writer


def _write_frames(writer: SimLeRobotWriter, episodes: Episodes, index: int, states: NDArray[np.float32]) -> None:
    number, last = writer.num_episodes, len(states) - 1
    for k, state in enumerate(states):
        extra = {OBJECT_POSE: state[:7], GOAL_POSITION: state[7:10]}
        writer.add_frame(number, k, state, state[: len(ACTION_NAMES)] + np.float32(0.01), k / FPS, k == last, extra)
        for i, camera in enumerate(CAMERAS):
            writer.add_video_frame(camera.name, episodes.picture(index, k, i))


def _outcome(index: int, frames: int) -> EpisodeOutcome:
    error_m = (index % 100) * 1e-5
    phases = (error_m,) * 9, (1,) * 9
    return EpisodeOutcome("", frames, True, error_m, True, 0.1, 1.0, 0.5, 1, frames - 1, error_m, *phases)


def write_shards(folder: Path, shards: int, num_episodes: int, frames: Frames) -> list[Path]:
    """Write all shards of a collection below `folder`, a few at a time; returns their folders in order."""
    folders = [folder / f"shard-{index:05d}" for index in range(shards)]
    running: list[subprocess.Popen[bytes]] = []
    for number in range(_PROCESSES):
        parts = [str(index) for index in range(number, shards, _PROCESSES)]
        options = [f"--shards={shards}", f"--episodes={num_episodes}", f"--frames={frames}", "--only", *parts]
        if parts:
            command = [sys.executable, "-m", "bench.synthetic_shards", str(folder), *options]
            running.append(subprocess.Popen(command, cwd=ROOT))
    codes = [process.wait() for process in running]
    if any(codes):
        raise ChildError(f"writing the shards failed with exit codes {codes}")
    return folders


def main(arguments: Sequence[str] | None = None) -> int:
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m bench.synthetic_shards", description=summary)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=1000, help="of all shards (default: %(default)s)")
    parser.add_argument("--frames", type=Frames.parse, default=Frames(270, 270), help="per episode: N, or N-M")
    parser.add_argument("--only", type=int, nargs="+", metavar="I", help="write these shards alone, in one process")
    given = parser.parse_args(arguments)
    if given.only is None:
        write_shards(given.folder.resolve(), given.shards, given.episodes, given.frames)
        return 0
    for index in given.only:
        output = given.folder / f"shard-{index:05d}"
        write_part(output, given.episodes, given.frames, Shard(index, given.shards)).finalize()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
