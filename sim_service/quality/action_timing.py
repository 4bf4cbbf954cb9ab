"""What this collector's recordings say about the row of an action: where the arm rests first, and when the gripper is
told to be closed and open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import ACTION, Array, roles_of, true_state, values

# The arm begins at rest, and a first-order lag never passes its target. Measured: below 0 without noise; a column one
# row late exceeds 3e-4 rad with minimum-jerk interpolation, and 5e-3 with linear.
MOST_AHEAD_RAD: Final = 1e-4
_ONSET_S: Final = 0.3

CLOSED_AFTER: Final = 3  # phases: the last command of CLOSE_GRIPPER closes, that of OPEN_GRIPPER opens
OPENED_AFTER: Final = 7
_FINGER_M: Final = np.float32(1e-7)

_NOT_OURS: Final = "only this collector's episodes begin at rest and have collection/{}"


class ActionOnset:
    """How far the arm gets, in the first 0.3 s, beyond what it had been told before `collection/delay_ticks`: a column
    of actions that comes late moves the arm before it is told to."""

    def __init__(self) -> None:
        self._found = PerEpisode("action-onset", most=MOST_AHEAD_RAD, unit=" rad ahead of the command")

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        delay = episode.row.get("collection/delay_ticks")
        if not roles.units_known or delay is None:
            self._found.reason = _NOT_OURS.format("delay_ticks")
            return
        state = true_state(episode)[:, roles.joints]
        action = values(episode, ACTION)[:, roles.commands]
        rows = min(len(state), delay + 2 + round(_ONSET_S * episode.fps))
        self._found.values[episode.number] = _ahead_rad(state[:rows], action[:rows], delay)

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()


class GripperTiming:
    """By how many rows the commands that close and open the gripper stand beside the end of their phase, as
    `collection/segment_frames` has it; below 0 they come early."""

    def __init__(self) -> None:
        self._found = PerEpisode("gripper-timing", least=0, most=0, unit=" rows")

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        frames = episode.row.get("collection/segment_frames")
        if not roles.units_known or frames is None or len(frames) < OPENED_AFTER:
            self._found.reason = _NOT_OURS.format("segment_frames")
            return
        gripper = values(episode, ACTION)[:, roles.gripper_commands[0]]
        self._found.values[episode.number] = _rows_off(gripper, frames)

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()


def _ahead_rad(state: Array, action: Array, delay: int) -> float:
    moved = np.abs(state - state[0]).max(axis=1)
    told = np.maximum.accumulate(np.abs(action - state[0]).max(axis=1))
    ahead = moved[1:].copy()
    ahead[delay:] -= told[: len(told) - 1 - delay]
    return float(ahead.max(initial=0.0))


def _rows_off(gripper: Array, segment_frames: Sequence[int]) -> float:
    """Of the two, the one that is farther off."""
    closed = sum(segment_frames[:CLOSED_AFTER]) - 1
    opened = sum(segment_frames[:OPENED_AFTER]) - 1
    found_closed = _first(np.abs(gripper - FINGER_CLOSED_M) <= _FINGER_M, 0)
    found_opened = _first(np.abs(gripper - FINGER_OPEN_M) <= _FINGER_M, found_closed)
    off = (found_closed - closed, found_opened - opened)
    return float(max(off, key=abs))


def _first(true: np.ndarray, begin: int) -> int:
    """The first true row from `begin` on; the number of rows where there is none."""
    rows = np.flatnonzero(true[begin:])
    return begin + int(rows[0]) if len(rows) else len(true)
