"""`meta/episodes`: rules E1, E4, the order of its files (F3) and what the rows of E2 and E3 say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lerobot_writer.check.figures import FIGURES
from lerobot_writer.check.files import EPISODES_PER_FILE, Tree, in_chunk
from lerobot_writer.check.info import Info
from lerobot_writer.check.reading import ParquetRows, Unreadable, shown
from lerobot_writer.check.report import Report

Int64s = npt.NDArray[np.int64]

_Table = tuple[str, int, dict[str, Any]]
"""An episodes file: its path, its number of rows, its usable columns."""


@dataclass(frozen=True)
class Episodes:
    """The episode rows that `meta/info.json` counts.

    count: Their number. rows: All rows that the files hold. files: The files with the number of counted rows in each.
    """

    tree: Tree
    count: int
    rows: int
    files: tuple[tuple[str, int], ...]
    _columns: dict[str, npt.NDArray[Any]]
    tasks: Sequence[Sequence[str]] | None

    def column(self, name: str) -> npt.NDArray[Any] | None:
        """An integer or float column, shape (count,); None if it is missing, of a wrong type or has nulls (E1)."""
        return self._columns.get(name)

    def columns(self, *names: str) -> list[npt.NDArray[Any]] | None:
        """Several columns, or None if one of them is None."""
        found = [self._columns[name] for name in names if name in self._columns]
        return found if len(found) == len(names) else None

    def data_paths(self) -> list[str] | None:
        """Each episode's data file."""
        return self._paths("data", "data", "parquet")

    def video_paths(self, camera: str) -> list[str] | None:
        """Each episode's file of a camera."""
        return self._paths(f"videos/{camera}", f"videos/{camera}", "mp4")

    def named_files(self, videos: Sequence[str]) -> list[str] | None:
        """Every data and video file that a row names."""
        paths = [self.data_paths(), *(self.video_paths(video) for video in videos)]
        return None if any(some is None for some in paths) else [path for some in paths for path in some or ()]

    def figures(self, feature: str) -> dict[str, list[Any]]:
        """The columns `stats/<feature>/...`: by figure, a nested list per episode; without those that break E1."""
        columns: dict[str, list[Any]] = {figure: [] for figure in FIGURES}
        for path, counted in self.files:
            with ParquetRows(self.tree.root / path) as rows:
                for figure in list(columns):
                    name = f"stats/{feature}/{figure}"
                    column = rows.column(name) if rows.schema.names.count(name) == 1 else None
                    if column is None or null_count(column) or not pa.types.is_list(column.type):
                        del columns[figure]
                    else:
                        columns[figure] += column.slice(0, counted).to_pylist()
        return columns

    def _paths(self, prefix: str, folder: str, suffix: str) -> list[str] | None:
        columns = self.columns(f"{prefix}/chunk_index", f"{prefix}/file_index")
        if columns is None:
            return None
        return [in_chunk(folder, int(chunk), int(file), suffix) for chunk, file in zip(*columns, strict=True)]


def check_episodes(tree: Tree, info: Info, report: Report) -> Episodes | None:
    """Checks E1, and F3 for the episode files. None if there is no row that reads."""
    paths = [path for path in tree.below("meta/episodes/") if path.endswith(".parquet")]
    if not paths:
        report.skip(("E1", "E2", "E3", "E4"), "meta/episodes has no file")
        return None
    read = [_read(tree, path, info, report) for path in paths]
    report.ran("E1")
    if any(table is None for table in read):
        report.skip(("E1", "E2", "E3", "E4"), "a file of meta/episodes does not read")
        return None
    tables = _in_order([table for table in read if table is not None], report)
    for path, rows, _ in tables[:-1]:
        if rows != EPISODES_PER_FILE:
            report.add("F3", path, f"{EPISODES_PER_FILE} episodes, as in every file but the last", str(rows))
    rows_held = sum(rows for _, rows, _ in tables)
    count = rows_held if info.total_episodes is None else min(rows_held, info.total_episodes)
    if rows_held == 0:
        report.add("I3", "meta/episodes", "at least one row", "none")
    if count == 0:
        report.skip(("E2", "E3", "E4"), "there is no episode")
        return None
    columns: dict[str, Any] = {}
    for name in set.intersection(*(set(table) for _, _, table in tables)):
        parts = [table[name] for _, _, table in tables]
        whole = [entry for part in parts for entry in part] if name == "tasks" else np.concatenate(parts)
        columns[name] = whole[:count]
    tasks = columns.pop("tasks", None)
    held = np.minimum(np.cumsum([rows for _, rows, _ in tables]), count)
    files = tuple((path, int(rows)) for (path, _, _), rows in zip(tables, np.diff(held, prepend=0), strict=True))
    return Episodes(tree, count, rows_held, files, columns, tasks)


