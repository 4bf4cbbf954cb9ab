"""A dataset that is read for a merge, as far as its info.json has committed it. Nothing of it is ever changed."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lerobot_writer import layout
from lerobot_writer.errors import MergeError, ResumeError, SchemaError
from lerobot_writer.existing import WRITER_FORMAT
from lerobot_writer.histogram_files import committed_files
from lerobot_writer.lock import hold, release
from lerobot_writer.schema import Schema, schema_of
from lerobot_writer.swap import is_being_swapped

_ROWS_HELD: Final = 1000  # of episodes, so that a few sources can take turns


@dataclass(frozen=True)
class Source:
    """root: of the dataset. data_files: of each episode, the number of the file with its rows, counted over all chunks,
    shape (episodes,). histogram_files: relative to the root, in order; histogram_starts: the first episode of each."""

    root: Path
    schema: Schema
    repo_id: str
    episodes: int
    frames: int
    data_files: NDArray[np.int64]
    histogram_files: tuple[Path, ...]
    histogram_starts: NDArray[np.int64]

    @property
    def has_packed_data(self) -> bool:
        """Whether a data file holds more than one episode."""
        return len(np.unique(self.data_files)) < self.episodes

    @property
    def has_packed_histograms(self) -> bool:
        return len(self.histogram_files) < self.episodes

    def column(self, name: str) -> list[Any]:
        """A column of the episode rows. Raises MergeError where there is none."""
        return _column(self.root, self.episodes, name)

    def data_row_group(self, episode: int) -> tuple[Path, int]:
        """Where its rows are: a file relative to the root, and which row group of it."""
        file = int(self.data_files[episode])
        first = int(np.searchsorted(self.data_files, file))
        return layout.data_file(*layout.chunk_and_file(file)), episode - first

    def histogram_row_group(self, episode: int) -> tuple[Path, int]:
        """Where the histograms of its pictures are."""
        at = int(np.searchsorted(self.histogram_starts, episode, side="right")) - 1
        return self.histogram_files[at], episode - int(self.histogram_starts[at])


def open_source(root: Path) -> Source:
    """Raises MergeError where there is no whole dataset of lerobot_writer, OSError where it cannot be read."""
    root = root.resolve()
    if not (root / layout.INFO).exists():
        raise MergeError(f"{root} holds no dataset: no {layout.INFO}")
    if is_being_swapped(root):
        raise MergeError(f"{root} is being packed, or a packing was interrupted: pack it again, then merge")
    require_idle(root)
    info, writer = _read_json(root / layout.INFO), _read_json(root / layout.WRITER)
    try:
        schema = schema_of(info)
    except SchemaError as error:
        raise MergeError(f"{root} cannot be merged: {error}") from error
    repo_id = writer.get("repo_id")
    if writer.get("format") != WRITER_FORMAT or not isinstance(repo_id, str):
        raise MergeError(f"{root / layout.WRITER} is not of format {WRITER_FORMAT}")
    if writer.get("image_stride") != schema.image_stride:
        found = f"{writer.get('image_stride')}, expected {schema.image_stride}"
        raise MergeError(f"{root} counts other pixels in its image statistics: image_stride {found}")
    episodes = info["total_episodes"]
    if type(episodes) is not int or episodes < 1:
        raise MergeError(f"{root / layout.INFO} is damaged: total_episodes is {episodes!r}")
    chunks, files = (np.array(_column(root, episodes, f"data/{kind}_index"), np.int64) for kind in ("chunk", "file"))
    data_files = chunks * layout.FILES_PER_CHUNK + files
    if len(data_files) != episodes:
        raise MergeError(f"{root} is damaged: {layout.INFO} counts {episodes} episodes, {layout.EPISODES} fewer")
    if (np.diff(data_files) < 0).any():
        raise MergeError(f"{root} is damaged: its data files are not in the order of its episodes")
    return Source(root, schema, repo_id, episodes, info["total_frames"], data_files, *_histogram_files(root, episodes))


def require_idle(root: Path) -> None:
    """Raise MergeError while somebody writes into the folder."""
    try:
        release(hold(root))
    except ResumeError as error:
        raise MergeError(str(error)) from error


def _histogram_files(root: Path, episodes: int) -> tuple[tuple[Path, ...], NDArray[np.int64]]:
    with _damage_of(root):
        files, starts = committed_files(root, episodes)
    return tuple(files), np.array(starts, np.int64)


def _column(root: Path, episodes: int, name: str) -> list[Any]:
    values: list[Any] = []
    for number in range(-(-episodes // layout.EPISODES_PER_META_FILE)):
        values += _episode_table(root, number, [name]).column(0).to_pylist()
    return values[:episodes]


class SourceReader:
    """Reads what a merge needs of one source after the other; holds little of them."""

    def __init__(self) -> None:
        self._tables: OrderedDict[tuple[Path, int], pa.Table] = OrderedDict()
        self._open: dict[str, tuple[Path, pq.ParquetFile]] = {}

    def episode_rows(self, source: Source, begin: int, end: int) -> pa.Table:
        """Rows of the episodes from `begin` to before `end`, all of one file."""
        number = begin // layout.EPISODES_PER_META_FILE
        key = (source.root, number)
        if key not in self._tables:
            table = _episode_table(source.root, number)
            while self._tables and table.num_rows + sum(map(len, self._tables.values())) > _ROWS_HELD:
                self._tables.popitem(last=False)
            self._tables[key] = table
        self._tables.move_to_end(key)
        first = number * layout.EPISODES_PER_META_FILE
        return self._tables[key].slice(begin - first, end - begin)

    def data(self, source: Source, episode: int, length: int) -> pa.Table:
        """The rows of its frames."""
        file, group = source.data_row_group(episode)
        table = self._row_group("data", source.root / file, group)
        if table.num_rows != length:
            raise MergeError(
                f"{source.root / file} is damaged: episode {episode} has {table.num_rows} rows, expected {length}"
            )
        return table

    def histograms(self, source: Source, episode: int) -> pa.Table:
        """Of its pictures, as `tables.histogram_table` made them."""
        file, group = source.histogram_row_group(episode)
        return self._row_group("histograms", source.root / file, group)

    def close(self) -> None:
        for _, parquet in self._open.values():
            parquet.close()
        self._open.clear()

    def _row_group(self, kind: str, path: Path, group: int) -> pa.Table:
        held = self._open.get(kind)
        with _damage_of(path):
            if held is None or held[0] != path:
                if held is not None:
                    held[1].close()
                    del self._open[kind]
                held = self._open[kind] = path, pq.ParquetFile(path)
            return held[1].read_row_group(group, use_threads=False)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MergeError(f"{path} is missing: only datasets of lerobot_writer can be merged") from None
    except ValueError as error:
        raise MergeError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise MergeError(f"{path} is damaged: it holds no JSON object")
    return content


def _episode_table(root: Path, number: int, columns: list[str] | None = None) -> pa.Table:
    path = root / layout.episodes_file(*layout.chunk_and_file(number))
    with _damage_of(path), pq.ParquetFile(path) as parquet:
        missing = set(columns or ()) - set(parquet.schema_arrow.names)
        if missing:
            raise MergeError(f"{path} has no column {', '.join(sorted(missing))}")
        return parquet.read(columns=columns, use_threads=False)


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """What the bytes of a file are to blame for, as a MergeError; what the disk is to blame for stays an OSError."""
    try:
        yield
    except FileNotFoundError as error:
        raise MergeError(f"{error.filename or path} is missing") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise MergeError(f"{path} is damaged: {error}") from error  # Arrow's, of what it cannot decompress
    except (pa.ArrowException, ValueError, LookupError) as error:
        raise MergeError(f"{path} is damaged: {error}") from error
