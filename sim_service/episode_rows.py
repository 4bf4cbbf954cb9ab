"""The rows of meta/episodes by position: a page of episodes, and where one episode's pictures are."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_writer import layout
from sim_service.bounded_cache import BoundedCache
from sim_service.dataset_info import DatasetInfo
from sim_service.folder_listings import FileVersion, file_version, is_inside
from sim_service.ports import EpisodeSummary, UnreadableDatasetError

_MAX_TABLES_BYTES: Final = 32 * 2**20
_TABLE_BYTES: Final = 16_384  # of one without rows
_MAX_ROW_COUNTS: Final = 4096  # files of which the number of rows is remembered
_MAX_ROWS: Final = layout.MAX_FILES  # of one file


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_texts(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type)


_Kind = tuple[Callable[[pa.DataType], bool], str]
"""Which types a column may have, and how to say so."""

_REQUIRED: Final[dict[str, _Kind]] = {
    "episode_index": (pa.types.is_integer, "an integer"),
    "length": (pa.types.is_integer, "an integer"),
    "tasks": (_is_texts, "a list of texts"),
}
_OURS: Final[dict[str, _Kind]] = {
    "collection/index": (pa.types.is_integer, "an integer"),
    "collection/attempt": (pa.types.is_integer, "an integer"),
    "collection/success": (pa.types.is_boolean, "a boolean"),
    "collection/failure_reason": (_is_text, "a text"),
    "collection/placement_error_m": (pa.types.is_floating, "a float"),
    "collection/object": (_is_text, "a text"),
    "collection/object_colour": (_is_text, "a text"),
}
_PLACE: Final[dict[str, _Kind]] = {
    "chunk_index": (pa.types.is_integer, "an integer"),
    "file_index": (pa.types.is_integer, "an integer"),
    "from_timestamp": (pa.types.is_floating, "a float"),
}


@dataclass(frozen=True)
class VideoPlace:
    """Where an episode's pictures are: `frames` of them from `start_s` in the file of those numbers."""

    chunk: int
    file: int
    start_s: float
    frames: int


class EpisodeRows:
    """Reads the columns and files that are needed, and remembers some. Any thread may use it.

    Every method takes the dataset's folder, a folder without links in which all files must lie, and what info.json
    says, and raises UnreadableDatasetError.
    """

    def __init__(self) -> None:
        self._tables: BoundedCache[tuple[Path, FileVersion], pa.Table] = BoundedCache(_MAX_TABLES_BYTES)
        self._row_counts: BoundedCache[tuple[Path, FileVersion], int] = BoundedCache(_MAX_ROW_COUNTS)
        self._reading = threading.Lock()

    def summaries(
        self, dataset: Path, root: Path, info: DatasetInfo, offset: int, limit: int
    ) -> tuple[EpisodeSummary, ...]:
        """Of at most `limit` episodes from the `offset`-th on."""
        found: list[EpisodeSummary] = []
        for first, rows in self._slices(dataset, root, info, offset, min(offset + limit, info.episodes)):
            found += _summaries(first, rows, info.fps)
        return tuple(found)

    def place(self, dataset: Path, root: Path, info: DatasetInfo, episode: int, feature: str) -> VideoPlace:
        """Of an episode that info.json counts."""
        ((_, row),) = self._slices(dataset, root, info, episode, episode + 1)
        columns = {name: f"videos/{feature}/{name}" for name in _PLACE}
        _require_columns(row.schema, {columns[name]: kind for name, kind in _PLACE.items()})
        chunk, file, start_s = (row.column(column)[0].as_py() for column in columns.values())
        if chunk is None or file is None or start_s is None or min(chunk, file) < 0 or not 0 <= start_s < math.inf:
            raise UnreadableDatasetError(
                f"episode {episode} has its pictures of {feature} at {start_s} s in chunk {chunk}, file {file}"
            )
        return VideoPlace(chunk, file, start_s, _lengths(episode, row)[0])

    def _slices(
        self, dataset: Path, root: Path, info: DatasetInfo, first: int, end: int
    ) -> Iterator[tuple[int, pa.Table]]:
        """Position of the first row, and rows, file by file."""
        if first >= end:
            return
        position = 0
        # Readers of LeRobot take the files in the order of their names and go by position.
        with _unreadable(layout.EPISODES.as_posix()):
            paths = sorted((dataset / layout.EPISODES).glob("*/*.parquet"))
        for path in paths:
            name = path.relative_to(dataset).as_posix()
            begin = max(first - position, 0)
            with _unreadable(name):
                count, table = self._file(path, root, begin, end - position)
                stop = min(end - position, count)
                rows = table.slice(begin, stop - begin) if table is not None and begin < stop else None
                if rows is not None:
                    _require_episodes(range(position + begin, position + stop), rows)
            if rows is not None:
                yield position + begin, rows
            position += count
            if position >= end:
                return
        raise UnreadableDatasetError(
            f"{layout.INFO} counts {info.episodes} episodes, {layout.EPISODES} holds {position}"
        )

    def _file(self, path: Path, root: Path, begin: int, stop: int) -> tuple[int, pa.Table | None]:
        """How many rows a file has, and all of them where some are from `begin` to before `stop`."""
        key = (path, file_version(path))
        with self._reading:
            count, table = self._row_counts.get(key), self._tables.get(key)
            if count is None or (table is None and begin < min(stop, count)):
                if not is_inside(path, root):
                    raise UnreadableDatasetError(f"{path} is a link that leads out of {root}")
                with pq.ParquetFile(path) as parquet:
                    count = int(parquet.metadata.num_rows)
                    if count > _MAX_ROWS:
                        raise UnreadableDatasetError(f"{path.name} has {count} rows, more than {_MAX_ROWS}")
                    self._row_counts.put(key, count)
                    if begin < min(stop, count):
                        table = _read(parquet)
                        self._tables.put(key, table, _TABLE_BYTES + table.nbytes)
            return count, table