def _read(tree: Tree, path: str, info: Info, report: Report) -> _Table | None:
    """A file's usable columns after E1 was checked on it, None if it does not read."""
    try:
        with ParquetRows(tree.root / path) as rows:
            _check_columns(path, rows, info, report)
            return path, rows.num_rows, _plain_columns(rows, info)
    except Unreadable as error:
        report.add("E1", path, "a parquet file of episodes", str(error))
        return None


def _expected_columns(info: Info) -> list[tuple[str, str | None]]:
    """Names and types of all columns but the collector's own. Type None: the feature is described too badly to say."""
    columns: list[tuple[str, str | None]] = [("episode_index", "int64"), ("tasks", "list<string>"), ("length", "int64")]
    places = ("data/chunk_index", "data/file_index", "dataset_from_index", "dataset_to_index")
    columns += [(name, "int64") for name in places]
    for video in info.videos:
        columns += [(f"videos/{video}/{name}", "int64") for name in ("chunk_index", "file_index")]
        columns += [(f"videos/{video}/{name}", "double") for name in ("from_timestamp", "to_timestamp")]
    for feature in info.features:
        kind = "list<list<list<double>>>" if feature in info.videos else "list<double>"
        for figure in FIGURES:
            known = None if feature in info.unusable else "list<int64>" if figure == "count" else kind
            columns.append((f"stats/{feature}/{figure}", known))
    return [*columns, ("meta/episodes/chunk_index", "int64"), ("meta/episodes/file_index", "int64")]


def _check_columns(path: str, rows: ParquetRows, info: Info, report: Report) -> None:
    expected = _expected_columns(info)
    names = [name for name, _ in expected]
    found = list(rows.schema.names)
    for name in names:
        if found.count(name) == 0:
            report.add("E1", path, f"a column {name}", "none")
    for name in dict.fromkeys(found):
        if found.count(name) > 1:
            report.add("E1", path, f"one column {name}", str(found.count(name)))
    if set(names) <= set(found) and found[: len(names)] != names:
        position = next(i for i, name in enumerate(names) if found[i] != name)
        report.add("E1", path, f"{names[position]} as column {position}", found[position])
    types = {field.name: type_text(field.type) for field in rows.schema}
    for name, kind in expected:
        if kind is not None and name in types and types[name] != kind:
            report.add("E1", path, f"{name} of type {kind}", types[name])
    if rows.compressions() - {"SNAPPY"}:
        report.add("E1", path, "Snappy compression", ", ".join(sorted(rows.compressions())))
    for name in found:
        nulls = 0 if found.count(name) > 1 else null_count(rows.column(name))
        if nulls:
            report.add("E1", path, f"no nulls in {name}", str(nulls))
    if types.get("tasks") == "list<string>" and found.count("tasks") == 1:
        lists = rows.column("tasks").to_pylist()
        wrong = [(row, tasks) for row, tasks in enumerate(lists) if tasks is not None and len(tasks) != 1]
        for row, tasks in wrong[:1]:
            more = f" ({len(wrong)} rows in all)" if len(wrong) > 1 else ""
            report.add("E1", path, "one task per episode", f"{shown(tasks)} in row {row}{more}")


def _plain_columns(rows: ParquetRows, info: Info) -> dict[str, Any]:
    """The columns outside `stats/` that have their type and no nulls: arrays, and `tasks` as lists of strings."""
    columns: dict[str, Any] = {}
    for name, kind in _expected_columns(info):
        if name.startswith("stats/") or list(rows.schema.names).count(name) != 1:
            continue
        if type_text(rows.schema.field(name).type) != kind or null_count(rows.column(name)):
            continue
        columns[name] = rows.column(name).to_pylist() if name == "tasks" else rows.numbers(name, 1)
    return columns


