"""Join files of rows, data and histograms, row group by row group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lerobot_writer import layout
from lerobot_writer.durable import flush
from lerobot_writer.errors import PackError
from lerobot_writer.pack_rows import Int64s
from lerobot_writer.tables import row_groups


def join_data(root: Path, rebuilt: Path, lengths: Int64s) -> Int64s:
    """Write the data files; returns the number of the file with each episode's rows."""
    return _join(root, rebuilt, layout.DATA, layout.data_file, lengths, lambda path, _: _is_full(path.stat().st_size))


def join_histograms(root: Path, rebuilt: Path, episodes: int) -> None:
    full = layout.HISTOGRAMS_PER_FILE
    _join(root, rebuilt, layout.HISTOGRAMS, layout.histogram_file, episodes, lambda _, groups: groups == full)


def are_joined(root: Path, episodes: int) -> bool:
    """Whether joining the data and the histograms would give the files that are there."""
    data = layout.numbered_files(root, layout.DATA)
    histograms = layout.numbered_files(root, layout.HISTOGRAMS)
    return (
        data == [layout.data_file(*layout.chunk_and_file(number)) for number in range(len(data))]
        and all(_is_full((root / file).stat().st_size) for file in data[:-1])
        and len(histograms) == -(-episodes // layout.HISTOGRAMS_PER_FILE)
    )


def _is_full(size_bytes: int) -> bool:
    return size_bytes >= layout.DATA_FILE_BYTES


def _join(
    root: Path,
    rebuilt: Path,
    folder: Path,
    name: Callable[[int, int], Path],
    expected: Int64s | int,
    is_full: Callable[[Path, int], bool],
) -> Int64s:
    """expected: the rows of each row group, or how many row groups there are. is_full: from the path and its row
    groups so far, whether the next one goes to the next file."""
    lengths = None if isinstance(expected, int) else expected
    episodes = expected if isinstance(expected, int) else len(expected)
    numbers = np.empty(episodes, np.int64)
    number, groups, path, writer = 0, 0, Path(), None
    episode = 0
    try:
        files = layout.numbered_files(root, folder)
        for file, table in ((source, group) for source in files for group in row_groups(root / source)):
            if episode == episodes or (lengths is not None and table.num_rows != lengths[episode]):
                wanted = "none" if episode == episodes or lengths is None else f"{lengths[episode]} rows"
                found = f"a row group of {table.num_rows} rows for episode {episode}, expected {wanted}"
                raise PackError(f"{file} has {found}; check the dataset")
            if writer is None:
                path = rebuilt / name(*layout.chunk_and_file(number))
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = pq.ParquetWriter(path, table.schema, compression="snappy", use_dictionary=True)
            elif not table.schema.equals(writer.schema):
                raise PackError(f"{file} has other columns than the files before it; check the dataset")
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            numbers[episode] = number
            episode, groups = episode + 1, groups + 1
            if is_full(path, groups):
                writer.close()
                flush(path)
                number, groups, writer = number + 1, 0, None
    finally:
        if writer is not None:
            writer.close()
    if writer is not None:
        flush(path)
    if episode != episodes:
        raise PackError(f"{root / folder} has row groups of {episode} episodes, expected {episodes}; check the dataset")
    return numbers
