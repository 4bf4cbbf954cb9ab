"""A merge that fails or is killed: the sources stay, nothing appears, and the next merge succeeds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from failing_disk import Death, FailingDisk
from merge_sources import TAKES, do_not_wait_for_the_disk, merge, names_in, stamps, write_parts
from writing import Take, files_of

from lerobot_writer import ResumeError, StorageError, WriterError

SIZES = (2, 1)
MANY = [Take(number, 40) for number in range(12)]
"""Enough for a megabyte."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_parts(tmp_path_factory.mktemp("parts"), TAKES[:3], SIZES, cameras=("cam_high",))


@pytest.fixture(scope="module")
def merged(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What comes of merging them."""
    output = tmp_path_factory.mktemp("merged") / "out"
    merge(output, parts)
    return files_of(output)


@pytest.mark.parametrize("dies", [True, False], ids=["death", "error"])
def test_whole_or_not_at_all_at_every_step(
    tmp_path: Path, parts: list[Path], merged: dict[str, str], dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_not_wait_for_the_disk(monkeypatch)
    before = stamps(*parts)
    complete = FailingDisk(tmp_path)
    with complete.mounted():
        merge(tmp_path / "complete/out", parts)
    outcomes = set()
    for step in [*range(0, len(complete.log) - 6, 2), *range(len(complete.log) - 6, len(complete.log))]:
        folder = tmp_path / str(step)
        folder.mkdir()
        disk = FailingDisk(folder, step, dies=dies)
        with disk.mounted(), suppress(Death, WriterError):
            merge(folder / "new/out", parts)
        assert disk.failed is not None
        if (folder / "new/out").exists():
            assert files_of(folder / "new/out") == merged, disk.failed
            assert disk.failed[0] in ("link", "rename", "fsync", "rmtree"), disk.failed  # a copy, or the end
            outcomes.add("whole")
        else:
            left = names_in(folder / "new") if (folder / "new").exists() else []
            assert left == [] or dies or disk.failed[0] == "rmtree", disk.failed
            merge(folder / "new/out", parts)
            assert files_of(folder / "new/out") == merged
            outcomes.add("nothing, cleared by the next" if left else "nothing")
        assert names_in(folder / "new") == ["out"]
        shutil.rmtree(folder)
    assert outcomes == {"whole", "nothing, cleared by the next" if dies else "nothing"} | (
        {"nothing"} if dies else set()
    )
    assert stamps(*parts) == before


def test_an_error_of_the_disk_says_what_it_was(tmp_path: Path, parts: list[Path]) -> None:
    disk = FailingDisk(tmp_path, 3)
    with disk.mounted(), pytest.raises(StorageError, match=r"cannot merge into .*/out: .*No space left") as caught:
        merge(tmp_path / "out", parts)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == 28


def test_two_merges_into_one_folder(tmp_path: Path, parts: list[Path], merged: dict[str, str]) -> None:
    refused = 0

    def merge_too() -> None:
        nonlocal refused
        with pytest.raises(ResumeError, match="somebody else"):
            merge(tmp_path / "out", parts)
        refused += 1

    merge(tmp_path / "out", parts, progress=merge_too)
    assert refused == 3
    assert files_of(tmp_path / "out") == merged
    assert names_in(tmp_path) == ["out"]


def mounted_by(*words: str | Path) -> bool:
    return os.geteuid() == 0 and subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    if not mounted_by("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder):
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A real one, of some sizes up to where the dataset fits."""
    roots = write_parts(tmp_path / "parts", MANY, (5, 7))
    before = stamps(*roots)
    expected = tmp_path / "expected"
    merge(expected, roots)
    needed_kb = sum(4 * -(-path.stat().st_size // 4096) for path in expected.rglob("*") if path.is_file())
    fitted = []
    for kilobytes in [4, 24, *range(needed_kb // 6, 2 * needed_kb, needed_kb // 6)]:
        disk = tmp_path / str(kilobytes)
        with small_disk(disk, kilobytes):
            try:
                merge(disk / "out", roots)
            except StorageError as error:
                told = str(error)
            else:
                told = ""
                assert files_of(disk / "out") == files_of(expected)
            assert names_in(disk) == (["out"] if not told else [])
            assert not told or "No space left on device" in told
            fitted.append(not told)
    assert fitted == sorted(fitted)
    assert {True, False} <= set(fitted)
    assert stamps(*roots) == before


def test_a_disk_that_is_read_only(tmp_path: Path, parts: list[Path]) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 64):
        assert mounted_by("-o", "remount,ro", disk)
        with pytest.raises(StorageError, match=r"cannot merge into .*Read-only file system"):
            merge(disk / "out", parts)
        assert names_in(disk) == []


LIMITED = """
import resource, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from merge_sources import merge
from lerobot_writer import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    merge(Path({output!r}), [Path(root) for root in {roots!r}])
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize("size", [0, 500, 3000, 30_000])
def test_a_file_that_may_not_grow(tmp_path: Path, parts: list[Path], size: int, merged: dict[str, str]) -> None:
    """A quota, by the kernel; of a process, hence one of its own."""
    before = stamps(*parts)
    output = tmp_path / "out"
    script = LIMITED.format(path=sys.path, size=size, output=str(output), roots=[str(root) for root in parts])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    assert names_in(tmp_path) == []
    assert stamps(*parts) == before
    merge(output, parts)
    assert files_of(output) == merged


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from merge_sources import merge
import lerobot_writer.merge
left = {step}
def count(event, arguments):
    global left
    if event in ("open", "os.rename", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree", "shutil.copyfile"):
        if "merging" in str(arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
merge(Path({output!r}), [Path(root) for root in {roots!r}])
print("left", left)
"""


def run_until(step: int, output: Path, parts: list[Path]) -> subprocess.CompletedProcess[str]:
    script = KILLED.format(path=sys.path, step=step, output=str(output), roots=[str(root) for root in parts])
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.long
def test_killed_at_any_moment(tmp_path: Path, parts: list[Path], merged: dict[str, str]) -> None:
    """By SIGKILL, right before each of its changes of the disk."""
    before = stamps(*parts)
    whole = run_until(10**6, tmp_path / "whole", parts)
    assert whole.returncode == 0, whole.stderr
    steps = 10**6 - int(whole.stdout.split()[1])
    assert steps > 20
    left_overs = 0
    for step in range(1, steps + 1):
        folder = tmp_path / str(step)
        folder.mkdir()
        done = run_until(step, folder / "out", parts)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert names_in(folder) in ([], [".out.merging"])
        left_overs += len(names_in(folder))
        merge(folder / "out", parts)
        assert files_of(folder / "out") == merged
        assert names_in(folder) == ["out"]
        shutil.rmtree(folder)
    assert left_overs > 10
    assert stamps(*parts) == before
