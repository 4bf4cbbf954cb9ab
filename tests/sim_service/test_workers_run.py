"""`collect --workers`: one dataset, whatever happens on the way. On the embedded simulator, and with programs that
stand for workers."""

import dataclasses
import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worker_processes import ROOT, command_lines, programs, start_parent

from lerobot_writer import MergeError, StorageError
from sim_service.collect_command import run_collect
from sim_service.config import CollectConfig, ConfigError
from sim_service.shard_record import read_shard_record
from sim_service.simulators import SimulatorSettings
from sim_service.worker_run import run_workers

FAST = SimulatorSettings(render_preset="fast")
EPISODES = 3
FLAGS = ["--seed", "11", "--steps-per-segment", "5", "--render-preset", "fast", "--simulator", "mujoco"]


def configure(output: Path, episodes: int = EPISODES, **changes: Any) -> CollectConfig:
    config = CollectConfig(output, episodes, seed=11, steps_per_segment=5, simulator="mujoco", settings=FAST)
    return dataclasses.replace(config, **{"workers": 2, **changes})


def differences(a: Path, b: Path) -> list[str]:
    """As `diff -r` finds them."""
    names = [{path.relative_to(root) for path in root.rglob("*")} for root in (a, b)]
    files = sorted(path for path in names[0] & names[1] if (a / path).is_file())
    changed = [path for path in files if not filecmp.cmp(a / path, b / path, shallow=False)]
    return [str(path) for path in [*(names[0] ^ names[1]), *changed]]


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process collects."""
    root = tmp_path_factory.mktemp("workers") / "single"
    assert run_collect(configure(root, workers=1)) == 0
    return root


@pytest.mark.parametrize(
    "workers", [2, pytest.param(3, marks=pytest.mark.long), pytest.param(9, marks=pytest.mark.long)]
)
def test_workers_collect_what_one_process_collects_byte_for_byte(
    single: Path, tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    beat = tmp_path / "beat"
    assert run_workers(configure(tmp_path / "ds", workers=workers, json=True, heartbeat_file=beat)) == 0
    assert differences(tmp_path / "ds", single) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beat", "ds"]
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["exit_code"], result["requested"], result["episodes"], result["workers"]) == (0, 3, 3, workers)
    assert result["frames"] == json.loads((single / "meta/info.json").read_bytes())["total_frames"]
    assert result["frames_per_s"] > 0
    assert result["seconds"] > result["merge_seconds"] > 0
    assert f"episode {EPISODES} of {EPISODES}: 100.0% of attempts succeed" in said.err
    assert run_workers(configure(tmp_path / "ds", workers=workers, json=True, resume=True)) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["exit_code"], result["episodes"], result["frames_per_s"]) == (0, 3, 0.0)
    assert "Nothing was left to collect." in said.err
    assert differences(tmp_path / "ds", single) == []


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_shards_that_a_resume_makes_the_same_dataset_of(
    single: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    output = tmp_path / "ds"
    flags = ["--output", str(output), "--num-episodes", str(EPISODES), "--workers", "2", *FLAGS]
    with start_parent(flags) as parent:
        assert parent.stderr is not None
        lines = iter(parent.stderr.readline, "")
        seen = [next(line for line in lines if line.startswith("episode "))]
        parent.send_signal(number)
        seen += list(lines)
        assert parent.wait(60) == code, seen
    told = "".join(seen)
    assert not output.exists()
    assert f"every finished episode is safe in {output}.shards. Continue with: isaac-collect collect" in told
    assert f"merge --allow-missing {output} {output}.shards/shard-*/" in told
    records = [read_shard_record(path) for path in sorted((tmp_path / "ds.shards").glob("shard-0000?"))]
    states = {record.state for record in records if record is not None}
    assert "collecting" not in states
    assert "interrupted" in states
    assert command_lines(str(output)) == {}
    assert run_workers(configure(output, resume=True, workers=3)) == 0
    assert differences(output, single) == []


@pytest.mark.long
def test_no_worker_outlives_a_killed_parent_and_nothing_finished_is_lost(single: Path, tmp_path: Path) -> None:
    output = tmp_path / "ds"
    flags = ["--output", str(output), "--num-episodes", str(EPISODES), "--workers", "2", *FLAGS]
    with start_parent(flags) as parent:
        assert parent.stderr is not None
        next(line for line in iter(parent.stderr.readline, "") if line.startswith("episode "))
        workers = [number for number in command_lines(str(output)) if number != parent.pid]
        assert workers
        parent.kill()
    require_gone(str(output))
    assert not output.exists()
    assert run_workers(configure(output, resume=True)) == 0
    assert differences(output, single) == []


def require_gone(word: str) -> None:
    """The kernel has the last word on when a killed process is gone."""
    until_s = time.monotonic() + 30
    while command_lines(word):
        assert time.monotonic() < until_s, command_lines(word)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that makes Python sources the workers."""

    def use(*sources: str) -> None:
        monkeypatch.setattr("sim_service.worker_run.worker_command", programs(*sources))

    yield use
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


