"""Reading JSON and parquet files that may hold anything: every way of being broken is one `Unreadable`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq


class Unreadable(Exception):
    """A file cannot be read as what its name says; the message is one line saying why."""


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(_one_line(error)) from error


def read_json_object(path: Path) -> dict[str, Any]:
    document = parse_json(read_text(path))
    if not isinstance(document, dict):
        raise Unreadable(f"not a JSON object: {shown(document)}")
    return document


def parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {_one_line(error)}") from error


class ParquetRows:
    """One parquet file; its footer is read on opening, its columns when asked for."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path)
            self.metadata: Any = self._file.metadata
            self.schema: Any = self._file.schema_arrow
        except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
            raise Unreadable(f"not a readable parquet file: {_one_line(error)}") from error
        self.num_rows: int = self.metadata.num_rows
        if sum(self.row_group_lengths()) != self.num_rows:
            raise Unreadable(f"its row groups have {sum(self.row_group_lengths())} rows, the file {self.num_rows}")

    def __enter__(self) -> ParquetRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def column(self, name: str, row_group: int | None = None) -> Any:
        """The whole column, or one row group of it, as one pyarrow array."""
        try:
            # "a" also selects the columns "a.b"; the field of exactly this name is picked from what comes back.
            table = (
                self._file.read(columns=[name])
                if row_group is None
                else self._file.read_row_group(row_group, columns=[name], use_threads=False)
            )
            read = table.column(name).combine_chunks()
            read.validate(full=True)
        except (OSError, ValueError, KeyError, MemoryError, pa.ArrowException) as error:
            raise Unreadable(f"column {name} does not read: {_one_line(error)}") from error
        rows = self.num_rows if row_group is None else self.metadata.row_group(row_group).num_rows
        if len(read) != rows:
            raise Unreadable(f"column {name} has {len(read)} rows, its file or row group {rows}")
        return read

    def numbers(self, name: str, width: int) -> npt.NDArray[Any]:
        """A column without nulls as an array of shape (rows,) if width is 1, else (rows, width)."""
        read = self.column(name)
        values = read.flatten() if pa.types.is_fixed_size_list(read.type) else read
        if read.null_count or values.null_count:
            raise Unreadable(f"column {name} holds nulls")
        array = np.asarray(values.to_numpy(zero_copy_only=False))
        return array if width == 1 else array.reshape(-1, width)

    def json_metadata(self, key: str) -> object:
        """The JSON under a key of the schema's metadata."""
        raw = (self.schema.metadata or {}).get(key.encode())
        if raw is None:
            raise Unreadable(f"the schema has no metadata key {key!r}")
        return parse_json(raw.decode("utf-8", errors="replace"))

    def compressions(self) -> set[str]:
        """The compressions in use, such as {"SNAPPY"}; empty without rows."""
        return {chunk.compression for chunk in self._chunks()}

    def undictionaried(self) -> set[str]:
        """The columns, as paths in the file, that have a row group without dictionary encoding. Booleans have none."""
        return {
            chunk.path_in_schema
            for chunk in self._chunks()
            if chunk.physical_type != "BOOLEAN" and not any("DICTIONARY" in encoding for encoding in chunk.encodings)
        }

    def row_group_lengths(self) -> list[int]:
        return [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]

    def _chunks(self) -> list[Any]:
        groups = (self.metadata.row_group(group) for group in range(self.metadata.num_row_groups))
        return [group.column(column) for group in groups for column in range(group.num_columns)]


def shown(value: object, limit: int = 120) -> str:
    """A value as short JSON-like text for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
