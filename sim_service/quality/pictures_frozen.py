"""Cameras that show the same picture while the robot moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectors.features import TRUE_STATE
from sim_service.quality.gate import Luma, Verdict
from sim_service.stored import StoredDataset

# Two pictures are one and the same to within these. Measured on freezes planted in this collector's videos: a keyframe
# in the middle of one changes no pixel by more than 13 levels, and the mean by 0.41.
SAME_LEVELS: Final = 14
SAME_MEAN_LEVELS: Final = 0.6

LEAST_REPEATS: Final = 6
# Of the norm of the state's range within the episode. The picture of an arm that closes its gripper or waits for a
# delayed command may stand still: measured, it moves by no more than 0.0175 meanwhile.
LEAST_MOTION: Final = 0.03
# The change into or out of the stretch, over the median of the changes between the episode's pictures that are not the
# same. Without shadows, a camera on the hand above a plain table sees nothing move: measured on 32 episodes of
# `--render-preset fast --randomize none`, for up to 46 of 270 frames, with at most 0.48 before and after.
LEAST_EDGE: Final = 1.0
# A stretch to the episode's end shows no change out of it, and half of one into it is enough where the robot moves far:
# measured, such stretches have 0.37 and move by 0.12.
LEAST_LAST_EDGE: Final = 0.5
LEAST_LAST_MOTION: Final = 0.2
LONGEST_PART: Final = 0.4  # of an episode, however it begins and ends
_STEP: Final = 2  # every second row


class _Stretch(NamedTuple):
    """first, last: frames that show one picture. edge: how abruptly it begins or ends, see LEAST_EDGE. part: of the
    episode's changes. to_end: whether `last` is the episode's last frame."""

    episode: int
    camera: str
    first: int
    last: int
    edge: float
    part: float
    to_end: bool

    @property
    def repeats(self) -> int:
        return self.last - self.first

    def is_defect(self, motion: float) -> bool:
        """motion: see LEAST_MOTION."""
        if self.to_end and self.edge >= LEAST_LAST_EDGE and motion >= LEAST_LAST_MOTION:
            return True
        return motion >= LEAST_MOTION and (self.edge >= LEAST_EDGE or self.part >= LONGEST_PART)


@dataclass
class _Watched:
    """An episode of one camera under way. means: of the change from each picture to the next; same: whether it is
    none."""

    episode: int
    previous: Luma
    means: list[float] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)


class FrozenGate:
    """Verdict "frozen-pictures". What the robot does meanwhile is read from the dataset, and only where pictures
    repeat."""

    def __init__(self, dataset: StoredDataset) -> None:
        self._dataset = dataset
        known = (TRUE_STATE, "observation.state", "action")
        self._motion = next((name for name in known if name in dataset.features), None)
        self._watched: dict[str, _Watched] = {}
        self._frozen: list[_Stretch] = []
        self._still = 0
        self._any = False

    def see(self, episode: int, camera: str, frame: int, luma: Luma) -> None:
        self._any = True
        rows = luma[::_STEP]
        watched = self._watched.get(camera)
        if frame == 0 or watched is None:
            self._end(camera)
            self._watched[camera] = _Watched(episode, rows.copy())
            return
        change = np.maximum(rows, watched.previous) - np.minimum(rows, watched.previous)
        mean = float(change.sum(dtype=np.int64)) / change.size
        watched.means.append(mean)
        watched.same.append(mean <= SAME_MEAN_LEVELS and int(change.max()) <= SAME_LEVELS)
        watched.previous = rows.copy()

    def verdicts(self) -> Iterator[Verdict]:
        for camera in list(self._watched):
            self._end(camera)
        if not self._any or self._motion is None:
            unknown = "no observation.state and no action tell whether the robot moves"
            yield Verdict("frozen-pictures", "skipped", unknown if self._any else "no picture was examined")
            return
        worst = max(self._frozen, key=lambda stretch: stretch.repeats, default=None)
        found = (
            f"no camera stands still while something is to be seen moving; one does for {self._still} frames at most"
        )
        if worst is not None:
            found = (
                f"{len(self._frozen)} times a camera repeats a picture while the robot moves; longest in episode "
                f"{worst.episode}, {worst.camera}, frames {worst.first} to {worst.last}"
            )
        yield Verdict(
            "frozen-pictures",
            "fail" if worst else "pass",
            found,
            f"fewer than {LEAST_REPEATS} repeats while the robot moves",
            float(worst.repeats if worst else 0),
            tuple(sorted({stretch.episode for stretch in self._frozen})),
            {"longest_repeat_frames": self._still},
        )

    def _end(self, camera: str) -> None:
        """Judge the camera's episode under way."""
        watched = self._watched.pop(camera, None)
        if watched is None:
            return
        stretches = [s for s in _stretches(camera, watched) if s.repeats >= LEAST_REPEATS]
        self._still = max([self._still, *(s.repeats for s in stretches)])
        if not stretches or self._motion is None:
            return
        states = self._dataset.numbers(watched.episode, [self._motion])[self._motion].astype(np.float64)
        self._frozen += [stretch for stretch in stretches if stretch.is_defect(_motion(states, stretch))]


def _stretches(camera: str, watched: _Watched) -> Iterator[_Stretch]:
    same, means = np.array(watched.same, bool), np.array(watched.means)
    usual = float(np.median(means[~same])) if not same.all() else 0.0
    # Change k leads from frame k to frame k + 1; one that is not "same" stands before the first and after the last.
    ends = np.flatnonzero(~np.concatenate([[False], same, [False]])) - 1
    for before, after in pairwise(ends.tolist()):
        if after - before > 1:
            edges = [means[k] for k in (before, after) if 0 <= k < len(means)]
            edge = float(max(edges, default=0.0)) / usual if usual else 0.0
            part = (after - before - 1) / len(means)
            yield _Stretch(watched.episode, camera, before + 1, after, edge, part, after == len(means))


def _motion(states: NDArray[np.float64], stretch: _Stretch) -> float:
    """How far the robot gets from where the stretch begins; see LEAST_MOTION."""
    states = states.reshape(len(states), -1)
    extent = float(np.linalg.norm(np.ptp(states, axis=0)))
    way = states[stretch.first : stretch.last + 1] - states[stretch.first]
    return float(np.linalg.norm(way, axis=1).max()) / extent if extent else 0.0
