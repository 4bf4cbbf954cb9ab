"""All rows of the data columns, kept out of memory while their statistics are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_IN_MEMORY_BYTES: Final = 2**20  # of a column, before it goes to a file
_BLOCK_VALUES: Final = 2**18


class ColumnSpill:
    """A context manager. columns: name to (dtype, dimensions). What is much goes to files without a name in `folder`,
    which vanish when it is left or killed. Raises OSError where the disk is full."""

    def __init__(self, folder: Path, columns: Mapping[str, tuple[str, int]]) -> None:
        self._columns = dict(columns)
        self._stack = ExitStack()
        self._files: dict[str, SpooledTemporaryFile[bytes]] = {}
        for name in columns:
            file = SpooledTemporaryFile(_IN_MEMORY_BYTES, "w+b", dir=str(folder))  # noqa: SIM115 the stack closes it
            self._files[name] = self._stack.enter_context(file)
        self._rows = dict.fromkeys(columns, 0)

    @property
    def columns(self) -> Mapping[str, tuple[str, int]]:
        return self._columns

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Append rows to a column: shape (n, D), in its dtype. Raises ValueError where they are something else."""
        dtype, dimensions = self._columns[name]
        if values.shape[1:] != (dimensions,) or values.dtype != np.dtype(dtype):
            raise ValueError(
                f"column {name} is {dtype} of {dimensions} dimensions, got {values.dtype} of shape {values.shape}"
            )
        self._files[name].write(np.ascontiguousarray(values).tobytes())
        self._rows[name] += len(values)

    def rows(self, name: str) -> int:
        return self._rows[name]

    def blocks(self, name: str) -> Iterator[NDArray[Any]]:
        """The rows of a column in order, shape (n, D) each. How they are cut depends on D alone, so that equal data
        have equal sums, to the last bit."""
        dtype, dimensions = self._columns[name]
        file = self._files[name]
        file.seek(0)
        size = np.dtype(dtype).itemsize * dimensions * max(1, _BLOCK_VALUES // dimensions)
        left = self._rows[name] * dimensions * np.dtype(dtype).itemsize
        while left:
            content = file.read(min(size, left))
            left -= len(content)
            yield np.frombuffer(content, dtype).reshape(-1, dimensions)

    def __enter__(self) -> ColumnSpill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
