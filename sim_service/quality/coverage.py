"""Whether picks and places are all over the area, or in a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M
from sim_service.quality.coverage_discrepancy import discrepancy, most_discrepancy
from sim_service.quality.coverage_occupancy import CELLS, EVEN, TALL, least_visited, visited_cells
from sim_service.quality.gate import EpisodeNumbers, Verdict

LEAST_EPISODES: Final = 20  # fewer say nothing: chance leaves half of the area empty

# The centred L2 discrepancy, from an even one, of what the collector draws; the larger one of picks and places.
# Measured on 4,000 draws each of cubes and of YCB objects, with `--randomize none` and `full`: 0.020 and 0.114.
OWN_DISCREPANCY: Final = 0.03
TALL_OWN_DISCREPANCY: Final = 0.12

_SPOTS: Final = ("pick", "place")
_TALL_M: Final = 0.06  # as `ObjectKind.is_tall`


class CoverageGate:
    """Verdicts "pick-occupancy", "pick-discrepancy", "place-occupancy" and "place-discrepancy"."""

    def __init__(self) -> None:
        self._spots_m: dict[str, list[list[float]]] = {spot: [] for spot in _SPOTS}
        self._tall = 0

    def see(self, episode: EpisodeNumbers) -> None:
        row = episode.row
        if any(row.get(f"collection/{spot}_xy_m") is None for spot in _SPOTS):
            return
        for spot in _SPOTS:
            self._spots_m[spot].append(list(row[f"collection/{spot}_xy_m"]))
        size_m = row.get("collection/object_size_m")
        self._tall += size_m is not None and size_m[2] > _TALL_M

    def verdicts(self) -> Iterator[Verdict]:
        for spot in _SPOTS:
            yield from self._of(spot, np.array(self._spots_m[spot], np.float64).reshape(-1, 2))

    def _of(self, spot: str, points_m: NDArray[np.float64]) -> Iterator[Verdict]:
        count = len(points_m)
        if count < LEAST_EPISODES:
            reason = (
                f"{count} episodes say where they {spot}, {LEAST_EPISODES} are needed"
                if count
                else f"no column collection/{spot}_xy_m"
            )
            yield Verdict(f"{spot}-occupancy", "skipped", reason)
            yield Verdict(f"{spot}-discrepancy", "skipped", reason)
            return
        corners_m = np.array([AREA_X_M, AREA_Y_M])
        points = (points_m - corners_m[:, 0]) / np.ptp(corners_m, axis=1)
        visited, total = visited_cells(points), CELLS[0] * CELLS[1]
        least = least_visited([(count - self._tall, EVEN), (self._tall, TALL)])
        yield Verdict(
            f"{spot}-occupancy",
            "pass" if visited >= least else "fail",
            f"{visited} of {total} cells of the area have a {spot}",
            f"at least {least} with {count} episodes",
            float(visited),
        )
        tall_share = self._tall / count
        own = (1 - tall_share) * OWN_DISCREPANCY + tall_share * TALL_OWN_DISCREPANCY
        found, most = discrepancy(points), most_discrepancy(count, own)
        yield Verdict(
            f"{spot}-discrepancy",
            "pass" if found <= most else "fail",
            f"{found:.3f}, the centred L2 discrepancy of the {spot}s",
            f"at most {most:.3f} with {count} episodes",
            found,
        )
