"""Reads the demonstrations of an HDF5 file in the layout of robomimic and Isaac Lab."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sim_service.export.hdf5_layout import ROW
from sim_service.export.hdf5_library import Hdf5Error, hdf5_errors, open_file
from sim_service.importing.mapping import Source
from sim_service.stored import Image

_SUCCESSFUL: Final = "successful"  # filter key
_BLOCK_BYTES: Final = 64 * 2**20  # of pictures read at once
_MAX_SHOWN: Final = 60  # arrays of a demonstration in an error


@dataclass(frozen=True)
class Demo:
    """name: of its group. length: its frames. success: None where the file does not say. task, columns: of an episode
    that was exported from here, else None and empty."""

    name: str
    length: int
    success: bool | None
    task: str | None
    columns: Mapping[str, Any]


class DemoFile:
    """An open file. Every method raises Hdf5Error at what is damaged."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self._file = path, file
        with self._reading("data"):
            if "data" not in file or not hasattr(file["data"], "keys"):
                found = ", ".join(file) or "nothing"
                raise Hdf5Error(f"{path} has no group 'data', where demonstrations are; it holds {found}")
            self._data = file["data"]
            self.names = sorted((name for name in self._data if _number(name) is not None), key=_order)
        if not self.names:
            raise Hdf5Error(f"{path} has no demonstration: 'data' has no group demo_0, demo_1, ...")

    @property
    def env_args(self) -> dict[str, Any]:
        """Empty where there are none."""
        with self._reading("the attribute env_args"):
            text = self._data.attrs.get("env_args")
            try:
                content = json.loads(text) if isinstance(text, str | bytes) else {}
            except ValueError as error:
                raise Hdf5Error(f"{self.path}: the attribute env_args of data is no JSON: {error}") from error
        return content if isinstance(content, dict) else {}

    @property
    def quaternions_end_with_w(self) -> bool:
        """Isaac Lab's attribute `format_version`: 1 means xyzw (Isaac Lab 3), none or 0 wxyz (2.x)."""
        with self._reading("the attribute format_version"):
            return int(self._file.attrs.get("format_version", 0)) >= 1

    def json(self, key: str) -> dict[str, Any] | None:
        """A text of the file; None where there is none."""
        with self._reading(key):
            if key not in self._file:
                return None
            content = json.loads(self._file[key][()])
        if not isinstance(content, dict):
            raise Hdf5Error(f"{self.path}: {key} holds no JSON object")
        return content

    def demo(self, name: str) -> Demo:
        with self._reading(name):
            group = self._data[name]
            told = group.attrs.get("num_samples")
            if told is None and "actions" not in group:
                raise Hdf5Error(f"{self.path}: {name} has neither the attribute num_samples nor actions")
            length = int(group["actions"].shape[0] if told is None else told)
            success = group.attrs.get("success")
            row = json.loads(group.attrs.get(ROW, "{}"))
        if not isinstance(row, dict) or not isinstance(row.get("columns", {}), dict):
            raise Hdf5Error(f"{self.path}: the attribute {ROW} of {name} is not of an export")
        return Demo(name, length, None if success is None else bool(success), row.get("task"), row.get("columns", {}))

    def succeeded(self) -> set[str] | None:
        """The demonstrations of the filter key mask/successful; None where there is none."""
        key = f"mask/{_SUCCESSFUL}"
        with self._reading(key):
            if key not in self._file:
                return None
            return {bytes(name).decode() for name in np.asarray(self._file[key][()], dtype=np.bytes_).ravel()}

    def arrays(self, name: str) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and dtype of every array of a demonstration, by key."""
        found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}

        def visit(key: str, item: Any) -> None:
            if hasattr(item, "shape"):
                found[key] = (tuple(item.shape), item.dtype)

        with self._reading(name):
            self._data[name].visititems(visit)
        return found

    def vector(self, demo: Demo, source: Source) -> NDArray[np.float64]:
        """Shape (N, len(source.names)); exact for whatever float32 holds."""
        rows = demo.length if source.initial is None else max(demo.length - 1, 0)
        values = self._matrix(demo, source.key, rows, exact=source.initial is None)
        if source.initial is not None:
            first = self._matrix(demo, source.initial, 1, exact=True)
            if first.shape[1] != values.shape[1]:
                raise Hdf5Error(
                    f"{self.path}: {demo.name}: {source.initial} has {first.shape[1]} columns, {source.key} has "
                    f"{values.shape[1]}"
                )
            values = np.concatenate([first, values])
        chosen = range(values.shape[1]) if source.columns is None else source.columns
        if len(chosen) != len(source.names) or max(chosen, default=0) >= values.shape[1]:
            asked = f"{len(source.names)} names" if source.columns is None else f"columns {list(chosen)}"
            raise Hdf5Error(f"{self.path}: {demo.name}/{source.key} has {values.shape[1]} columns, asked for {asked}")
        values = values[:, list(chosen)]
        if not np.isfinite(values).all():
            row, column = (int(place[0]) for place in np.nonzero(~np.isfinite(values)))
            count = int((~np.isfinite(values)).sum())
            raise Hdf5Error(
                f"{self.path}: {demo.name}/{source.key} has {count} values that are not finite; the first is "
                f"{values[row, column]} of {source.names[column]} at frame {row}"
            )
        if source.scale == 1.0 and source.offset == 0.0:
            return values
        return values * source.scale + source.offset

    def picture_size(self, demo: Demo, key: str) -> tuple[int, int]:
        """(height, width) of a camera's pictures, which must be uint8 of shape (N, height, width, 3)."""
        shape, dtype = self._require(demo, key)
        where = f"{self.path}: {demo.name}/{key} has shape {shape} and dtype {dtype}"
        if len(shape) == 4 and shape[1] == 3 and shape[3] != 3:
            raise Hdf5Error(f"{where}: channels come first; expected uint8 of shape (N, height, width, 3)")
        if len(shape) != 4 or shape[3] != 3:
            raise Hdf5Error(f"{where}; expected pictures, uint8 of shape (N, height, width, 3)")
        if dtype != np.uint8:
            raise Hdf5Error(f"{where}; expected uint8, 0 to 255, which numbers such as 0 to 1 are not")
        if shape[0] != demo.length:
            raise Hdf5Error(f"{where}: {shape[0]} pictures for {demo.length} frames")
        return shape[1], shape[2]

    def pictures(self, demo: Demo, key: str, first: int) -> Iterator[Image]:
        """From frame `first` on, one by one; as many are read at once as lie in one chunk of the file."""
        with self._reading(f"{demo.name}/{key}"):
            stored = self._data[demo.name][key]
            size = int(np.prod(stored.shape[1:]))
            at_once = max(1, min(stored.chunks[0] if stored.chunks else 16, _BLOCK_BYTES // max(1, size)))
        for begin in range(first - first % at_once, demo.length, at_once):
            with self._reading(f"{demo.name}/{key}"):
                block = stored[max(begin, first) : begin + at_once]
            yield from block

    def contents(self) -> str:
        """Keys, shapes and dtypes of the first demonstration, for a person."""
        arrays = self.arrays(self.names[0])
        lines = [f"  {key}  {shape}  {dtype}" for key, (shape, dtype) in sorted(arrays.items())]
        left = [f"  and {len(lines) - _MAX_SHOWN} more"] if len(lines) > _MAX_SHOWN else []
        return "\n".join([f"{self.names[0]} of {self.path} holds", *lines[:_MAX_SHOWN], *left])

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        with hdf5_errors(f"cannot read {what} of {self.path}"):
            yield

    def _require(self, demo: Demo, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        with self._reading(f"{demo.name}/{key}"):
            item = self._data[demo.name].get(key)
            if item is not None and hasattr(item, "shape"):
                return tuple(item.shape), item.dtype
        raise Hdf5Error(f"{self.path}: {demo.name} has no array {key}; it has {', '.join(self.arrays(demo.name))}")

    def _matrix(self, demo: Demo, key: str, rows: int, *, exact: bool) -> NDArray[np.float64]:
        """The first `rows` rows, shape (rows, columns). exact: whether it may not have more of them."""
        shape, dtype = self._require(demo, key)
        where = f"{self.path}: {demo.name}/{key} has shape {shape} and dtype {dtype}"
        if dtype.kind not in "fiub" or not shape:
            raise Hdf5Error(f"{where}; expected numbers, a row per frame")
        if shape[0] < rows or (exact and shape[0] != rows):
            raise Hdf5Error(f"{where}; expected {rows} rows, {demo.name} having {demo.length} frames")
        with self._reading(f"{demo.name}/{key}"):
            values = np.asarray(self._data[demo.name][key][:rows], np.float64)
        return values.reshape(rows, int(np.prod(shape[1:])))


@contextmanager
def open_demos(path: Path) -> Iterator[DemoFile]:
    """Raises Hdf5Error, and InUseError while another program writes the file."""
    with open_file(path) as file:
        yield DemoFile(path, file)


def _number(name: str) -> int | None:
    found = re.fullmatch(r"demo_(\d+)", name)
    return None if found is None else int(found[1])


def _order(name: str) -> int:
    return _number(name) or 0