def _in_order(tables: list[_Table], report: Report) -> list[_Table]:
    """The files in the order of their episodes; an order of the names that differs breaks F3."""
    firsts: list[int] = []
    for _, rows, table in tables:
        index = table.get("episode_index")
        if index is None or rows == 0 or not np.array_equal(index, np.arange(index[0], index[0] + rows)):
            return tables  # E1 or E2 says what is wrong
        firsts.append(int(index[0]))
    order = sorted(range(len(tables)), key=firsts.__getitem__)
    if order != list(range(len(tables))):
        starts = zip((path for path, _, _ in tables), firsts, strict=True)
        found = ", ".join(f"{path} starts with episode {first}" for path, first in starts)
        report.add("F3", "meta/episodes", "files that hold the episodes in the order of their names", found[:300])
    return [tables[position] for position in order]


def check_rows(episodes: Episodes, report: Report) -> Int64s | None:
    """Checks of E2 what the rows say by themselves, of E3 where they lie.

    Returns: The bounds of the episodes' frames, shape (count + 1,): episode e covers bounds[e] up to bounds[e + 1]
        (exclusive). None if the rows contradict themselves.
    """
    where = "meta/episodes"
    named = episodes.columns("meta/episodes/chunk_index", "meta/episodes/file_index")
    if named is None:
        report.skip(("E3",), "the columns meta/episodes/chunk_index and file_index are not usable")
    else:
        paths = [path for path, rows in episodes.files for _ in range(rows)]
        for row, (path, chunk, file) in enumerate(zip(paths, *named, strict=True)):
            if path != (says := in_chunk(where, int(chunk), int(file), "parquet")):
                report.add("E3", path, f"row {row} to name the file that it is in", says)
    columns = episodes.columns("episode_index", "length", "dataset_from_index", "dataset_to_index")
    if columns is None:
        report.skip(("E2",), "columns that say which frames an episode covers are not usable")
        return None
    index, length, start, stop = columns
    expected_start = np.concatenate([[0], stop[:-1]])
    checks = (
        (index == np.arange(episodes.count), "episode_index {0}", index),
        (length >= 1, "a length of at least 1", length),
        (start == expected_start, "dataset_from_index {1}, where the row before ends", start),
        (stop - start == length, "dataset_to_index - dataset_from_index = length {2}", stop - start),
    )
    for right, expected, found in checks:
        for row in np.flatnonzero(~right).tolist():
            says = expected.format(row, expected_start[row], length[row])
            report.add("E2", where, f"row {row}: {says}", str(found[row]))
    whole = all(right.all() for right, _, _ in checks[1:])
    return np.concatenate([start, stop[-1:]]).astype(np.int64) if whole else None


def check_offsets(episodes: Episodes, info: Info, bounds: Int64s | None, report: Report) -> None:
    """Checks E4. bounds: Of the episodes' frames, as `check_rows` returns."""
    report.ran("E4")
    if bounds is None or len(bounds) != episodes.count + 1 or info.fps is None:
        report.skip(("E4",), "the episodes' lengths or the frame rate are not known")
        return
    lengths = np.diff(bounds).tolist()
    for video in info.videos:
        paths = episodes.video_paths(video)
        stamps = episodes.columns(*(f"videos/{video}/{end}_timestamp" for end in ("from", "to")))
        if paths is None or stamps is None:
            report.skip(("E4",), f"columns of videos/{video} are not usable")
            continue
        before: dict[str, int] = {}
        for row, (path, start, stop) in enumerate(zip(paths, *stamps, strict=True)):
            first = before.get(path, 0)
            before[path] = first + lengths[row]
            for end, frames, stamp in (("from", first, start), ("to", before[path], stop)):
                if stamp != frames / info.fps:
                    expected = f"row {row}: {end}_timestamp {frames} / {info.fps} = {frames / info.fps!r}"
                    report.add("E4", f"meta/episodes (videos/{video})", expected, repr(float(stamp)))


def null_count(array: Any) -> int:
    """How many nulls an array holds at any depth."""
    nested = array.flatten() if isinstance(array, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)) else None
    return int(array.null_count) + (0 if nested is None else null_count(nested))


def type_text(kind: Any) -> str:
    """An Arrow type without the names of its lists' elements, such as "list<double>"."""
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_size_list<{type_text(kind.value_type)}>[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"list<{type_text(kind.value_type)}>"
    return str(kind)
