"""Whether a Franka could run what is commanded: speed, acceleration and jerk against its limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from collectors.franka import JOINT_VELOCITY_LIMIT_RAD_S, NUM_ARM_JOINTS
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import ACTION, Array, roles_of, values

# "Franka Control Interface Documentation", Robot and interface specifications, Panda, limits in joint space.
JOINT_ACCELERATION_LIMIT_RAD_S2: Final = (15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0)
JOINT_JERK_LIMIT_RAD_S3: Final = (7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0)

# Of the rows. Targets that move at even speed turn in one row where a phase ends, and the servos smooth that: measured,
# 3 % of the rows are above the limit of acceleration, and 7 % with phases of 10 frames. Noise of 4 mrad on the targets
# puts half of them there at 30 fps.
MOST_ABOVE: Final = 0.1

_UNKNOWN: Final = "the limits of this robot's joints are not known"


class CommandLimits:
    """command-speed: the largest step from one target to the next. command-acceleration, command-jerk: the part of the
    rows in which the second and third differences of the targets are above the limit; their peaks are figures.
    robot_type: of info.json. A Franka is told by this collector's names, or by its type and seven commanded joints."""

    def __init__(self, robot_type: str = "") -> None:
        self._franka = any(word in robot_type.lower() for word in ("franka", "panda"))
        self._speed = PerEpisode("command-speed", most=1.0, unit=" of the limit")
        above = " of the rows above the limit"
        self._acceleration = PerEpisode("command-acceleration", most=MOST_ABOVE, unit=above)
        self._jerk = PerEpisode("command-jerk", most=MOST_ABOVE, unit=above)
        self._peaks = {"command-acceleration": 0.0, "command-jerk": 0.0}

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.units_known and not (self._franka and len(roles.commands) == NUM_ARM_JOINTS):
            for found in (self._speed, self._acceleration, self._jerk):
                found.reason = _UNKNOWN
            return
        speed = np.diff(values(episode, ACTION)[:, roles.commands], axis=0) * episode.fps
        acceleration = np.diff(speed, axis=0) * episode.fps
        jerk = np.diff(acceleration, axis=0) * episode.fps
        self._speed.values[episode.number] = float(_of_limit(speed, JOINT_VELOCITY_LIMIT_RAD_S).max(initial=0.0))
        for found, difference, limits in (
            (self._acceleration, acceleration, JOINT_ACCELERATION_LIMIT_RAD_S2),
            (self._jerk, jerk, JOINT_JERK_LIMIT_RAD_S3),
        ):
            parts = _of_limit(difference, limits)
            found.values[episode.number] = float(np.mean(parts > 1)) if len(parts) else 0.0
            self._peaks[found.gate] = max(self._peaks[found.gate], float(parts.max(initial=0.0)))

    def verdicts(self) -> Iterable[Verdict]:
        yield self._speed.verdict()
        for found in (self._acceleration, self._jerk):
            verdict = found.verdict()
            if verdict.status != "skipped":
                peak = self._peaks[found.gate]
                verdict = replace(
                    verdict,
                    found=f"{verdict.found}; the peak is {peak:.3g} of the limit",
                    figures={**verdict.figures, "peak_of_the_limit": peak},
                )
            yield verdict


def _of_limit(values: Array, limits: tuple[float, ...]) -> Array:
    """The largest joint's part of its limit, by row."""
    largest: Array = (np.abs(values) / np.asarray(limits)).max(axis=1)
    return largest
