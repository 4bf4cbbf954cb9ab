"""Exact statistics: of vectors by merged moments and true quantiles, of pictures by 256-bin histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lerobot_writer.column_spill import ColumnSpill
from lerobot_writer.quantiles import exact_quantiles

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

QUANTILES: Final = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATISTICS: Final = ("min", "max", "mean", "std", "count", *QUANTILES)


@dataclass(frozen=True, eq=False)
class Moments:
    """count rows; per dimension minimum, maximum, mean and the sum of squared deviations, each of shape (D,)."""

    count: int
    minimum: Array
    maximum: Array
    mean: Array
    squared_deviations: Array

    @staticmethod
    def of(values: NDArray[Any]) -> Moments:
        """values: shape (N, D) with N of at least 1."""
        x = np.ascontiguousarray(values.T, dtype=np.float64)  # summed pairwise, whatever the number of dimensions
        mean = x.mean(axis=1)
        return Moments(len(values), x.min(axis=1), x.max(axis=1), mean, np.square(x - mean[:, None]).sum(axis=1))

    def merge(self, other: Moments) -> Moments:
        """Of both sets of rows together.

        Chan, Golub, LeVeque: "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
        """
        count = self.count + other.count
        delta = other.mean - self.mean
        return Moments(
            count,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            self.mean + delta * (other.count / count),
            self.squared_deviations + other.squared_deviations + delta**2 * (self.count * other.count / count),
        )


def vector_entry(moments: Moments, quantiles: Array) -> dict[str, Any]:
    """The entry of stats.json; quantiles: shape (5, D)."""
    entry: dict[str, Any] = {
        "min": moments.minimum.tolist(),
        "max": moments.maximum.tolist(),
        "mean": moments.mean.tolist(),
        "std": np.sqrt(moments.squared_deviations / moments.count).tolist(),
        "count": [moments.count],
    }
    entry.update({name: row.tolist() for name, row in zip(QUANTILES, quantiles, strict=True)})
    return entry


def quantiles_of(values: NDArray[Any]) -> Array:
    """Shape (N, D) to (5, D), linear interpolation between the sorted values."""
    return np.asarray(np.quantile(values.astype(np.float64), list(QUANTILES.values()), axis=0))


def exact_column(columns: ColumnSpill, name: str) -> tuple[Moments, Array]:
    """Moments and quantiles, shape (5, D), of a column with at least one row."""
    moments: Moments | None = None
    for block in columns.blocks(name):
        part = Moments.of(block)
        moments = part if moments is None else moments.merge(part)
    if moments is None:
        raise ValueError(f"column {name} has no rows")
    quantiles = exact_quantiles(
        lambda: columns.blocks(name), moments.count, moments.minimum, moments.maximum, list(QUANTILES.values())
    )
    return moments, quantiles


def count_pixels(rgb: NDArray[np.uint8], stride: int) -> Counts:
    """Histogram of every stride-th row and column of a picture (H, W, 3): shape (3, 256)."""
    planes = np.ascontiguousarray(rgb[::stride, ::stride].transpose(2, 0, 1))
    return np.stack([np.bincount(plane.ravel(), minlength=256) for plane in planes]).astype(np.int64, copy=False)


def image_entry(counts: Counts, frames: int) -> dict[str, Any]:
    """The entry of stats.json for pictures with these histograms, shape (3, 256); values in 0..1."""
    per_channel: dict[str, list[float]] = {name: [] for name in STATISTICS if name != "count"}
    for channel in counts:
        present = np.flatnonzero(channel)
        total = int(channel.sum())
        levels = range(256)
        weights = channel.tolist()
        first = sum(level * weight for level, weight in zip(levels, weights, strict=True))
        second = sum(level * level * weight for level, weight in zip(levels, weights, strict=True))
        per_channel["min"].append(float(present[0]) / 255)
        per_channel["max"].append(float(present[-1]) / 255)
        per_channel["mean"].append(first / total / 255)
        per_channel["std"].append(_exact_root(total * second - first * first) / total / 255)
        for name, quantile in zip(QUANTILES, _histogram_quantiles(channel), strict=True):
            per_channel[name].append(quantile / 255)
    entry: dict[str, Any] = {name: [[[value]] for value in values] for name, values in per_channel.items()}
    entry["count"] = [frames]
    return {name: entry[name] for name in STATISTICS}


def _exact_root(square: int) -> float:
    """Square root of an integer of any size, to double precision."""
    return isqrt(square << 128) / 2**64


def _histogram_quantiles(counts: Counts) -> Sequence[float]:
    """What numpy.quantile gives for the values that the histogram counts."""
    cumulated = np.cumsum(counts)
    last = int(cumulated[-1]) - 1
    quantiles = []
    for fraction in QUANTILES.values():
        rank = fraction * last
        below = int(rank)
        low, high = np.searchsorted(cumulated, [below, min(below + 1, last)], side="right")
        quantiles.append(float(low + (high - low) * (rank - below)))
    return quantiles
