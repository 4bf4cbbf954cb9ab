"""What a writer does on a disk that is full or read-only: it says so, and loses nothing that it had acknowledged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kill_judges import Judge, JudgeError, check
from run import product_environment

HERE = Path(__file__).resolve().parent
SIZE = (64, 64)
FULL_MB, ROOMY_MB = 1, 64
FILE_LIMIT = 90_000
"""Bytes that no file may exceed where nothing may be mounted: reached by the episodes' table after some 10 episodes."""
REFUSED = 3
"""Exit code of `kill_child.py` when one of the writer's own errors ended it."""


class NotTried(Exception):
    """It cannot be tried here, and why."""


@dataclass(frozen=True)
class Heard:
    """What a child said.

    Attributes:
        done: The episodes that it acknowledged.
        begun: Episodes that it began, discarded ones included.
        refusal: The error of ours that ended it, or nothing.
    """

    done: list[int]
    begun: int
    refusal: str


def run_child(dataset: Path, first: int, *words: str) -> Heard:
    """Run a child to its end; raise `JudgeError` if anything but the end or an error of ours ended it."""
    command = [sys.executable, str(HERE / "kill_child.py"), str(dataset), "--first", str(first), *words]
    ended = subprocess.run(command, env=product_environment(), capture_output=True, text=True, check=False)
    if ended.returncode not in (0, REFUSED):
        raise JudgeError(f"ended with exit code {ended.returncode} and no error of ours: {ended.stderr.strip()[-800:]}")
    done = [int(number) for number in re.findall(r"^done (\d+)$", ended.stdout, re.MULTILINE)]
    begun = len(re.findall(r"^begin", ended.stdout, re.MULTILINE))
    refused = re.search(r"^refused (.*)$", ended.stdout, re.MULTILINE)
    return Heard(done, begun, refused[1] if refused else "")


def require_episodes(judge: Judge, dataset: Path, expected: list[int]) -> None:
    seen = judge.episodes(dataset, SIZE, known=0)
    if seen != expected:
        raise JudgeError(f"holds {seen}, acknowledged were {expected}")


def mount(*words: str | Path) -> bool:
    """Mount something; false where that is not allowed."""
    return os.geteuid() == 0 and subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@contextmanager
def tmpfs(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A small file system in memory, or None where nothing may be mounted."""
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _go_on(judge: Judge, dataset: Path, before: Heard) -> None:
    """With room again, a writer goes on where the last one stopped."""
    after = run_child(dataset, before.begun, "--episodes", "2")
    if after.refusal or len(after.done) != 2:
        raise JudgeError(f"with room again the writer does not go on: {after}")
    check(dataset)
    require_episodes(judge, dataset, [*before.done, *after.done])


def full_disk(judge: Judge, folder: Path) -> str:
    """Write until the disk is full; then make room and go on. Returns what happened, in words."""
    with tmpfs(folder / "full", FULL_MB) as mounted:
        dataset = (mounted or folder / "full") / "dataset"
        limit = [] if mounted else ["--file-limit", str(FILE_LIMIT)]
        before = run_child(dataset, 0, *limit)
        if not before.refusal or not before.done:
            raise JudgeError(f"the disk did not fill up: {before}")
        require_episodes(judge, dataset, before.done)
        again = run_child(dataset, before.begun, *limit)
        if not again.refusal or again.done:
            raise JudgeError(f"on a disk that is still full the writer says {again}")
        require_episodes(judge, dataset, before.done)
        if mounted and not mount("-o", f"remount,size={ROOMY_MB}m", mounted):
            raise JudgeError("the file system could not be enlarged")
        _go_on(judge, dataset, Heard(before.done, before.begun + again.begun, ""))
    how = f"tmpfs of {FULL_MB} MB" if mounted else f"files limited to {FILE_LIMIT} bytes"
    return f"{how}, {len(before.done)} episodes kept, then: {before.refusal}"


def read_only_disk(judge: Judge, folder: Path) -> str:
    """Reopen a dataset that may not be written; then allow it and go on. Returns what happened, in words."""
    with tmpfs(folder / "read-only", ROOMY_MB) as mounted:
        home = mounted or folder / "read-only"
        dataset = home / "dataset"
        before = run_child(dataset, 0, "--episodes", "3")
        if mounted is None and os.geteuid() == 0:
            raise NotTried("root writes in spite of permissions, and nothing may be mounted")
        _allow_writing(home, mounted is not None, allowed=False)
        try:
            refusals = [run_child(dataset, before.begun).refusal, run_child(home / "new", 0).refusal]
            if not all(refusals):
                raise JudgeError(f"a read-only disk is not refused: {refusals}")
            require_episodes(judge, dataset, before.done)
        finally:
            _allow_writing(home, mounted is not None, allowed=True)
        _go_on(judge, dataset, before)
        shutil.rmtree(dataset)
    return f"{refusals[0]}; a new one: {refusals[1]}"


def _allow_writing(home: Path, mounted: bool, *, allowed: bool) -> None:
    if mounted:
        if not mount("-o", f"remount,{'rw' if allowed else 'ro'}", home):
            raise JudgeError("the file system could not be remounted")
        return
    for folder in [home, *(path for path in home.rglob("*") if path.is_dir())]:
        folder.chmod(0o755 if allowed else 0o555)
