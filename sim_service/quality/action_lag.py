"""By how many frames the arm's motion follows the commanded one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import numpy as np

from collectors.franka import SERVO_LAG_S
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import ACTION, NO_PAIRS, Array, roles_of, true_state, values

# A target that is held for a frame runs half a frame ahead of a steady motion; then the servos' lag follows. Measured
# on the embedded simulator: within 0.1 of it. A column that is shifted by a row is off by 1.
HELD_FRAMES: Final = 0.5
MEDIAN_TOLERANCE_FRAMES: Final = 0.5
EPISODE_TOLERANCE_FRAMES: Final = 0.75
# Of robots that are not known: an action leads, and half a second is more than a usable servo takes.
LEAST_UNKNOWN_FRAMES: Final = 0.5
MOST_UNKNOWN_S: Final = 0.5

_AHEAD: Final = 3  # frames by which the fit lets the motion lead
_BEHIND_S: Final = 0.7
_FOLLOWED: Final = 0.1  # joints that cover less than this of their command are another gate's concern


class ActionLag:
    """The lag is that of the best fit, in the least-squares sense, of the joint positions by the commanded ones, less
    `collection/delay_ticks`. This collector's recordings must have the lag of its servos, others a plausible one."""

    def __init__(self) -> None:
        self._known = PerEpisode("action-lag", unit=" frames")
        self._unknown = PerEpisode("action-lag", unit=" frames")
        self._expected = 0.0

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.joints:
            self._unknown.reason = NO_PAIRS
            return
        state, action = true_state(episode)[:, roles.joints], values(episode, ACTION)[:, roles.commands]
        follows = np.ptp(state, axis=0) > _FOLLOWED * np.ptp(action, axis=0)
        lag = fitted_lag(state[:, follows], action[:, follows], -_AHEAD, round(_BEHIND_S * episode.fps))
        if lag is None:
            self._unknown.reason = "episodes shorter than the lags that are tried, or without motion"
            return
        delay = episode.row.get("collection/delay_ticks")
        if roles.units_known and delay is not None:
            self._expected = SERVO_LAG_S * episode.fps + HELD_FRAMES
            self._known.values[episode.number] = lag - delay
        else:
            self._unknown.most = MOST_UNKNOWN_S * episode.fps
            self._unknown.values[episode.number] = lag

    def verdicts(self) -> Iterable[Verdict]:
        found = self._known if self._known.values else self._unknown
        if not found.values:
            yield found.verdict()
            return
        lags = np.array(list(found.values.values()))
        median = float(np.median(lags))
        figures = {"median_frames": median, "least_frames": float(lags.min()), "most_frames": float(lags.max())}
        if found is self._known:
            allowed = (
                f"{self._expected:.1f} +- {MEDIAN_TOLERANCE_FRAMES} frames in the median, "
                f"+- {EPISODE_TOLERANCE_FRAMES} in each episode"
            )
            off = abs(median - self._expected) > MEDIAN_TOLERANCE_FRAMES
            at_fault = [e for e, lag in found.values.items() if abs(lag - self._expected) > EPISODE_TOLERANCE_FRAMES]
        else:
            allowed = f"{LEAST_UNKNOWN_FRAMES} to {found.most:.0f} frames in the median; the robot's own lag is unknown"
            off = not LEAST_UNKNOWN_FRAMES <= median <= found.most
            at_fault = [e for e, lag in found.values.items() if off and not LEAST_UNKNOWN_FRAMES <= lag <= found.most]
        yield Verdict(
            "action-lag",
            "fail" if off or at_fault else "pass",
            f"{median:.2f} frames in the median, {lags.min():.2f} to {lags.max():.2f}",
            allowed,
            value=median,
            episodes=tuple(sorted(at_fault)),
            figures=figures,
        )


def fitted_lag(state: Array, action: Array, least: int, most: int) -> float | None:
    """The lag [frames], a fraction, with which the action, linear between its rows, fits the state best.

    state, action: of the same joints, shape (frames, joints). Constant offsets between the two do not count. None
    where the episode is too short for the lags from `least` to `most`, or the action does not move.
    """
    first, end = most + 1, len(state) + min(least, 0)
    if end - first < most:
        return None
    wanted = state[first:end]
    wanted = wanted - wanted.mean(axis=0)
    delayed = [action[first - lag : end - lag] for lag in range(least, most + 2)]
    delayed = [part - part.mean(axis=0) for part in delayed]
    best: tuple[float, float] | None = None
    for number, (near, far) in enumerate(pairwise(delayed)):
        off, more = wanted - near, far - near
        power = float(np.sum(more * more))
        if power == 0:
            continue
        part = float(np.clip(np.sum(off * more) / power, 0.0, 1.0))
        error = float(np.sum((off - part * more) ** 2))
        if best is None or error < best[0]:
            best = (error, least + number + part)
    return None if best is None else best[1]
