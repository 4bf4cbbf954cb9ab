"""Whether the action is a command, or the measured state over again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from collectors.features import TRUE_STATE
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import ACTION, NO_PAIRS, STATE, Array, roles_of, values

# In units of what the arm moves from one row to the next. Measured: 2.0 and more with the servos' lag of three frames,
# 0 for a copy.
LEAST_DISTANCE: Final = 0.5
# Rows count in which the arm moves by at least this part of its largest step in the episode; at rest it is where it was
# told to be.
_MOVING: Final = 0.2


class ActionIdentity:
    """The distance of the action from the state of the same row and of the next one, whichever is nearer, as measured
    or true: the median over the moving rows."""

    def __init__(self) -> None:
        self._found = PerEpisode("action-identity", least=LEAST_DISTANCE, unit=" steps of the arm")

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.joints:
            self._found.reason = NO_PAIRS
            return
        action = values(episode, ACTION)[:, roles.commands]
        recorded = [name for name in (STATE, TRUE_STATE) if name in episode.columns]
        distances = [
            _distance(values(episode, name)[:, roles.joints], action, ahead) for name in recorded for ahead in (0, 1)
        ]
        if None in distances:
            self._found.reason = "the arm does not move"
            return
        self._found.values[episode.number] = min(distance for distance in distances if distance is not None)

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()


def _distance(state: Array, action: Array, ahead: int) -> float | None:
    """None where nothing moves. ahead: rows from the action to the state that it is compared to."""
    steps = np.abs(np.diff(state, axis=0)).max(axis=1, initial=0.0)
    largest = float(steps.max(initial=0.0))
    if largest == 0:
        return None
    moving = steps >= _MOVING * largest
    off = np.abs(action[:-1] - state[ahead : len(state) - 1 + ahead]).max(axis=1)
    return float(np.median(off[moving] / steps[moving]))
