"""Episodes that are in the dataset more than once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.roles import ACTION, STATE, roles_of, true_state

# RMS difference of two trajectories over their joints and over their time, each from 0 to 1. Measured: 0.07 rad between
# the two nearest of 100 episodes; 1.4 mrad between two recordings of one with sensors of 1 mrad, 4 mrad at half speed.
NEAR_RAD: Final = 0.005
NEAR_SHARE: Final = 0.002  # of the range in the dataset, for dimensions of unknown unit
_INSTANTS: Final = 32


class Duplicates:
    """Exact: observation.state and action are equal to the byte. Near: the joints go the same way, however fast. Keeps
    a kilobyte per episode; the comparison sorts the episodes along one direction, in which near ones are neighbours."""

    def __init__(self) -> None:
        self._hashes: dict[bytes, int] = {}
        self._exact: dict[int, int] = {}
        self._numbers: list[int] = []
        self._paths: list[NDArray[np.float32]] = []
        self._radians = True
        self._reason = "no episode"

    def see(self, episode: EpisodeNumbers) -> None:
        if STATE not in episode.columns or ACTION not in episode.columns:
            self._reason = f"no {STATE} or no {ACTION}"
            return
        digest = hashlib.sha256()
        for name in (STATE, ACTION):
            digest.update(np.ascontiguousarray(episode.columns[name]).tobytes())
        first = self._hashes.setdefault(digest.digest(), episode.number)
        if first != episode.number:
            self._exact[episode.number] = first
            return
        roles = roles_of(episode)
        self._radians = self._radians and roles.units_known
        state = true_state(episode)
        self._paths.append(_resampled(state[:, roles.joints] if roles.units_known else state))
        self._numbers.append(episode.number)

    def verdicts(self) -> Iterable[Verdict]:
        if not self._paths:
            yield Verdict("duplicate-episodes", "skipped", self._reason)
            return
        paths = np.stack(self._paths).reshape(len(self._paths), -1)
        if not self._radians:
            spread = np.tile(np.ptp(paths.reshape(len(paths), _INSTANTS, -1), axis=(0, 1)), _INSTANTS)
            paths /= np.where(spread > 0, spread, 1)
        pairs = near_pairs(paths, NEAR_RAD if self._radians else NEAR_SHARE)
        near = {self._numbers[copy]: self._numbers[original] for copy, original in pairs.items()}
        copies = {**near, **self._exact}
        of = [f"{copy} of {copies[copy]}" for copy in sorted(copies)]
        yield Verdict(
            "duplicate-episodes",
            "fail" if copies else "pass",
            f"{len(self._exact)} exact, {len(near)} near" + (f": {', '.join(of[:5])}" if of else ""),
            f"none; near is an RMS difference below {NEAR_RAD} rad"
            if self._radians
            else f"none; near is an RMS difference below {NEAR_SHARE} of the range",
            value=float(len(copies)),
            episodes=tuple(sorted(copies)),
            figures={"exact": len(self._exact), "near": len(near), "copy_of": {str(k): v for k, v in copies.items()}},
        )


def near_pairs(paths: NDArray[np.float32], tolerance: float) -> dict[int, int]:
    """Row to an earlier row whose RMS difference is below the tolerance; shape (rows, numbers).

    Along a direction of length 1 two such rows are no farther apart than sqrt(numbers) * tolerance: the rows are sorted
    along it and compared to their neighbours at distance 1, 2, ... until none is so near. A row that has been found to
    be a copy is compared no more."""
    window = np.sqrt(paths.shape[1]) * tolerance
    place = paths @ _widest(paths)
    order = np.argsort(place, kind="stable")
    place = place[order]
    single = np.ones(len(order), np.bool_)
    found: dict[int, int] = {}
    for step in range(1, len(order)):
        near = place[step:] - place[:-step] <= window
        if not near.any():
            break
        first = np.flatnonzero(near & single[step:] & single[:-step])
        distance = np.sqrt(np.mean((paths[order[first]] - paths[order[first + step]]) ** 2, axis=1))
        for place_of_one in first[distance < tolerance].tolist():
            pair = (place_of_one, place_of_one + step)
            later = max(pair, key=lambda at: int(order[at]))
            single[later] = False
            found.setdefault(int(order[later]), int(order[sum(pair) - later]))
    return found


def _widest(paths: NDArray[np.float32]) -> NDArray[np.float32]:
    """A direction of length 1 along which the rows are far apart: the first principal one of at most 1000 of them."""
    some = paths[:: max(1, len(paths) // 1000)]
    _, _, directions = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)
    first: NDArray[np.float32] = directions[0]
    return first


def _resampled(positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """At _INSTANTS even parts of its time, linear in between; shape (_INSTANTS, dimensions)."""
    place = np.linspace(0, len(positions) - 1, _INSTANTS)
    before = np.minimum(place.astype(np.int64), max(len(positions) - 2, 0))
    after = np.minimum(before + 1, len(positions) - 1)
    part = (place - before)[:, None]
    resampled: NDArray[np.float32] = (positions[before] * (1 - part) + positions[after] * part).astype(np.float32)
    return resampled
