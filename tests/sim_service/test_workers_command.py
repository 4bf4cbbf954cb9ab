"""What a worker's process is told, and what it must not be told."""

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path

import pytest

from collectors.motion import Motion
from collectors.randomization import PRESETS
from sim_service.config import CollectConfig, add_collect_flags, apply_environment, collect_config
from sim_service.kit_arguments import split_kit_arguments
from sim_service.page_config import PageConfig
from sim_service.shard import Shard
from sim_service.simulators import ApplicationSettings, SimulatorSettings
from sim_service.worker_command import how_to_go_on, worker_command, worker_environment

ODD_RANDOMIZATION = dataclasses.replace(PRESETS["light"], distractors=(2, 2), gain=(0.1 + 0.7, 1.0 + 1e-15))

# Every field differs from its default.
ODD = CollectConfig(
    output=Path("data sets/ds"),
    num_episodes=7,
    seed=2**40,
    steps_per_segment=11,
    waypoint_noise_rad=0.0123456789012345,
    max_attempts=2,
    keep_failures=True,
    simulator="isaac",
    settings=SimulatorSettings.of(60, True, "high", ODD_RANDOMIZATION),
    application=ApplicationSettings(headless=False, kit_arguments=("--/a/b=x y", "--/c=1")),
    resume=True,
    json=True,
    page=None,
    shard=None,
    workers=3,
    heartbeat_file=Path("beat"),
    randomization=ODD_RANDOMIZATION,
    motion=Motion("min-jerk", "cartesian"),
)


def parse(words: list[str]) -> CollectConfig:
    ours, kit = split_kit_arguments(words)
    parser = argparse.ArgumentParser()
    add_collect_flags(parser)
    apply_environment(parser, {})
    parser.set_defaults(kit_arguments=kit)
    assert ours[0] == "collect"
    return collect_config(parser.parse_args(ours[1:]))


@pytest.mark.parametrize("config", [ODD, CollectConfig(Path("ds"), simulator="mujoco", workers=2)])
def test_a_worker_is_told_everything_that_decides_an_episode(config: CollectConfig) -> None:
    command = worker_command(config, Shard(1, 3), Path("x.shards/shard-00001"), verbose=False)
    assert command[:3] == [sys.executable, "-m", "sim_service.worker_child"]
    told = parse(command[4:])
    assert told == dataclasses.replace(
        config,
        output=Path("x.shards/shard-00001"),
        shard=Shard(1, 3),
        resume=True,
        workers=1,
        json=False,
        heartbeat_file=None,
    )


def test_the_odd_configuration_is_odd_in_every_field() -> None:
    plain = CollectConfig(Path("x"), page=PageConfig("", 0), shard=Shard(0, 1))
    same = [field.name for field in dataclasses.fields(ODD) if getattr(ODD, field.name) == getattr(plain, field.name)]
    assert same == []


def test_verbose_is_passed_on() -> None:
    command = worker_command(ODD, Shard(0, 1), Path("s"), verbose=True)
    assert command[4:6] == ["--verbose", "collect"]


@pytest.mark.parametrize("config", [ODD, CollectConfig(Path("ds"), simulator="mujoco", workers=2)])
def test_the_command_that_goes_on_asks_for_the_same(config: CollectConfig) -> None:
    first, second = how_to_go_on(config, Path("data sets/ds.shards")).splitlines()
    words = shlex.split(first.partition("isaac-collect ")[2])
    assert parse(words) == dataclasses.replace(config, resume=True, json=False, heartbeat_file=None)
    assert second.endswith(
        f"isaac-collect merge --allow-missing {shlex.quote(str(config.output))} 'data sets/ds.shards'/shard-*/"
    )


def test_our_flags_in_the_environment_are_not_for_the_workers() -> None:
    told = worker_environment({"PATH": "/bin", "ISAAC_COLLECT_SEED": "7", "ISAAC_COLLECT_JSON": "1"}, 2, 8)
    assert told == {"PATH": "/bin"}


@pytest.mark.parametrize(("workers", "cores", "threads"), [(1, 2, None), (2, 2, "0"), (3, 2, "0"), (7, 8, None)])
def test_workers_that_fill_all_cores_draw_in_one_thread_each(workers: int, cores: int, threads: str | None) -> None:
    assert worker_environment({}, workers, cores).get("LP_NUM_THREADS") == threads
    assert worker_environment({"LP_NUM_THREADS": "3"}, workers, cores) == {"LP_NUM_THREADS": "3"}
