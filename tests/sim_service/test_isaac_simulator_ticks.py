"""A control period of the Isaac Sim adapter: its steps, its speeds, its pictures, and what can go wrong in it."""

from collections.abc import Iterator

import numpy as np
import pytest
from isaac_cell import VERSIONS, Cell, assert_nearly_same_pictures, assert_same_pictures, isaac_cell, refused, sweep
from isaac_standin import Faults
from simulator_contract import BLIND, SEEING, grasped, same, scene

from collectors.franka import FINGER_CLOSED_M, HOME_RAD
from collectors.geometry import Pose, quat_about_axis, rotation_angle
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.simulator import Action, Observation

STEPS = 4  # of physics in a control period


@pytest.fixture(scope="module", params=VERSIONS)
def shared(request: pytest.FixtureRequest) -> Iterator[Cell]:
    with isaac_cell(request.param) as cell:
        yield cell


@pytest.fixture
def cell(shared: Cell) -> Cell:
    """Laid out, without faults."""
    shared.isaac.kit.faults = Faults()
    shared.simulator.reset(scene(shared.simulator.objects[0]))
    return shared


def test_blind_ticks_render_nothing_and_seeing_ones_once(cell: Cell) -> None:
    updates, steps = cell.isaac.updates, cell.isaac.physics_steps
    sweep(cell.simulator, [False] * 5)
    assert (cell.isaac.updates, cell.isaac.physics_steps) == (updates, steps + 5 * STEPS)
    sweep(cell.simulator, [True] * 2)
    assert (cell.isaac.updates, cell.isaac.physics_steps) == (updates + 2, steps + 7 * STEPS)


def test_blind_and_seeing_ticks_have_the_same_physics(cell: Cell) -> None:
    blind = sweep(cell.simulator, [False] * 5)[-1]
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    assert same(sweep(cell.simulator, [True, False, True, False, False])[-1], blind)


def test_a_turn_without_work_lets_the_application_turn_and_time_stand(cell: Cell) -> None:
    before, updates, steps = cell.simulator.observe(), cell.isaac.updates, cell.isaac.physics_steps
    for _ in range(3):
        cell.simulator.refresh(images=False)
    assert (cell.isaac.updates, cell.isaac.physics_steps) == (updates + 3, steps)
    assert same(cell.simulator.observe(), before)


