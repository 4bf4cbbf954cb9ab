"""Open-loop replay of recorded actions, on the fake simulator; tests/sim_service has the same in MuJoCo."""

import numpy as np
import pytest
from fake_simulator import FakeSimulator

from collectors.episode import run_episode
from collectors.objects import CUBE
from collectors.randomization import PRESETS
from collectors.replay import RecordedEpisode, joint_deviation, replay
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.collection import drive

PLAIN = draw_variation(PRESETS["none"], (0, 0, 0))


class Rows:
    def __init__(self) -> None:
        self.states: list[np.ndarray] = []
        self.actions: list[np.ndarray] = []

    def add_frame(self, episode_index, frame_index, state, action, timestamp, next_done, extra=None):  # type: ignore[no-untyped-def]  # FrameSink's
        self.states.append(np.array(state))
        self.actions.append(np.array(action))

    def add_video_frame(self, camera, rgb):  # type: ignore[no-untyped-def]  # likewise
        pass


@pytest.fixture(scope="module")
def recorded() -> RecordedEpisode:
    simulator, rows, task = FakeSimulator(), Rows(), PickPlace((CUBE,))
    plan = task.draw(np.random.default_rng(0), PLAIN)
    outcome = drive(simulator, run_episode(simulator, task, plan, rows, episode_index=0, steps_per_segment=30))
    return RecordedEpisode(
        plan.scene, np.stack(rows.states), np.stack(rows.actions), outcome.attach_frame, outcome.detach_frame
    )


def deviation(recorded: RecordedEpisode, actions: np.ndarray) -> float:
    simulator = FakeSimulator()
    changed = RecordedEpisode(recorded.scene, recorded.states, actions, recorded.attach_frame, recorded.detach_frame)
    return joint_deviation(recorded.states, drive(simulator, replay(simulator, changed)))


def test_recorded_actions_reproduce_the_recorded_states(recorded: RecordedEpisode) -> None:
    assert deviation(recorded, recorded.actions) == 0.0


@pytest.mark.parametrize("shift", [-1, 1])
def test_shifted_actions_do_not(recorded: RecordedEpisode, shift: int) -> None:
    shifted = np.roll(recorded.actions, shift, axis=0)
    shifted[0 if shift == 1 else -1] = recorded.actions[0 if shift == 1 else -1]
    assert deviation(recorded, shifted) > 1e-3


def test_the_weld_is_replayed(recorded: RecordedEpisode) -> None:
    simulator = FakeSimulator()
    drive(simulator, replay(simulator, recorded))
    assert simulator.calls.count("attach") == 1
    assert not simulator.welded
