"""A command takes effect so many control periods later, and the start holds until then."""

import numpy as np
import pytest
from fake_simulator import FakeSimulator

from collectors.command_delay import CommandDelay
from collectors.episode import SETTLE_TICKS, run_episode
from collectors.franka import FINGER_OPEN_M
from collectors.objects import CUBE
from collectors.randomization import Randomization
from collectors.simulator import Action
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.collection import drive


def action(number: int) -> Action:
    return Action(np.full(7, float(number)), 0.0)


@pytest.mark.parametrize("ticks", [0, 1, 2, 3])
def test_commands_come_out_in_order_so_many_ticks_later(ticks: int) -> None:
    start, issued = action(-1), [action(number) for number in range(10)]
    delay = CommandDelay(start, ticks)
    assert [delay(command) for command in issued] == [*[start] * ticks, *issued[: 10 - ticks]]


class Rows:
    def __init__(self) -> None:
        self.actions: list[np.ndarray] = []

    def add_frame(self, episode_index, frame_index, state, action, timestamp, next_done, extra=None):  # type: ignore[no-untyped-def]  # FrameSink's
        self.actions.append(np.array(action, dtype=np.float64))

    def add_video_frame(self, camera, rgb):  # type: ignore[no-untyped-def]  # likewise
        pass


class Commanded(FakeSimulator):
    def __init__(self) -> None:
        super().__init__()
        self.commands: list[np.ndarray] = []

    def command(self, action: Action) -> None:
        self.commands.append(np.append(action.arm_rad, action.finger_m))
        super().command(action)


@pytest.mark.parametrize("ticks", [0, 1, 3])
def test_an_episode_records_what_was_issued_and_commands_what_has_arrived(ticks: int) -> None:
    simulator, rows, task = Commanded(), Rows(), PickPlace((CUBE,))
    variation = draw_variation(Randomization(delay_ticks=(ticks, ticks)), (1, 2, 3))
    plan = task.draw(np.random.default_rng(4), variation)
    outcome = drive(simulator, run_episode(simulator, task, plan, rows, episode_index=0, steps_per_segment=30))
    assert outcome.success
    start, issued = np.append(plan.scene.arm_rad, FINGER_OPEN_M), np.stack(rows.actions)
    expected = np.concatenate([np.tile(start, (SETTLE_TICKS + ticks, 1)), issued])
    np.testing.assert_array_equal(simulator.commands[: len(expected)], expected)