@pytest.mark.parametrize("made", [0, 3, 5])
def test_a_period_of_other_steps_is_told_with_numbers(cell: Cell, made: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that do not happen although the timeline plays, and steps of somebody else."""
    physics, step, calls = cell.isaac.kit.physics, cell.isaac.kit.physics.step, iter(range(STEPS))

    def other_step(*, callbacks: bool) -> None:
        for _ in range(max(0, made - STEPS + 1) if next(calls) == STEPS - 1 else min(made, 1)):
            step(callbacks=callbacks)

    monkeypatch.setattr(physics, "step", other_step)
    message = f"physics made {made} steps in a control period instead of {STEPS}"
    assert message in refused(lambda: cell.simulator.advance(SEEING))
    refused(lambda: cell.simulator.observe(images=True))
    monkeypatch.undo()
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    cell.simulator.advance(SEEING)


def test_the_peaks_of_speed_are_those_of_every_step(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    physics = cell.isaac.kit.physics
    sampled: list[np.ndarray] = []
    step = physics.step

    def sampled_step(*, callbacks: bool) -> None:
        sampled.append(np.abs(physics.joint_velocities()[:7]))
        step(callbacks=callbacks)
        sampled.append(np.abs(physics.joint_velocities()[:7]))

    monkeypatch.setattr(physics, "step", sampled_step)
    peaked_between = 0
    for number, tick in enumerate([BLIND, SEEING] * 4):
        if number % 2 == 0:  # a jump there, and one back
            cell.simulator.command(Action(np.array(HOME_RAD) + 0.1 * (number % 4), 0.04))
        before = cell.simulator.observe()
        sampled.clear()
        cell.simulator.advance(tick)
        after = cell.simulator.observe()
        assert len(sampled) == 2 * STEPS
        np.testing.assert_allclose(after.arm_peak_rad_s, np.max(sampled, axis=0), rtol=1e-6)
        ends = np.maximum(np.abs(before.arm_rad_s), np.abs(after.arm_rad_s))
        peaked_between += int((after.arm_peak_rad_s > 1.05 * ends).any())
    assert peaked_between > 0  # else looking at the ends would do


@pytest.mark.parametrize("held", [False, True], ids=["nothing held", "an object held"])
@pytest.mark.parametrize("ticks", [0, 6], ids=["after a reset", "after a blind tick"])
def test_a_refresh_draws_the_present_instant_and_restores_it(cell: Cell, ticks: int, held: bool) -> None:
    """Of what is moving: a tick with pictures at the same instant shows the same."""

    def arrive(images: bool) -> Observation:
        if held:
            grasped(cell.simulator, cell.simulator.objects[0])
        else:
            cell.simulator.reset(scene(cell.simulator.objects[0]))
        seen = sweep(cell.simulator, [False] * (ticks - 1) + [images]) if ticks else []
        return seen[-1] if seen else cell.simulator.observe()

    there = arrive(images=True)
    again = arrive(images=False)
    assert same(again, there)
    cell.simulator.refresh(images=True)
    refreshed = cell.simulator.observe(images=True)
    assert same(refreshed, again)
    np.testing.assert_array_equal(refreshed.arm_peak_rad_s, again.arm_peak_rad_s)
    if ticks:
        assert_nearly_same_pictures(refreshed, there)
    updates = cell.isaac.updates
    cell.simulator.refresh(images=True)  # what is drawn already is not drawn again
    assert cell.isaac.updates == updates
    assert_same_pictures(cell.simulator.observe(images=True), refreshed)


@pytest.mark.parametrize("held", [True, False], ids=["an object held", "an object that falls"])
def test_a_refresh_does_not_change_what_comes(cell: Cell, held: bool) -> None:
    kind = cell.simulator.objects[0]
    high_up = Pose((0.5, 0.1, TABLE_SURFACE_Z_M + 0.3), quat_about_axis((1, 0, 0), 0.3))
    ends = []
    for refreshed in (False, True):
        if held:
            grasped(cell.simulator, kind)
        else:
            cell.simulator.reset(scene(kind, object_pose=high_up))
        for tick in range(6):
            cell.simulator.command(Action(cell.simulator.observe().arm_rad + 0.01 * tick, 0.0))
            cell.simulator.advance(BLIND)
            if refreshed:
                cell.simulator.refresh(images=True)
        ends.append(cell.simulator.observe())
    plain, drawn = ends
    assert plain.object_to_world.position[2] != pytest.approx(high_up.position[2], abs=0.1)
    np.testing.assert_allclose(drawn.arm_rad, plain.arm_rad, atol=1e-5)
    np.testing.assert_allclose(drawn.hand_to_world.position, plain.hand_to_world.position, atol=1e-5)
    np.testing.assert_allclose(drawn.object_to_world.position, plain.object_to_world.position, atol=1e-4)
    assert rotation_angle(drawn.object_to_world.quat_wxyz, plain.object_to_world.quat_wxyz) < 1e-3


def test_a_refresh_after_a_reset_shows_what_was_put_up(cell: Cell) -> None:
    """As it is seen once it has stood there for a second."""
    put_up = scene(cell.simulator.objects[0], arm_rad=tuple(np.array(HOME_RAD) + 0.2), goal_xy_m=(0.4, -0.1))
    cell.simulator.reset(put_up)
    cell.simulator.refresh(images=True)
    seen = cell.simulator.observe(images=True)
    for _ in range(30):
        cell.simulator.advance(BLIND)
    cell.simulator.advance(SEEING)
    settled = cell.simulator.observe(images=True)
    for name, picture in seen.images.items():
        assert np.abs(picture.astype(int) - settled.images[name]).mean() < 0.02, name
    cell.simulator.reset(scene(cell.simulator.objects[0], goal_xy_m=(0.4, -0.1)))
    cell.simulator.refresh(images=True)
    for name, picture in cell.simulator.observe(images=True).images.items():
        assert np.abs(picture.astype(int) - settled.images[name]).mean() > 1, name


@pytest.fixture
def fabric(cell: Cell) -> Iterator[Cell]:
    """Poses reach the renderer by Fabric, and the host's turn does no more than draw, as in an extension."""
    from isaacsim.core.utils.extensions import disable_extension, enable_extension

    enable_extension("omni.physx.fabric")
    cell.isaac.kit.settings.set("/app/player/playSimulations", False)
    yield cell
    cell.isaac.kit.settings.set("/app/player/playSimulations", True)
    disable_extension("omni.physx.fabric")


def test_a_tick_is_drawn_where_fabric_carries_the_poses(fabric: Cell) -> None:
    simulator, action = fabric.simulator, Action(np.array(HOME_RAD) + 0.1, FINGER_CLOSED_M)
    simulator.command(action)
    for _ in simulator.advancing(SEEING):
        fabric.isaac.app_update()
    seen = simulator.observe(images=True)
    simulator.reset(scene(simulator.objects[0]))
    simulator.command(action)
    simulator.advance(SEEING)  # by the turns of a script, which have Fabric updated
    assert same(simulator.observe(), seen)
    assert_same_pictures(simulator.observe(images=True), seen)


def test_a_refresh_shows_even_what_falls_where_fabric_carries_the_poses(fabric: Cell) -> None:
    """Without Fabric there is a step between reset and picture."""
    simulator, isaac = fabric.simulator, fabric.isaac
    resting = scene(simulator.objects[0]).object_pose.position

    def put_up(height_m: float) -> None:
        simulator.reset(scene(simulator.objects[0], object_pose=Pose(resting + (0, 0, height_m))))

    put_up(0.3)
    for _ in simulator.drawing():
        isaac.app_update()
    seen = simulator.observe(images=True).images["cam_high"]
    for height_m, is_same in ((0.3, True), (0.295, False)):
        put_up(height_m)
        isaac.kit.physics.update_link_poses()
        isaac.kit.physics.publish()
        isaac.app_update()
        truth = isaac.kit.pictures.cameras[0].get_rgba()[:, :, :3].astype(int)
        assert bool(np.abs(seen - truth).mean() < 0.001) == is_same


def test_a_camera_that_falls_silent_is_named(cell: Cell) -> None:
    sweep(cell.simulator, [True])
    silent = next(camera for camera in cell.isaac.kit.pictures.cameras if "wrist" in camera._path)
    cell.isaac.kit.pictures.end(silent)
    assert refused(lambda: cell.simulator.advance(SEEING)) == "camera cam_wrist has no picture"
    cell.isaac.kit.pictures.start(silent)
    cell.simulator.reset(scene(cell.simulator.objects[0]))
    cell.simulator.advance(SEEING)


def test_a_frame_that_is_missing_is_told(cell: Cell) -> None:
    sweep(cell.simulator, [True] * 2)
    cell.isaac.faults.empty_frame_at = cell.isaac.updates + 1
    message = refused(lambda: cell.simulator.advance(SEEING))
    assert message == "camera cam_high has no picture; camera cam_wrist has no picture"
    refused(lambda: cell.simulator.observe(images=True))
    cell.simulator.advance(SEEING)


def test_frames_that_turn_black_are_told(cell: Cell) -> None:
    sweep(cell.simulator, [True] * 2)
    cell.isaac.faults.black_frames = 10**9
    message = refused(lambda: cell.simulator.advance(SEEING))
    assert "camera cam_high is black (mean 0.0 of 255); camera cam_wrist is black" in message
    cell.isaac.faults.black_frames = 0
    cell.simulator.refresh(images=True)
    assert cell.simulator.observe(images=True).images["cam_high"].mean() > 20
