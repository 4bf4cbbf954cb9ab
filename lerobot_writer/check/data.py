"""`data/`: rules D1 to D5, the order of its files (F3) and the bounds of the episodes that E2 and E3 must agree with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.episodes import Episodes, Int64s, type_text
from lerobot_writer.check.files import Tree
from lerobot_writer.check.info import Column, Info
from lerobot_writer.check.reading import ParquetRows, Unreadable, shown
from lerobot_writer.check.report import Report

_AFTER_D1 = ("D2", "D3", "D4", "D5")


@dataclass(frozen=True)
class Data:
    """The rows of all data files, in the order of the frames; a column at a time is read from the disk.

    files: Paths, sorted by the first `index` in them. bounds: File f holds rows bounds[f] up to bounds[f + 1].
    sound: The columns that every file has in the type that `features` says (D1), without nulls, NaN and infinity (D2).
    """

    tree: Tree
    files: tuple[str, ...]
    bounds: tuple[int, ...]
    sound: dict[str, Column]

    @property
    def num_rows(self) -> int:
        return self.bounds[-1]

    def values(self, column: Column, dims: slice = slice(None)) -> npt.NDArray[Any]:
        """A column of all files: shape (rows,) if its width is 1, else (rows, dimensions in dims)."""
        parts = []
        for path in self.files:
            with ParquetRows(self.tree.root / path) as rows:
                part = rows.numbers(column.name, column.width)
                # A copy, so that the dimensions left out do not stay in memory.
                parts.append(part if column.width == 1 else part[:, dims].copy())
        return np.concatenate(parts)


def check_data_files(tree: Tree, info: Info, episodes: Episodes | None, report: Report) -> Data | None:
    """Checks D1, D2 and F3 for the data files that the episode rows name, or for all if they do not say.

    Returns None if a file is missing or does not read.
    """
    named = None if episodes is None else episodes.data_paths()
    paths = sorted(set(named)) if named is not None else [p for p in tree.below("data/") if p.endswith(".parquet")]
    missing = [path for path in paths if path not in tree]
    if missing or not paths:
        report.skip(("D1", *_AFTER_D1), f"{missing[0]} is missing" if missing else "data has no parquet file")
        return None
    lengths: dict[str, int] = {}
    starts: dict[str, int] = {}
    unsound: set[str] = set(info.unusable)
    broken = False
    for path in paths:
        try:
            with ParquetRows(tree.root / path) as rows:
                lengths[path] = rows.num_rows
                unsound |= _check_schema(path, rows, info, report)
                _check_row_groups(path, rows, episodes, named, report)
                unsound |= _check_values(path, rows, info, unsound, report)
                starts[path] = _first_index(rows)
        except Unreadable as error:
            report.add("D1", path, "a parquet file of frames", str(error))
            broken = True
    if broken:
        report.skip(_AFTER_D1, "a data file does not read")
        return None
    report.ran("D1", "D2")
    order = _in_order(paths, lengths, starts, report)
    bounds = np.cumsum([0, *(lengths[path] for path in order)]).tolist()
    sound = {column.name: column for column in info.columns if column.name not in unsound}
    return Data(tree, tuple(order), tuple(bounds), sound)


def _check_schema(path: str, rows: ParquetRows, info: Info, report: Report) -> set[str]:
    """Checks D1 but for the row groups. Returns the names of the columns that are missing or of a wrong type."""
    cameras = {camera.name for camera in info.cameras}
    names = [name for name in info.features if name not in cameras]
    found = list(rows.schema.names)
    if found != names:
        report.add("D1", path, f"the columns {shown(names, 600)}", shown(found, 600))
    unsound = {name for name in names if found.count(name) != 1}
    described: dict[str, object] = {}
    for column in info.columns:
        expected = type_text(column.arrow_type())
        if column.name not in unsound and type_text(rows.schema.field(column.name).type) != expected:
            report.add("D1", path, f"{column.name} of type {expected}", type_text(rows.schema.field(column.name).type))
            unsound.add(column.name)
        value = {"dtype": column.dtype, "_type": "Value"}
        described[column.name] = value if column.width == 1 else {"feature": value, "length": column.width}
    try:
        huggingface = rows.json_metadata("huggingface")
    except Unreadable as error:
        report.add("D1", path, "the features for the datasets library", str(error))
    else:
        if info.unusable:
            report.skip(("D1",), f"the metadata for the datasets library: {', '.join(info.unusable)} break I4")
        elif (told := _described(huggingface)) != described:
            report.add("D1", path, f"huggingface metadata with {shown(described, 600)}", shown(told, 600))
    if rows.compressions() - {"SNAPPY"}:
        report.add("D1", path, "Snappy compression", ", ".join(sorted(rows.compressions())))
    if plain := rows.undictionaried():
        report.add("D1", path, "dictionary encoding", f"none in {', '.join(sorted(plain))}")
    return unsound


def _described(huggingface: object) -> object:
    """The features in the `huggingface` metadata, without the name of their lists.

    That is "List" since version 4 of the datasets library and "Sequence" before.
    """
    info = huggingface.get("info") if isinstance(huggingface, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return huggingface
    return {
        name: {key: value for key, value in feature.items() if key != "_type"}
        if isinstance(feature, dict) and feature.get("_type") in ("List", "Sequence")
        else feature
        for name, feature in features.items()
    }


def _check_row_groups(
    path: str, rows: ParquetRows, episodes: Episodes | None, named: list[str] | None, report: Report
) -> None:
    length = None if episodes is None else episodes.column("length")
    if named is None or length is None:
        report.skip(("D1",), "one row group per episode: the episodes' lengths or files are not known")
        return
    expected = [int(frames) for frames, file in zip(length, named, strict=True) if file == path]
    found = rows.row_group_lengths()
    # Wrong lengths are E2's or E3's business: as many row groups as episodes is all that is asked here.
    if len(found) != len(expected) or (sum(found) == sum(expected) and found != expected):
        report.add("D1", path, f"row groups of {shown(expected)} rows, one per episode", shown(found))


def _check_values(path: str, rows: ParquetRows, info: Info, unsound: set[str], report: Report) -> set[str]:
    """Checks D2. Returns the columns that break it."""
    breaking: set[str] = set()
    for column in info.columns:
        if column.name in unsound:
            report.skip(("D2",), f"{column.name} has not the type of its feature")
            continue
        read = rows.column(column.name)
        values = read.flatten() if column.width > 1 else read
        nulls = read.null_count + values.null_count
        bad = 0 if column.dtype != "float32" or nulls else int((~np.isfinite(values.to_numpy())).sum())
        if nulls or bad:
            found = f"{nulls} nulls" if nulls else f"{bad} values that are NaN or infinite"
            report.add("D2", path, f"{column.name} without nulls, NaN and infinity", found)
            breaking.add(column.name)
    return breaking


def _first_index(rows: ParquetRows) -> int | None:
    """The first `index` of a file in which it counts up by one, else None."""
    if "index" not in rows.schema.names or rows.num_rows == 0:
        return None
    try:
        index = rows.numbers("index", 1)
    except Unreadable:
        return None  # D1 or D2 says so
    if index.dtype != np.int64 or not (np.diff(index) == 1).all():
        return None
    return int(index[0])


def _in_order(paths: list[str], lengths: dict[str, int], starts: dict[str, int | None], report: Report) -> list[str]:
    """The files in the order of their frames.

    If each file counts up but the files joined in another order would count from 0 to the end, that is F3; any other
    disorder is D3, which `check_frames` finds.
    """
    order = sorted(paths, key=lambda path: -1 if (start := starts[path]) is None else start)
    joined = np.cumsum([0, *(lengths[path] for path in order)])[:-1].tolist()
    if [starts[path] for path in order] != joined or order == paths:
        return paths
    found = ", ".join(f"{path} starts with frame {starts[path]}" for path in paths)
    report.add("F3", "data", "files that hold the frames in the order of their names", found[:300])
    return order


def check_frames(
    data: Data, episodes: Episodes | None, told: Int64s | None, tasks: list[str] | None, info: Info, report: Report
) -> Int64s | None:
    """Checks D3, D4, D5, and E2 and E3 against the rows.

    told: Bounds of the episodes as their rows say, None if they contradict themselves.
    Returns the bounds, shape (episodes + 1,), that data and episode rows agree on or that the data alone say clearly;
        None if neither is clear.
    """
    wrong = _Wrong(data, report)
    told = told if told is not None and told[-1] == data.num_rows else None
    _check_index(data, wrong, report)
    counted = _counted_bounds(data)
    bounds = told if counted is None else counted
    if bounds is None:
        report.skip(("D4", "D5"), "where the episodes begin is not clear")
        if _columns(data, "episode_index", "frame_index", report=report, rules=("D3",)):
            report.add("D3", "data", "episode_index 0, 1, ... and frame_index from 0 in each episode", "neither")
    else:
        _check_positions(data, bounds, info, wrong, report)
    texts = _check_task_index(data, bounds, tasks, wrong, report)
    report.ran("D3", "D4", "D5")
    if episodes is not None:
        _compare(data, episodes, bounds, counted, texts, report)
    return bounds


class _Wrong:
    """Turns a mask of wrong rows into one finding per file and rule, with the first wrong row."""

    def __init__(self, data: Data, report: Report) -> None:
        self._data, self._report = data, report

    def add(self, rule: str, mask: npt.NDArray[np.bool_], expected: Callable[[int], str], found: npt.NDArray[Any]) -> None:
        for path, first, last in zip(self._data.files, self._data.bounds, self._data.bounds[1:], strict=False):
            rows = np.flatnonzero(mask[first:last])
            if len(rows):
                row = first + int(rows[0])
                more = f" (and {len(rows) - 1} more rows of this file)" if len(rows) > 1 else ""
                self._report.add(rule, path, f"{expected(row)} in row {row - first}", f"{found[row]!s}{more}")


def _columns(data: Data, *names: str, report: Report, rules: tuple[str, ...]) -> bool:
    missing = [name for name in names if name not in data.sound]
    if missing:
        report.skip(rules, f"{', '.join(missing)}: not usable in the data files")
    return not missing


def _check_index(data: Data, wrong: _Wrong, report: Report) -> None:
    if _columns(data, "index", report=report, rules=("D3",)):
        index = data.values(data.sound["index"])
        wrong.add("D3", index != np.arange(data.num_rows), lambda row: f"index {row}", index)


def _counted_bounds(data: Data) -> Int64s | None:
    """The episodes' bounds by `episode_index` and `frame_index`, None if these are missing or contradictory."""
    if not {"episode_index", "frame_index"} <= data.sound.keys() or data.num_rows == 0:
        return None
    episode = data.values(data.sound["episode_index"])
    steps = np.diff(episode, prepend=-1)
    if episode[0] != 0 or not np.isin(steps, (0, 1)).all():
        return None
    starts = np.flatnonzero(steps)
    frame = data.values(data.sound["frame_index"])
    if not np.array_equal(frame, np.arange(data.num_rows) - starts[episode]):
        return None
    return np.append(starts, data.num_rows).astype(np.int64)


