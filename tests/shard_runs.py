"""Shards collected on a fake simulator that fails in some scenes, the same ones in every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_simulator import FakeSimulator

from collectors.scene import Scene
from sim_service import collect_command
from sim_service.collect_command import run_collect
from sim_service.collection import Collection, step
from sim_service.config import CollectConfig
from sim_service.shard import Shard
from sim_service.shard_report import ShardReport
from sim_service.simulators import SimulatorSettings

EPISODES = 10


SEED = 42
FPS = 5


class FailsInSomeScenes(FakeSimulator):
    """With one small camera. With this seed episode 3 fails in both of two attempts, some others in the first."""

    def __init__(self) -> None:
        super().__init__(fps=FPS)
        self.cameras = (dataclasses.replace(self.cameras[0], width_px=32, height_px=32),)

    def reset(self, scene: Scene) -> None:
        x, y, _ = scene.object_pose.position
        self.grasp_offset_m = 0.2 if round(abs(x + y) * 1e6) % 5 in (0, 1) else 0.0
        super().reset(scene)


def configure(output: Path, num_episodes: int = EPISODES, **changes: Any) -> CollectConfig:
    """Short episodes, two attempts each."""
    config = CollectConfig(
        output=output,
        num_episodes=num_episodes,
        seed=SEED,
        steps_per_segment=1,
        max_attempts=2,
        simulator="mujoco",
        settings=SimulatorSettings(fps=FPS),
    )
    return dataclasses.replace(config, **changes)


def collect(config: CollectConfig) -> int:
    """As `isaac-collect collect` does; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_command, "open_simulator", lambda *_: FailsInSomeScenes())
        return run_collect(config, [ShardReport(config, config.shard)] if config.shard is not None else [])


def interrupt(config: CollectConfig, ticks: int, episodes: int = 0, then: Callable[[], None] = lambda: None) -> None:
    """Collect a shard until it has so many episodes and for so many ticks more, call `then`, and end as after a
    signal."""
    if config.shard is None or not config.indices:
        return
    simulator = FailsInSomeScenes()
    report = ShardReport(config, config.shard)
    collection = Collection(config, simulator)
    report.watch(collection, simulator)
    run = collection.run()
    try:
        tick = next(run)
        while ticks:
            tick = step(simulator, run, tick)
            report.advanced(tick)
            ticks -= collection.ledger.episodes >= episodes
        then()
    except StopIteration:  # nothing was left
        pass
    finally:
        run.close()
    report.finish(130, None)


def shard_folders(folder: Path, count: int) -> list[Path]:
    return [folder / str(index) for index in range(count)]


def collect_shards(folder: Path, count: int, **changes: Any) -> list[int]:
    """Into folders of the shards' numbers; returns the exit codes."""
    roots = shard_folders(folder, count)
    return [collect(configure(root, shard=Shard(index, count), **changes)) for index, root in enumerate(roots)]
