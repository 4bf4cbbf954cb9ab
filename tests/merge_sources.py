"""Datasets to be merged, of known takes, and what must not change in them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from writing import CAMERAS, FPS, SIZE, Take, add_frame, finish, open_writer, picture

from lerobot_writer.merge import Episode, merge_datasets
from lerobot_writer.merge_source import open_source

TAKES = [
    *(Take(1, 3), Take(2, 5, "place the cube"), Take(3, 1), Take(4, 4, "a third task"), Take(5, 2, "place the cube")),
    *(Take(6, 1), Take(7, 6, "a fourth task"), Take(8, 2), Take(9, 3, "a third task"), Take(10, 1, "a fourth task")),
]


def write(root: Path, *takes: Take, pack: bool = False, **options: Any) -> Path:
    """options: of `open_writer`."""
    cameras, size, fps = (options.get(*known) for known in (("cameras", CAMERAS), ("size", SIZE), ("fps", FPS)))
    with open_writer(root, **options) as writer:
        for take in takes:
            for frame in range(take.length):
                add_frame(writer, take.content, frame, done=frame == take.length - 1, fps=fps)
                for number, camera in enumerate(cameras):
                    writer.add_video_frame(camera, picture(number, take.content, frame, size))
            finish(writer, take)
        writer.finalize(pack=pack)
    return root


def write_parts(folder: Path, takes: Sequence[Take], sizes: Sequence[int], **options: Any) -> list[Path]:
    """Datasets of so many takes each, one after the other."""
    roots, start = [], 0
    for number, size in enumerate(sizes):
        roots.append(write(folder / f"part {number}", *takes[start : start + size], **options))
        start += size
    assert start == len(takes)
    return roots


def merge(output: Path, roots: Sequence[Path], order: Sequence[tuple[int, int]] | None = None, **options: Any) -> int:
    """order: source and position of each episode; source by source where it is not given."""
    sources = [open_source(root) for root in roots]
    if order is None:
        order = [(number, at) for number, source in enumerate(sources) for at in range(source.episodes)]
    return merge_datasets(output, sources, [Episode(*place) for place in order], **options)


def stamps(*folders: Path) -> dict[str, tuple[str, int, int]]:
    """Content, time of the last change and inode of everything in the folders, themselves included."""
    found = {}
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            told = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
            found[str(path)] = content, told.st_mtime_ns, told.st_ino
    return found


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def do_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """`syncfs` waits for whatever others write, too."""
    monkeypatch.setattr("lerobot_writer.merge.flush_file_system", lambda folder: None)