def _check_positions(data: Data, bounds: Int64s, info: Info, wrong: _Wrong, report: Report) -> None:
    """Checks the columns that follow from where the episodes begin."""
    lengths = np.diff(bounds)
    frame_index = np.arange(data.num_rows) - np.repeat(bounds[:-1], lengths)
    if _columns(data, "frame_index", report=report, rules=("D3",)):
        frame = data.values(data.sound["frame_index"])
        wrong.add("D3", frame != frame_index, lambda row: f"frame_index {frame_index[row]}", frame)
    if _columns(data, "episode_index", report=report, rules=("D3",)):
        episode_index = np.repeat(np.arange(len(lengths)), lengths)
        episode = data.values(data.sound["episode_index"])
        wrong.add("D3", episode != episode_index, lambda row: f"episode_index {episode_index[row]}", episode)
    if info.fps is None:
        report.skip(("D4",), "the frame rate is not known")
    elif _columns(data, "timestamp", report=report, rules=("D4",)):
        stamp = data.values(data.sound["timestamp"])
        exact = (frame_index / info.fps).astype(np.float32)
        differ = stamp.view(np.int32) != exact.view(np.int32)
        wrong.add("D4", differ, lambda row: f"timestamp {exact[row]!s} = {frame_index[row]} / {info.fps}", stamp)
    if _columns(data, "next.done", report=report, rules=("D5",)):
        done = data.values(data.sound["next.done"])
        last = np.zeros(data.num_rows, bool)
        last[bounds[1:] - 1] = True
        wrong.add("D5", done != last, lambda row: f"next.done {last[row]!s}", done)


