"""`meta/image_histograms`: rule H1, and what S3, S5 and H2 take from the histograms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.episodes import Episodes, Int64s, type_text
from lerobot_writer.check.figures import histogram_figures
from lerobot_writer.check.histogram_files import HistogramFiles
from lerobot_writer.check.info import Camera, Info
from lerobot_writer.check.reading import ParquetRows, Unreadable, shown
from lerobot_writer.check.report import Report
from lerobot_writer.check.statistics import EpisodeRows, check_pictures
from lerobot_writer.check.stats_file import Told, WriterFile

Counts = npt.NDArray[np.int64]
"""How many pixels of each channel have each value, shape (3, 256)."""

_COUNT_LIMIT = 2**40
"""Pixels of one value in an episode, so that sums over all episodes stay in 64 bits; a million times what occurs."""
_TYPES = [
    {"feature": "string", "channel": "int64", "counts": counts}
    for counts in ("list<int64>", "fixed_size_list<int64>[256]")
]


def check_histograms(
    files: HistogramFiles,
    episodes: Episodes,
    info: Info,
    bounds: Int64s | None,
    told: Told | None,
    writer: WriterFile,
    report: Report,
) -> dict[tuple[str, int], npt.NDArray[np.float64]]:
    """Checks H1, S3, and S5 for cameras; one episode's histograms are in memory at a time.

    Returns the mean of each channel, shape (3,), in 0..255, by camera and episode, where the histogram is usable.
    """
    report.ran("H1", "S3", "S5")
    if bounds is None or len(bounds) != episodes.count + 1:
        report.skip(("H1", "S3", "S5"), "the histograms: the episodes' lengths are not known")
        return {}
    if files.problem is not None:
        report.skip(("H1", "S3", "S5"), f"the histograms: {files.problem}")
        return {}
    totals: dict[str, Counts | None] = {camera.name: np.zeros((3, 256), np.int64) for camera in info.cameras}
    rows = {camera.name: EpisodeRows(episodes, camera.name, None, report) for camera in info.cameras}
    means: dict[tuple[str, int], npt.NDArray[np.float64]] = {}
    lengths = np.diff(bounds).tolist()
    next_episode = 0
    for where, episode, found in _read(files, episodes, info.cameras, lengths, report):
        if episode > next_episode:
            report.skip(("H1", "S3", "S5"), f"the histograms of episodes {next_episode} to {episode - 1} are missing")
            totals = dict.fromkeys(totals)
        next_episode = episode + 1
        for camera in info.cameras:
            counts, total = found.get(camera.name), totals[camera.name]
            if counts is None or total is None:
                totals[camera.name] = None
            else:
                total += counts
            if counts is None:
                report.skip(("S5",), f"{where}: {camera.name} is not usable")
                continue
            rows[camera.name].compare(episode, histogram_figures(counts), lengths[episode], int(counts[0].sum()))
            means[camera.name, episode] = counts @ np.arange(256) / counts.sum(axis=1)
    if next_episode < episodes.count:
        report.skip(
            ("H1", "S3", "S5"), f"the histograms of episodes {next_episode} to {episodes.count - 1} are missing"
        )
        totals = dict.fromkeys(totals)
    for camera in info.cameras:
        check_pictures(camera, totals[camera.name], int(bounds[-1]), told, writer, report)
    return means


def _read(
    files: HistogramFiles, episodes: Episodes, cameras: tuple[Camera, ...], lengths: list[int], report: Report
) -> Iterator[tuple[str, int, dict[str, Counts]]]:
    """Of each episode that has a row group: where it is, its index, its usable histograms by camera."""
    for path, start in files.starts.items():
        groups = files.row_groups[path]
        if groups is None:
            yield path, start, {}
            continue
        with ParquetRows(episodes.tree.root / path) as rows:
            types = {field.name: type_text(field.type) for field in rows.schema}
            has_columns = types in _TYPES and list(types) == ["feature", "channel", "counts"]
            if not has_columns:
                report.add("H1", path, f"the columns {shown(_TYPES[0])}", shown(types))
            for group in range(groups):
                episode = start + group
                usable = _usable(rows, group, path, cameras, lengths[episode], report) if has_columns else {}
                yield f"{path}, row group {group}", episode, usable


def _usable(
    rows: ParquetRows, group: int, path: str, cameras: tuple[Camera, ...], frames: int, report: Report
) -> dict[str, Counts]:
    """The usable histograms of a row group by camera."""
    try:
        features, channels = (rows.column(name, group).to_pylist() for name in ("feature", "channel"))
        lists = rows.column("counts", group).to_pylist()
    except Unreadable as error:
        report.add("H1", path, f"row group {group}: histograms", str(error))
        return {}
    table = dict(zip(zip(features, channels, strict=True), lists, strict=True))
    expected = [(camera.name, channel) for camera in cameras for channel in range(3)]
    found = list(zip(features, channels, strict=True))
    if set(found) != set(expected) or len(found) != len(expected):
        report.add("H1", path, f"row group {group}: one row each for {shown(expected, 600)}", shown(found, 600))
    usable = {}
    for camera in cameras:
        channels_found = [_histogram(table.get((camera.name, channel))) for channel in range(3)]
        whole = [counts for counts in channels_found if counts is not None]
        for channel, counts in enumerate(channels_found):
            where = f"row group {group}: {camera.name} channel {channel}"
            if (camera.name, channel) in table and counts is None:
                report.add("H1", path, f"{where}: 256 counts of at least 0", shown(table[camera.name, channel]))
            elif counts is not None and counts.sum() != frames * camera.sampled_pixels:
                expected_sum = f"{frames} * {camera.sampled_pixels} = {frames * camera.sampled_pixels}"
                report.add("H1", path, f"{where}: counts that sum to {expected_sum}", str(counts.sum()))
        if len(whole) == 3 and all(counts.sum() for counts in whole):
            usable[camera.name] = np.array(whole)
    return usable


def _histogram(counts: object) -> npt.NDArray[np.int64] | None:
    if not isinstance(counts, list) or len(counts) != 256:
        return None
    if any(count is None or not 0 <= count < _COUNT_LIMIT for count in counts):
        return None
    return np.array(counts, dtype=np.int64)
