"""`collect --shard`: its part of the episodes, its record and its exit codes. On the embedded simulator."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.simulator import Simulator, Tick
from collectors.tasks.pick_place import PickPlace
from collectors.waypoints import UnreachableError
from lerobot_writer import StorageError
from sim_service.collect_command import run_collect
from sim_service.collection import Collection
from sim_service.config import CollectConfig
from sim_service.ledger import Ledger
from sim_service.shard import Shard
from sim_service.shard_record import ShardRecord, read_shard_record, write_shard_record
from sim_service.shard_report import ShardReport
from sim_service.simulators import SimulatorSettings, SimulatorStartError, SimulatorUnavailable

ROOT = Path(__file__).parent.parent.parent
FAST = SimulatorSettings(render_preset="fast")


def configure(output: Path, index: int, count: int, num_episodes: int, **changes: Any) -> CollectConfig:
    config = CollectConfig(output, num_episodes, seed=11, steps_per_segment=5, simulator="mujoco", settings=FAST)
    return dataclasses.replace(config, shard=Shard(index, count), **changes)


class After:
    """An onlooker: carries something out once that many attempts are over."""

    def __init__(self, attempts: int, act: Callable[[], None]) -> None:
        self.attempts, self.act = attempts, act

    def watch(self, collection: Collection, simulator: Simulator) -> None:
        self.ledger = collection.ledger

    def advanced(self, tick: Tick) -> None:
        if self.ledger.attempts == self.attempts:
            self.attempts = -1
            self.act()

    def finish(self, exit_code: int, error: str | None) -> None:
        pass


def collect(config: CollectConfig, *onlookers: Any) -> tuple[int, ShardRecord | None]:
    assert config.shard is not None
    code = run_collect(config, [ShardReport(config, config.shard), *onlookers])
    return code, read_shard_record(config.output)


def no_simulator(*arguments: object) -> Simulator:
    raise AssertionError("a simulator was opened")


def test_a_shard_collects_its_episodes_and_says_so_all_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[ShardRecord] = []

    def write(root: Path, record: ShardRecord) -> None:
        written.append(record)
        write_shard_record(root, record)

    monkeypatch.setattr("sim_service.shard_report.write_shard_record", write)
    code, record = collect(configure(tmp_path / "s", 1, 2, 4))
    assert code == 0
    assert record is not None
    assert record == written[-1]
    assert (record.state, record.recorded, record.exhausted, record.exit_code, record.error) == (
        *("complete", 2, 0, 0, None),
    )
    assert (record.first_index, record.end_index, record.attempts, record.successes) == (2, 4, 2, 2)
    assert record.frames > 0
    assert record.started_at <= record.updated_at
    assert [entry.state for entry in written] == [*["collecting"] * (len(written) - 1), "complete"]
    assert [entry.recorded for entry in written if entry.state == "collecting"] == [0, 1]
    assert Ledger.read(tmp_path / "s").outside(range(2, 4)) == []


def test_a_complete_shard_is_resumed_without_a_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configure(tmp_path / "s", 0, 2, 2, resume=True)
    first = collect(config)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr("sim_service.collect_command.open_simulator", no_simulator)
    assert collect(config) == first
    assert first[0] == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    for other in (
        configure(tmp_path / "s", 0, 2, 2),
        configure(tmp_path / "s", 0, 2, 2, resume=True, max_attempts=6),
        configure(tmp_path / "s", 0, 4, 4, resume=True),
        configure(tmp_path / "s", 0, 2, 3, resume=True),
    ):
        with pytest.raises(AssertionError, match="a simulator was opened"):
            collect(other)


def test_an_empty_shard_is_complete_and_has_a_record_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_service.collect_command.open_simulator", no_simulator)
    for resume in (False, True):
        code, record = collect(configure(tmp_path / "s", 0, 3, 2, resume=resume))
        assert code == 0
        assert record is not None
        assert (record.state, record.episodes, record.exit_code) == ("complete", 0, 0)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["shard.json"]


def test_episodes_given_up_are_3_and_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(self: PickPlace, rng: object, variation: object) -> None:
        raise UnreachableError("too far away", 0)

    monkeypatch.setattr(PickPlace, "draw", draw)
    config = configure(tmp_path / "s", 0, 2, 4, resume=True, max_attempts=3)
    for _ in range(2):  # another try gives up what was given up
        code, record = collect(config)
        assert code == 3
        assert record is not None
        assert (record.state, record.recorded, record.exhausted, record.exit_code) == ("incomplete", 0, 2, 3)
        assert (record.attempts, record.failures) == (6, {"unreachable": 6})


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_an_interrupted_shard_that_a_resume_completes(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    config = configure(tmp_path / "s", 0, 2, 4)
    ended, record = collect(config, After(1, lambda: os.kill(os.getpid(), number)))
    assert ended == code
    assert record is not None
    assert (record.state, record.recorded, record.exit_code) == ("interrupted", 1, code)
    ended, record = collect(dataclasses.replace(config, resume=True))
    assert ended == 0
    assert record is not None
    assert (record.state, record.recorded, record.settled_before) == ("complete", 2, 1)


def test_a_full_disk_is_1_and_failed(tmp_path: Path) -> None:
    def fill() -> None:
        raise StorageError("no space left on device")

    code, record = collect(configure(tmp_path / "s", 0, 2, 4), After(1, fill))
    assert code == 1
    assert record is not None
    assert (record.state, record.recorded, record.error) == ("failed", 1, "no space left on device")


@pytest.mark.parametrize(
    ("error", "code"), [(SimulatorStartError("no GPU today"), 1), (SimulatorUnavailable("not installed"), 2)]
)
def test_a_simulator_that_does_not_open_tells_the_machines_fault_from_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*arguments: object) -> Simulator:
        raise error

    config = configure(tmp_path / "s", 0, 2, 4)
    with monkeypatch.context() as patched:
        patched.setattr("sim_service.collect_command.open_simulator", fail)
        assert collect(config) == (code, None)
    assert not (tmp_path / "s").exists()
    assert collect(config, After(1, lambda: os.kill(os.getpid(), signal.SIGTERM)))[0] == 143
    before = read_shard_record(tmp_path / "s")
    monkeypatch.setattr("sim_service.collect_command.open_simulator", fail)
    ended, record = collect(dataclasses.replace(config, resume=True))
    assert ended == code
    assert record is not None
    assert before is not None
    if code == 2:
        assert record == before
        return
    assert (record.state, record.recorded, record.exit_code, record.error) == ("failed", 1, 1, "no GPU today")
    assert record.frames_per_s is None


@pytest.mark.parametrize("other", [(1, 2, 8), (2, 4, 4), (0, 3, 4)])
def test_another_shards_folder_is_refused_and_untouched(tmp_path: Path, other: tuple[int, int, int]) -> None:
    assert collect(configure(tmp_path / "s", 1, 2, 4, max_attempts=1))[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ended, _ = collect(configure(tmp_path / "s", *other, resume=True, max_attempts=1))
    assert ended == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.name == "shard.json"} == {
        path: content for path, content in before.items() if path.name == "shard.json"
    }


def test_a_shard_that_was_killed_in_its_first_episode_is_resumed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sim_service", "collect", "--output", str(tmp_path / "s"), "--num-episodes", "2"]
    words += ["--shard", "0/2", "--steps-per-segment", "60", "--render-preset", "fast", "--seed", "11"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while read_shard_record(tmp_path / "s") is None:
            assert process.poll() is None
        process.kill()
    record = read_shard_record(tmp_path / "s")
    assert record is not None
    assert (record.state, record.recorded) == ("collecting", 0)
    ended, record = collect(configure(tmp_path / "s", 0, 2, 2, resume=True))
    assert ended == 0
    assert record is not None
    assert record.state == "complete"
