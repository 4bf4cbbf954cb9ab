"""What lies in a folder, read again only when the folder has changed; and when a file has."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from lerobot_writer import layout
from sim_service.bounded_cache import BoundedCache

_MAX_LISTINGS: Final = 16_384
_SETTLED_NS: Final = 2_000_000_000  # the coarsest clock of a file system


class FileVersion(NamedTuple):
    """Another one when a file's content has changed."""

    inode: int
    modified_ns: int
    size_bytes: int


def file_version(path: Path) -> FileVersion:
    """Raises OSError, also for what is no regular file and could block its reader."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is no regular file")
    return FileVersion(found.st_ino, found.st_mtime_ns, found.st_size)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in a folder wherever links lead. folder: without links."""
    return Path(os.path.realpath(path)).is_relative_to(folder)


@dataclass(frozen=True)
class Listing:
    """What is directly in a folder. folders: names, links not among them. files_bytes: size of all files."""

    folders: tuple[str, ...]
    files_bytes: int


class FolderListings:
    """Any thread may use it."""

    def __init__(self) -> None:
        self._known: BoundedCache[Path, tuple[tuple[int, int], Listing]] = BoundedCache(_MAX_LISTINGS)

    def of(self, folder: Path) -> Listing:
        """Raises OSError."""
        found = folder.stat()
        version = (found.st_ino, found.st_mtime_ns)
        known = self._known.get(folder)
        if known is not None and known[0] == version:
            return known[1]
        listing = _list(folder)
        if time.time_ns() - found.st_mtime_ns > _SETTLED_NS:  # else it may change once more at that very time
            self._known.put(folder, (version, listing))
        return listing

    def size_bytes(self, dataset: Path) -> int:
        """Of all files below a dataset's folder but those of an unfinished episode. A file that grows in place counts
        as large as it was when its folder last changed."""
        total = 0
        pending = [dataset]
        while pending:
            folder = pending.pop()
            try:
                listing = self.of(folder)
            except OSError:
                continue  # deleted just now, or closed to us
            total += listing.files_bytes
            pending += [folder / name for name in listing.folders if name != layout.UNFINISHED.name]
        return total


def _list(folder: Path) -> Listing:
    folders, files_bytes = [], 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    files_bytes += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # deleted just now
    return Listing(tuple(folders), files_bytes)