def _read(parquet: pq.ParquetFile) -> pa.Table:
    names = parquet.schema_arrow.names
    wanted = [name for name in names if name in _REQUIRED or name in _OURS or name.startswith("videos/")]
    table = parquet.read(columns=wanted, use_threads=False)
    _require_columns(table.schema, _REQUIRED)
    _require_columns(table.schema, {name: kind for name, kind in _OURS.items() if name in names})
    return table


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableDatasetError(f"cannot read {name}: {error}") from error


def _require_columns(schema: pa.Schema, columns: Mapping[str, _Kind]) -> None:
    problems = []
    for name, (fits, kind) in columns.items():
        found = [schema.field(position).type for position in schema.get_all_field_indices(name)]
        if len(found) != 1:
            problems.append(f"there {'are' if found else 'is'} {len(found) or 'no'} column{'s' * bool(found)} {name}")
        elif not fits(found[0]):
            problems.append(f"column {name} is {found[0]}, not {kind}")
    if problems:
        raise UnreadableDatasetError(f"{layout.EPISODES}: {'; '.join(problems)}")


def _require_episodes(episodes: range, rows: pa.Table) -> None:
    found = rows.column("episode_index").to_pylist()
    if found != list(episodes):
        raise UnreadableDatasetError(
            f"{layout.EPISODES} has episodes {found[0]} to {found[-1]} where {episodes[0]} to {episodes[-1]} belong"
        )


def _lengths(first: int, rows: pa.Table) -> list[int]:
    lengths: list[int | None] = rows.column("length").to_pylist()
    for position, length in enumerate(lengths):
        if length is None or length < 0:
            raise UnreadableDatasetError(f"episode {first + position} has length {length}")
    return [length or 0 for length in lengths]


def _summaries(first: int, rows: pa.Table, fps: int) -> Iterator[EpisodeSummary]:
    lengths = _lengths(first, rows)
    tasks = rows.column("tasks").to_pylist()
    names = rows.column_names
    ours = [rows.column(name).to_pylist() if name in names else [None] * len(lengths) for name in _OURS]
    for position, (length, texts, values) in enumerate(zip(lengths, tasks, zip(*ours, strict=True), strict=True)):
        index, attempt, success, failure_reason, error_m, thing, colour = values
        yield EpisodeSummary(
            episode=first + position,
            frames=length,
            duration_s=length / fps,
            task="; ".join(text for text in texts or () if text),
            index=index,
            attempt=attempt,
            success=success,
            failure_reason=failure_reason,
            placement_error_m=error_m if error_m is not None and math.isfinite(error_m) else None,
            object=thing,
            object_colour=colour,
        )
