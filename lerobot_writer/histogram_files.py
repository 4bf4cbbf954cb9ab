"""The histogram files of a dataset (FORMAT.md, H1): sorted by name, their row groups are the episodes in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lerobot_writer import layout
from lerobot_writer.stats import Counts
from lerobot_writer.tables import HISTOGRAM_SCHEMA, row_groups


def count_episodes(path: Path) -> int:
    """How many episodes a histogram file holds, from its footer; raises OSError or pa.ArrowException."""
    with pq.ParquetFile(path) as file:
        return int(file.num_row_groups)


def committed_files(root: Path, episodes: int) -> tuple[list[Path], list[int]]:
    """The files of a dataset's first `episodes` episodes, relative to `root`, and the first episode of each.

    Packed files are numbered from 0; the others have the number of their episode. Raises ValueError where one is
    missing, and as `count_episodes` does.
    """
    files: list[Path] = []
    starts: list[int] = []
    found = 0
    for file in layout.numbered_files(root, layout.HISTOGRAMS):
        if found >= episodes:
            break
        at = layout.chunk_and_file_of(file)
        if at not in (layout.chunk_and_file(len(files)), layout.chunk_and_file(found)):
            break
        files.append(file)
        starts.append(found)
        found += count_episodes(root / file)
    if found < episodes:
        missing = layout.histogram_file(*layout.chunk_and_file(found))
        raise ValueError(f"missing {missing}: {layout.HISTOGRAMS} has {found} of {episodes} episodes without a gap")
    return files, starts


def episode_histograms(root: Path, files: Sequence[Path]) -> Iterator[dict[str, Counts]]:
    """Each episode's histograms, shape (3, 256) by camera; one row group is in memory at a time.

    files: relative to `root`, in the order of their names. Raises OSError, pa.ArrowException, and ValueError for a row
    group that holds something else.
    """
    for file in files:
        for number, table in enumerate(row_groups(root / file)):
            try:
                yield histograms_of(table)
            except ValueError as error:
                raise ValueError(f"{file}, row group {number}: {error}") from error


def histograms_of(table: pa.Table) -> dict[str, Counts]:
    """The histograms in a row group, shape (3, 256) by camera, in the order in which cameras first appear.

    Raises ValueError unless it has a histogram per channel of each camera.
    """
    if table.column_names != HISTOGRAM_SCHEMA.names:
        raise ValueError(f"columns {table.column_names}, expected {HISTOGRAM_SCHEMA.names}")
    features, channels = (table.column(name).to_pylist() for name in ("feature", "channel"))
    rows = dict(zip(zip(features, channels, strict=True), _counts(table.column("counts")), strict=True))
    cameras = list(dict.fromkeys(features))
    if len(rows) != len(features) or set(rows) != {(camera, channel) for camera in cameras for channel in range(3)}:
        raise ValueError(
            f"rows {sorted(zip(features, channels, strict=True))}, expected channels 0 to 2 of each camera"
        )
    return {camera: np.stack([rows[camera, channel] for channel in range(3)]) for camera in cameras}


def _counts(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Shape (rows, 256)."""
    array = column.combine_chunks()
    kind = array.type
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or kind.value_type != pa.int64():
        raise ValueError(f"counts of type {kind}, expected list<int64>")
    # Not flatten(), which loads pyarrow.compute: a row group just read begins at its values' begin.
    values: pa.Array = array.values
    even = pa.types.is_fixed_size_list(kind) or np.array_equal(array.offsets, np.arange(len(array) + 1) * 256)
    if not even or len(values) != 256 * len(array) or array.null_count or values.null_count:
        raise ValueError("a list of counts that has not 256 numbers")
    counts: NDArray[np.int64] = values.to_numpy(zero_copy_only=False)
    return counts.reshape(-1, 256)
