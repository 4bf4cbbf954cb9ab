"""Run a recorded episode's commands again, open loop: the proof that its actions cause its states."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.command_delay import CommandDelay
from collectors.episode import SETTLE_TICKS, advance
from collectors.features import ContinuousQuat, Row, action_of_row, state_row
from collectors.franka import FINGER_OPEN_M
from collectors.scene import Scene
from collectors.simulator import Action, Simulator, Tick


@dataclass(frozen=True, eq=False)
class RecordedEpisode:
    """states: rows of observation.state, shape (N, 23). actions: rows of action, shape (N, 8). attach_frame,
    detach_frame: first row with, and first row again without the weld; -1 for never."""

    scene: Scene
    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    attach_frame: int
    detach_frame: int


def replay(simulator: Simulator, episode: RecordedEpisode) -> Generator[Tick, None, NDArray[np.float32]]:
    """Reset the episode's scene and command its actions; returns the states observed, shape (N, 23).

    Row k is what is observed before action k, as in the recording. Raises SimulatorError.
    """
    quat = ContinuousQuat()
    rows: list[Row] = []
    try:
        simulator.detach()
        simulator.reset(episode.scene)
        observation = simulator.observe()
        start = Action(np.array(episode.scene.arm_rad), FINGER_OPEN_M)
        delay = CommandDelay(start, episode.scene.plant.delay_ticks)
        for _ in range(SETTLE_TICKS):
            observation = yield from advance(simulator, observation, start, images=False)
        for frame, action in enumerate(episode.actions):
            if frame == episode.attach_frame:
                simulator.attach()
            elif frame == episode.detach_frame:
                simulator.detach()
            rows.append(state_row(observation, quat(observation.hand_to_world.quat_wxyz)))
            observation = yield from advance(simulator, observation, delay(action_of_row(action)), images=False)
    finally:
        simulator.detach()
    return np.stack(rows)


def joint_deviation(recorded: NDArray[np.float32], replayed: NDArray[np.float32]) -> float:
    """Largest difference of any joint or finger position [rad, m] or joint velocity [rad/s] in any row."""
    joints = slice(0, 16)
    return float(np.abs(recorded[:, joints].astype(np.float64) - replayed[:, joints].astype(np.float64)).max())
