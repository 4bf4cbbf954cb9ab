"""Joins datasets of one schema into a new one: nothing is encoded again, nothing is averaged, nothing is held.

Videos and histograms get one more name (or a copy, on another file system); rows are copied with their new indices;
statistics are computed anew from all the data. Merging the parts of a collection in order gives, byte for byte, what
one writer would have written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from lerobot_writer import layout
from lerobot_writer.column_spill import ColumnSpill
from lerobot_writer.durable import disk_errors, flush, flush_file_system, make_directory, write_flushed
from lerobot_writer.errors import DatasetExistsError, MergeError, raise_all
from lerobot_writer.existing import stats_json, writer_json
from lerobot_writer.histogram_files import histograms_of
from lerobot_writer.lock import holding
from lerobot_writer.merge_files import Files
from lerobot_writer.merge_rows import EpisodeRows
from lerobot_writer.merge_source import Source, SourceReader
from lerobot_writer.schema import Schema
from lerobot_writer.stats import Counts, exact_column, image_entry, vector_entry
from lerobot_writer.tables import column_values, tasks_jsonl, tasks_table, write_table

_SPILL: Final = Path(".columns")
_OURS: Final = {_SPILL.name, layout.INFO.parent.name, layout.DATA.name, layout.VIDEOS.name}


class Episode(NamedTuple):
    """One to be merged: the source's number and its position there."""

    source: int
    position: int


def merge_datasets(
    output: Path,
    sources: Sequence[Source],
    order: Sequence[Episode],
    add_files: Callable[[Path], None] | None = None,
    progress: Callable[[], None] | None = None,
) -> int:
    """Write the dataset `output`, with the episodes in this order; returns its number of frames.

    output: must not exist, or be an empty folder; it appears whole, at the end, or not at all. A merge that was killed
    leaves a hidden folder beside it, which the next one into `output` removes. add_files: gets the folder that is about
    to become the dataset, and may put files of its own there. progress: called after each episode.

    Raises DatasetExistsError, MergeError with everything in which the sources differ, or with what is damaged,
    StorageError where the disk refuses.
    """
    output = output.absolute()
    if not order:
        raise MergeError("there is no episode to merge")
    if len(order) > layout.MAX_FILES:
        raise MergeError(f"{len(order)} episodes are too many: a dataset holds at most {layout.MAX_FILES}")
    require_outside(output, [source.root for source in sources])
    _require_mergeable(sources)
    with disk_errors(f"cannot merge into {output}"):
        _require_free(output)
        make_directory(output.parent)
        with _staging(output) as staging:
            frames = _build(staging, sources, order, progress)
            if add_files is not None:
                add_files(staging)
            flush_file_system(staging)
            _require_free(output)
            staging.rename(output)
            flush(output.parent)
    return frames


def require_outside(output: Path, roots: Sequence[Path]) -> None:
    """Raise MergeError where making `output` would change one of the folders to be merged."""
    new = Path(os.path.realpath(output))
    for root in map(Path, map(os.path.realpath, roots)):
        if root in (new, *new.parents) or root == _staging_of(new):
            raise MergeError(f"{output} is in {root}, which is to be merged and stays as it is; choose another folder")


def _require_mergeable(sources: Sequence[Source]) -> None:
    first = sources[0]
    wanted = first.schema.info(0, 0, 0)
    problems = []
    for source in sources[1:]:
        info = source.schema.info(0, 0, 0)
        have, want = info.pop("features"), {**wanted}.pop("features")
        problems += [
            f"{key}: {source.root} has {info[key]!r}, {first.root} has {wanted[key]!r}"
            for key in info
            if info[key] != wanted[key]
        ]
        problems += [
            f"feature {name}: {source.root} has {have.get(name)}, {first.root} has {want.get(name)}"
            for name in sorted({*have, *want})
            if have.get(name) != want.get(name)
        ]
        if list(have) != list(want) and not problems:
            problems.append(f"{source.root} has its features in another order than {first.root}")
        if source.repo_id != first.repo_id:
            problems.append(f"repo_id: {source.root} has {source.repo_id!r}, {first.root} has {first.repo_id!r}")
    raise_all(MergeError, "these datasets cannot be merged", problems)


def _require_free(output: Path) -> None:
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise DatasetExistsError(f"{output} exists and is not a folder")
    if output.is_dir() and any(output.iterdir()):
        raise DatasetExistsError(f"{output} exists and is not empty; merge into a new folder")