def _check_task_index(
    data: Data, bounds: Int64s | None, tasks: list[str] | None, wrong: _Wrong, report: Report
) -> list[str | None] | None:
    """Checks the part of D3 on tasks. Returns each episode's text, None for a text that there is not."""
    if not _columns(data, "task_index", report=report, rules=("D3",)):
        return None
    task = data.values(data.sound["task_index"])
    if tasks is None:
        report.skip(("D3",), "task_index: the tasks do not read")
    else:
        inside = (task >= 0) & (task < len(tasks))
        wrong.add("D3", ~inside, lambda _: f"a task_index from 0 to {len(tasks) - 1}", task)
    if bounds is None:
        return None
    first = np.repeat(task[bounds[:-1]], np.diff(bounds))
    wrong.add("D3", task != first, lambda row: f"the episode's first task_index, {first[row]},", task)
    if tasks is None:
        return None
    return [tasks[index] if 0 <= index < len(tasks) else None for index in task[bounds[:-1]].tolist()]


def _compare(
    data: Data,
    episodes: Episodes,
    bounds: Int64s | None,
    counted: Int64s | None,
    texts: list[str | None] | None,
    report: Report,
) -> None:
    """Checks the episode rows against the data: E2's ranges and tasks, E3's data files."""
    told = episodes.columns("dataset_from_index", "dataset_to_index")
    report.ran("E2", "E3")
    if told is None or counted is None:
        report.skip(("E2",), "the ranges against the data: one of them is not clear")
    elif len(counted) != episodes.count + 1:
        report.add("E2", "meta/episodes", f"{len(counted) - 1} episodes, as the data have", str(episodes.count))
    else:
        for row, (start, stop) in enumerate(zip(*told, strict=True)):
            if (start, stop) != (counted[row], counted[row + 1]):
                expected = f"row {row}: frames {counted[row]} to {counted[row + 1]}, as the data have"
                report.add("E2", "meta/episodes", expected, f"{start} to {stop}")
    if episodes.tasks is None or texts is None:
        report.skip(("E2",), "the tasks: they or task_index are not usable")
    else:
        for row, (tasks, text) in enumerate(zip(episodes.tasks, texts, strict=False)):
            if text is not None and list(tasks) != [text]:
                report.add("E2", "meta/episodes", f"row {row}: tasks {shown([text])}", shown(list(tasks)))
    paths = episodes.data_paths()
    if paths is None or bounds is None or len(bounds) != episodes.count + 1:
        report.skip(("E3",), "the data files: the rows do not name them, or where episodes begin is not clear")
        return
    holding = np.searchsorted(data.bounds, bounds, side="right") - 1
    for row, path in enumerate(paths):
        first, last = data.files[holding[row]], data.files[np.searchsorted(data.bounds, bounds[row + 1], side="left") - 1]
        if (first, last) != (path, path):
            inside = first if first == last else f"{first} to {last}"
            report.add("E3", "meta/episodes", f"row {row}: data file {inside}, which holds the rows", path)
