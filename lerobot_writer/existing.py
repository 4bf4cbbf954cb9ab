"""An existing dataset: is it one, can it be continued, and what did a killed writer leave behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lerobot_writer import layout
from lerobot_writer.column_spill import ColumnSpill
from lerobot_writer.durable import flush, remove_folder, write_flushed
from lerobot_writer.errors import DatasetExistsError, ResumeError, raise_all
from lerobot_writer.histogram_files import committed_files, episode_histograms
from lerobot_writer.schema import Schema
from lerobot_writer.stats import Counts, Moments, exact_column, image_entry, vector_entry
from lerobot_writer.tables import (
    column_values,
    read_table,
    row_groups,
    tasks_jsonl,
    tasks_table,
    write_table,
)

WRITER_FORMAT: Final = 1
_FIRST_FILE: Final = ("chunk-000", "file-000")


@dataclass(frozen=True, eq=False)
class Contents:
    """What a dataset holds. rows: the episode rows of its last meta file, when that is not full."""

    episodes: int
    frames: int
    tasks: tuple[str, ...]
    rows: pa.Table | None
    histograms: dict[str, Counts]


def empty_contents() -> Contents:
    return Contents(0, 0, (), None, {})


def require_folder(root: Path) -> None:
    """Raise when something else than a folder is at `root`."""
    if root.exists() and not root.is_dir():
        raise DatasetExistsError(f"{root} exists and is not a folder")


def require_free(root: Path, overwrite: bool) -> None:
    """Raise unless a new dataset may be started in the folder `root`; with `overwrite`, delete the dataset in it."""
    if not any(root.iterdir()):
        return
    _require_ours(root)
    if not overwrite:
        raise DatasetExistsError(f"{root} holds a dataset already; resume it or choose another folder")
    # In an order in which a kill leaves no info.json of missing files, and the next try still knows whose they are.
    (root / layout.INFO).unlink(missing_ok=True)
    _remove_inside(root, last=root / layout.WRITER)


def _remove_inside(folder: Path, last: Path) -> None:
    """Empty a folder; the file `last`, somewhere in it, goes after everything else."""
    for path in sorted(folder.iterdir(), key=lambda path: last.is_relative_to(path)):
        if path.is_dir() and not path.is_symlink():
            _remove_inside(path, last)
            path.rmdir()
        else:
            path.unlink()


def _require_ours(root: Path) -> None:
    """Raise when there is neither a dataset nor what a writer leaves that was killed before its first episode."""
    names = {path.name for path in root.iterdir()}
    meta = root / layout.INFO.parent
    in_meta = {path.name for path in meta.iterdir()} if meta.is_dir() else set()
    is_dataset = layout.INFO.name in in_meta or layout.WRITER.name in in_meta
    is_beginning = names <= {meta.name, layout.UNFINISHED.name} and in_meta <= {layout.COLLECTION.name}
    if not is_dataset and not is_beginning:
        found = ", ".join(sorted(names)[:5])
        raise DatasetExistsError(f"{root} is not empty and holds no dataset (found: {found}); choose another folder")


def writer_json(schema: Schema, repo_id: str, quantile_episodes: int) -> bytes:
    content = {
        "format": WRITER_FORMAT,
        "repo_id": repo_id,
        "image_stride": schema.image_stride,
        "quantile_episodes": quantile_episodes,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def reopen(root: Path, schema: Schema, repo_id: str) -> Contents:
    """Check that the dataset is of this schema, remove what was not committed and bring its statistics up to date.

    Raises ResumeError, before anything is changed, when it cannot be continued.
    """
    if not (root / layout.INFO).exists():
        _require_ours(root)
        lost = [file for file in layout.numbered_files(root) if (file.parent.name, file.stem) != _FIRST_FILE]
        if lost:
            raise ResumeError(
                f"{root} has files of finished episodes, such as {lost[0]}, but no {layout.INFO}: restore it"
            )
        _remove_left_overs(root, keep=set())
        for path in (layout.STATS, layout.TASKS, layout.TASKS_JSONL):
            (root / path).unlink(missing_ok=True)
        return empty_contents()
    info = _read_json(root / layout.INFO)
    _require_same_schema(root, schema, repo_id, info)
    try:
        contents, keep = _read_contents(root, schema, info)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ResumeError(f"{root} is damaged: {error}") from error
    _forget_uncommitted(root, contents)
    _remove_left_overs(root, keep)
    return contents


def refresh_statistics(
    root: Path, schema: Schema, repo_id: str, contents: Contents
) -> tuple[dict[str, Moments], dict[str, NDArray[np.float64]]]:
    """Recompute stats.json from all the data, one column at a time; returns moments and quantiles of the vectors."""
    entries: dict[str, dict[str, Any]] = {}
    moments, quantiles = {}, {}
    (root / layout.UNFINISHED).mkdir(exist_ok=True)
    with ColumnSpill(root / layout.UNFINISHED, schema.columns()) as columns:
        for file in layout.numbered_files(root, layout.DATA):
            _spill(root, file, columns)
        for name in columns.columns:
            if columns.rows(name) != contents.frames:
                found = f"{columns.rows(name)} rows, expected {contents.frames}"
                raise ResumeError(f"{root} is damaged: column {name} of its data has {found}")
            moments[name], quantiles[name] = exact_column(columns, name)
            entries[name] = vector_entry(moments[name], quantiles[name])
    for key, counts in contents.histograms.items():
        entries[key] = image_entry(counts, contents.frames)
    replace_file(root, layout.STATS, stats_json(schema, entries))
    replace_file(root, layout.WRITER, writer_json(schema, repo_id, contents.episodes))
    remove_folder(root / layout.UNFINISHED)
    return moments, quantiles


def _spill(root: Path, file: Path, columns: ColumnSpill) -> None:
    try:
        for table in row_groups(root / file):
            for name in columns.columns:
                columns.add(name, column_values(table, name))
    except (ValueError, LookupError, pa.ArrowException) as error:
        raise ResumeError(f"{root} is damaged: {file} cannot be read: {error}") from error


def stats_json(schema: Schema, entries: dict[str, dict[str, Any]]) -> bytes:
    return (json.dumps({name: entries[name] for name in schema.features()}, indent=1) + "\n").encode()


def replace_file(root: Path, file: Path, content: bytes) -> None:
    """Replace one small file durably; a reader sees the old or the new one."""
    beside = root / layout.UNFINISHED / file
    write_flushed(beside, content)
    beside.replace(root / file)
    flush((root / file).parent)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ResumeError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise ResumeError(f"{path} holds no JSON object")
    return content


def _require_same_schema(root: Path, schema: Schema, repo_id: str, info: dict[str, Any]) -> None:
    if not (root / layout.WRITER).exists():
        raise ResumeError(f"{root} was not written by lerobot_writer (no {layout.WRITER}): it cannot be continued")
    writer = _read_json(root / layout.WRITER)
    problems = []
    if writer.get("format") != WRITER_FORMAT:
        problems.append(f"format of {layout.WRITER}: found {writer.get('format')}, this writer knows {WRITER_FORMAT}")
    if writer.get("repo_id") != repo_id:
        problems.append(f"repo_id: the dataset has {writer.get('repo_id')!r}, asked for {repo_id!r}")
    asked = schema.info(0, 0, 0)
    problems += [
        f"{key}: the dataset has {info.get(key)!r}, asked for {asked[key]!r}"
        for key in ("codebase_version", "fps", "robot_type", "data_path", "video_path")
        if info.get(key) != asked[key]
    ]
    have, want = info.get("features"), asked["features"]
    have = have if isinstance(have, dict) else {}
    problems += [
        f"feature {name}: the dataset has {have.get(name)}, asked for {want.get(name)}"
        for name in sorted({*have, *want})
        if have.get(name) != want.get(name)
    ]
    raise_all(ResumeError, f"cannot continue {root} with another schema", problems)


def _read_contents(root: Path, schema: Schema, info: dict[str, Any]) -> tuple[Contents, set[Path]]:
    """The committed contents and the numbered files that belong to them."""
    totals = [info.get(key) for key in ("total_episodes", "total_frames", "total_tasks")]
    if not all(isinstance(total, int) and total > 0 for total in totals):
        raise ResumeError(f"{root / layout.INFO} has totals {totals}, expected positive integers")
    episodes, frames, num_tasks = (int(total or 0) for total in totals)
    keep: set[Path] = set()
    rows: pa.Table | None = None
    per_file = layout.EPISODES_PER_META_FILE
    counted = 0
    for number in range(-(-episodes // per_file)):
        file = layout.episodes_file(*layout.chunk_and_file(number))
        if not (root / file).exists():
            break
        rows = read_table(root / file)
        rows = rows.slice(0, episodes - counted)  # the last file may run ahead of info.json
        counted += rows.num_rows
        keep.add(file)
        places = [name for name in rows.column_names if name.endswith(("chunk_index", "file_index"))]
        for row in rows.select(places).to_pylist():
            keep.add(layout.data_file(row["data/chunk_index"], row["data/file_index"]))
            for key in schema.video_keys:
                keep.add(layout.video_file(key, row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"]))
    problems = []
    try:
        histogram_files, _ = committed_files(root, episodes)
    except ValueError as error:
        histogram_files = []
        problems.append(str(error))
    keep.update(histogram_files)
    missing = sorted(str(file) for file in keep if not (root / file).exists())
    if missing:
        problems.append(f"missing {', '.join(missing[:5])}" + (f" and {len(missing) - 5} more" if missing[5:] else ""))
    if counted != episodes or rows is None:
        problems.append(f"info.json counts {episodes} episodes, meta/episodes holds {counted}")
    elif rows.column("dataset_to_index")[-1].as_py() != frames:
        end = rows.column("dataset_to_index")[-1]
        problems.append(f"info.json counts {frames} frames, meta/episodes ends at {end}")
    tasks = read_table(root / layout.TASKS).column("task").to_pylist() if (root / layout.TASKS).exists() else []
    if len(tasks) < num_tasks:
        problems.append(f"info.json counts {num_tasks} tasks, tasks.parquet holds {len(tasks)}")
    raise_all(ResumeError, f"{root} is damaged or was extended by another tool", problems)

    histograms = {key: np.zeros((3, 256), dtype=np.int64) for key in schema.video_keys}
    for episode in islice(episode_histograms(root, histogram_files), episodes):
        for key, counts in episode.items():
            histograms[key] += counts
    open_rows = rows if episodes % per_file else None
    return Contents(episodes, frames, tuple(tasks[:num_tasks]), open_rows, histograms), keep


def _forget_uncommitted(root: Path, contents: Contents) -> None:
    """Rewrite the tables that run ahead of info.json, because a commit was cut short."""
    number = (contents.episodes - 1) // layout.EPISODES_PER_META_FILE
    file = layout.episodes_file(*layout.chunk_and_file(number))
    committed = contents.episodes - number * layout.EPISODES_PER_META_FILE
    table = read_table(root / file)
    if table.num_rows > committed:
        _replace_table(root, file, table.slice(0, committed))
    if read_table(root / layout.TASKS).num_rows > len(contents.tasks):
        replace_file(root, layout.TASKS_JSONL, tasks_jsonl(contents.tasks))
        _replace_table(root, layout.TASKS, tasks_table(contents.tasks))


def _replace_table(root: Path, file: Path, table: pa.Table) -> None:
    beside = root / layout.UNFINISHED / file
    write_table(table, beside)
    beside.replace(root / file)
    flush((root / file).parent)


def _remove_left_overs(root: Path, keep: set[Path]) -> None:
    """Remove what a killed writer left: numbered files that no committed episode names, and `.unfinished/`."""
    for file in layout.numbered_files(root):
        if file not in keep:
            (root / file).unlink()
    remove_folder(root / layout.UNFINISHED)
