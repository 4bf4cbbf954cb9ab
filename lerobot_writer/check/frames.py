"""What the frames' own columns say: rules D3 to D5, D1's row groups, and E2 and E3 against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.data import Data
from lerobot_writer.check.episodes import Episodes, Int64s
from lerobot_writer.check.info import Info
from lerobot_writer.check.reading import shown
from lerobot_writer.check.report import Report


def check_frames(
    data: Data, episodes: Episodes | None, told: Int64s | None, tasks: list[str] | None, info: Info, report: Report
) -> Int64s | None:
    """Checks D3, D4, D5, the row groups of D1, and E2 and E3 against the rows.

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
        report.skip(("D1", "D4", "D5"), "where the episodes begin is not clear")
        if _columns(data, "episode_index", "frame_index", report=report, rules=("D3",)):
            report.add("D3", "data", "episode_index 0, 1, ... and frame_index from 0 in each episode", "neither")
    else:
        _check_positions(data, bounds, info, wrong, report)
        _check_row_groups(data, bounds, report)
    texts = _check_task_index(data, bounds, tasks, wrong, report)
    report.ran("D3", "D4", "D5")
    if episodes is not None:
        _compare(data, episodes, bounds, counted, texts, report)
    return bounds


class _Wrong:
    """Turns a mask of wrong rows into one finding per file and rule, with the first wrong row."""

    def __init__(self, data: Data, report: Report) -> None:
        self._data, self._report = data, report

    def add(
        self, rule: str, mask: npt.NDArray[np.bool_], expected: Callable[[int], str], found: npt.NDArray[Any]
    ) -> None:
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


def _check_row_groups(data: Data, bounds: Int64s, report: Report) -> None:
    """Checks the part of D1 on row groups."""
    for path, first, last, found in zip(data.files, data.bounds, data.bounds[1:], data.row_groups, strict=False):
        inside = bounds[(bounds > first) & (bounds < last)].tolist()
        expected = np.diff([first, *inside, last]).tolist()
        if list(found) != expected:
            report.add("D1", path, f"row groups of {shown(expected)} rows, one per episode", shown(found))


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
            if text is not None and len(tasks) == 1 and tasks[0] != text:
                report.add("E2", "meta/episodes", f"row {row}: tasks {shown([text])}", shown(list(tasks)))
    paths = episodes.data_paths()
    if paths is None or bounds is None or len(bounds) != episodes.count + 1:
        report.skip(("E3",), "the data files: the rows do not name them, or where episodes begin is not clear")
        return
    holding = [data.files[file] for file in np.searchsorted(data.bounds, bounds[:-1], side="right") - 1]
    ending = [data.files[file] for file in np.searchsorted(data.bounds, bounds[1:], side="left") - 1]
    for row, (path, first, last) in enumerate(zip(paths, holding, ending, strict=True)):
        if (first, last) != (path, path):
            inside = first if first == last else f"{first} to {last}"
            report.add("E3", "meta/episodes", f"row {row}: data file {inside}, which holds the rows", path)
