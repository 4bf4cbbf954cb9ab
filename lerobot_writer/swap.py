"""Put a rebuilt dataset folder in the place of the old one, so that a kill at any instant leaves one of the two.

For the folder `X`, the rebuilt one is `X.pack`, beside it. The file `X.pack.journal` says that `X.pack` and `X.old` are
ours, and whoever works on them holds its lock. As long as it exists, `finish_swap` can bring an interrupted swap to its
end.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lerobot_writer import layout
from lerobot_writer.durable import flush, write_flushed
from lerobot_writer.errors import DatasetExistsError
from lerobot_writer.lock import holding

_AT_FDCWD: Final = -100  # linux/fcntl.h
_RENAME_EXCHANGE: Final = 2  # linux/fs.h


@contextmanager
def rebuilding(root: Path) -> Iterator[Path]:
    """An empty folder, which takes the place of `root` (absolute) when the block ends, and vanishes when it raises.

    The block must flush what it writes. The caller holds the lock of `root`.
    """
    finish_swap(root)
    rebuilt, old, journal = _beside(root)
    for path in (rebuilt, old):
        if path.exists():
            raise DatasetExistsError(f"{path} is in the way; packing {root} needs that name")
    try:
        write_flushed(journal, b"")
        flush(root.parent)
    except OSError:
        journal.unlink(missing_ok=True)
        raise
    with holding(journal):
        try:
            rebuilt.mkdir()
            yield rebuilt
            if not _exchange(rebuilt, root):
                root.rename(old)
                flush(root.parent)
                rebuilt.rename(root)
            flush(root.parent)
        finally:
            _settle(root)


def finish_swap(root: Path) -> None:
    """Complete or undo what an interrupted rebuilding of `root` (absolute) left; does nothing where there is none.

    Raises ResumeError when the rebuilding is still going on.
    """
    journal = _beside(root)[2]
    if journal.exists():
        with holding(journal):
            _settle(root)


def is_being_swapped(root: Path) -> bool:
    return _beside(root)[2].exists()


def _beside(root: Path) -> tuple[Path, Path, Path]:
    """The rebuilt folder, the old folder and the journal."""
    rebuilt, old, journal = (root.with_name(root.name + suffix) for suffix in (".pack", ".old", ".pack.journal"))
    return rebuilt, old, journal


def _settle(root: Path) -> None:
    rebuilt, old, journal = _beside(root)
    if old.exists() and not (root / layout.INFO).exists():  # cut between the two renames
        (rebuilt if rebuilt.exists() else old).rename(root)
        flush(root.parent)
    for path in (rebuilt, old):
        if path.exists():
            shutil.rmtree(path)
    journal.unlink()
    flush(root.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step; False where kernel, C library or file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0)
