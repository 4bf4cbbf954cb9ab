"""The ten statistics of a feature, from its values or from the histogram of its pictures, and how close is equal."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = {
    "q01": Fraction(1, 100),
    "q10": Fraction(1, 10),
    "q50": Fraction(1, 2),
    "q90": Fraction(9, 10),
    "q99": Fraction(99, 100),
}
MOMENTS = ("min", "max", "mean", "std")
FIGURES = (*MOMENTS, "count", *QUANTILES)
"""The ten statistics of a feature, in the order of the columns of the episode rows."""

Floats = npt.NDArray[np.float64]

_RELATIVE = 1e-9
"""Double precision sums in any order agree to 1e-12 and better, single precision arithmetic only to 6e-8: between."""


def moments(values: npt.NDArray[Any]) -> dict[str, Floats]:
    """min, max, mean and population standard deviation over the rows of values, shape (rows, d); each of shape (d,)."""
    exact = values.astype(np.float64)
    return {"min": exact.min(axis=0), "max": exact.max(axis=0), "mean": exact.mean(axis=0), "std": exact.std(axis=0)}


def quantiles(values: npt.NDArray[Any]) -> dict[str, Floats]:
    """The five quantiles over the rows of values, shape (rows, d); each of shape (d,)."""
    found = np.quantile(values.astype(np.float64), [float(q) for q in QUANTILES.values()], axis=0)
    return dict(zip(QUANTILES, found, strict=True))


def histogram_figures(counts: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """All figures but `count` of the pixels in a histogram, in 0..1.

    counts: Pixels of each channel with the value 0..255, shape (3, 256), at least one per channel.
    Returns arrays of shape (3,). Sums, ranks and variance are exact integers; only the last division rounds.
    """
    per_channel = [_channel_figures([int(count) for count in channel]) for channel in counts]
    return {name: np.array([figures[name] for figures in per_channel]) for name in (*MOMENTS, *QUANTILES)}


def _channel_figures(counts: list[int]) -> dict[str, float]:
    total = sum(counts)
    first = sum(count * value for value, count in enumerate(counts))
    second = sum(count * value * value for value, count in enumerate(counts))
    seen = [value for value, count in enumerate(counts) if count]
    variance = Fraction(total * second - first * first, (total * 255) ** 2)
    figures = {
        "min": seen[0] / 255,
        "max": seen[-1] / 255,
        "mean": float(Fraction(first, total * 255)),
        "std": float(variance) ** 0.5,
    }
    ranks = np.cumsum(np.array(counts, dtype=np.int64))
    for name, q in QUANTILES.items():
        rank = (total - 1) * q
        below = rank.numerator // rank.denominator
        low, high = np.searchsorted(ranks, [below, min(below + 1, total - 1)], side="right").tolist()
        figures[name] = float((low + (high - low) * (rank - below)) / 255)
    return figures


def differing(
    true: Mapping[str, Floats], told: Mapping[str, npt.NDArray[Any]], pixels: int = 0
) -> list[tuple[str, int, float, float]]:
    """The figures in which `told` departs from `true`: (name, number of dimensions, true, told) of the first of these.

    `min` and `max` of vectors must be equal: they are values of the data. The rest may differ by 1e-9 of the largest
    magnitude of its dimension. pixels: For pictures, how many pixels a channel has: all figures may differ by 1e-9,
    and quantiles by what rounding the rank (pixels * q, in double precision) moves them.
    """
    scale = np.ones(3) if pixels else np.maximum(np.abs(true["min"]), np.abs(true["max"]))
    found = []
    for name in (name for name in true if name in told):
        if name in ("min", "max") and not pixels:
            wrong = told[name] != true[name]
        else:
            rank_rounding = pixels * 2.0**-52 if name in QUANTILES else 0.0
            wrong = ~(np.abs(told[name] - true[name]) <= _RELATIVE * scale + rank_rounding)
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            found.append((name, int(wrong.sum()), float(true[name][first]), float(told[name][first])))
    return found