RECORD = """
import os, pathlib, sys, time
from shard_records import record, write
from sim_service.shard_record import write_shard_record
folder = pathlib.Path(sys.argv[1])
index = int(folder.name[-5:])
def say(state, **changes):
    write_shard_record(folder, record(index, 2, 4, state, **changes))
"""
GOES_ON = RECORD + 'say("collecting", recorded=1)\nsay("complete")'


@pytest.fixture(autouse=True)
def _tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))


# It cannot reach objects with y below LIMIT [m].
ONE_ARMED = """
import sys
from collectors.tasks.pick_place import PickPlace
from collectors.waypoints import UnreachableError
whole = PickPlace.draw
def draw(self, rng, variation):
    plan = whole(self, rng, variation)
    if plan.pick_xy_m[1] < LIMIT:
        raise UnreachableError("no arm on that side", 0)
    return plan
PickPlace.draw = draw
from sim_service.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.long
@pytest.mark.parametrize(("limit_m", "given_up"), [(-0.2, [0]), (-0.08, [0, 1])])  # of the first shard, of all of it
def test_episodes_given_up_are_3_and_the_rest_is_a_dataset(
    tmp_path: Path, stand_ins: Any, limit_m: float, given_up: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    program = ONE_ARMED.replace("LIMIT", str(limit_m))
    words = ["collect", "--output", str(tmp_path / "single"), "--num-episodes", "4", "--max-attempts", "1", *FLAGS]
    single = subprocess.run([sys.executable, "-c", program, "", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert single.returncode == 3, single.stderr
    stand_ins(program, program)
    config = configure(tmp_path / "ds", 4, max_attempts=1, json=True)
    assert run_workers(config) == 3
    assert differences(tmp_path / "ds", tmp_path / "single") == []
    result = json.loads(capsys.readouterr().out)
    assert (result["exhausted"], result["episodes"]) == (given_up, 4 - len(given_up))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ds", "single"]
    assert run_workers(dataclasses.replace(config, resume=True)) == 3


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ('print("disk on fire", file=sys.stderr); sys.exit(1)', "shard 1/2 failed: exit code 1"),
        ('print("disk on fire", flush=True); os.kill(os.getpid(), 9)', "shard 1/2 failed: killed by SIGKILL"),
        ('print("disk on fire", flush=True); os.kill(os.getpid(), 15)', "shard 1/2 failed: killed by SIGTERM"),
    ],
)
def test_a_worker_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, stand_ins: Any, end: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins(GOES_ON, RECORD + 'say("collecting", recorded=1)\n' + end)
    assert run_workers(configure(tmp_path / "ds", 4, json=True)) == 1
    said = capsys.readouterr()
    assert how in said.err
    assert "shard-00001.log, ends with:\n  disk on fire" in said.err
    assert f"Every finished episode is safe in {tmp_path}/ds.shards. Continue with: isaac-collect collect" in said.err
    assert "merge --allow-missing" in said.err
    assert json.loads(said.out)["exit_code"] == 1
    assert not (tmp_path / "ds").exists()
    other = read_shard_record(tmp_path / "ds.shards/shard-00000")
    assert other is not None
    assert other.state == "complete"


def test_a_configuration_that_no_worker_takes_is_told_once(
    tmp_path: Path, stand_ins: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse = 'import sys; print("isaac-collect: Isaac Sim is not here", file=sys.stderr); sys.exit(2)'
    stand_ins(refuse, "import time; time.sleep(600)")
    assert run_workers(configure(tmp_path / "ds", 4, json=True)) == 2
    said = capsys.readouterr()
    assert said.err.count("Isaac Sim is not here") == 1
    assert said.err == "isaac-collect: Isaac Sim is not here\n"
    assert json.loads(said.out)["error"] == "Isaac Sim is not here"
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    """The workers do not get to finish: with long segments that would take a while."""
    output = tmp_path / "ds"
    flags = ["--output", str(output), "--num-episodes", "2", "--workers", "2", *FLAGS, "--steps-per-segment", "1000"]
    with start_parent(flags) as parent:
        while not all(read_shard_record(tmp_path / f"ds.shards/shard-0000{index}") for index in range(2)):
            assert parent.poll() is None
        for worker in command_lines(str(output)):
            if worker != parent.pid:
                os.kill(worker, signal.SIGSTOP)  # one that hangs
        parent.send_signal(signal.SIGINT)
        while parent.poll() is None:
            parent.send_signal(signal.SIGINT)
            time.sleep(0.05)
    assert parent.returncode == 130
    require_gone(str(output))


@pytest.mark.parametrize(
    ("error", "code"), [(StorageError("no space left on device"), 1), (MergeError("shard 1 is damaged"), 2)]
)
def test_shards_that_cannot_be_merged_stay(
    tmp_path: Path,
    stand_ins: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("sim_service.worker_run.merge_shards", refuse)
    begun = '\n(folder / "meta/info.json").write_text("{}")'
    stand_ins(GOES_ON + begun, GOES_ON + begun)
    assert run_workers(configure(tmp_path / "ds", 4)) == code
    assert f"the shards are collected, but cannot be merged: {error}" in capsys.readouterr().err
    assert len(list((tmp_path / "ds.shards").glob("shard-0000?"))) == 2


def test_a_signal_during_the_merge_leaves_the_shards(
    tmp_path: Path, stand_ins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def merge(output: Path, shards: list[Path], allow_missing: bool, progress: Any) -> None:
        advance = progress(4)
        advance()
        os.kill(os.getpid(), signal.SIGTERM)
        advance()
        raise AssertionError("it went on")

    monkeypatch.setattr("sim_service.worker_run.merge_shards", merge)
    begun = '\n(folder / "meta/info.json").write_text("{}")'
    stand_ins(GOES_ON + begun, GOES_ON + begun)
    assert run_workers(configure(tmp_path / "ds", 4)) == 143
    assert len(list((tmp_path / "ds.shards").glob("shard-0000?"))) == 2


def test_when_every_episode_was_given_up_there_is_no_dataset(
    tmp_path: Path, stand_ins: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    give_up = RECORD + 'say("incomplete", exhausted=2)\nsys.exit(3)'
    stand_ins(give_up, give_up)
    assert run_workers(configure(tmp_path / "ds", 4)) == 3
    assert "all 4 episodes were given up: there is no dataset" in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


def test_bad_conditions_are_found_before_a_worker_starts(tmp_path: Path, stand_ins: Any) -> None:
    stand_ins()  # a worker would be an IndexError
    with pytest.raises(ConfigError, match="--heartbeat-file"):
        run_workers(configure(tmp_path / "ds", heartbeat_file=tmp_path / "nowhere/beat"))
    (tmp_path / "file").write_text("")
    assert run_workers(configure(tmp_path / "file/ds")) != 0
    assert run_workers(configure(tmp_path / "ds", 10**7)) == 1  # no disk has room for that
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds/thesis.tex").write_text("precious")
    assert run_workers(configure(tmp_path / "ds", resume=True)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ds", "file"]
