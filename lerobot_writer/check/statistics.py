"""`meta/stats.json`, the `stats/...` of the episode rows and `meta/writer.json`: rules S1 to S5."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.data import Data
from lerobot_writer.check.episodes import Episodes, Int64s
from lerobot_writer.check.figures import FIGURES, QUANTILES, differing, histogram_figures, moments, quantiles
from lerobot_writer.check.files import STATS, WRITER, Tree
from lerobot_writer.check.info import Camera, Column, Info
from lerobot_writer.check.reading import Unreadable, read_json, shown
from lerobot_writer.check.report import Report

_VALUES_AT_ONCE = 1 << 23
"""How many numbers of a feature are in memory at a time, as doubles 64 MiB: else fewer dimensions, at least one."""

Told = dict[str, dict[str, npt.NDArray[Any]]]
"""The figures that a file states: by feature and figure, shape (D,), cameras (3,), count (1,)."""


@dataclass(frozen=True)
class WriterFile:
    """`meta/writer.json`; None where it does not say."""

    image_stride: int | None
    quantile_episodes: int | None


def check_writer_file(tree: Tree, report: Report) -> WriterFile:
    """Reads `meta/writer.json`; what it says about the statistics is judged with them."""
    if WRITER not in tree:
        return WriterFile(None, None)
    keys = ("format", "repo_id", "image_stride", "quantile_episodes")
    try:
        found = read_json(tree.root / WRITER)
    except Unreadable as error:
        found = str(error)
    if not isinstance(found, dict):
        report.add("F1", WRITER, "a JSON object", shown(found))
        return WriterFile(None, None)
    if found.keys() != set(keys) or found["format"] != 1 or not isinstance(found["repo_id"], str):
        report.add("F1", WRITER, f"format 1 and exactly the keys {', '.join(keys)}", shown(found))
    stride, episodes = (found.get(key) for key in keys[2:])
    return WriterFile(
        stride if type(stride) is int and stride > 0 else None,
        episodes if type(episodes) is int and episodes >= 0 else None,
    )


def check_stats_file(tree: Tree, info: Info, report: Report) -> Told | None:
    """Checks S1. Returns the figures that have their shape, None if the file does not read."""
    if STATS not in tree:
        report.skip(("S1", "S2", "S3", "S4"), f"{STATS} is missing")
        return None
    try:
        stats = read_json(tree.root / STATS)
        if not isinstance(stats, dict):
            raise Unreadable(shown(stats))
    except Unreadable as error:
        report.add("S1", STATS, "a JSON object", str(error))
        report.skip(("S1", "S2", "S3", "S4"), f"{STATS} does not read")
        return None
    for name in info.unusable:
        report.skip(("S1", "S2", "S3", "S4", "S5"), f"{name} is described wrongly in meta/info.json")
    for name in info.features:
        if name not in stats:
            report.add("S1", STATS, f"an entry {name}", "none")
    for name in stats:
        if name not in info.features:
            report.add("S1", STATS, "entries of features alone", name)
    widths: dict[str, int | None] = {column.name: column.width for column in info.columns}
    widths |= dict.fromkeys((camera.name for camera in info.cameras), None)
    report.ran("S1")
    return {name: _told(name, stats[name], width, report) for name, width in widths.items() if name in stats}


def _told(name: str, entry: object, width: int | None, report: Report) -> dict[str, npt.NDArray[Any]]:
    """The well-formed figures of an entry. width: None for a camera."""
    if not isinstance(entry, dict) or entry.keys() != set(FIGURES):
        found = sorted(entry) if isinstance(entry, dict) else entry
        report.add("S1", STATS, f"{name} with exactly the keys {', '.join(FIGURES)}", shown(found))
    told = {}
    for figure in FIGURES:
        value = entry.get(figure) if isinstance(entry, dict) else None
        numbers = _numbers(value, 1 if figure == "count" else width)
        if numbers is not None and (figure != "count" or numbers.dtype.kind == "i"):
            told[figure] = numbers
        elif isinstance(entry, dict) and figure in entry:
            shape = "[an integer]" if figure == "count" else "[[[r]], [[g]], [[b]]]" if width is None else f"[{width}]"
            report.add("S1", STATS, f"{name}.{figure} of shape {shape}, finite", shown(value))
    return told


def _numbers(value: object, width: int | None) -> npt.NDArray[Any] | None:
    """The flat array of a [width] list, or of [[[r]], [[g]], [[b]]] if width is None; None if it is something else."""
    if width is None:
        if not isinstance(value, list) or len(value) != 3:
            return None
        rows = [row[0] for row in value if isinstance(row, list) and len(row) == 1]
        value = [pixel[0] for pixel in rows if isinstance(pixel, list) and len(pixel) == 1]
    if not isinstance(value, list) or len(value) != (width or 3) or not all(type(n) in (int, float) for n in value):
        return None
    try:
        if not all(math.isfinite(number) for number in value):
            return None
        return np.array(value, dtype=np.int64 if all(type(n) is int for n in value) else np.float64)
    except OverflowError:
        return None


def check_vectors(
    data: Data, episodes: Episodes, bounds: Int64s | None, told: Told | None, writer: WriterFile, info: Info, report: Report
) -> None:
    """Checks S2, S4 and S5 for the columns of the data files. bounds: Where the episodes begin, None if not known."""
    report.ran("S2", "S4", "S5")
    if bounds is not None and len(bounds) != episodes.count + 1:
        bounds = None
    if bounds is None:
        report.skip(("S4", "S5"), "where the episodes begin is not clear")
    reach = _reach(writer, episodes, report)
    for column in info.columns:
        if column.name not in data.sound:
            report.skip(("S2", "S4", "S5"), f"{column.name} is not sound in the data files")
            continue
        reached = None if bounds is None or reach is None else int(bounds[reach])
        whole, per_episode = _true_figures(data, column, bounds, reached)
        _compare_dataset(column.name, told, whole, data.num_rows, report)
        if bounds is not None:
            rows = _EpisodeRows(episodes, column.name, column.width, report)
            for episode, true in enumerate(per_episode):
                rows.compare(episode, true, int(bounds[episode + 1] - bounds[episode]))


def _reach(writer: WriterFile, episodes: Episodes, report: Report) -> int | None:
    """Over how many episodes the dataset's quantiles go."""
    reach = writer.quantile_episodes
    if reach is None or reach > episodes.count:
        if WRITER in episodes.tree:
            expected = f"quantile_episodes from 0 to {episodes.count}"
            report.add("S4", WRITER, expected, "none that is usable" if reach is None else str(reach))
        report.skip(("S4",), f"{WRITER} does not say over which episodes the quantiles go")
        return None
    if reach < episodes.count:
        report.notes.append(
            f"the quantiles in {STATS} cover {reach} of {episodes.count} episodes: the writer has not been finalized "
            "since; reopening the dataset with resume=True brings them up to date"
        )
    return reach


