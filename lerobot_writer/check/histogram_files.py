"""Which row group of `meta/image_histograms` is whose: rules F1, F2 and H1, by the names and footers of the files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lerobot_writer.check.files import FILES_PER_CHUNK, ORPHAN, Tree, histogram_path
from lerobot_writer.check.reading import ParquetRows, Unreadable
from lerobot_writer.check.report import Report

_FOLDER = "meta/image_histograms"
_NAME = re.compile(_FOLDER + r"/chunk-(\d{3})/file-(\d{3})\.parquet", re.ASCII)


@dataclass
class HistogramFiles:
    """starts: By path, sorted by name, the file's first episode. row_groups: By path, how many it has; None if it does
    not read. problem: Why it is not clear which row group is whose; None if it is clear."""

    starts: dict[str, int]
    row_groups: dict[str, int | None]
    problem: str | None = None


def check_histogram_files(tree: Tree, episodes: int, report: Report) -> HistogramFiles:
    """Checks F1 and F2 in `meta/image_histograms`, and the number of row groups (H1).

    A file is numbered by its first episode, or by the file before it. One that does not read counts as one episode.
    """
    found = HistogramFiles({}, {})
    paths = tree.below(f"{_FOLDER}/")
    episode, follows = 0, 0  # the first episode of the next file, and the number after the last file's
    for path in paths:
        match = _NAME.fullmatch(path)
        if match is None or episode >= episodes:
            report.add("F2", path, *ORPHAN)
            continue
        number = int(match[1]) * FILES_PER_CHUNK + int(match[2])
        if number not in (episode, follows):
            _report_gap(found, path, episode, follows, min(number, episodes), report)
            if found.problem is not None:
                return found
            episode = number
            if episode >= episodes:
                report.add("F2", path, *ORPHAN)
                continue
        count = _row_groups(tree, path, report)
        found.starts[path], found.row_groups[path] = episode, count
        episode, follows = episode + (1 if count is None else count), number + 1
        if episode > episodes:
            expected = f"row groups of {episodes - found.starts[path]} episodes, the last of {episodes}"
            report.add("H1", path, expected, str(count))
            found.problem = f"{path} has row groups of more episodes than there are"
            return found
    if episode < episodes:
        _report_gap(found, None, episode, follows, episodes, report)
    return found


def _report_gap(found: HistogramFiles, path: str | None, episode: int, follows: int, end: int, report: Report) -> None:
    """Says what is missing of the episodes from `episode` to before `end`: files, if there is one per episode.

    path: The file after the gap.
    """
    if not found.starts and path is None:
        report.add("F1", histogram_path(0), "a file", "none")
        found.problem = f"{_FOLDER} has no file"
    elif unread := [path for path, count in found.row_groups.items() if count is None]:
        found.problem = f"{unread[0]} does not read"
    elif episode == follows and all(count == 1 for count in found.row_groups.values()):
        for number in range(episode, end):
            report.add("F1", histogram_path(number), "a file", "none")
    else:
        last = next(reversed(found.starts))
        report.add("H1", last, f"row groups of all episodes up to {end - 1} in the files up to here", f"{episode}")
        found.problem = f"{_FOLDER} has row groups of {episode} of {end} episodes"


def _row_groups(tree: Tree, path: str, report: Report) -> int | None:
    try:
        with ParquetRows(tree.root / path) as rows:
            return len(rows.row_group_lengths())
    except Unreadable as error:
        report.add("H1", path, "a parquet file of histograms", str(error))
        return None
