"""Whether recorded joint velocities are those of the recorded positions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import roles_of, true_state

# A velocity that is read at the end of a control period is smaller than the mean over it, by 1.18 at 30 Hz with targets
# that are held (`collectors.motion.peak_factor`): a factor up to this either way is nobody's mistake. Measured after
# that: 0.07 and less, 0.15 with phases of 10 frames, whose corners the central difference rounds off.
MOST_FACTOR: Final = 1.5
MOST_OFF: Final = 0.35
_MOVING: Final = 0.1  # joints whose RMS speed is less than this part of the fastest joint's are not judged


class VelocityConsistency:
    """RMS distance of the recorded velocity, times the factor up to MOST_FACTOR that suits it best, from the central
    difference of the positions, over the RMS of that difference; of the joint that is worst."""

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
        velocity = state[1:-1, roles.velocities]
        power = np.maximum(np.sum(velocity**2, axis=0), np.finfo(np.float64).tiny)
        factor = np.clip(np.sum(velocity * quotient, axis=0) / power, 1 / MOST_FACTOR, MOST_FACTOR)
        off = np.sqrt(np.mean((factor * velocity - quotient) ** 2, axis=0))
        moving = rms > _MOVING * rms.max()
        if not moving.any():
            self._found.reason = "the arm does not move"
            return
        self._found.values[episode.number] = float((off[moving] / rms[moving]).max())

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()
