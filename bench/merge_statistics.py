"""Whether a merged dataset's `meta/stats.json` is right: against statistics of all its rows and all pixel counts.

Nothing here is shared with the writer: the rows are read whole and handed to numpy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Figures = dict[str, Floats]

QUANTILES: Final = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
POSITIONS: Final = ("index", "episode_index", "task_index")  # what a merge renumbers
KINDS: Final = ("positions", "other rows", "pictures")
_MOMENTS: Final = ("min", "max", "mean", "std", "count")


def errors(root: Path, shards: Sequence[Path]) -> dict[str, float]:
    """The largest difference of any dimension of any feature, as a part of that dimension's standard deviation, by
    "<kind>/moments" and "<kind>/quantiles", with the kinds of KINDS.

    shards: what `root` was merged of; the pixel counts are read from there.
    """
    info = json.loads((root / "meta/info.json").read_bytes())
    told = json.loads((root / "meta/stats.json").read_bytes())
    counts = _pixel_counts(shards)
    largest: dict[str, float] = {}
    for name, feature in info["features"].items():
        is_picture = feature["dtype"] == "video"
        true = _of_counts(counts[name], info["total_frames"]) if is_picture else _of_rows(_column(root, name))
        kind = "pictures" if is_picture else "positions" if name in POSITIONS else "other rows"
        for figures, names in (("moments", _MOMENTS), ("quantiles", tuple(QUANTILES))):
            key = f"{kind}/{figures}"
            largest[key] = max(largest.get(key, 0.0), _largest(told[name], true, names))
    return largest


def _largest(told: Mapping[str, Any], true: Figures, names: Sequence[str]) -> float:
    scale = np.where(true["std"] > 0, true["std"], 1.0)
    differences = []
    for name in names:
        value = np.asarray(told[name], np.float64).reshape(-1)
        differences.append(np.abs(value - true[name]) / (1.0 if name == "count" else scale))
    return float(max(difference.max() for difference in differences))


def _column(root: Path, name: str) -> Floats:
    """All rows of a column, shape (rows, dimensions)."""
    parts = [pq.read_table(file, columns=[name]).column(0) for file in sorted((root / "data").rglob("*.parquet"))]
    values = pa.chunked_array([chunk for part in parts for chunk in part.chunks]).combine_chunks()
    flat = values.flatten() if pa.types.is_fixed_size_list(values.type) or pa.types.is_list(values.type) else values
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float64).reshape(len(values), -1)


def _of_rows(rows: Floats) -> Figures:
    exact = rows.astype(np.longdouble)
    figures = {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": exact.mean(axis=0).astype(np.float64),
        "std": exact.std(axis=0).astype(np.float64),
        "count": np.array([len(rows)], np.float64),
    }
    return figures | {name: np.quantile(rows, fraction, axis=0) for name, fraction in QUANTILES.items()}


def _pixel_counts(shards: Sequence[Path]) -> dict[str, NDArray[np.int64]]:
    """Of each camera's feature, shape (3, 256), over all episodes."""
    totals: dict[str, NDArray[np.int64]] = {}
    for shard in shards:
        for file in sorted((shard / "meta/image_histograms").rglob("*.parquet")):
            for row in pq.read_table(file).to_pylist():
                total = totals.setdefault(row["feature"], np.zeros((3, 256), np.int64))
                total[row["channel"]] += np.array(row["counts"])
    return totals


def _of_counts(counts: NDArray[np.int64], frames: int) -> Figures:
    """Of the values 0 to 255, divided by 255."""
    values = np.arange(256, dtype=np.longdouble) / 255
    figures: dict[str, list[float]] = {name: [] for name in (*_MOMENTS[:-1], *QUANTILES)}
    for channel in counts:
        total = channel.sum()
        present = np.flatnonzero(channel)
        mean = (values * channel).sum() / total
        figures["min"].append(present[0] / 255)
        figures["max"].append(present[-1] / 255)
        figures["mean"].append(float(mean))
        figures["std"].append(float(np.sqrt((channel * (values - mean) ** 2).sum() / total)))
        last_of_value = np.cumsum(channel) - 1  # position among all sorted pixels
        for name, fraction in QUANTILES.items():
            position = fraction * (total - 1)
            low, high = (np.flatnonzero(last_of_value >= place)[0] for place in (np.floor(position), np.ceil(position)))
            figures[name].append(float(low + (high - low) * (position - np.floor(position))) / 255)
    return {name: np.array(column) for name, column in figures.items()} | {"count": np.array([frames], np.float64)}
