"""Randomized episodes by the Isaac Sim adapter on its stand-in and by the embedded simulator: the same plan, the same
motion. test_isaac_simulator_parity.py says where the tolerances come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from isaac_standin import installed

from collectors.randomization import PRESETS
from lerobot_writer.check import check_dataset
from sim_service.__main__ import main
from sim_service.collect_command import run_collect
from sim_service.config import CollectConfig
from sim_service.simulators import SimulatorSettings

FULL = PRESETS["full"]
SETTINGS = SimulatorSettings.of(30, False, "fast", FULL)
NUM_EPISODES = 2
SEED = 4  # of two episodes with distractors, a texture, and a delay

MEASURED = (
    *("placement_error_m", "lifted_m", "attach_error_m", "waypoint_error_m"),
    *("max_joint_speed_rad_s", "max_joint_speed_fraction"),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("randomized")
    configs = [
        CollectConfig(root / name, NUM_EPISODES, SEED, 5, 0.05, 3, False, name, SETTINGS, randomization=FULL)
        for name in ("mujoco", "isaac")
    ]
    assert run_collect(configs[0]) == 0
    with installed("6.0.1") as isaac:
        assert run_collect(configs[1]) == 0
        assert isaac.errors == []
        assert main(["replay", str(configs[1].output), "1"]) == 0
    return configs[0].output, configs[1].output


def rows(root: Path) -> dict[str, np.ndarray]:
    tables = [pq.read_table(path) for path in sorted((root / "data").rglob("*.parquet"))]
    return {
        name: np.concatenate([np.array(table.column(name).to_pylist()) for table in tables])
        for name in tables[0].column_names
    }


def episodes(root: Path) -> list[dict[str, Any]]:
    found = [
        row for path in sorted((root / "meta/episodes").rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    return [
        {name.removeprefix("collection/"): value for name, value in row.items() if name.startswith("collection/")}
        for row in found
    ]


def test_a_randomized_dataset_is_a_sound_one(both: tuple[Path, Path]) -> None:
    report = check_dataset(both[1])
    assert report.ok, report.text()
    assert [row["success"] for row in episodes(both[1])] == [True] * NUM_EPISODES


def test_what_was_drawn_is_equal_and_out_of_the_ordinary(both: tuple[Path, Path]) -> None:
    mujoco, isaac = (episodes(root) for root in both)
    for one, other in zip(mujoco, isaac, strict=True):
        assert {name: other[name] for name in other if name not in MEASURED} == {
            name: one[name] for name in one if name not in MEASURED
        }
        assert one["object_size_m"] != [0.04] * 3
        assert one["gain"] != 1
        assert one["table_height_m"] != 0
    assert any(row["num_distractors"] for row in isaac)
    assert any(row["table_texture"] != "plain" for row in isaac)
    assert any(row["delay_ticks"] for row in isaac)


@pytest.mark.parametrize(
    ("name", "part", "tolerance"),
    [
        ("privileged.state", slice(0, 7), 1e-5),  # joints [rad]
        ("privileged.state", slice(7, 14), 1e-3),  # their speeds [rad/s]
        ("privileged.state", slice(14, 16), 5e-4),  # fingers [m]
        ("privileged.state", slice(16, 19), 1e-5),  # hand [m]
        ("privileged.state", slice(19, 23), 1e-5),  # hand, quaternion
        ("privileged.object_pose", slice(0, 3), 1e-4),  # [m]
        ("privileged.object_pose", slice(3, 7), 1e-3),
    ],
)
def test_trajectories_agree(both: tuple[Path, Path], name: str, part: slice, tolerance: float) -> None:
    mujoco, isaac = (rows(root)[name][:, part] for root in both)
    assert np.ptp(mujoco, axis=0).max() > 20 * tolerance  # there is something to agree on
    np.testing.assert_allclose(isaac, mujoco, atol=tolerance, rtol=0)


def test_what_was_commanded_is_equal(both: tuple[Path, Path]) -> None:
    mujoco, isaac = (rows(root) for root in both)
    assert set(mujoco) == set(isaac)
    for name in ("action", "timestamp", "next.done", "privileged.goal_position"):
        np.testing.assert_array_equal(isaac[name], mujoco[name], err_msg=name)
