"""Put a rebuilt dataset folder in the place of the old one, so that a kill at any instant leaves one of the two.

For the folder `X`, the rebuilt one is `X.pack`, beside it. The file `X.pack.journal` says that `X.pack` and `X.old` are
ours; as long as it exists, `finish_swap` can bring an interrupted swap to its end.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path
from typing import Final

from lerobot_writer.durable import flush, write_flushed
from lerobot_writer.errors import DatasetExistsError

_AT_FDCWD: Final = -100  # linux/fcntl.h
_RENAME_EXCHANGE: Final = 2  # linux/fs.h


def _beside(root: Path, suffix: str) -> Path:
    return root.with_name(root.name + suffix)


def begin_rebuild(root: Path) -> Path:
    """The empty folder in which to build what will replace `root`."""
    root = root.absolute()
    finish_swap(root)
    rebuilt = _beside(root, ".pack")
    for path in (rebuilt, _beside(root, ".old")):
        if path.exists():
            raise DatasetExistsError(f"{path} is in the way; packing {root} needs that name")
    write_flushed(_beside(root, ".pack.journal"), b"")
    flush(root.parent)
    rebuilt.mkdir()
    return rebuilt


def swap_in(root: Path) -> None:
    """Replace `root` by the finished and flushed `X.pack`, and delete the old one."""
    root = root.absolute()
    rebuilt = _beside(root, ".pack")
    if not _exchange(rebuilt, root):
        root.rename(_beside(root, ".old"))
        flush(root.parent)
        rebuilt.rename(root)
    flush(root.parent)
    finish_swap(root)


def finish_swap(root: Path) -> None:
    """Complete or undo what an interrupted `swap_in` or rebuild left behind; does nothing where there is none."""
    root = root.absolute()
    journal = _beside(root, ".pack.journal")
    if not journal.exists():
        return
    rebuilt = _beside(root, ".pack")
    if not root.exists() and rebuilt.exists():
        rebuilt.rename(root)
        flush(root.parent)
    for path in (rebuilt, _beside(root, ".old")):
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
