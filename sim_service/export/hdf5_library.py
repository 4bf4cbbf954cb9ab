"""h5py, where it is installed, and its errors in words."""

from __future__ import annotations

import errno
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lerobot_writer import InUseError, WriterError
from sim_service.stored import DatasetError


class Hdf5Error(RuntimeError):
    """The file cannot be read or written, or does not hold what is needed; the message says what."""


def require_h5py() -> None:
    """Raises Hdf5Error saying what to install."""
    if importlib.util.find_spec("h5py") is None:
        raise Hdf5Error("HDF5 files need h5py, which is not installed: pip install 'isaac-collect[hdf5]'")


@contextmanager
def hdf5_errors(doing: str) -> Iterator[None]:
    """What h5py raises at a damaged file or a full disk, as an Hdf5Error that says what was being done."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, Hdf5Error | DatasetError | WriterError):
            raise  # says what it is of already
        raise Hdf5Error(f"{doing}: {_text(error)}") from error


def open_file(path: Path) -> Any:
    """An h5py.File to read. Raises Hdf5Error, and InUseError while another program writes it."""
    require_h5py()
    import h5py

    if not path.is_file():
        raise Hdf5Error(f"{path} is not a file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES) and "lock" in str(error):
            raise InUseError(f"{path} is open for writing in another program; try again when that has ended") from error
        if "signature not found" in str(error):
            raise Hdf5Error(f"{path} is no HDF5 file") from error
        raise Hdf5Error(f"cannot open {path}: {_text(error)}") from error


class DiskFile:
    """What HDF5 writes a file through, as h5py takes any object that is like a file.

    At a write that fails, HDF5 leaves its structures in a state in which the process crashes later. So the first
    failure is kept for `raise_error`, and HDF5 told that all went well; what it wrote is to be thrown away then.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = 0
        while self._error is None and written < len(view):
            try:
                written += self._file.write(view[written:])
            except OSError as error:
                self._error = error
        return len(view)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._file.close()


def _text(error: Exception) -> str:
    """On one line, without the quotes that a KeyError has."""
    return " ".join(str(error.args[-1] if error.args else error).split())