def _true_figures(
    data: Data, column: Column, bounds: Int64s | None, reached: int | None
) -> tuple[dict[str, npt.NDArray[np.float64]], list[dict[str, npt.NDArray[np.float64]]]]:
    """The figures of a column over the dataset and over each episode, a bounded group of dimensions at a time."""
    group = max(1, min(column.width, _VALUES_AT_ONCE // max(1, data.num_rows)))
    whole: list[dict[str, npt.NDArray[np.float64]]] = []
    parts: list[list[dict[str, npt.NDArray[np.float64]]]] = []
    for first in range(0, column.width, group):
        values = data.values(column, slice(first, first + group)).reshape(data.num_rows, -1)
        whole.append(moments(values) | (quantiles(values[:reached]) if reached else {}))
        spans = [] if bounds is None else zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        parts.append([moments(values[start:stop]) | quantiles(values[start:stop]) for start, stop in spans])
    return _side_by_side(whole), [_side_by_side(groups) for groups in zip(*parts, strict=True)]


def _side_by_side(groups: Sequence[Mapping[str, npt.NDArray[np.float64]]]) -> dict[str, npt.NDArray[np.float64]]:
    return {figure: np.concatenate([group[figure] for group in groups]) for figure in groups[0]}


def _compare_dataset(
    name: str, told: Told | None, true: Mapping[str, npt.NDArray[np.float64]], frames: int, report: Report, pixels: int = 0
) -> None:
    """Compares an entry of stats.json: S2 and S4 for vectors, S3 for pictures."""
    if told is None:
        return  # S1 says so
    entry = told.get(name, {})
    for figure in ("count", *true):
        rule = "S3" if pixels else "S4" if figure in QUANTILES else "S2"
        if figure not in entry:
            report.skip((rule,), f"{STATS} has no usable {name}.{figure}")
    count = int(entry["count"][0]) if "count" in entry else frames
    if count != frames:
        report.add("S3" if pixels else "S2", STATS, f"{name}.count [{frames}]", f"[{count}]")
    for figure, dims, right, wrong in differing(true, entry, pixels):
        rule = "S3" if pixels else "S4" if figure in QUANTILES else "S2"
        where = f" in the first of {dims} wrong dimensions" if dims > 1 else ""
        report.add(rule, STATS, f"{name}.{figure} {right!r}{where}", repr(wrong))


class _EpisodeRows:
    """The columns `stats/<feature>/...` of the episode rows, compared one row at a time (S5)."""

    def __init__(self, episodes: Episodes, feature: str, width: int | None, report: Report) -> None:
        self._feature, self._width, self._report = feature, width, report
        self._columns: dict[str, list[Any]] = {}
        for figure in FIGURES:
            try:
                self._columns[figure] = episodes.figures(feature, figure)
            except Unreadable:
                report.skip(("S5",), f"stats/{feature}/{figure} does not read")

    def compare(self, episode: int, true: Mapping[str, npt.NDArray[np.float64]], frames: int, pixels: int = 0) -> None:
        told: dict[str, npt.NDArray[Any]] = {}
        for figure, column in self._columns.items():
            numbers = _numbers(column[episode], 1 if figure == "count" else self._width)
            if numbers is None:
                shape = [1] if figure == "count" else [3, 1, 1] if self._width is None else [self._width]
                self._add(episode, f"{figure} of shape {shape}", shown(column[episode]))
            else:
                told[figure] = numbers
        if "count" in told and told["count"][0] != frames:
            self._add(episode, f"count [{frames}]", f"[{told['count'][0]}]")
        for figure, dims, right, wrong in differing(true, told, pixels):
            where = f" in the first of {dims} wrong dimensions" if dims > 1 else ""
            self._add(episode, f"{figure} {right!r}{where}", repr(wrong))

    def _add(self, episode: int, expected: str, found: str) -> None:
        self._report.add("S5", "meta/episodes", f"row {episode}: stats/{self._feature}/{expected}", found)


class PictureRows:
    """S5 for a camera: what its histograms say, episode by episode."""

    def __init__(self, episodes: Episodes, camera: Camera, report: Report) -> None:
        self._rows = _EpisodeRows(episodes, camera.name, None, report)

    def compare(self, episode: int, counts: npt.NDArray[np.int64], frames: int) -> None:
        """counts: The episode's histogram, shape (3, 256)."""
        self._rows.compare(episode, histogram_figures(counts), frames, int(counts[0].sum()))


def check_pictures(
    camera: Camera, counts: npt.NDArray[np.int64] | None, frames: int, told: Told | None, writer: WriterFile, report: Report
) -> None:
    """Checks S3. counts: The camera's histograms summed over all episodes, shape (3, 256); None if one is not usable."""
    report.ran("S3")
    if writer.image_stride is None:
        report.skip(("S3",), f"{WRITER} has no usable image_stride")
    elif writer.image_stride != camera.image_stride:
        expected = f"image_stride {camera.image_stride} for {camera.width} x {camera.height} pixels ({camera.name})"
        report.add("S3", WRITER, expected, str(writer.image_stride))
    if counts is None or not counts.sum(axis=1).all():
        report.skip(("S3",), f"{camera.name}: an image histogram is missing or not usable")
        return
    _compare_dataset(camera.name, told, histogram_figures(counts), frames, report, int(counts[0].sum()))
