"""A dataset in NVIDIA's GR00T flavour of LeRobot v2.1: a parquet file and an MP4 per camera for every episode."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lerobot_writer import layout as source_layout
from lerobot_writer.lock import holding
from lerobot_writer.tables import write_unflushed
from sim_service.export import ExportError
from sim_service.export import groot_layout as layout
from sim_service.export.groot_folder import building
from sim_service.export.groot_videos import EpisodeCutter
from sim_service.stored import DatasetError, StoredDataset, open_stored

_ROWS_AT_ONCE = 100  # of episodes' statistics


def export_groot(root: Path, out: Path) -> StoredDataset:
    """Write the dataset at `root` in the GR00T layout to the folder `out`, which must not exist; returns the dataset.

    No picture is encoded again and no number is changed. Memory is that of one episode, and FFmpeg's index of a video
    file. Raises DatasetError, ExportError, InUseError while somebody writes to the dataset, or OSError; then there is
    no `out`.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    with holding(root):
        dataset = open_stored(root)
        layout.require_exportable(dataset)
        with building(out) as folder:
            for episode in range(len(dataset.rows)):
                write_unflushed(_table(dataset, episode), folder / layout.data_file(episode))
            for camera in dataset.cameras:
                _write_videos(dataset, camera, folder)
            _write_meta(dataset, folder)
    return dataset


def _table(dataset: StoredDataset, episode: int) -> pa.Table:
    return pa.table({name: _arrow(values) for name, values in dataset.numbers(episode).items()})


def _arrow(values: NDArray[Any]) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])


def _write_videos(dataset: StoredDataset, camera: str, folder: Path) -> None:
    with EpisodeCutter(dataset, camera) as cutter:
        for episode in range(len(dataset.rows)):
            target = folder / layout.video_file(episode, camera)
            target.parent.mkdir(parents=True, exist_ok=True)
            cutter.write(episode, target)


def _write_meta(dataset: StoredDataset, folder: Path) -> None:
    (folder / layout.INFO).parent.mkdir()
    _write_json(folder / layout.INFO, layout.info(dataset))
    _write_json(folder / layout.MODALITY, layout.modality(dataset))
    _write_json(folder / layout.STATS, _dataset_statistics(dataset.root))
    _write_lines(folder / layout.TASKS, _tasks(dataset.root))
    _write_lines(folder / layout.EPISODES, map(_episode, dataset.rows))
    _write_lines(folder / layout.EPISODES_STATS, _episode_statistics(dataset))


def _episode(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("episode_index", "tasks", "length")}


def _tasks(root: Path) -> Iterator[dict[str, Any]]:
    """pandas names the column of an index that has no name."""
    path = root / source_layout.TASKS
    try:
        table = pq.read_table(path)
        (text,) = (name for name in table.column_names if name != "task_index")
        indices, texts = table.column("task_index").to_pylist(), table.column(text).to_pylist()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    for index, task in sorted(zip(indices, texts, strict=True)):
        yield {"task_index": index, "task": task}


def _dataset_statistics(root: Path) -> dict[str, Any]:
    """Without `count`: GR00T N1.5 takes the numbers of a part out of every entry, and a count has one number alone."""
    path = root / source_layout.STATS
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        return {
            name: {figure: value for figure, value in entry.items() if figure != "count"}
            for name, entry in entries.items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def _episode_statistics(dataset: StoredDataset) -> Iterator[dict[str, Any]]:
    """What LeRobot's converter from v2.1 to v3.0 reads; with `count`."""
    number = 0
    for file in sorted((dataset.root / source_layout.EPISODES).glob("*/*.parquet")):
        try:
            with pq.ParquetFile(file) as parquet:
                names = [name for name in parquet.schema_arrow.names if name.startswith("stats/")]
                for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=names):
                    for row in batch.to_pylist():
                        if number < len(dataset.rows):
                            yield {"episode_index": number, "stats": _nested(row, dataset)}
                            number += 1
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DatasetError(f"cannot read {file}: {error}") from error


def _nested(row: Mapping[str, Any], dataset: StoredDataset) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for name, value in row.items():
        feature, _, figure = name.removeprefix("stats/").rpartition("/")
        if feature in dataset.features:
            entries.setdefault(feature, {})[figure] = value
    return entries


def _write_json(path: Path, content: object) -> None:
    _write_text(path, [json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False)])


def _write_lines(path: Path, contents: Iterable[object]) -> None:
    _write_text(path, (json.dumps(content, ensure_ascii=False, allow_nan=False) for content in contents))


def _write_text(path: Path, lines: Iterable[str]) -> None:
    try:
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
    except ValueError as error:
        raise ExportError(f"{path.name} cannot hold what is in the dataset: {error}") from error
