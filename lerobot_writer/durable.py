"""Files that survive a power cut: written beside, flushed, renamed, directory flushed."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lerobot_writer.errors import StorageError, WriterError


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Raise what the disk refuses as a StorageError that says what was being done."""
    try:
        yield
    except WriterError:
        raise
    except OSError as error:
        raise StorageError(f"{doing}: {error}") from error


def flush(path: Path) -> None:
    """Force a file's, or a directory's, content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file_system(folder: Path) -> None:
    """Force everything that was written below a folder to the disk, whoever wrote it: once is faster than file by file.

    Raises OSError where the disk failed meanwhile, as far as the kernel tells (Linux 5.8 and later do).
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def link_or_copy(source: Path, target: Path) -> None:
    """One more name for a file that nobody changes; a copy where there can be none, as on another file system."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def make_directory(path: Path) -> None:
    """Create a directory and its parents so that all of them survive a power cut."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        flush(directory.parent)


def publish(root: Path, staging: Path, files: Sequence[Path]) -> None:
    """Move files from `staging` to the same relative paths below `root`, in order; the last one is the commit.

    The staged files must have been flushed and the target directories must exist. All directories are flushed before
    the last file is moved, and its own after it.
    """
    *first, last = files
    for file in first:
        (staging / file).replace(root / file)
    for directory in {(root / file).parent for file in first}:
        flush(directory)
    (staging / last).replace(root / last)
    flush((root / last).parent)


def remove_folder(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def write_flushed(path: Path, content: bytes) -> None:
    """Write a new file and force it to the disk; creates its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
