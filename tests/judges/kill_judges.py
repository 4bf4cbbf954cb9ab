"""Who says which episodes a dataset holds after its writer was killed: the real LeRobot, or our own `check`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pyarrow.parquet as pq
from make_env import ROOT
from run import product_environment
from truth import Truth

HERE = Path(__file__).resolve().parent


class JudgeError(Exception):
    """The dataset is not right, and why."""


class Judge(Protocol):
    def episodes(self, dataset: Path, size: tuple[int, int], *, known: int | None) -> list[int]:
        """The numbers of the episodes that a dataset on disk holds, in order; each is checked.

        Args:
            size: Width and height of its pictures.
            known: So many episodes were looked at before: look at the first and last item of the others, and at some
                of these. None: look at every item.

        Raises:
            JudgeError: The dataset does not open, or something in it is wrong.
        """


def copy_of(dataset: Path, scratch: Path, number: int) -> Path:
    """Copy a dataset as it lies there, to a place where nothing else has been."""
    return Path(shutil.copytree(dataset, scratch / f"copy {number}"))


def check(dataset: Path) -> None:
    """Run `python -m lerobot_writer check`; raise `JudgeError` unless it finds the dataset valid."""
    command = [sys.executable, "-m", "lerobot_writer", "check", str(dataset)]
    done = subprocess.run(command, env=product_environment(), capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise JudgeError(f"our check of {dataset.name} ends with {done.returncode}: {done.stdout}{done.stderr}")


class LeRobotJudge:
    """One LeRobot process for all datasets: importing it takes seconds."""

    def __init__(self, python: Path, scratch: Path) -> None:
        self._scratch = scratch
        self._asked = 0
        self._process = subprocess.Popen(
            [python, HERE / "lerobot_reader.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def episodes(self, dataset: Path, size: tuple[int, int], *, known: int | None) -> list[int]:
        if not (dataset / "meta/info.json").is_file():
            return []  # LeRobot would go to the Hub
        self._asked += 1
        copied = copy_of(dataset, self._scratch, self._asked)
        width, height = size
        request = {"path": str(copied), "width": width, "height": height, "fps": 30, "known": known}
        if self._process.stdin is None or self._process.stdout is None:
            raise JudgeError("LeRobot's process has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        shutil.rmtree(copied)
        if not line:
            raise JudgeError(f"LeRobot's process died: exit code {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise JudgeError(f"LeRobot: {answer['error']}")
        found: list[int] = answer["episodes"]
        return found

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


class OwnJudge:
    """Reads the episodes' own column; a copy, reopened and finalized, must pass our check."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._asked = 0

    def episodes(self, dataset: Path, size: tuple[int, int], *, known: int | None) -> list[int]:
        info = dataset / "meta/info.json"
        if not info.is_file():
            return []
        described = json.loads(info.read_text(encoding="utf-8"))
        files = sorted((dataset / "meta/episodes").glob("*/*.parquet"))
        rows = [
            row for file in files for row in pq.read_table(file, columns=["length", "collection/index"]).to_pylist()
        ]
        found = [int(row["collection/index"]) for row in rows[: described["total_episodes"]]]
        expected = Truth(tuple(found), *size, fps=30)
        if len(found) != described["total_episodes"] or len(expected.frames) != described["total_frames"]:
            raise JudgeError(f"info.json counts {described['total_episodes']} episodes, their rows are of {found}")
        self._asked += 1
        copied = copy_of(dataset, self._scratch, self._asked)
        child = [sys.executable, str(HERE / "kill_child.py"), str(copied), "--episodes", "0", "--size", *map(str, size)]
        done = subprocess.run(child, env=product_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise JudgeError(f"a copy could not be reopened: {done.stdout}{done.stderr}")
        check(copied)
        shutil.rmtree(copied)
        return found

    def close(self) -> None:
        """Nothing is open."""
