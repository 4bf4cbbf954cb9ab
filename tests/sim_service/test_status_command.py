"""`isaac-collect status`: looking once, and waiting. No test waits for real."""

import argparse
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from shard_records import NOW_S, record, write

from sim_service.config import ConfigError
from sim_service.shard_record import SHARD_FILE
from sim_service.status_command import INTERVAL_S, NEWS_S, Clock, ShardFolders, add_status_flags, run_status

COUNT, EPISODES = 3, 9


class Time:
    """Passes while somebody sleeps; `at` says what happens when."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.naps = 0
        self.events: list[tuple[float, Callable[[], object]]] = []

    def at(self, time_s: float, act: Callable[[], object]) -> None:
        self.events.append((time_s, act))

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps += 1
        self.passed_s += seconds
        due = [act for time_s, act in self.events if time_s <= self.passed_s]
        self.events = [event for event in self.events if event[0] > self.passed_s]
        for act in due:
            act()
        assert self.passed_s < 1e5, "it waits for ever"

    def run(self, *words: object) -> int:
        parser = argparse.ArgumentParser()
        add_status_flags(parser)
        clock = Clock(lambda: NOW_S + self.passed_s, lambda: 5.0 + self.passed_s, self.sleep)
        return run_status(parser.parse_args(list(map(str, words))), clock)


@pytest.fixture
def time() -> Time:
    return Time()


def complete(root: Path, *indices: int) -> None:
    for index in indices:
        write(root, record(index, COUNT, EPISODES))


def test_all_complete_is_0_and_one_line(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    complete(tmp_path, 0, 1, 2)
    (tmp_path / "notes").mkdir()
    (tmp_path / "shard-00000.log").write_text("")
    assert time.run(tmp_path) == 0
    assert (
        capsys.readouterr().out == f"{tmp_path}: 3 shards: 3 complete; 9 of 9 episodes, 100.0% of 9 attempts succeed\n"
    )
    assert time.naps == 0


def test_what_is_not_well_gets_lines(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    complete(tmp_path, 0)
    write(tmp_path, record(1, COUNT, EPISODES, "failed", error="no space"))
    assert time.run(tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "shard 1/3 (shard-00001, on pod-1): failed, with 0 of 3 episodes (exit code 1): no space" in lines[1]
    assert "shard 2 of 3: no record" in lines[2]


def test_json_is_one_line(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    complete(tmp_path, 0, 2)
    write(tmp_path, record(1, COUNT, EPISODES, "incomplete", recorded=2, exhausted=1, failures={"dropped": 5}))
    assert time.run(tmp_path, "--json") == 3
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    status = json.loads(told)
    assert (status["exit_code"], status["shards"], status["episodes"], status["given_up"]) == (3, 3, 8, 1)
    (bad,) = status["not_well"]
    assert (bad["shard"], bad["state"], bad["failures"]) == (1, "incomplete", {"dropped": 5})


@pytest.mark.parametrize(("state", "code"), [("complete", 0), ("failed", 1), ("incomplete", 3)])
def test_a_shards_own_folder_is_looked_at_alone(
    tmp_path: Path, time: Time, state: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, record(1, COUNT, EPISODES, state))
    assert time.run(folder) == code
    assert f"one of 3 shards: 1 {state}; " in capsys.readouterr().out
    assert time.run(folder, "--wait", "--timeout", "4") == code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shards", "0"], "--shards must be at least 1, got 0"),
        (["--timeout", "5"], "it needs --wait"),
        (["--wait", "--timeout", "-1"], "--timeout must be 0 or more seconds, got -1"),
        (["--wait", "--timeout", "nan"], "--timeout must be 0 or more"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, time: Time, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        time.run(tmp_path, *words)


def test_a_folder_that_is_not_there_is_refused_unless_it_is_waited_for(tmp_path: Path, time: Time) -> None:
    with pytest.raises(ConfigError, match="nowhere is not a folder"):
        time.run(tmp_path / "nowhere")
    time.at(100, lambda: complete(tmp_path / "nowhere", 0, 1, 2))
    assert time.run(tmp_path / "nowhere", "--wait") == 0
    assert 100 <= time.passed_s <= 100 + INTERVAL_S


def test_a_folder_without_shards_is_1(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    assert time.run(tmp_path) == 1
    assert "no shard has a record yet" in capsys.readouterr().out


def test_it_waits_until_all_are_complete(tmp_path: Path, time: Time) -> None:
    for index in range(COUNT):
        time.at(50.0 * (index + 1), lambda index=index: complete(tmp_path, index))
    assert time.run(tmp_path, "--wait", "--shards", COUNT) == 0
    assert 150 <= time.passed_s <= 150 + INTERVAL_S


def test_it_ends_with_the_first_incomplete_one(tmp_path: Path, time: Time) -> None:
    time.at(50, lambda: write(tmp_path, record(1, COUNT, EPISODES, "incomplete")))
    assert time.run(tmp_path, "--wait", "--shards", COUNT) == 3
    assert 50 <= time.passed_s <= 50 + INTERVAL_S


@pytest.mark.parametrize("state", ["failed", "interrupted", "collecting"])
def test_a_failed_shard_may_be_tried_again(tmp_path: Path, time: Time, state: str) -> None:
    complete(tmp_path, 0, 1)
    write(tmp_path, record(2, COUNT, EPISODES, state))
    time.at(2000, lambda: complete(tmp_path, 2))
    assert time.run(tmp_path, "--wait") == 0
    assert time.passed_s >= 2000


@pytest.mark.parametrize("timeout_s", [0, 1, 7.5, 300])
def test_the_timeout_is_1_and_kept(tmp_path: Path, time: Time, timeout_s: float) -> None:
    complete(tmp_path, 0)
    assert time.run(tmp_path, "--wait", "--timeout", timeout_s) == 1
    assert time.passed_s == pytest.approx(timeout_s)


def test_what_was_complete_at_the_timeout_counts(tmp_path: Path, time: Time) -> None:
    complete(tmp_path, 0, 1)
    time.at(7.5, lambda: complete(tmp_path, 2))
    assert time.run(tmp_path, "--wait", "--timeout", "7.5") == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_waiting(tmp_path: Path, time: Time, number: signal.Signals, code: int) -> None:
    time.at(8.5 * INTERVAL_S, lambda: os.kill(os.getpid(), number))
    assert time.run(tmp_path, "--wait") == code
    assert time.passed_s < 8.8 * INTERVAL_S


def test_records_that_contradict_each_other_end_the_waiting_once_nobody_is_left(tmp_path: Path, time: Time) -> None:
    complete(tmp_path, 0, 1)
    write(tmp_path, record(2, COUNT, EPISODES, "collecting"))
    write(tmp_path, record(0, 8, 20), "of-another")
    time.at(60, lambda: complete(tmp_path, 2))
    assert time.run(tmp_path, "--wait", "--shards", COUNT) == 1
    assert 60 <= time.passed_s <= 60 + INTERVAL_S


def test_news_are_told_but_not_all_the_time(tmp_path: Path, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 100):
        shard = record(0, COUNT, 999, "collecting", recorded=number)
        time.at(number * INTERVAL_S, lambda shard=shard: write(tmp_path, shard))
    time.at(500, lambda: [write(tmp_path, record(index, COUNT, 999)) for index in range(COUNT)])
    assert time.run(tmp_path, "--wait") == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert 200 / NEWS_S - 1 <= len(told.err.splitlines()) <= 200 / NEWS_S + 2


def test_only_what_may_change_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(tmp_path, 0, 1)
    write(tmp_path, record(2, COUNT, EPISODES, "failed"))
    shards = ShardFolders(tmp_path)
    assert shards.status(None, NOW_S).states == {"complete": 2, "failed": 1}
    read: list[str] = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.parent.parent.name), original(path))[1])
    assert shards.status(None, NOW_S).states == {"complete": 2, "failed": 1}
    assert [name for name in read if name.startswith("shard-")] == ["shard-00002"]
    (tmp_path / "shard-00000" / SHARD_FILE).unlink()
    (tmp_path / "shard-00000/meta").rmdir()
    (tmp_path / "shard-00000").rmdir()
    assert shards.status(None, NOW_S).states == {"complete": 1, "failed": 1, "missing": 1}
    write(tmp_path, record(0, COUNT, EPISODES, "failed"))
    assert shards.status(None, NOW_S).states == {"complete": 1, "failed": 2}
