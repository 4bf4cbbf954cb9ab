"""How much of an episode nothing moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import ACTION, STATE, Roles, roles_of, true_state, values

Rows = NDArray[np.bool_]

# Measured: 0 of the rows with linear interpolation; with minimum-jerk, which begins and ends each phase slowly, at most
# 0.07 in 100 episodes, and 0.11 where the hand moves in straight lines.
MOST_IDLE: Final = 0.25
MOST_IDLE_END_S: Final = 0.5
# A commanded speed of less is rest.
STILL_RAD_S: Final = 0.005
STILL_M_S: Final = 0.001
# Of what a dimension of unknown unit covers in the episode, in a second.
STILL_SHARE_S: Final = 0.015


class Idle:
    """A row is idle where no commanded dimension moves on from the row before; where no command is known, none of
    observation.state."""

    def __init__(self) -> None:
        self._share = PerEpisode("idle-share", most=MOST_IDLE, unit=" of the rows")
        self._ends = PerEpisode("idle-ends", most=MOST_IDLE_END_S, unit=" s")

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.joints and STATE not in episode.columns:
            self._share.reason = self._ends.reason = f"no {STATE}"
            return
        still = _still(episode, roles)
        if not len(still):
            self._share.reason = self._ends.reason = "episodes of one row"
            return
        self._share.values[episode.number] = float(still.mean())
        ends = max(_leading(still), _leading(still[::-1]))
        self._ends.values[episode.number] = ends / episode.fps

    def verdicts(self) -> Iterable[Verdict]:
        yield self._share.verdict()
        yield self._ends.verdict()


def _still(episode: EpisodeNumbers, roles: Roles) -> Rows:
    """Of every row but the first."""
    if roles.units_known:
        steps = np.abs(np.diff(values(episode, ACTION), axis=0)) * episode.fps
        arm, gripper = steps[:, roles.commands], steps[:, roles.gripper_commands]
        return np.asarray((arm < STILL_RAD_S).all(axis=1) & (gripper < STILL_M_S).all(axis=1))
    moving = values(episode, ACTION) if roles.joints else true_state(episode)
    steps = np.abs(np.diff(moving, axis=0)) * episode.fps
    return np.asarray((steps <= STILL_SHARE_S * np.ptp(moving, axis=0)).all(axis=1))


def _leading(still: Rows) -> int:
    """How many rows it begins with."""
    return int(np.argmin(still)) if not still.all() else len(still)
