"""How far a set of points is from filling the unit square evenly."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

# The root of the sample size times the discrepancy of uniform points: 99.9 % are below 1.33, measured for 10 to 300
# points (4,000 samples each, 1,000 of 300).
UNIFORM_QUANTILE: Final = 1.33
MOST_POINTS: Final = 2000  # it costs their square


def discrepancy(points: NDArray[np.float64]) -> float:
    """The centred L2 discrepancy of points in the unit square, shape (points, 2). Of more than MOST_POINTS, that many
    are taken, evenly.

    Hickernell: "A generalized discrepancy and quadrature error bound", Mathematics of Computation 67 (1998), equation
    (5.1c). It is a norm of the difference between the points' distribution and the uniform one, so that of draws from
    another distribution it exceeds that distribution's own by no more than the draws' scatter.
    """
    taken = points[np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).astype(int)]
    off = np.abs(taken - 0.5)
    against_square = np.prod(1 + off / 2 - off**2 / 2, axis=1).mean()
    pairs = np.ones((len(taken), len(taken)))
    for axis in range(2):
        x, to_centre = taken[:, axis], off[:, axis]
        pairs *= 1 + (to_centre[:, None] + to_centre[None, :] - np.abs(x[:, None] - x[None, :])) / 2
    return math.sqrt(max(0.0, (13 / 12) ** 2 - 2 * float(against_square) + float(pairs.mean())))


def most_discrepancy(count: int, own: float) -> float:
    """Of 99.9 % of the samples of that many points from a distribution whose own discrepancy from the uniform one is
    `own`."""
    return own + UNIFORM_QUANTILE / math.sqrt(min(count, MOST_POINTS))
