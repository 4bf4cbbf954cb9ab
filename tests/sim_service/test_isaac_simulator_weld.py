"""The weld of the Isaac Sim adapter: fingers that do not fight it, and an episode that fails when it slips."""

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest
from isaac_cell import VERSIONS, Cell, isaac_cell, refused
from isaac_standin import Faults
from simulator_contract import BLIND, grasped, in_hand, scene

from collectors.episode import EpisodeOutcome, run_episode
from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD
from collectors.geometry import Pose, quat_about_axis, rotation_angle
from collectors.objects import YCB
from collectors.randomization import Randomization
from collectors.simulator import Action, SimulatorError, Tick
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.collection import drive
from sim_service.simulators import SimulatorSettings

WELD = "/World/GraspWeld"


@pytest.fixture(scope="module", params=VERSIONS)
def shared(request: pytest.FixtureRequest) -> Iterator[Cell]:
    with isaac_cell(request.param, SimulatorSettings(use_ycb=True)) as cell:
        yield cell


@pytest.fixture
def cell(shared: Cell) -> Cell:
    shared.isaac.kit.faults = Faults()
    shared.simulator.reset(scene(shared.simulator.objects[0]))
    return shared


def finger_targets_m(cell: Cell) -> list[float]:
    return [float(target) for target in cell.isaac.kit.physics.target_positions[7:]]


class Nowhere:
    """A sink of frames."""

    def __init__(self) -> None:
        self.frames = 0

    def add_frame(self, *row: Any, **extra: Any) -> None:
        self.frames += 1

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        pass


def episode(cell: Cell, sink: Nowhere) -> Generator[Tick, None, EpisodeOutcome]:
    task = PickPlace(cell.simulator.objects)
    plan = task.draw(np.random.default_rng(2), draw_variation(Randomization(), (2, 0, 0)))
    return run_episode(cell.simulator, task, plan, sink, episode_index=0, steps_per_segment=2)


def test_fingers_press_by_a_millimetre_while_welded_and_are_free_again_after(cell: Cell) -> None:
    for kind in cell.simulator.objects:
        half_width_m = kind.size_m[0] / 2
        seen = grasped(cell.simulator, kind)
        assert finger_targets_m(cell) == pytest.approx([half_width_m - 0.001] * 2), kind.name  # told to close
        for wanted, told in ((FINGER_OPEN_M, FINGER_OPEN_M), (0.039, 0.039), (FINGER_CLOSED_M, half_width_m - 0.001)):
            cell.simulator.command(Action(seen.arm_rad, wanted))
            assert finger_targets_m(cell) == pytest.approx([told] * 2), kind.name
        cell.simulator.detach()
        assert finger_targets_m(cell) == [FINGER_CLOSED_M] * 2
        cell.simulator.attach()
        cell.simulator.reset(scene(kind))
        assert finger_targets_m(cell) == pytest.approx([FINGER_OPEN_M] * 2)
        cell.simulator.command(Action(seen.arm_rad, FINGER_CLOSED_M))
        assert finger_targets_m(cell) == [FINGER_CLOSED_M] * 2


def test_it_is_there_from_attach_to_detach(cell: Cell) -> None:
    for end in (cell.simulator.detach, lambda: cell.simulator.reset(scene(cell.simulator.objects[0]))):
        assert not cell.isaac.stage.GetPrimAtPath(WELD)
        grasped(cell.simulator, cell.simulator.objects[0])
        assert cell.isaac.stage.GetPrimAtPath(WELD)
        assert "already" in refused(cell.simulator.attach)
        end()
    assert not cell.isaac.stage.GetPrimAtPath(WELD)


def test_it_keeps_any_pose_in_the_hand(cell: Cell) -> None:
    """Not only that of a grasp, which looks the same from the hand and from the object."""
    kind = YCB["008_pudding_box"]
    resting = scene(kind).object_pose.position
    pose = Pose(resting + (0.05, 0.02, 0.1), quat_about_axis((1, 2, 3), 0.7))
    cell.simulator.reset(scene(kind, object_pose=pose, arm_rad=tuple(np.array(HOME_RAD) + 0.1)))
    cell.simulator.attach()
    before = in_hand(cell.simulator.observe())
    for _ in range(3):
        cell.simulator.advance(BLIND)
    after = in_hand(cell.simulator.observe())
    assert np.linalg.norm(after.position - before.position) < 0.002
    assert rotation_angle(after.quat_wxyz, before.quat_wxyz) < 0.01


def test_an_episode_fails_when_the_weld_slips(cell: Cell) -> None:
    cell.isaac.faults.weld_slip_m = 0.003
    sink = Nowhere()
    with pytest.raises(SimulatorError, match=r"the welded object moved by \d\.\d\d mm in the hand; allowed are 2 mm"):
        drive(cell.simulator, episode(cell, sink))
    assert 0 < sink.frames < 100
    assert not cell.isaac.stage.GetPrimAtPath(WELD)


def test_an_episode_that_is_closed_leaves_no_weld(cell: Cell) -> None:
    ticks = episode(cell, Nowhere())
    while not cell.isaac.stage.GetPrimAtPath(WELD):
        cell.simulator.advance(next(ticks))
    ticks.close()
    assert not cell.isaac.stage.GetPrimAtPath(WELD)
