"""The files of a dataset: rules F1 and F2, and the part of F3 that file names can break."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lerobot_writer.check.report import Report

INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
TASK_LINES = "meta/tasks.jsonl"
WRITER = "meta/writer.json"
FILES_PER_CHUNK = 1000
EPISODES_PER_FILE = 1000
REOPEN = "open the dataset with resume=True to remove what a killed writer left"

_UNFINISHED = ".unfinished"
ORPHAN = ("no such file: nothing names it", f"an orphan: {REOPEN}")
"""What a finding of F2 expects and what it found."""
_OWNED = ("data/", "videos/", "meta/episodes/")
_NUMBERED = re.compile(r"/chunk-\d{3}/file-\d{3}\.[a-z0-9]+$", re.ASCII)


@dataclass(frozen=True)
class Tree:
    """The regular files below `data/`, `videos/` and `meta/`, by "/"-separated path below the dataset, with sizes."""

    root: Path
    sizes_bytes: dict[str, int]
    unfinished: bool

    def __contains__(self, path: str) -> bool:
        return path in self.sizes_bytes

    def below(self, *folders: str) -> list[str]:
        """The files below folders that are given with their final "/", sorted by name."""
        return sorted(path for path in self.sizes_bytes if path.startswith(folders))


def list_files(root: Path) -> Tree:
    """Lists a dataset's files; what the system refuses to list is left out, so it counts as missing."""
    sizes: dict[str, int] = {}
    for folder in ("data", "videos", "meta"):
        for parent, _, names in os.walk(root / folder, followlinks=True):
            for path in (Path(parent, name) for name in names):
                with contextlib.suppress(OSError):
                    if path.is_file():
                        sizes[path.relative_to(root).as_posix()] = path.stat().st_size
    return Tree(root, sizes, os.path.lexists(root / _UNFINISHED))


def numbered(folder: str, number: int, suffix: str) -> str:
    """The path of a folder's n-th file, counted from 0."""
    return in_chunk(folder, number // FILES_PER_CHUNK, number % FILES_PER_CHUNK, suffix)


def in_chunk(folder: str, chunk: int, file: int, suffix: str) -> str:
    return f"{folder}/chunk-{chunk:03d}/file-{file:03d}.{suffix}"


def histogram_path(episode: int) -> str:
    return numbered("meta/image_histograms", episode, "parquet")


def check_files(tree: Tree, episodes: int | None, named: Collection[str] | None, report: Report) -> None:
    """Checks F1, F2 and the names in F3, but for the image histograms.

    episodes: How many `meta/info.json` counts and `meta/episodes` holds; None if either does not say.
    named: Data and video files that the counted episode rows name, None if the rows do not say.
    """
    for path in (INFO, STATS, TASKS, TASK_LINES, WRITER):
        if path not in tree:
            report.add("F1", path, "a file", "none")
    if tree.unfinished:
        report.add("F2", _UNFINISHED, "nothing", f"an unfinished episode: {REOPEN}")
    report.ran("F1", "F2", "F3")
    if episodes is None:
        if (first := numbered("meta/episodes", 0, "parquet")) not in tree:
            report.add("F1", first, "a file", "none")
        report.skip(("F1", "F2"), "how many episodes there are is not known")
        return
    files = max(1, -(-episodes // EPISODES_PER_FILE))
    expected = {numbered("meta/episodes", number, "parquet") for number in range(files)}
    if named is None:
        report.skip(("F1", "F2"), "the episode rows do not say which data and video files there are")
    expected |= set(named or ())
    for path in sorted(expected - tree.sizes_bytes.keys()):
        report.add("F1", path, "a file", "none")
    owned = _OWNED if named is not None else _OWNED[2:]
    for path in sorted(set(tree.below(*owned)) - expected):
        report.add("F2", path, *ORPHAN)
    for path in sorted(path for path in expected if not _NUMBERED.search(path)):
        report.add("F3", path, "chunk and file numbers of three digits", "others, which sort wrongly")
