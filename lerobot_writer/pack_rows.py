"""The episode rows of a dataset that is packed, one file of them in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lerobot_writer import layout
from lerobot_writer.errors import PackError
from lerobot_writer.tables import read_table, write_table

Int64s = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """Where one camera's pictures of each episode lie: a file's number, counted over all chunks, the first frame in it
    and how many; each of shape (episodes,)."""

    files: Int64s
    first_frames: Int64s
    lengths: Int64s

    def frames_of_files(self) -> Int64s:
        """How many frames the episodes have in each file, by its number."""
        frames = np.zeros(int(self.files.max()) + 1, np.int64)
        np.add.at(frames, self.files, self.lengths)
        return frames

    def require_tiling(self, key: str) -> None:
        """Raise PackError unless the episodes of each file follow each other without gap and overlap."""
        order = np.lexsort((self.first_frames, self.files))
        files, firsts, lengths = self.files[order], self.first_frames[order], self.lengths[order]
        begins_file = np.diff(files, prepend=-1) != 0
        expected = np.where(begins_file, 0, np.roll(firsts + lengths, 1))
        wrong = np.flatnonzero(firsts != expected)
        if len(wrong):
            episode, at, frame = order[wrong[0]], firsts[wrong[0]], expected[wrong[0]]
            file = layout.video_file(key, *layout.chunk_and_file(int(files[wrong[0]])))
            raise PackError(f"{file}: episode {episode} begins at frame {at}, expected {frame}; check the dataset")


def episodes_files(root: Path) -> list[Path]:
    return layout.numbered_files(root, layout.EPISODES)


def read_columns(root: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Number columns of all episode rows, each of shape (episodes,)."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for file in episodes_files(root):
        table = read_table(root / file, names)
        for name in names:
            if name not in table.column_names or table.column(name).null_count:
                raise PackError(f"{file} has no whole column {name}; check the dataset")
            parts[name].append(table.column(name).to_numpy())
    return {name: np.concatenate(arrays) if arrays else np.empty(0, np.int64) for name, arrays in parts.items()}


def read_places(columns: Mapping[str, NDArray[Any]], key: str, fps: int) -> Places:
    """Of one camera, from the columns that `place_columns` names."""
    chunk, file, start_s = (columns[name] for name in place_columns(key)[:3])
    numbers = chunk * layout.FILES_PER_CHUNK + file
    if (numbers < 0).any() or (numbers >= layout.MAX_FILES).any() or not np.isfinite(start_s).all():
        raise PackError(f"the episode rows name files of {key} that cannot be; check the dataset")
    places = Places(numbers, np.rint(start_s * fps).astype(np.int64), columns["length"])
    places.require_tiling(key)
    return places


def place_columns(key: str) -> list[str]:
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    return [f"videos/{key}/{name}" for name in names]


def write_rows(root: Path, rebuilt: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Copy the episode rows with these columns replaced, each of shape (episodes,)."""
    begin = 0
    for file in episodes_files(root):
        table = read_table(root / file)
        end = begin + table.num_rows
        for name, values in columns.items():
            position = table.column_names.index(name)
            field = table.field(position)
            table = table.set_column(position, field, pa.array(values[begin:end], field.type))
        write_table(table, rebuilt / file)
        begin = end
