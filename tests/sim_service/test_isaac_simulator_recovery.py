"""The Isaac Sim adapter after somebody stopped, paused or replaced what it runs on: told at once, and over at the next
reset."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from isaac_cell import CUBE_30_FPS, VERSIONS, Cell, isaac_cell, refused, sweep
from isaac_standin import Faults
from simulator_contract import BLIND, SEEING, grasped, in_hand, scene

from collectors.franka import ARM_STIFFNESS_NM_RAD, FINGER_STIFFNESS_N_M, HOME_RAD, SERVO_LAG_S
from collectors.simulator import Action

STALE = "physics was stopped, or its handles are stale"
STOPPED = "somebody paused or stopped the timeline"


@pytest.fixture(scope="module", params=VERSIONS)
def shared(request: pytest.FixtureRequest) -> Iterator[Cell]:
    with isaac_cell(request.param) as cell:
        yield cell


@pytest.fixture
def cell(shared: Cell) -> Cell:
    """In the middle of something."""
    shared.isaac.kit.faults = Faults()
    shared.simulator.reset(scene(shared.simulator.objects[0]))
    sweep(shared.simulator, [False, True])
    return shared


def assert_whole(cell: Cell) -> None:
    """After a reset: it keeps the time, shows pictures, grasps, and holds the arm against nothing."""
    simulator = cell.simulator
    kind = simulator.objects[0]
    simulator.reset(scene(kind))
    for _ in range(10):
        simulator.advance(BLIND)
    simulator.advance(SEEING)
    seen = simulator.observe(images=True)
    assert seen.time_s == pytest.approx(11 / 30)
    np.testing.assert_allclose(seen.arm_rad, HOME_RAD, atol=1e-4)  # gravity would bend it by more than that
    assert all(picture.mean() > 20 for picture in seen.images.values())
    before = in_hand(grasped(simulator, kind))
    simulator.advance(BLIND)
    assert np.linalg.norm(in_hand(simulator.observe()).position - before.position) < 0.002
    simulator.detach()
    assert cell.isaac.physics_callbacks == ["isaac_collect"]


def assert_drives_are_ours(cell: Cell) -> None:
    physics = cell.isaac.kit.physics
    stiffness = [*ARM_STIFFNESS_NM_RAD, FINGER_STIFFNESS_N_M, FINGER_STIFFNESS_N_M]
    np.testing.assert_allclose(physics.stiffness, stiffness, rtol=1e-6)
    np.testing.assert_allclose(physics.damping, np.multiply(stiffness, SERVO_LAG_S), rtol=1e-6)


def test_a_stop_is_told_whatever_is_asked_and_the_next_reset_recovers(cell: Cell) -> None:
    cell.isaac.user_stops()
    home = Action(np.array(HOME_RAD), 0.0)
    for act in (
        cell.simulator.observe,
        cell.simulator.attach,
        lambda: cell.simulator.command(home),
    ):
        assert STALE in refused(act)
    for act in (lambda: cell.simulator.advance(BLIND), lambda: cell.simulator.refresh(images=True)):
        assert STOPPED in refused(act)
    stages = cell.isaac.stages_opened
    assert_whole(cell)
    assert cell.isaac.stages_opened == stages


def test_gains_and_gravity_are_ours_again_after_a_recovery(cell: Cell) -> None:
    assert_drives_are_ours(cell)
    cell.isaac.user_stops()
    cell.isaac.user_plays()
    assert cell.isaac.kit.physics.stiffness[0] != pytest.approx(ARM_STIFFNESS_NM_RAD[0])  # those of the asset
    assert_whole(cell)
    assert_drives_are_ours(cell)


@pytest.mark.parametrize("act", ["stop", "pause", "stop and play"])
def test_a_weld_does_not_outlive_what_was_interrupted(cell: Cell, act: str) -> None:
    """An episode ends by `detach`, also after an error: it must not hide that error behind another one."""
    grasped(cell.simulator, cell.simulator.objects[0])
    if act == "pause":
        cell.isaac.user_pauses()
    else:
        cell.isaac.user_stops()
    if act == "stop and play":
        cell.isaac.user_plays()
    refused(lambda: cell.simulator.advance(BLIND))
    cell.simulator.detach()
    assert not cell.isaac.stage.GetPrimAtPath("/World/GraspWeld")
    assert_whole(cell)


def test_a_weld_is_gone_before_physics_stops_again(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    grasped(cell.simulator, cell.simulator.objects[0])
    cell.isaac.user_stops()
    cell.isaac.user_plays()
    physics, stop, welded = cell.isaac.kit.physics, cell.isaac.kit.physics.stop, []

    def watched_stop() -> None:
        welded.append(bool(cell.isaac.stage.GetPrimAtPath("/World/GraspWeld")))
        stop()

    monkeypatch.setattr(physics, "stop", watched_stop)
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    assert welded == [False]


def test_a_stop_in_the_middle_of_an_advance_is_told(cell: Cell) -> None:
    cell.isaac.faults.stop_at_update = cell.isaac.updates + 1
    assert STOPPED in refused(lambda: cell.simulator.advance(SEEING))
    assert STALE in refused(cell.simulator.observe)
    assert_whole(cell)


def test_a_stop_and_a_play_behind_our_back_are_told(cell: Cell) -> None:
    """The timeline plays, and every handle is stale."""
    cell.isaac.user_stops()
    cell.isaac.user_plays()
    assert STALE in refused(lambda: cell.simulator.advance(BLIND))
    assert_whole(cell)


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_views_that_turn_stale_are_told(cell: Cell, steps: int) -> None:
    """After some step of the first control period, or of the second."""
    cell.isaac.kit.physics._stale_raised = False
    cell.isaac.faults.views_stale_after = cell.isaac.physics_steps + steps
    if steps > 4:
        cell.simulator.advance(BLIND)
    assert STALE in refused(lambda: cell.simulator.advance(SEEING))
    assert_whole(cell)


def test_a_read_that_fails_between_two_instants_is_told(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Isaac Sim logs what a callback of physics raises, and goes on."""
    physics, read, reads = cell.isaac.kit.physics, cell.isaac.kit.physics.joint_velocities, iter(range(100))

    def fail_once() -> np.ndarray:
        if next(reads) == 2:
            raise RuntimeError("no velocities this time")
        return read()

    monkeypatch.setattr(physics, "joint_velocities", fail_once)
    assert "no velocities this time" in refused(lambda: cell.simulator.advance(BLIND))
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    cell.simulator.advance(BLIND)