def _staging_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.merging")


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """A new folder beside `output`, gone at the end unless it was renamed. Raises ResumeError while somebody else
    merges into `output`."""
    staging = _staging_of(output)
    staging.mkdir(exist_ok=True)
    with holding(staging):
        foreign = {path.name for path in staging.iterdir()} - _OURS
        if foreign:
            raise DatasetExistsError(f"{staging} is in the way, with {', '.join(sorted(foreign)[:5])} in it")
        for path in staging.iterdir():  # of a merge that was killed
            shutil.rmtree(path)
        try:
            yield staging
        finally:
            if staging.exists():
                shutil.rmtree(staging)


def _build(
    staging: Path, sources: Sequence[Source], order: Sequence[Episode], progress: Callable[[], None] | None
) -> int:
    schema = sources[0].schema
    columns = schema.columns()
    spill_folder = staging / _SPILL
    spill_folder.mkdir()
    with ExitStack() as stack:
        spill = stack.enter_context(ColumnSpill(spill_folder, columns))
        reader = SourceReader()
        stack.callback(reader.close)
        files = stack.enter_context(Files(staging, sources))
        rows = EpisodeRows(staging, schema)
        totals: dict[str, Counts] = {key: np.zeros((3, 256), np.int64) for key in schema.video_keys}
        for run in _runs(order):
            source = sources[run[0].source]
            table = reader.episode_rows(source, run[0].position, run[-1].position + 1)
            rows.begin(source, table)
            for at, episode in enumerate(run):
                data = rows.renumber(at, reader.data(source, episode.position, rows.length(at)))
                for name in columns:
                    spill.add(name, column_values(data, name))
                data_at = files.add_data(data)
                histograms = reader.histograms(source, episode.position)
                _add(totals, histograms, source, episode.position, rows.length(at) * schema.sampled_pixels)
                files.add_histograms(source, episode.position, histograms)
                videos_at = {key: files.add_video(source, key, *rows.video(at, key)) for key in schema.video_keys}
                rows.place(data_at, videos_at)
                if progress is not None:
                    progress()
            rows.end()
        rows.close()
        files.close()
        stats: dict[str, dict[str, Any]] = {}
        for name in columns:
            stats[name] = vector_entry(*exact_column(spill, name))
    spill_folder.rmdir()
    stats |= {key: image_entry(counts, rows.frames) for key, counts in totals.items()}
    _write_meta(staging, schema, sources[0].repo_id, rows, stats)
    return rows.frames


def _runs(order: Sequence[Episode]) -> Iterator[list[Episode]]:
    """Cut where the episodes do not follow each other in one file of episode rows."""
    run: list[Episode] = []
    for episode in order:
        follows = run and (run[-1].source, run[-1].position + 1) == episode
        if run and (not follows or episode.position % layout.EPISODES_PER_META_FILE == 0):
            yield run
            run = []
        run.append(episode)
    if run:
        yield run


def _add(totals: Mapping[str, Counts], table: pa.Table, source: Source, position: int, pixels: int) -> None:
    """pixels: counted in each channel."""
    file, _ = source.histogram_row_group(position)
    try:
        histograms = histograms_of(table)
    except (ValueError, LookupError, pa.ArrowException) as error:
        raise MergeError(f"{source.root / file} is damaged: {error}") from error
    if set(histograms) != set(totals) or any((counts.sum(axis=1) != pixels).any() for counts in histograms.values()):
        expected = f"{pixels} pixels a channel of {', '.join(totals) or 'no camera'}"
        raise MergeError(f"{source.root / file} is damaged: episode {position} has other counts than {expected}")
    for key, counts in histograms.items():
        totals[key] += counts


def _write_meta(
    staging: Path, schema: Schema, repo_id: str, rows: EpisodeRows, stats: dict[str, dict[str, Any]]
) -> None:
    write_table(tasks_table(rows.tasks), staging / layout.TASKS)
    info = schema.info(rows.episodes, rows.frames, len(rows.tasks))
    texts = {
        layout.STATS: stats_json(schema, stats),
        layout.TASKS_JSONL: tasks_jsonl(rows.tasks),
        layout.WRITER: writer_json(schema, repo_id, rows.episodes),
        layout.INFO: (json.dumps(info, indent=2) + "\n").encode(),
    }
    for file, content in texts.items():
        write_flushed(staging / file, content)
