"""Whether recorded joint velocities are those of the recorded positions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import roles_of, true_state

# Measured: 0.16 and less; the difference over two frames rounds the corners of a linear interpolation off. A velocity
# in degrees, of another sign, or of another joint has 1 and more, one that comes three rows late 0.4.
MOST_OFF: Final = 0.35
_MOVING: Final = 0.1  # joints whose RMS speed is less than this part of the fastest joint's are not judged


class VelocityConsistency:
    """RMS distance of the recorded velocity from the central difference of the positions, over the RMS of that
    difference; of the joint that is worst."""

    def __init__(self) -> None:
        self._found = PerEpisode("velocity-consistency", most=MOST_OFF, unit=" of the velocity")

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.velocities:
            self._found.reason = "no velocities beside the positions of joints"
            return
        state = true_state(episode)
        if len(state) < 3:
            self._found.reason = "episodes of fewer than 3 rows"
            return
        quotient = (state[2:, roles.joints] - state[:-2, roles.joints]) * (episode.fps / 2)
        rms = np.sqrt(np.mean(quotient**2, axis=0))
        off = np.sqrt(np.mean((state[1:-1, roles.velocities] - quotient) ** 2, axis=0))
        moving = rms > _MOVING * rms.max()
        if not moving.any():
            self._found.reason = "the arm does not move"
            return
        self._found.values[episode.number] = float((off[moving] / rms[moving]).max())

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()
