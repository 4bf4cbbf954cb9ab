"""The numbered files of a merged dataset: which file of a source becomes which of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_writer import layout
from lerobot_writer.background import BackgroundTasks
from lerobot_writer.durable import link_or_copy
from lerobot_writer.errors import MergeError
from lerobot_writer.merge_source import Source
from lerobot_writer.mp4_boxes import require_whole_mp4
from lerobot_writer.tables import write_unflushed


class Files:
    """A context manager; `close` ends the files that are still open. What the sources have in files of one episode each
    stays so; where one of them is packed, so is the result."""

    def __init__(self, staging: Path, sources: Sequence[Source]) -> None:
        self._staging = staging
        self._packs_data = any(source.has_packed_data for source in sources)
        self._packs_histograms = any(source.has_packed_histograms for source in sources)
        self._videos: dict[tuple[Path, str, int, int], tuple[int, int]] = {}
        self._num_videos: dict[str, int] = {}
        self._data = _RowGroups(staging, "data")
        self._writing = BackgroundTasks()
        self._histograms = _RowGroups(staging, "meta/image_histograms")

    def add_data(self, table: pa.Table) -> tuple[int, int]:
        """An episode's rows; returns chunk and file."""
        if self._packs_data:
            at = self._data.add(table)
            if self._data.size_bytes >= layout.DATA_FILE_BYTES:
                self._data.next_file()
            return at
        at = self._data.skip_file()
        path = self._staging / layout.data_file(*at)
        self._writing.run(lambda: write_unflushed(table, path))  # half of what a merge costs
        return at

    def add_histograms(self, source: Source, episode: int, table: pa.Table) -> None:
        """An episode's histograms. table: these, read already."""
        if self._packs_histograms:
            self._histograms.add(table)
            if self._histograms.row_groups == layout.HISTOGRAMS_PER_FILE:
                self._histograms.next_file()
            return
        file, _ = source.histogram_row_group(episode)
        target = self._staging / layout.histogram_file(*self._histograms.skip_file())
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy((source.root / file).resolve(), target)  # where it is a link: what it names

    def add_video(self, source: Source, key: str, chunk: int, file: int) -> tuple[int, int]:
        """A file that holds an episode's pictures, perhaps not the first one of it; returns its new chunk and file."""
        known = self._videos.get((source.root, key, chunk, file))
        if known is not None:
            return known
        number = self._num_videos.get(key, 0)
        self._num_videos[key] = number + 1
        at = layout.chunk_and_file(number)
        path, target = source.root / layout.video_file(key, chunk, file), self._staging / layout.video_file(key, *at)
        try:
            require_whole_mp4(path)
        except FileNotFoundError:
            raise MergeError(f"{path} is missing") from None
        except ValueError as error:
            raise MergeError(f"{path} is damaged: {error}") from error
        if number % layout.FILES_PER_CHUNK == 0:
            target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(path.resolve(), target)
        self._videos[source.root, key, chunk, file] = at
        return at

    def close(self) -> None:
        self._writing.finish()
        self._data.close()
        self._histograms.close()

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.cancel()
        self._data.close()
        self._histograms.close()


class _RowGroups:
    """Numbered parquet files of one kind, one row group per table."""

    def __init__(self, staging: Path, folder: str) -> None:
        self._staging, self._folder = staging, folder
        self._number = 0
        self._writer: pq.ParquetWriter | None = None
        self._path = staging
        self.row_groups = 0  # of the present file

    @property
    def size_bytes(self) -> int:
        return self._path.stat().st_size if self._writer is not None else 0

    def add(self, table: pa.Table) -> tuple[int, int]:
        chunk, file = layout.chunk_and_file(self._number)
        if self._writer is None:
            self._path = self._staging / self._folder / f"chunk-{chunk:03d}" / f"file-{file:03d}.parquet"
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="snappy", use_dictionary=True)
        elif not table.schema.equals(self._writer.schema):
            raise MergeError(f"{self._folder}: columns differ between the datasets: {table.schema}")
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.row_groups += 1
        return chunk, file

    def next_file(self) -> None:
        self.close()
        self._number += 1

    def skip_file(self) -> tuple[int, int]:
        """Chunk and file of a file that somebody else writes."""
        at = layout.chunk_and_file(self._number)
        self._number += 1
        return at

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self.row_groups = 0
