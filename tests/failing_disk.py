"""A disk whose k-th operation fails, or at whose k-th operation the process dies."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

_real_rename = Path.rename


class Death(BaseException):
    """Stands for SIGKILL: from the instant it is raised, no operation reaches the disk."""


class FailingDisk:
    """Counts the operations that change the disk, and logs them as (operation, *paths relative to `root`).

    fail_at: the operation that fails, counted from 0; None for none. dies: with it the process dies, so that whatever
    is tried afterwards fails too; else that one operation raises OSError, after half of a file was written.
    """

    def __init__(self, root: Path, fail_at: int | None = None, *, dies: bool = False) -> None:
        self.log: list[tuple[str, ...]] = []
        self.failed: tuple[str, ...] | None = None
        self._root, self._fail_at, self._dies = root, fail_at, dies
        self._lock = threading.Lock()

    @contextmanager
    def mounted(self) -> Iterator[FailingDisk]:
        """In the block, the operations go through this disk."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (
                (Path, "replace"),
                (Path, "rename"),
                (Path, "mkdir"),
                (Path, "rmdir"),
                (Path, "unlink"),
                (Path, "symlink_to"),
                (os, "link"),
                (shutil, "rmtree"),
            ):
                patch.setattr(owner, name, self._through(name, getattr(owner, name)))
            patch.setattr(os, "fsync", self._fsync)
            patch.setattr(Path, "open", self._writing("write", Path.open))
            patch.setattr(pq, "write_table", self._table(pq.write_table))
            patch.setattr("lerobot_writer.swap._exchange", self._through("exchange", exchange))
            yield self

    def _step(self, name: str, *paths: object) -> None:
        with self._lock:
            places = (os.path.relpath(str(path), self._root) for path in paths if isinstance(path, str | Path))
            step = (name, *places)
            number = len(self.log)
            self.log.append(step)
            if self._fail_at is None or number < self._fail_at or (number > self._fail_at and not self._dies):
                return
            if number == self._fail_at:
                self.failed = step
            in_main_thread = threading.current_thread() is threading.main_thread()
        if self._dies and in_main_thread:
            raise Death(step)
        raise OSError(errno.ENOSPC, "No space left on device", step)

    def _through(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            try:
                self._step(name, *arguments)
            except OSError:
                if options.get("ignore_errors"):
                    return None
                raise
            return real(*arguments, **options)

        return operation

    def _fsync(self, descriptor: int) -> None:
        self._step("fsync", Path(f"/proc/self/fd/{descriptor}").readlink())

    def _writing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if "w" in mode:
                self._half_written(name, path)
            return real(path, mode, *arguments, **options)

        return operation

    def _table(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(table: Any, path: Path, *arguments: Any, **options: Any) -> None:
            self._half_written("write", path)
            real(table, path, *arguments, **options)

        return operation

    def _half_written(self, name: str, path: Path) -> None:
        try:
            self._step(name, path)
        except BaseException:
            if self.failed == self.log[-1]:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.write(descriptor, b"PAR1 torn")
                os.close(descriptor)
            raise


def exchange(a: Path, b: Path) -> bool:
    """Two folders change places; `os` has no call for it, so this is not one step, but nothing fails between."""
    beside = b.with_name(b.name + ".aside")
    for old, new in ((b, beside), (a, b), (beside, a)):
        _real_rename(old, new)
    return True
