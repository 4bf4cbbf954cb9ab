"""The parquet tables of a dataset, built and written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lerobot_writer.durable import flush
from lerobot_writer.errors import FrameError, raise_all
from lerobot_writer.schema import Schema, is_text
from lerobot_writer.stats import STATISTICS, Counts

_SCALARS: Final = ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (str, pa.string()))


def _list_of(kind: pa.DataType) -> pa.DataType:
    """With the element name that parquet gives it, so that tables written and read back have one schema."""
    return pa.list_(pa.field("element", kind))


_INT64: Final = pa.int64()
_DOUBLE: Final = pa.float64()
_NESTED_DOUBLE: Final = _list_of(_list_of(_list_of(_DOUBLE)))

HISTOGRAM_SCHEMA: Final = pa.schema(
    [("feature", pa.string()), ("channel", _INT64), ("counts", _list_of(_INT64))],
)


def write_table(table: pa.Table, path: Path) -> None:
    """One row group, Snappy, forced to the disk."""
    write_unflushed(table, path)
    flush(path)
    pa.default_memory_pool().release_unused()  # Arrow keeps 10 to 15 MB otherwise


def write_unflushed(table: pa.Table, path: Path) -> None:
    """What `write_table` writes, for whoever flushes all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy", use_dictionary=True, row_group_size=max(1, table.num_rows))


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns, use_threads=False)


def data_table(schema: Schema, columns: Mapping[str, NDArray[Any]]) -> pa.Table:
    """columns: every data column, shape (N, D) or (N,), in the dtype of the schema."""
    arrow_schema = schema.data_schema()
    arrays = []
    for field in arrow_schema:
        values = columns[field.name]
        flat = pa.array(values.reshape(-1))
        is_list = pa.types.is_fixed_size_list(field.type)
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size) if is_list else flat)
    return pa.Table.from_arrays(arrays, schema=arrow_schema)


def row_groups(path: Path) -> Iterator[pa.Table]:
    """Of a parquet file, in order."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False)


def column_values(table: pa.Table, name: str) -> NDArray[Any]:
    """A data column of a row group just read: shape (n, D)."""
    array = table.column(name).combine_chunks()
    # Not flatten(), which loads pyarrow.compute: a row group just read begins at its values' begin.
    flat = array.values if pa.types.is_fixed_size_list(array.type) else array
    values: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return values.reshape(len(array), -1)


def tasks_table(tasks: Sequence[str]) -> pa.Table:
    """With the metadata by which pandas makes `task` the index; LeRobot reads task texts from there."""
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
        for name, kind, numpy in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ]
    pandas = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    schema = pa.schema([("task_index", _INT64), ("task", pa.string())], metadata={"pandas": json.dumps(pandas)})
    return pa.Table.from_arrays([pa.array(range(len(tasks)), _INT64), pa.array(tasks, pa.string())], schema=schema)


def tasks_jsonl(tasks: Sequence[str]) -> bytes:
    lines = [json.dumps({"task_index": i, "task": task}, ensure_ascii=False) + "\n" for i, task in enumerate(tasks)]
    return "".join(lines).encode()


def histogram_table(histograms: Mapping[str, Counts]) -> pa.Table:
    """histograms: camera's feature name to counts of shape (3, 256)."""
    rows = [(key, channel, counts[channel]) for key, counts in histograms.items() for channel in range(3)]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, HISTOGRAM_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=HISTOGRAM_SCHEMA)


def collector_columns(columns: Mapping[str, object], known: pa.Schema | None) -> list[tuple[str, Any, pa.DataType]]:
    """Name, value and type of the collector's own episode columns, checked.

    known: the columns of the episodes before, which these must match in name, order and type; None for the first one.
    """
    problems, typed = [], []
    for name, value in columns.items():
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        kind = _arrow_type(plain)
        if not is_text(name):
            problems.append(f"column name {name!r} is no text")
        elif kind is None or not _fits(plain, kind):
            problems.append(
                f"column {name!r} = {value!r} must be a bool, 64-bit int, float, text or a non-empty list of one kind"
            )
        elif name.startswith(("stats/", "videos/", "data/", "meta/")) or name in _FIXED_COLUMNS:
            problems.append(f"column name {name!r} is taken; begin it with a word of your own, such as 'collection/'")
        else:
            typed.append((name, plain, kind))
    if known is not None and not problems:
        expected = {field.name: str(field.type) for field in known}
        found = {name: str(kind) for name, _, kind in typed}
        if expected != found:
            problems.append(f"episode columns must stay those of the first episode: expected {expected}, got {found}")
        order = list(expected)
        typed.sort(key=lambda column: order.index(column[0]) if column[0] in expected else -1)
    raise_all(FrameError, "cannot record the episode's columns", problems)
    return typed


def _fits(value: object, kind: pa.DataType) -> bool:
    try:
        pa.array([value], kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return False
    return True


def _arrow_type(value: object) -> pa.DataType | None:
    if isinstance(value, list | tuple):
        kinds = {_arrow_type(item) for item in value}
        kind = kinds.pop() if len(kinds) == 1 else None
        return None if kind is None else _list_of(kind)
    return next((arrow for python, arrow in _SCALARS if isinstance(value, python)), None)


_FIXED_COLUMNS: Final = ("episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index")


def episode_row(
    schema: Schema,
    episode: int,
    task: str,
    first_frame: int,
    length: int,
    data_at: tuple[int, int],
    videos_at: Mapping[str, tuple[int, int, int]],
    entries: Mapping[str, Mapping[str, Any]],
    meta_at: tuple[int, int],
    columns: Sequence[tuple[str, Any, pa.DataType]],
) -> pa.Table:
    """One row of meta/episodes (FORMAT.md, E1).

    data_at, meta_at: chunk and file. videos_at: chunk, file and the frames before the episode in that file, by
    feature name. entries: the episode's statistics by feature name.
    """
    row: list[tuple[str, Any, pa.DataType]] = [
        ("episode_index", episode, _INT64),
        ("tasks", [task], _list_of(pa.string())),
        ("length", length, _INT64),
        ("data/chunk_index", data_at[0], _INT64),
        ("data/file_index", data_at[1], _INT64),
        ("dataset_from_index", first_frame, _INT64),
        ("dataset_to_index", first_frame + length, _INT64),
    ]
    for key in schema.video_keys:
        chunk, file, before = videos_at[key]
        row += [
            (f"videos/{key}/chunk_index", chunk, _INT64),
            (f"videos/{key}/file_index", file, _INT64),
            (f"videos/{key}/from_timestamp", before / schema.fps, _DOUBLE),
            (f"videos/{key}/to_timestamp", (before + length) / schema.fps, _DOUBLE),
        ]
    for name in schema.features():
        nested = _NESTED_DOUBLE if name in schema.video_keys else _list_of(_DOUBLE)
        row += [
            (f"stats/{name}/{stat}", entries[name][stat], _list_of(_INT64) if stat == "count" else nested)
            for stat in STATISTICS
        ]
    row += [("meta/episodes/chunk_index", meta_at[0], _INT64), ("meta/episodes/file_index", meta_at[1], _INT64)]
    row += columns
    return pa.Table.from_arrays(
        [pa.array([value], kind) for _, value, kind in row],
        schema=pa.schema([(name, kind) for name, _, kind in row]),
    )
