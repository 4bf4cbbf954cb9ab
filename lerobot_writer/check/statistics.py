"""The statistics against the data and the histograms: rules S2 to S5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.data import Data
from lerobot_writer.check.episodes import Episodes, Int64s
from lerobot_writer.check.figures import FIGURES, QUANTILES, Floats, differing, histogram_figures, moments, quantiles
from lerobot_writer.check.files import STATS, WRITER
from lerobot_writer.check.info import Camera, Column, Info
from lerobot_writer.check.reading import shown
from lerobot_writer.check.report import Report
from lerobot_writer.check.stats_file import Told, WriterFile, numbers_of

_VALUES_AT_ONCE = 1 << 23
"""How many numbers of a feature are in memory at a time, as doubles 64 MiB: else fewer dimensions, at least one."""


def check_vectors(
    data: Data,
    episodes: Episodes,
    bounds: Int64s | None,
    told: Told | None,
    writer: WriterFile,
    info: Info,
    report: Report,
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
            rows = EpisodeRows(episodes, column.name, column.width, report)
            for episode, true in enumerate(per_episode):
                rows.compare(episode, true, int(bounds[episode + 1] - bounds[episode]))


def _reach(writer: WriterFile, episodes: Episodes, report: Report) -> int | None:
    """Over how many episodes the dataset's quantiles go."""
    reach = writer.quantile_episodes
    if reach is not None and reach > episodes.count:
        report.add("S4", WRITER, f"quantile_episodes up to {episodes.count}", str(reach))
    if reach is None or reach > episodes.count:
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
) -> tuple[dict[str, Floats], list[dict[str, Floats]]]:
    """The figures of a column over the dataset and over each episode, a bounded group of dimensions at a time."""
    group = max(1, min(column.width, _VALUES_AT_ONCE // max(1, data.num_rows)))
    whole: list[dict[str, Floats]] = []
    parts: list[list[dict[str, Floats]]] = []
    for first in range(0, column.width, group):
        values = data.values(column, slice(first, first + group)).reshape(data.num_rows, -1)
        whole.append(moments(values) | (quantiles(values[:reached]) if reached else {}))
        spans = [] if bounds is None else zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        parts.append([moments(values[start:stop]) | quantiles(values[start:stop]) for start, stop in spans])
    return _side_by_side(whole), [_side_by_side(groups) for groups in zip(*parts, strict=True)]


def _side_by_side(groups: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {figure: np.concatenate([group[figure] for group in groups]) for figure in groups[0]}


def _compare_dataset(
    name: str, told: Told | None, true: Mapping[str, Floats], frames: int, report: Report, pixels: int = 0
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


class EpisodeRows:
    """The columns `stats/<feature>/...` of the episode rows, compared one row at a time (S5).

    width: Of the feature, None for a camera.
    """

    def __init__(self, episodes: Episodes, feature: str, width: int | None, report: Report) -> None:
        self._feature, self._width, self._report = feature, width, report
        self._columns = episodes.figures(feature)
        missing = [figure for figure in FIGURES if figure not in self._columns]
        if missing:
            report.skip(("S5",), f"stats/{feature}/...: {', '.join(missing)} not usable")

    def compare(self, episode: int, true: Mapping[str, Floats], frames: int, pixels: int = 0) -> None:
        """true: The episode's figures but for `count`. pixels: For pictures, how many pixels a channel has."""
        told: dict[str, npt.NDArray[Any]] = {}
        for figure, column in self._columns.items():
            numbers = numbers_of(column[episode], 1 if figure == "count" else self._width)
            if numbers is None:
                shape = [1] if figure == "count" else [3, 1, 1] if self._width is None else [self._width]
                self._add(episode, f"{figure} of shape {shape}, finite", shown(column[episode]))
            else:
                told[figure] = numbers
        if "count" in told and told["count"][0] != frames:
            self._add(episode, f"count [{frames}]", f"[{told['count'][0]}]")
        for figure, dims, right, wrong in differing(true, told, pixels):
            where = f" in the first of {dims} wrong dimensions" if dims > 1 else ""
            self._add(episode, f"{figure} {right!r}{where}", repr(wrong))

    def _add(self, episode: int, expected: str, found: str) -> None:
        self._report.add("S5", "meta/episodes", f"row {episode}: stats/{self._feature}/{expected}", found)


def check_pictures(
    camera: Camera,
    counts: npt.NDArray[np.int64] | None,
    frames: int,
    told: Told | None,
    writer: WriterFile,
    report: Report,
) -> None:
    """Checks S3. counts: The camera's histograms summed over all episodes, (3, 256); None if one is not usable."""
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
