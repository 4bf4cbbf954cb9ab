"""By how many frames the arm's motion follows the commanded one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import numpy as np

from collectors.franka import SERVO_LAG_S
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.roles import ACTION, NO_PAIRS, Array, roles_of, true_state, values

# Of this collector's recordings: beyond what a first-order lag of SERVO_LAG_S and the delay make of the actions. A
# column that is shifted by a row is off by 1.
MEDIAN_TOLERANCE_FRAMES: Final = 0.5
EPISODE_TOLERANCE_FRAMES: Final = 0.75
# Of robots that are not known: an action leads, and half a second is more than a usable servo takes.
LEAST_UNKNOWN_FRAMES: Final = 0.5
MOST_UNKNOWN_S: Final = 0.5

_AHEAD: Final = 3  # frames by which the fit lets the motion lead
_BEHIND_S: Final = 0.7
_FOLLOWED: Final = 0.1  # joints that cover less than this of their command are another gate's concern


class ActionLag:
    """The lag is the shift with which the commanded joint positions fit the recorded ones best, in the least-squares
    sense. Of this collector's episodes it is what is left after the lag of its servos and `collection/delay_ticks`, and
    must be none; of others it must be a plausible one in the median."""

    def __init__(self) -> None:
        self._beyond: dict[int, float] = {}
        self._whole: dict[int, float] = {}
        self._most_unknown = 0.0
        self._reason = "no episode"

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.joints:
            self._reason = NO_PAIRS
            return
        state, action = true_state(episode)[:, roles.joints], values(episode, ACTION)[:, roles.commands]
        follows = np.ptp(state, axis=0) > _FOLLOWED * np.ptp(action, axis=0)
        state, action = state[:, follows], action[:, follows]
        delay = episode.row.get("collection/delay_ticks")
        ours = roles.units_known and delay is not None
        lag_s = SERVO_LAG_S / float(episode.row.get("collection/gain") or 1)
        commanded = servo_response(action, state[0], int(delay or 0), lag_s * episode.fps) if ours else action
        lag = fitted_lag(state, commanded, -_AHEAD, round(_BEHIND_S * episode.fps))
        if lag is None:
            self._reason = "episodes shorter than the lags that are tried, or without motion"
        elif ours:
            self._beyond[episode.number] = lag
        else:
            self._most_unknown = MOST_UNKNOWN_S * episode.fps
            self._whole[episode.number] = lag

    def verdicts(self) -> Iterable[Verdict]:
        found = self._beyond or self._whole
        if not found:
            yield Verdict("action-lag", "skipped", self._reason)
            return
        lags = np.array(list(found.values()))
        median = float(np.median(lags))
        if found is self._beyond:
            what = "frames beyond the servos' lag and the delay"
            allowed = f"+-{MEDIAN_TOLERANCE_FRAMES} in the median, +-{EPISODE_TOLERANCE_FRAMES} in each episode"
            off = abs(median) > MEDIAN_TOLERANCE_FRAMES
            at_fault = [episode for episode, lag in found.items() if abs(lag) > EPISODE_TOLERANCE_FRAMES]
        else:
            what = "frames"
            allowed = f"{LEAST_UNKNOWN_FRAMES} to {self._most_unknown:.0f} in the median; the robot's own is not known"
            off = not LEAST_UNKNOWN_FRAMES <= median <= self._most_unknown
            at_fault = [e for e, lag in found.items() if off and not LEAST_UNKNOWN_FRAMES <= lag <= self._most_unknown]
        yield Verdict(
            "action-lag",
            "fail" if off or at_fault else "pass",
            f"{_rounded(median)} {what} in the median, {_rounded(lags.min())} to {_rounded(lags.max())}",
            allowed,
            value=median,
            episodes=tuple(sorted(at_fault)),
            figures={"median_frames": median, "least_frames": float(lags.min()), "most_frames": float(lags.max())},
        )


def servo_response(action: Array, start: Array, delay_ticks: int, lag_frames: float) -> Array:
    """Where joints of a first-order lag are at every row, shape (frames, joints), if the action of a row is held from
    that row to the next, `delay_ticks` rows late. start: [rad], at row 0, and the target till then."""
    left = math.exp(-1 / lag_frames)
    response = np.empty_like(action)
    response[0] = start
    for row in range(1, len(action)):
        told = row - 1 - delay_ticks
        target = action[told] if told >= 0 else start
        response[row] = target + left * (response[row - 1] - target)
    return response


def _rounded(frames: float) -> str:
    return f"{round(frames, 2) + 0.0:.2f}"  # no -0.00


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
