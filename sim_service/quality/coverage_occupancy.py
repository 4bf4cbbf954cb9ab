"""How many cells of the area a set of points visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

CELLS: Final = (4, 6)
"""Along x and y: cells of 0.1 m x 0.1 m."""
FALSE_ALARM: Final = 0.001
_SAMPLES: Final = 20_000

# How often an episode's pick or place is in a cell. The cube's are drawn evenly. Tall objects are kept away from where
# the hand hangs at the start, and out of reach of an upright hand: measured on 4,000 draws each of `--use-ycb` with
# `--randomize none` and `full`, picks and places, both sides in y together; in thousandths.
EVEN: Final = np.ones(CELLS)
TALL: Final = np.array(
    [
        [86, 3, 0, 0, 3, 86],
        [116, 31, 2, 2, 31, 116],
        [64, 78, 59, 59, 78, 64],
        [11, 21, 29, 29, 21, 11],
    ],
    np.float64,
)


def visited_cells(points: NDArray[np.float64]) -> int:
    """points: in the unit square, shape (points, 2); those beyond it count where they are nearest."""
    cells = np.clip((points * CELLS).astype(int), 0, np.array(CELLS) - 1)
    return len(np.unique(cells, axis=0))


def least_visited(visits: Sequence[tuple[int, NDArray[np.float64]]]) -> int:
    """The number of cells that all but FALSE_ALARM of the sets visit, by _SAMPLES random ones.

    visits: (points, how often one of them is in each cell), shape CELLS, in any unit.
    """
    rng = np.random.default_rng(0)
    counts = np.zeros((_SAMPLES, CELLS[0] * CELLS[1]), np.int64)
    for count, frequencies in visits:
        counts += rng.multinomial(count, (frequencies / frequencies.sum()).ravel(), _SAMPLES)
    visited = np.sort((counts > 0).sum(axis=1))
    return int(visited[int(FALSE_ALARM * _SAMPLES)])
