"""The episode rows of a merged dataset, with the new indices and the statistics of these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from lerobot_writer import layout
from lerobot_writer.errors import MergeError
from lerobot_writer.merge_source import Source
from lerobot_writer.schema import Schema
from lerobot_writer.stats import STATISTICS, Moments, quantiles_of, vector_entry
from lerobot_writer.tables import write_table

_TABLES_WAITING: Final = 64  # a table of one row takes twenty times what the row adds to a larger one

_RENUMBERED: Final = ("episode_index", "index", "task_index")

Place = tuple[int, int]
"""Chunk and file."""


class EpisodeRows:
    """Takes the sources' rows run by run: `begin` with those of a run, for each of its episodes `renumber` and `place`,
    then `end`; at last `close`. Writes a file per 1000 episodes."""

    def __init__(self, staging: Path, schema: Schema) -> None:
        self._staging, self._video_keys, self._data_schema = staging, schema.video_keys, schema.data_schema()
        self.episodes = 0
        self.frames = 0
        self._task_indices: dict[str, int] = {}
        self._columns: pa.Schema | None = None
        self._waiting: list[pa.Table] = []  # for a file to be full
        self._written = 0

    @property
    def tasks(self) -> list[str]:
        return list(self._task_indices)

    def begin(self, source: Source, table: pa.Table) -> None:
        """table: the rows of episodes that follow each other in a source."""
        if self._columns is None:
            self._columns = table.schema
        elif not table.schema.equals(self._columns):
            differing = {field.name for field in {*table.schema} ^ {*self._columns}} or {"their order"}
            raise MergeError(f"{source.root} has other episode columns: {', '.join(sorted(differing))}")
        self._root, self._table = source.root, table
        self._lengths: list[int] = table.column("length").to_pylist()
        self._texts: list[list[str]] = table.column("tasks").to_pylist()
        self._videos = {
            key: [table.column(f"videos/{key}/{kind}_index").to_pylist() for kind in ("chunk", "file")]
            for key in self._video_keys
        }
        self._new: dict[str, list[Any]] = {}

    def length(self, at: int) -> int:
        return self._lengths[at]

    def video(self, at: int, key: str) -> Place:
        """Where the source has the pictures of the run's episode number `at`."""
        chunks, files = self._videos[key]
        return chunks[at], files[at]

    def renumber(self, at: int, data: pa.Table) -> pa.Table:
        """The rows of the run's episode number `at` as the merged dataset has them. Raises MergeError where they have
        other columns than the schema."""
        if data.column_names != self._data_schema.names or data.schema.types != self._data_schema.types:
            raise MergeError(f"{self._root} is damaged: its data has the columns {data.schema.to_string()}")
        length = self._lengths[at]
        if len(self._texts[at]) != 1:
            raise MergeError(f"{self._root} has an episode with the tasks {self._texts[at]}, expected one")
        text = self._texts[at][0]
        task = self._task_indices.setdefault(text, len(self._task_indices))
        values = np.empty((length, len(_RENUMBERED)), np.int64, order="F")
        values[:, 0], values[:, 2] = self.episodes, task
        values[:, 1] = np.arange(self.frames, self.frames + length)
        columns = dict(zip(self._data_schema.names, data.columns, strict=True))
        columns |= {name: pa.array(values[:, at]) for at, name in enumerate(_RENUMBERED)}
        data = pa.Table.from_arrays(list(columns.values()), schema=self._data_schema)
        entry = vector_entry(Moments.of(values), quantiles_of(values))
        for statistic in STATISTICS:
            figures = entry[statistic] * (len(_RENUMBERED) if statistic == "count" else 1)
            for name, figure in zip(_RENUMBERED, figures, strict=True):
                self._set(f"stats/{name}/{statistic}", [figure])
        self._set("episode_index", self.episodes)
        self._set("dataset_from_index", self.frames)
        self._set("dataset_to_index", self.frames + length)
        meta_at = layout.chunk_and_file(self.episodes // layout.EPISODES_PER_META_FILE)
        self._set_place("meta/episodes", meta_at)
        self.episodes += 1
        self.frames += length
        return data

    def place(self, data_at: Place, videos_at: Mapping[str, Place]) -> None:
        """Where the last one's rows and pictures went."""
        self._set_place("data", data_at)
        for key, at in videos_at.items():
            self._set_place(f"videos/{key}", at)

    def end(self) -> None:
        """The run is over."""
        table = self._table
        for name, values in self._new.items():
            position = table.column_names.index(name)
            table = table.set_column(position, table.field(position), pa.array(values, table.field(position).type))
        self._waiting.append(_alone(table))
        if len(self._waiting) == _TABLES_WAITING:
            self._waiting = [pa.concat_tables(self._waiting).combine_chunks()]
        while sum(part.num_rows for part in self._waiting) >= layout.EPISODES_PER_META_FILE:
            self._write()

    def close(self) -> None:
        if self._waiting:
            self._write()

    def _write(self) -> None:
        whole = pa.concat_tables(self._waiting)
        table = whole.slice(0, layout.EPISODES_PER_META_FILE).combine_chunks()
        write_table(table, self._staging / layout.episodes_file(*layout.chunk_and_file(self._written)))
        rest = whole.slice(layout.EPISODES_PER_META_FILE)
        self._waiting = [rest] if rest.num_rows else []
        self._written += 1

    def _set(self, name: str, value: object) -> None:
        self._new.setdefault(name, []).append(value)

    def _set_place(self, prefix: str, at: Place) -> None:
        self._set(f"{prefix}/chunk_index", at[0])
        self._set(f"{prefix}/file_index", at[1])


def _alone(table: pa.Table) -> pa.Table:
    """A copy that does not hold the larger table of which this is a slice."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return pa.ipc.open_stream(sink.getvalue()).read_all()
