"""`meta/stats.json` (rule S1) and `meta/writer.json`: what they state, as far as it is well-formed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.figures import FIGURES
from lerobot_writer.check.files import STATS, WRITER, Tree
from lerobot_writer.check.info import Info, as_count
from lerobot_writer.check.reading import Unreadable, read_json_object, shown
from lerobot_writer.check.report import Report

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
        found = read_json_object(tree.root / WRITER)
    except Unreadable as error:
        report.add("F1", WRITER, "a JSON object", str(error))
        return WriterFile(None, None)
    if found.keys() != set(keys) or found["format"] != 1 or not isinstance(found["repo_id"], str):
        report.add("F1", WRITER, f"format 1 and exactly the keys {', '.join(keys)}", shown(found))
    state = WriterFile(as_count(found.get("image_stride")), as_count(found.get("quantile_episodes")))
    if "image_stride" in found and state.image_stride is None:
        report.add("S3", WRITER, "image_stride as an integer", shown(found["image_stride"]))
    if "quantile_episodes" in found and state.quantile_episodes is None:
        report.add("S4", WRITER, "quantile_episodes as an integer of at least 0", shown(found["quantile_episodes"]))
    return state


def check_stats_file(tree: Tree, info: Info, report: Report) -> Told | None:
    """Checks S1. Returns the figures that have their shape, None if the file does not read."""
    if STATS not in tree:
        report.skip(("S1", "S2", "S3", "S4"), f"{STATS} is missing")
        return None
    try:
        stats = read_json_object(tree.root / STATS)
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
        numbers = numbers_of(value, 1 if figure == "count" else width)
        if numbers is not None and (figure != "count" or numbers.dtype.kind == "i"):
            told[figure] = numbers
        elif isinstance(entry, dict) and figure in entry:
            shape = "[an integer]" if figure == "count" else "[[[r]], [[g]], [[b]]]" if width is None else f"[{width}]"
            report.add("S1", STATS, f"{name}.{figure} of shape {shape}, finite", shown(value))
    return told


def numbers_of(value: object, width: int | None) -> npt.NDArray[Any] | None:
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
