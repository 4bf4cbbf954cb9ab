"""One writer per dataset: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lerobot_writer.errors import InUseError


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock during the block; raises as `hold` does."""
    descriptor = hold(path)
    try:
        yield
    finally:
        release(descriptor)


def hold(path: Path) -> int:
    """Lock a file or folder and return the descriptor for `release`. Raises InUseError when somebody else holds it.

    A file system without locks, as some network ones are, protects nothing.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = True
    except BlockingIOError:
        mine = False
    except OSError:
        mine = True  # no locks here: go on without
    if mine and path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
        return descriptor
    os.close(descriptor)
    raise InUseError(f"{path} is being written or packed by somebody else; try again when that has ended")


def release(descriptor: int) -> None:
    """Give the lock back, also where a forked process still holds a copy of the descriptor."""
    with suppress(OSError):  # no locks here
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