def test_a_pause_fails_the_advance_and_the_next_reset_plays_again(cell: Cell) -> None:
    before = cell.simulator.observe()
    cell.isaac.user_pauses()
    assert STOPPED in refused(lambda: cell.simulator.advance(SEEING))
    assert not cell.simulator.playing
    np.testing.assert_array_equal(cell.simulator.observe().arm_rad, before.arm_rad)  # the handles live
    steps, stages = cell.isaac.physics_steps, cell.isaac.stages_opened
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    assert cell.simulator.playing
    assert (cell.isaac.physics_steps, cell.isaac.stages_opened) == (steps, stages)
    assert_whole(cell)


def test_a_play_that_is_lost_in_a_recovery_is_tried_again(cell: Cell) -> None:
    cell.isaac.user_stops()
    cell.isaac.faults.plays_lost = 2
    assert_whole(cell)
    assert cell.isaac.faults.plays_lost == 0


def test_a_recovery_that_does_not_land_is_told_and_the_next_one_may(cell: Cell) -> None:
    cell.isaac.user_stops()
    cell.isaac.faults.plays_lost = 10**9
    message = refused(lambda: cell.simulator.reset(scene(cell.simulator.objects[0])))
    assert "physics does not advance after 3 tries to play" in message
    cell.isaac.faults.plays_lost = 0
    assert_whole(cell)


def test_there_is_one_callback_of_physics_at_any_time(cell: Cell) -> None:
    acts: list[Callable[[], object]] = [
        lambda: None,
        lambda: cell.simulator.reset(scene(cell.simulator.objects[0])),
        lambda: cell.simulator.refresh(images=True),
        cell.isaac.user_pauses,
        lambda: cell.simulator.reset(scene(cell.simulator.objects[0])),
    ]
    for act in acts:
        act()
        assert cell.isaac.physics_callbacks == ["isaac_collect"]
    cell.isaac.user_stops()
    assert cell.isaac.physics_callbacks == []
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    assert cell.isaac.physics_callbacks == ["isaac_collect"]
    steps = cell.isaac.physics_steps
    cell.simulator.advance(BLIND)
    assert cell.simulator.steps_made == cell.isaac.physics_steps - steps == 4


@pytest.mark.parametrize("how", ["another stage", "no stage", "another stage that plays"])
def test_a_stage_that_is_gone_is_told_and_a_new_cell_can_be_opened(cell: Cell, how: str) -> None:
    grasped(cell.simulator, cell.simulator.objects[0])
    if how == "no stage":
        cell.isaac.kit.usd_context.close_stage()
    else:
        cell.isaac.kit.usd_context.new_stage()
    if how == "another stage that plays":
        cell.isaac.user_plays()
    gone = "the work cell is gone"
    assert gone in refused(lambda: cell.simulator.advance(BLIND))
    assert STALE in refused(cell.simulator.observe)
    cell.simulator.detach()
    assert gone in refused(lambda: cell.simulator.reset(scene(cell.simulator.objects[0])))
    cell.reopen(CUBE_30_FPS)
    assert_whole(cell)


@pytest.mark.parametrize("path", ["/World/PickObject", "/World/Franka", "/World/OverheadCam"])
def test_a_part_that_somebody_deleted_is_named_and_a_new_cell_can_be_opened(cell: Cell, path: str) -> None:
    cell.isaac.stage.RemovePrim(path)
    for act in (
        lambda: cell.simulator.advance(BLIND),
        lambda: cell.simulator.reset(scene(cell.simulator.objects[0])),
    ):
        message = refused(act)
        assert "the work cell is gone" in message
        assert path in message
    cell.reopen(CUBE_30_FPS)
    assert_whole(cell)


@pytest.mark.parametrize("read", ["joint_positions", "joint_velocities", "body_pose"])
def test_a_view_that_raises_whatever_it_likes_is_told_as_a_failure_of_the_simulator(
    cell: Cell, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Exception("Failed to get DOF positions from backend")  # noqa: TRY002  # as Isaac Sim does

    monkeypatch.setattr(cell.isaac.kit.physics, read, fail)
    for act in (cell.simulator.observe, cell.simulator.attach):
        if read != "joint_velocities" or act != cell.simulator.attach:
            assert "Failed to get DOF positions from backend" in refused(act)
    if read == "joint_velocities":
        assert "Failed to get DOF positions from backend" in refused(lambda: cell.simulator.advance(BLIND))
    if read == "joint_positions":
        assert STALE in refused(lambda: cell.simulator.command(Action(np.array(HOME_RAD), 0.0)))
    monkeypatch.undo()
    cell.simulator.detach()
    assert_whole(cell)
