"""Numbers that are none, and quaternions that are no rotation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import quaternions, values

# float32 holds a unit quaternion to 1e-7; this is the looseness of LeRobot's users, who store four decimals.
MOST_NORM_OFF: Final = 1e-3


class FiniteValues:
    """An episode with a number that is not finite is shown to no other gate."""

    def __init__(self) -> None:
        self._found = PerEpisode("finite-values", most=0, unit=" numbers that are not finite")

    def see(self, episode: EpisodeNumbers) -> None:
        self._found.values[episode.number] = count_not_finite(episode.columns)

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()


class UnitQuaternions:
    """The largest distance of a quaternion's norm from 1."""

    def __init__(self) -> None:
        self._found = PerEpisode("unit-quaternions", most=MOST_NORM_OFF, unit=" off the norm of 1")

    def see(self, episode: EpisodeNumbers) -> None:
        found = quaternions(episode.names)
        if not found:
            self._found.reason = "no dimensions named quat_w, quat_x, quat_y, quat_z"
            return
        norms = [np.linalg.norm(values(episode, feature)[:, indices], axis=1) for feature, indices in found]
        self._found.values[episode.number] = float(max(np.abs(norm - 1).max(initial=0.0) for norm in norms))

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()


def count_not_finite(columns: Mapping[str, NDArray[Any]]) -> int:
    return sum(int(np.sum(~np.isfinite(column))) for column in columns.values() if column.dtype.kind == "f")
