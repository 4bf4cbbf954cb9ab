"""Whether the gripper opens and closes as a grasp does, or chatters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.roles import ACTION, Array, roles_of, values

# A grasp holds for longer: measured 3 s from closed to open, and no phase is shorter than the 0.8 s that the fingers
# take.
SHORTEST_HOLD_S: Final = 0.4
EXPECTED_CHANGES: Final = 2  # of one pick and one place: closed once, opened once

_NO_GRIPPER: Final = "no dimension of action is named gripper or finger"


class Gripper:
    """A change is where the command passes from the lowest third of its range in the dataset to the highest, or back.
    gripper-chatter: changes within SHORTEST_HOLD_S of the one before. gripper-cycles: changes per episode, of this
    collector's task alone. Keeps the command of every episode, four bytes a row, until the range is known."""

    def __init__(self) -> None:
        self._chatter = PerEpisode("gripper-chatter", most=0, unit=" hasty changes")
        self._cycles = PerEpisode("gripper-cycles", least=EXPECTED_CHANGES, most=EXPECTED_CHANGES, unit=" changes")
        self._kept: dict[int, tuple[NDArray[np.float32], int, bool]] = {}

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.gripper_commands:
            self._chatter.reason = self._cycles.reason = _NO_GRIPPER
            return
        if not roles.units_known:
            self._cycles.reason = "what the task asks of the gripper is not known"
        command = values(episode, ACTION)[:, roles.gripper_commands].astype(np.float32)
        self._kept[episode.number] = (command, episode.fps, roles.units_known)

    def verdicts(self) -> Iterable[Verdict]:
        if self._kept:
            least = np.min([command.min(axis=0) for command, _, _ in self._kept.values()], axis=0)
            most = np.max([command.max(axis=0) for command, _, _ in self._kept.values()], axis=0)
        for number, (command, fps, ours) in self._kept.items():
            changes = [_changes(command[:, i], least[i], most[i]) for i in range(command.shape[1])]
            self._chatter.values[number] = max(int(np.sum(np.diff(rows) < SHORTEST_HOLD_S * fps)) for rows in changes)
            if ours:
                self._cycles.values[number] = max(len(rows) for rows in changes)
        yield self._chatter.verdict()
        yield self._cycles.verdict()


def _changes(command: NDArray[np.float32], least: float, most: float) -> Array:
    """The rows in which it has reached the other side."""
    if most <= least:
        return np.empty(0)
    third = (most - least) / 3
    side = np.where(command >= most - third, 1, np.where(command <= least + third, -1, 0))
    rows = np.flatnonzero(side)
    found: Array = rows[1:][np.diff(side[rows]) != 0].astype(np.float64)
    return found
