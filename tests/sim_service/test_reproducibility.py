"""The same seed gives the same dataset, and an episode depends on its index alone. On the embedded simulator."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from collectors.episode import run_episode
from collectors.features import ACTION_NAMES, EXTRA_FEATURES, ROBOT_TYPE, STATE_NAMES
from collectors.franka import HOME_RAD
from collectors.randomization import PRESETS
from collectors.task import TASKS
from collectors.variation import draw_variation
from lerobot_writer import SimLeRobotWriter
from sim_service.collect_command import run_collect
from sim_service.collection import REPO_ID, TASK_NAME, drive
from sim_service.config import CollectConfig
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.recorded import open_dataset
from sim_service.shard import Shard
from sim_service.simulators import SimulatorSettings

PLAIN = draw_variation(PRESETS["none"], (0, 0, 0))
SEED, STEPS, SETTINGS = 11, 5, SimulatorSettings(render_preset="fast")


def configure(output: Path, episodes: int) -> CollectConfig:
    return CollectConfig(output, episodes, SEED, STEPS, 0.05, 5, False, "mujoco", SETTINGS, False, False)


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reproducibility") / "ten"
    assert run_collect(configure(root, 10)) == 0
    return root


def pictures(root: Path, episode: int) -> Iterator[np.ndarray]:
    dataset = open_dataset(root)
    for camera in dataset.cameras:
        yield from dataset.pictures(episode, camera, range(dataset.row(episode)["length"]))


def test_the_same_seed_gives_the_same_bytes_and_pictures(ten: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert run_collect(configure(again, 10)) == 0
    files = [path.relative_to(ten) for path in sorted(ten.rglob("*")) if path.is_file()]
    assert sum(path.suffix == ".parquet" for path in files) == 22  # data, histograms, episodes, tasks
    for file in files:
        assert (again / file).read_bytes() == (ten / file).read_bytes(), file
    for a, b in zip(pictures(ten, 3), pictures(again, 3), strict=True):
        assert np.array_equal(a, b)


def test_another_seed_gives_other_episodes(ten: Path, tmp_path: Path) -> None:
    rng_a, rng_b = np.random.default_rng([SEED, 0, 0]), np.random.default_rng([SEED + 1, 0, 0])
    simulator = MujocoSimulator(SETTINGS)
    task = TASKS[TASK_NAME](simulator.objects, 0.05)
    simulator.close()
    assert task.draw(rng_a, PLAIN).pick_xy_m != task.draw(rng_b, PLAIN).pick_xy_m


def test_episode_7_alone_equals_episode_7_of_ten(ten: Path, tmp_path: Path) -> None:
    simulator = MujocoSimulator(SETTINGS)
    task = TASKS[TASK_NAME](simulator.objects, 0.05)
    plan = task.draw(np.random.default_rng([SEED, 7, 0]), PLAIN)
    alone = tmp_path / "alone"
    with SimLeRobotWriter(
        alone, REPO_ID, 30, ROBOT_TYPE, len(STATE_NAMES), len(ACTION_NAMES), [c.name for c in simulator.cameras],
        (512, 512), STATE_NAMES, ACTION_NAMES, extra_features=EXTRA_FEATURES,
    ) as writer:  # fmt: skip
        outcome = drive(simulator, run_episode(simulator, task, plan, writer, episode_index=0, steps_per_segment=STEPS))
        writer.finish_episode(0, outcome.frames, plan.task)
    simulator.close()
    one = pq.read_table(alone / "data/chunk-000/file-000.parquet")
    seventh = pq.read_table(ten / "data/chunk-000/file-007.parquet")
    for column in ("observation.state", "action", "privileged.object_pose", "privileged.goal_position", "timestamp"):
        assert one.column(column).equals(seventh.column(column)), column
    for camera in ("cam_high", "cam_wrist"):
        key = f"videos/observation.images.{camera}/chunk-000"
        assert (alone / key / "file-000.mp4").read_bytes() == (ten / key / "file-007.mp4").read_bytes()


def test_row_0_is_home_at_rest_while_its_action_already_differs(ten: Path) -> None:
    for episode in range(10):
        table = pq.read_table(ten / f"data/chunk-000/file-{episode:03d}.parquet")
        state, action = (np.array(table.column(name)[0].as_py()) for name in ("observation.state", "action"))
        np.testing.assert_allclose(state[:7], HOME_RAD, atol=1e-3)
        np.testing.assert_allclose(state[7:14], 0, atol=1e-3)
        assert np.abs(action[:7] - state[:7]).max() > 0.01


def test_a_varied_collection_gives_the_same_bytes_again_and_in_parts(tmp_path: Path) -> None:
    """Whatever the simulator did before: the second of two shards begins with the third episode."""
    full = PRESETS["full"]
    settings = SimulatorSettings.of(30, False, "fast", full)

    def collected(name: str, **changes: Any) -> Path:
        config = dataclasses.replace(configure(tmp_path / name, 4), settings=settings, randomization=full, **changes)
        assert run_collect(config) == 0
        return tmp_path / name

    whole, again, part = collected("whole"), collected("again"), collected("part", shard=Shard(1, 2))
    for file in sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file()):
        assert (again / file).read_bytes() == (whole / file).read_bytes(), file
    for episode in range(2):
        for a, b in zip(pictures(part, episode), pictures(whole, episode + 2), strict=True):
            assert np.array_equal(a, b)
        one, other = (
            pq.read_table(root / f"data/chunk-000/file-{number:03d}.parquet")
            for root, number in ((part, episode), (whole, episode + 2))
        )
        for column in ("observation.state", "action", "privileged.state", "privileged.object_pose"):
            assert one.column(column).equals(other.column(column)), column
