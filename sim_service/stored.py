"""Reads any LeRobot v3.0 dataset from its folder, one episode at a time: rows, numbers, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast, overload

import av
import av.error
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

_ROWS_AT_ONCE: Final = 256

Image = NDArray[np.uint8]
Columns = Mapping[str, NDArray[Any]]


class DatasetError(RuntimeError):
    """The folder holds no such dataset or episode; the message says which."""


Row = Mapping[str, Any]


class EpisodeRows(Sequence[Row]):
    """Rows of a table, each made a dict of when it is asked for: as dicts they take ten times the memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, position: int) -> Row: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Row]: ...

    def __getitem__(self, position: int | slice) -> Row | Sequence[Row]:
        if isinstance(position, slice):
            begin, end, step = position.indices(len(self))
            if step != 1:
                raise ValueError(f"a slice of rows must have step 1, got {step}")
            return EpisodeRows(self._table.slice(begin, max(0, end - begin)))
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        (row,) = self._table.slice(position % len(self), 1).to_pylist()
        return cast(Row, row)

    def __iter__(self) -> Iterator[Row]:
        for batch in self._table.to_batches(max_chunksize=_ROWS_AT_ONCE):
            yield from batch.to_pylist()


@dataclass(frozen=True)
class StoredDataset:
    """rows: of meta/episodes, one per episode, without statistics."""

    root: Path
    info: dict[str, Any]
    rows: Sequence[Row]

    @property
    def fps(self) -> int:
        return int(self.info["fps"])

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        features: dict[str, dict[str, Any]] = self.info["features"]
        return features

    @property
    def cameras(self) -> list[str]:
        """Feature names of the cameras."""
        return [name for name, feature in self.features.items() if feature["dtype"] == "video"]

    @property
    def numeric(self) -> list[str]:
        """Names of the features in the data files, in their order."""
        return [name for name, feature in self.features.items() if feature["dtype"] not in ("video", "image", "string")]

    @cached_property
    def first_rows(self) -> dict[str, int]:
        """Data file to the number, in the dataset, of its first row."""
        first: dict[str, int] = {}
        for row in self.rows:
            first.setdefault(self.data_file(row), row["dataset_from_index"])
        return first

    def row(self, episode: int) -> Row:
        if not 0 <= episode < len(self.rows):
            raise DatasetError(f"no episode {episode} in {self.root}: it has 0 to {len(self.rows) - 1}")
        return self.rows[episode]

    def data_file(self, row: Mapping[str, Any]) -> str:
        """Below the root, of an episode's row."""
        file: str = self.info["data_path"].format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        return file

    def video_file(self, row: Mapping[str, Any], camera: str) -> str:
        """Below the root, of an episode's row and a camera's feature name."""
        file: str = self.info["video_path"].format(
            video_key=camera,
            chunk_index=row[f"videos/{camera}/chunk_index"],
            file_index=row[f"videos/{camera}/file_index"],
        )
        return file

    def numbers(self, episode: int, features: Sequence[str] | None = None) -> Columns:
        """An episode's data by feature (default: `numeric`): shape (frames,) for a feature of shape [1], else (frames,
        size), in the dtype that is stored. Raises DatasetError."""
        row = self.row(episode)
        path = self.data_file(row)
        names = list(self.numeric if features is None else features)
        begin = row["dataset_from_index"] - self.first_rows[path]
        try:
            with pq.ParquetFile(self.root / path) as file:
                table = _slice(file, begin, row["length"], names)
            columns = {name: _array(table.column(name)) for name in names}
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise DatasetError(f"cannot read episode {episode} from {path}: {error}") from error
        if table.num_rows != row["length"]:
            raise DatasetError(f"{path} ends before row {begin + row['length']}, where episode {episode} ends")
        return columns

    def pictures(self, episode: int, camera: str, frames: Iterable[int]) -> Iterator[Image]:
        """The decoded pictures, RGB of shape (height, width, 3), of one camera (its feature name) at these rising frame
        numbers of the episode. Raises DatasetError."""
        for frame in self.video_frames(episode, camera, frames):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    def video_frames(self, episode: int, camera: str, frames: Iterable[int]) -> Iterator[av.VideoFrame]:
        """As `pictures`, before any conversion."""
        row = self.row(episode)
        path = self.video_file(row, camera)
        first = round(row[f"videos/{camera}/from_timestamp"] * self.fps)
        wanted = iter(frames)
        target = next(wanted, None)
        if target is None:
            return
        try:
            with av.open(str(self.root / path), format="mp4") as container:  # no playlist
                if not container.streams.video:
                    raise DatasetError(f"{path} holds no video")
                stream = container.streams.video[0]
                # Every episode begins with a keyframe, and frame n is presented at n / fps.
                ticks_per_frame = 1 / (self.fps * (stream.time_base or Fraction(1, self.fps)))
                container.seek(int((first + target) * ticks_per_frame), stream=stream)
                for frame in container.decode(stream):
                    number = round((frame.pts or 0) / ticks_per_frame) - first
                    while target is not None and number == target:
                        yield frame
                        target = next(wanted, None)
                    if target is None:
                        return
        except (OSError, av.error.FFmpegError) as error:
            raise DatasetError(f"cannot read episode {episode} from {path}: {error}") from error
        raise DatasetError(f"{path} ends before frame {target} of episode {episode}")


def open_stored(root: Path) -> StoredDataset:
    """Raises DatasetError."""
    try:
        info = json.loads((root / "meta/info.json").read_bytes())
        if info["codebase_version"] != "v3.0":
            raise DatasetError(f"{root} is a dataset of format {info['codebase_version']}, expected v3.0")
        tables = []
        for file in sorted((root / "meta/episodes").glob("*/*.parquet")):
            columns = [name for name in pq.read_schema(file).names if not name.startswith("stats/")]
            tables.append(pq.read_table(file, columns=columns))
        table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({"episode_index": []})
        dataset = StoredDataset(root, info, EpisodeRows(table.slice(0, info["total_episodes"])))
        _ = dataset.cameras, dataset.numeric, dataset.fps, dataset.first_rows, info["data_path"], info["video_path"]
    except FileNotFoundError as error:
        raise DatasetError(f"{root} holds no LeRobot dataset: no {Path(error.filename).name}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise DatasetError(f"{root} holds no LeRobot dataset: {error!r}") from error
    if len(dataset.rows) < info["total_episodes"]:
        raise DatasetError(
            f"{root} counts {info['total_episodes']} episodes in info.json, has {len(dataset.rows)} rows"
        )
    return dataset


def _slice(file: pq.ParquetFile, begin: int, length: int, columns: Sequence[str]) -> pa.Table:
    """Reads no other row groups than those that hold the rows."""
    groups: list[int] = []
    first = end = 0
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if end + count > begin and end < begin + length:
            first = end if not groups else first
            groups.append(group)
        end += count
    table = file.read_row_groups(groups, columns=list(columns), use_threads=False)
    return table.slice(begin - first, length)


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type) or pa.types.is_list(array.type):
        values: NDArray[Any] = array.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(array), -1)
    scalar: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return scalar
