"""`meta/image_histograms`: rule H1, and what S3, S5 and H2 take from the histograms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.episodes import Episodes, Int64s, type_text
from lerobot_writer.check.figures import histogram_figures
from lerobot_writer.check.files import histogram_path
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
    episodes: Episodes, info: Info, bounds: Int64s | None, told: Told | None, writer: WriterFile, report: Report
) -> dict[tuple[str, int], npt.NDArray[np.float64]]:
    """Checks H1, S3, and S5 for cameras; one episode's histograms are in memory at a time.

    Returns the mean of each channel, shape (3,), in 0..255, by camera and episode, where the histogram is usable.
    """
    report.ran("H1", "S3", "S5")
    if bounds is None or len(bounds) != episodes.count + 1:
        report.skip(("H1", "S3", "S5"), "the histograms: the episodes' lengths are not known")
        return {}
    totals: dict[str, Counts | None] = {camera.name: np.zeros((3, 256), np.int64) for camera in info.cameras}
    rows = {camera.name: EpisodeRows(episodes, camera.name, None, report) for camera in info.cameras}
    means: dict[tuple[str, int], npt.NDArray[np.float64]] = {}
    for episode, frames in enumerate(np.diff(bounds).tolist()):
        found = _read(episodes, episode, info.cameras, frames, report)
        for camera in info.cameras:
            counts, total = found.get(camera.name), totals[camera.name]
            if counts is None or total is None:
                totals[camera.name] = None
            else:
                total += counts
            if counts is None:
                report.skip(("S5",), f"{histogram_path(episode)}: {camera.name} is not usable")
                continue
            rows[camera.name].compare(episode, histogram_figures(counts), frames, int(counts[0].sum()))
            means[camera.name, episode] = counts @ np.arange(256) / counts.sum(axis=1)
    for camera in info.cameras:
        check_pictures(camera, totals[camera.name], int(bounds[-1]), told, writer, report)
    return means


def _read(
    episodes: Episodes, episode: int, cameras: tuple[Camera, ...], frames: int, report: Report
) -> dict[str, Counts]:
    """The usable histograms of an episode by camera."""
    path = histogram_path(episode)
    if path not in episodes.tree:
        report.skip(("H1",), f"{path} is missing")
        return {}
    try:
        with ParquetRows(episodes.tree.root / path) as rows:
            types = {field.name: type_text(field.type) for field in rows.schema}
            if types not in _TYPES or list(types) != ["feature", "channel", "counts"]:
                report.add("H1", path, f"the columns {shown(_TYPES[0])}", shown(types))
                return {}
            features, channels = (rows.column(name).to_pylist() for name in ("feature", "channel"))
            lists = rows.column("counts").to_pylist()
    except Unreadable as error:
        report.add("H1", path, "a parquet file of histograms", str(error))
        return {}
    table = dict(zip(zip(features, channels, strict=True), lists, strict=True))
    expected = [(camera.name, channel) for camera in cameras for channel in range(3)]
    found = list(zip(features, channels, strict=True))
    if set(found) != set(expected) or len(found) != len(expected):
        report.add("H1", path, f"one row each for {shown(expected, 600)}", shown(found, 600))
    usable = {}
    for camera in cameras:
        channels_found = [_histogram(table.get((camera.name, channel))) for channel in range(3)]
        whole = [counts for counts in channels_found if counts is not None]
        for channel, counts in enumerate(channels_found):
            where = f"{camera.name} channel {channel}"
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
