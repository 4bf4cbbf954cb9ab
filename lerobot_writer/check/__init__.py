"""Checks a dataset against FORMAT.md, rule by rule, as a reader that shares no code with the writer."""

from __future__ import annotations

from pathlib import Path

from lerobot_writer.check.data import check_data_files
from lerobot_writer.check.episodes import Episodes, Int64s, check_episodes, check_offsets, check_rows
from lerobot_writer.check.files import Tree, check_files, list_files
from lerobot_writer.check.frames import check_frames
from lerobot_writer.check.histogram_files import HistogramFiles, check_histogram_files
from lerobot_writer.check.histograms import check_histograms
from lerobot_writer.check.info import Info, check_info, check_totals
from lerobot_writer.check.reading import Unreadable
from lerobot_writer.check.report import RULES, Finding, Report, Unchecked
from lerobot_writer.check.statistics import check_vectors
from lerobot_writer.check.stats_file import check_stats_file, check_writer_file
from lerobot_writer.check.tasks import check_tasks
from lerobot_writer.check.videos import VideoScans

__all__ = ["RULES", "Finding", "Report", "Unchecked", "check_dataset"]


def check_dataset(root: Path) -> Report:
    """Checks every rule of FORMAT.md on the dataset in a folder and reports all that is wrong at once.

    Memory does not grow with the pictures: videos are decoded frame by frame and columns read one at a time.

    Raises NotADirectoryError if there is no such folder. Nothing inside the folder makes it raise.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is no folder: a dataset is a folder with meta/info.json in it")
    report = Report(root)
    tree = list_files(root)
    report.size_bytes = sum(tree.sizes_bytes.values())
    info = check_info(tree, report)
    tasks = check_tasks(tree, report)
    if info is None:
        check_files(tree, None, None, report)
        checked_without_info = {"F1", "F2", "F3", "I1", "I2", "I3", "I4", "I5", "T1", "T2"}
        others = tuple(rule for rule in RULES if rule not in checked_without_info)
        report.skip(others, "meta/info.json does not read")
        return report
    episodes = check_episodes(tree, info, report)
    known = episodes is not None or info.total_episodes == 0
    named = episodes.named_files(info.videos) if episodes is not None else ([] if known else None)
    count = episodes.count if episodes is not None else (0 if known else None)
    check_files(tree, count, named, report)
    histograms = None if count is None else check_histogram_files(tree, count, report)
    try:
        _check_contents(tree, info, episodes, histograms, tasks, report)
    except Unreadable as error:
        report.skip(RULES, f"the dataset changes while it is checked: what was readable is not any more: {error}")
    return report


def _check_contents(
    tree: Tree,
    info: Info,
    episodes: Episodes | None,
    histograms: HistogramFiles | None,
    tasks: list[str] | None,
    report: Report,
) -> None:
    """Checks the rules that need more than one file."""
    told: Int64s | None = None if episodes is None else check_rows(episodes, report)
    data = check_data_files(tree, info, episodes, report)
    if data is None:
        bounds = told
        report.ran("E2", "E3")
        report.skip(("E2", "E3"), "the episode rows against the data: these do not read")
    else:
        bounds = check_frames(data, episodes, told, tasks, info, report)
    report.episodes = None if episodes is None else episodes.count
    report.frames = data.num_rows if data is not None else info.total_frames
    report.cameras, report.fps = len(info.videos), info.fps
    rows = None if episodes is None else episodes.rows
    frames = None if data is None else data.num_rows
    check_totals(info, rows, frames, None if tasks is None else len(tasks), report)
    if episodes is not None:
        check_offsets(episodes, info, bounds, report)
    videos = VideoScans(tree, info, episodes, bounds, report)
    writer = check_writer_file(tree, report)
    stats = check_stats_file(tree, info, report)
    if episodes is None or histograms is None:
        report.skip(("S2", "S3", "S4", "S5", "H1"), "meta/episodes does not read")
        videos.finish({})
        return
    if data is None:
        report.skip(("S2", "S4", "S5"), "the data files do not read")
    else:
        check_vectors(data, episodes, bounds, stats, writer, info, report)
    videos.finish(check_histograms(histograms, episodes, info, bounds, stats, writer, report))
