"""Where the object stands at the end: as the collector says, and as the frames have it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from collectors.features import GOAL_POSITION, OBJECT_POSE
from collectors.tasks.pick_place import GOAL_TOLERANCE_M, STRICT_GOAL_TOLERANCE_M
from sim_service.quality.gate import EpisodeNumbers, Verdict

# From the last frame to when it is judged, half a second later, the object stands still: measured, to 0.5 micrometres.
MOST_DIFFERENCE_M: Final = 0.002

_COLUMN: Final = "collection/placement_error_m"


class PlacementGate:
    """Verdicts "placement", the 95th percentile of the successful episodes' errors in the plane, and
    "placement-recomputed": in their last frames the object stands at the goal, as far from it as the column says."""

    def __init__(self) -> None:
        self._told_m: list[float] = []
        self._off_m: dict[int, float] = {}
        self._difference_m: dict[int, float] = {}

    def see(self, episode: EpisodeNumbers) -> None:
        told_m = episode.row.get(_COLUMN)
        if told_m is None or not episode.row.get("collection/success"):
            return
        self._told_m.append(told_m)
        if OBJECT_POSE in episode.columns and GOAL_POSITION in episode.columns:
            object_xy_m = episode.columns[OBJECT_POSE][-1, :2].tolist()
            goal_xy_m = episode.columns[GOAL_POSITION][-1, :2].tolist()
            self._off_m[episode.number] = math.dist(object_xy_m, goal_xy_m)
            self._difference_m[episode.number] = abs(self._off_m[episode.number] - told_m)

    def verdicts(self) -> Iterator[Verdict]:
        yield self._told()
        yield self._recomputed()

    def _told(self) -> Verdict:
        if not self._told_m:
            return Verdict("placement", "skipped", f"no successful episode with a column {_COLUMN}")
        median_m, p95_m, worst_m = np.quantile(self._told_m, [0.5, 0.95, 1.0]).tolist()
        return Verdict(
            "placement",
            "pass" if p95_m <= STRICT_GOAL_TOLERANCE_M else "fail",
            f"{_mm(median_m)} in the median, {_mm(p95_m)} in 95 % of the successful episodes, {_mm(worst_m)} at worst",
            f"{_mm(STRICT_GOAL_TOLERANCE_M)} in 95 %",
            p95_m,
            figures={"median_m": median_m, "p95_m": p95_m, "worst_m": worst_m},
        )

    def _recomputed(self) -> Verdict:
        if not self._off_m:
            return Verdict("placement-recomputed", "skipped", f"no successful episode with {OBJECT_POSE}")
        faulty = [
            number
            for number, off_m in self._off_m.items()
            if off_m > GOAL_TOLERANCE_M or self._difference_m[number] > MOST_DIFFERENCE_M
        ]
        worst_m = max(self._difference_m.values())
        return Verdict(
            "placement-recomputed",
            "fail" if faulty else "pass",
            f"the last frames put the object up to {_mm(max(self._off_m.values()))} off the goal, and differ from the "
            f"placement error by up to {_mm(worst_m)}",
            f"{_mm(GOAL_TOLERANCE_M)} off the goal, a difference of {_mm(MOST_DIFFERENCE_M)}",
            worst_m,
            tuple(faulty),
        )


def _mm(metres: float) -> str:
    return f"{1000 * metres:.2g} mm"
