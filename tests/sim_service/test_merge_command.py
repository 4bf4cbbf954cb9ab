"""`isaac-collect merge`: what it says, and its exit codes."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from failing_disk import FailingDisk
from merge_sources import do_not_wait_for_the_disk, names_in, stamps
from shard_runs import collect, collect_shards, configure, shard_folders
from writing import files_of

from lerobot_writer import merge_files
from lerobot_writer.merge_source import SourceReader
from sim_service.__main__ import main
from sim_service.shard import Shard


@pytest.fixture(autouse=True)
def _not_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait_for_the_disk(monkeypatch)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three complete shards. To be read alone."""
    folder = tmp_path_factory.mktemp("three")
    assert collect_shards(folder, 3, num_episodes=3) == [0, 0, 0]
    return folder


def merge(output: Path, *words: str | Path) -> int:
    return main(["merge", str(output), *map(str, words)])


def test_complete_shards(tmp_path: Path, three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert merge(tmp_path / "out", *shard_folders(three, 3)) == 0
    said = capsys.readouterr()
    assert re.search(r"/out: 3 episodes, \d+ frames of 3 shards, merged in \d+\.\d s\n$", said.err)
    assert said.out == ""
    assert main(["check", str(tmp_path / "out")]) == 0
    before = files_of(tmp_path / "out")
    assert collect(configure(tmp_path / "out", num_episodes=3, resume=True)) == 0
    assert files_of(tmp_path / "out") == before


def test_missing_episodes(tmp_path: Path, three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = [three / "0", three / "2"]
    assert merge(tmp_path / "out", *roots) == 2
    assert "isaac-collect: 1 of 3 episodes are missing: 1; collect them with --resume" in capsys.readouterr().err
    assert names_in(tmp_path) == []
    assert merge(tmp_path / "out", *roots, "--allow-missing") == 3
    assert capsys.readouterr().err.endswith("\n1 episodes are missing\n")
    assert main(["check", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("words", [[], ["out"], ["out", "shard", "--no-such-flag"]], ids=str)
def test_bad_words(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["merge", *words])
    assert ended.value.code == 2


def test_what_is_refused_is_2(tmp_path: Path, three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = shard_folders(three, 3)
    before = stamps(three)
    other = tmp_path / "other"
    collect(configure(other, num_episodes=4, shard=Shard(3, 4), seed=1))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine.txt").touch()
    capsys.readouterr()
    for output, words, message in (
        ("out", [*roots, other], "seed: "),
        ("out", [*roots, roots[0]], "was named twice"),
        ("out", [tmp_path / "nowhere"], "is not a folder"),
        ("taken", roots, "exists and is not empty; merge into a new folder"),
        ("taken/mine.txt", roots, "exists and is not a folder"),
        ("taken/mine.txt/out", roots, "cannot merge into"),
    ):
        assert merge(tmp_path / output, *words) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.startswith("isaac-collect: ")
        assert "Traceback" not in said
    assert names_in(tmp_path) == ["other", "taken"]
    assert stamps(three) == before


def test_a_disk_that_is_full_is_1(tmp_path: Path, three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FailingDisk(tmp_path, 4).mounted():
        assert merge(tmp_path / "out", *shard_folders(three, 3)) == 1
    assert re.search(r"isaac-collect: cannot merge into .*/out: .*No space left on device", capsys.readouterr().err)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, 1), (errno.ESTALE, 1), (errno.EACCES, 2)], ids=str)
def test_a_shard_that_cannot_be_read(
    tmp_path: Path,
    three: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    code: int,
) -> None:
    """A failing network file system may do in another try; a lack of permission does not."""

    def fail(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number), "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr("sim_service.merging.read_shard_record", fail)
        assert merge(tmp_path / "out", *shard_folders(three, 3)) == code
    assert f"cannot read {three}/0: [Errno {number}]" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(SourceReader, "data", fail)
        assert merge(tmp_path / "out", *shard_folders(three, 3)) == code
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("moment", ["add_video", "add_data", "add_histograms", "close"])
def test_a_signal_ends_it_and_nothing_is_left(
    tmp_path: Path,
    three: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    moment: str,
) -> None:
    real = getattr(merge_files.Files, moment)
    before, handlers = stamps(three), [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    def interrupted(files: Any, *arguments: Any) -> Any:
        result = real(files, *arguments)
        signal.raise_signal(number)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(merge_files.Files, moment, interrupted)
        assert merge(tmp_path / "out", *shard_folders(three, 3)) == 128 + number
    assert "interrupted; " in capsys.readouterr().err
    assert names_in(tmp_path) == []
    assert stamps(three) == before
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert merge(tmp_path / "out", *shard_folders(three, 3)) == 0


def test_a_signal_when_it_is_done_says_so(
    tmp_path: Path, three: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        result = real(path, target)
        signal.raise_signal(signal.SIGTERM)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", renamed)
        assert merge(tmp_path / "out", *shard_folders(three, 3)) == 143
    assert f"interrupted; {tmp_path / 'out'} is whole" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "out")]) == 0
    assert names_in(tmp_path) == ["out"]


PROCESS = """
import sys
sys.path[:0] = {path!r}
import lerobot_writer.merge_files as merge_files
real = merge_files.Files.add_video
def wait(*arguments):
    result = real(*arguments)
    print("there", flush=True)
    sys.stdin.readline()
    return result
merge_files.Files.add_video = wait
from sim_service.__main__ import run
sys.argv = {words!r}
run()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["TERM", "INT", "KILL"]
)
def test_a_process_that_gets_a_signal(tmp_path: Path, three: Path, number: signal.Signals, code: int) -> None:
    before = stamps(three)
    words = ["isaac-collect", "merge", str(tmp_path / "out"), *map(str, shard_folders(three, 3))]
    command = [sys.executable, "-c", PROCESS.format(path=sys.path, words=words)]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    assert names_in(tmp_path) == ([".out.merging"] if code < 0 else [])
    assert merge(tmp_path / "out", *words[3:]) == 0
    assert names_in(tmp_path) == ["out"]
    assert stamps(three) == before


@pytest.mark.long
def test_shards_killed_at_random_moments_and_resumed_are_one_run(tmp_path: Path) -> None:
    """Real processes on the embedded simulator, real SIGKILLs."""
    collecting = [sys.executable, "-m", "sim_service", "collect", "--num-episodes", "4", "--seed", "5"]
    collecting += ["--steps-per-segment", "3", "--simulator", "mujoco", "--render-preset", "fast", "--resume"]
    one = subprocess.run([*collecting, "--output", tmp_path / "one"], capture_output=True, check=False, timeout=300)
    assert one.returncode == 0, one.stderr
    roots = shard_folders(tmp_path / "shards", 2)
    killed = 0
    for index, root in enumerate(roots):
        for patience_s in (2.5, 4.0, 5.5):
            words = [*collecting, "--output", str(root), "--shard", f"{index}/2"]
            with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += 1
        again = subprocess.run(words, capture_output=True, check=False, timeout=300)
        assert again.returncode == 0, again.stderr
    assert killed
    assert merge(tmp_path / "out", *roots) == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "one")
