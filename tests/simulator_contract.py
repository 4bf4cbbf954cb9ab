"""The sentences of collectors.simulator as checks on any simulator: MuJoCo, Isaac Sim and the fake run the same ones.

Each check takes an open simulator in whatever state it is, and leaves it open. The tolerances are those of a physics
engine with servos; what a simulator promises beyond the contract is tested with that simulator.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD
from collectors.geometry import Array, Pose, quat_about_axis, rotation_angle
from collectors.kinematics import hand_pose, least_tilt, solve_planar, wrist_yaw_along
from collectors.objects import CUBE, ObjectKind
from collectors.scene import TABLE_SURFACE_Z_M, Light, Plant, Scene, Table
from collectors.simulator import Action, Observation, Simulator, SimulatorError, Tick

RGB = (0.8, 0.1, 0.08)
BLIND, SEEING = Tick(images=False), Tick(images=True)


def scene(kind: ObjectKind, xy: tuple[float, float] = (0.5, 0.1), **changes: Any) -> Scene:
    """The object standing on the table with its faces along the world's axes."""
    position = (*xy, TABLE_SURFACE_Z_M + kind.size_m[2] / 2)
    return Scene(
        **{"kind": kind, "object_pose": Pose(position), "object_rgb": RGB, "goal_xy_m": (0.45, -0.2), **changes}
    )


def arm_above(kind: ObjectKind, xy: tuple[float, float], height_m: float) -> Array:
    """Joints with the fingertips that far above the object's grasp point, to close along the world's x."""
    fingertips = (*xy, TABLE_SURFACE_Z_M + kind.grasp_height_m + height_m)
    tilt = least_tilt(fingertips)
    assert tilt is not None
    arm = solve_planar(fingertips, wrist_yaw_along(0.0, math.pi, fingertips, tilt), tilt)
    assert arm is not None
    return arm


def move(simulator: Simulator, arm_rad: Array, finger_m: float, ticks: int) -> Observation:
    """Go there in a straight line of the joints, and wait half as long again."""
    start = simulator.observe().arm_rad
    for tick in range(ticks + ticks // 2):
        share = min(1.0, (tick + 1) / ticks)
        simulator.command(Action(start + share * (np.asarray(arm_rad) - start), finger_m))
        simulator.advance(BLIND)
    return simulator.observe()


def grasped(simulator: Simulator, kind: ObjectKind, xy: tuple[float, float] = (0.5, 0.1)) -> Observation:
    """A scene whose object is between the closed fingers, and welded."""
    simulator.reset(scene(kind, xy, arm_rad=tuple(arm_above(kind, xy, 0.0))))
    move(simulator, arm_above(kind, xy, 0.0), FINGER_CLOSED_M, 20)
    simulator.attach()
    return simulator.observe()


def in_hand(observation: Observation) -> Pose:
    return observation.hand_to_world.inverse() @ observation.object_to_world


def same(one: Observation, other: Observation) -> bool:
    return one.time_s == other.time_s and all(
        np.array_equal(a, b)
        for a, b in (
            (one.arm_rad, other.arm_rad),
            (one.arm_rad_s, other.arm_rad_s),
            (one.finger_m, other.finger_m),
            (one.hand_to_world.matrix(), other.hand_to_world.matrix()),
            (one.object_to_world.matrix(), other.object_to_world.matrix()),
        )
    )


def check_it_describes_itself(simulator: Simulator) -> None:
    control_rate = 1 / simulator.control_period_s
    assert control_rate == pytest.approx(round(control_rate))
    assert len({camera.name for camera in simulator.cameras}) == len(simulator.cameras) == 2
    assert len({kind.name for kind in simulator.objects}) == len(simulator.objects) > 0
    assert simulator.versions["simulator"]
    assert all(isinstance(part, str) for item in simulator.versions.items() for part in item)


def check_reset_puts_the_scene_up(simulator: Simulator) -> None:
    kind = simulator.objects[-1]
    yaw = quat_about_axis((0, 0, 1), 0.4)
    pose = Pose((0.6, -0.1, TABLE_SURFACE_Z_M + kind.size_m[2] / 2), yaw)
    wanted = scene(kind, object_pose=pose, arm_rad=tuple(np.array(HOME_RAD) + 0.1))
    simulator.reset(wanted)
    seen = simulator.observe()
    assert seen.time_s == 0
    np.testing.assert_allclose(seen.arm_rad, wanted.arm_rad, atol=1e-6)
    np.testing.assert_allclose(seen.arm_rad_s, 0, atol=1e-6)
    np.testing.assert_allclose(seen.finger_m, FINGER_OPEN_M, atol=1e-5)
    np.testing.assert_allclose(seen.object_to_world.position, pose.position, atol=1e-6)
    assert rotation_angle(seen.object_to_world.quat_wxyz, yaw) < 1e-5
    expected_hand = hand_pose(wanted.arm_rad)
    np.testing.assert_allclose(seen.hand_to_world.position, expected_hand.position, atol=1e-5)
    assert rotation_angle(seen.hand_to_world.quat_wxyz, expected_hand.quat_wxyz) < 1e-4
    assert seen.images == {}


def check_targets_after_reset_are_where_the_arm_is(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    for _ in range(30):
        simulator.advance(BLIND)
    seen = simulator.observe()
    np.testing.assert_allclose(seen.arm_rad, HOME_RAD, atol=2e-3)
    np.testing.assert_allclose(seen.finger_m, FINGER_OPEN_M, atol=5e-4)


def check_each_advance_is_one_control_period(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    for advances in range(1, 12):
        simulator.advance(SEEING if advances % 5 == 0 else BLIND)
        assert simulator.observe().time_s == pytest.approx(advances * simulator.control_period_s, abs=1e-9)


def check_pictures_are_of_this_instant_or_refused(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    with pytest.raises(SimulatorError):
        simulator.observe(images=True)
    simulator.advance(SEEING)
    assert simulator.observe().images == {}
    assert set(simulator.observe(images=True).images) == {camera.name for camera in simulator.cameras}
    simulator.advance(BLIND)
    with pytest.raises(SimulatorError):
        simulator.observe(images=True)
    simulator.advance(SEEING)
    simulator.reset(scene(simulator.objects[0]))
    with pytest.raises(SimulatorError):
        simulator.observe(images=True)


def check_a_refresh_shows_this_instant_and_changes_nothing(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    simulator.refresh(images=False)
    with pytest.raises(SimulatorError):
        simulator.observe(images=True)
    simulator.refresh(images=True)
    at_reset = simulator.observe(images=True)
    simulator.command(Action(at_reset.arm_rad + 0.1, FINGER_OPEN_M))
    simulator.advance(SEEING)
    advanced = simulator.observe(images=True)
    simulator.refresh(images=True)
    refreshed = simulator.observe(images=True)
    assert same(advanced, refreshed)
    for name, picture in advanced.images.items():
        np.testing.assert_array_equal(picture, refreshed.images[name])
        assert not np.array_equal(picture, at_reset.images[name])
    simulator.reset(scene(simulator.objects[0]))
    simulator.command(Action(at_reset.arm_rad + 0.1, FINGER_OPEN_M))
    simulator.advance(SEEING)
    assert same(simulator.observe(), advanced)


def check_pictures_have_the_cameras_shape(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    simulator.advance(SEEING)
    images = simulator.observe(images=True).images
    assert list(images) == [camera.name for camera in simulator.cameras]
    for camera in simulator.cameras:
        image = images[camera.name]
        assert (image.shape, image.dtype) == ((camera.height_px, camera.width_px, 3), np.uint8)
        assert image.max() > image.min()  # a picture of something


def check_observations_belong_to_the_caller(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    simulator.command(Action(np.array(HOME_RAD) + 0.2, FINGER_CLOSED_M))
    simulator.advance(SEEING)
    kept = simulator.observe(images=True)
    arm, fingers = kept.arm_rad.copy(), kept.finger_m.copy()
    pictures = {name: image.copy() for name, image in kept.images.items()}
    for _ in range(3):
        simulator.advance(SEEING)
    assert not np.array_equal(simulator.observe().arm_rad, arm)
    np.testing.assert_array_equal(kept.arm_rad, arm)
    np.testing.assert_array_equal(kept.finger_m, fingers)
    for name, picture in pictures.items():
        np.testing.assert_array_equal(kept.images[name], picture)
    now = simulator.observe()
    now.arm_rad[:] = 9.0
    assert simulator.observe().arm_rad.max() < 9.0


def check_a_command_holds_until_the_next(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    target = np.array(HOME_RAD) + (0.1, 0.05, -0.1, 0.1, 0.1, -0.1, 0.1)
    simulator.command(Action(target, 0.02))
    for _ in range(60):
        simulator.advance(BLIND)
    seen = simulator.observe()
    np.testing.assert_allclose(seen.arm_rad, target, atol=0.01)
    np.testing.assert_allclose(seen.finger_m, 0.02, atol=1e-3)
    expected_hand = hand_pose(seen.arm_rad)
    np.testing.assert_allclose(seen.hand_to_world.position, expected_hand.position, atol=1e-4)


def check_attach_and_detach_never_step(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    simulator.advance(BLIND)
    before = simulator.observe()
    for act in (simulator.detach, simulator.attach, simulator.detach, simulator.detach):
        act()
        assert same(simulator.observe(), before)


def check_a_welded_object_moves_with_the_hand(simulator: Simulator) -> None:
    for kind in simulator.objects:
        start = grasped(simulator, kind)
        end = move(simulator, arm_above(kind, (0.5, 0.1), 0.1), FINGER_CLOSED_M, 30)
        assert end.object_to_world.position[2] - start.object_to_world.position[2] == pytest.approx(0.1, abs=0.003)
        assert np.linalg.norm(in_hand(end).position - in_hand(start).position) < 0.002
        assert rotation_angle(in_hand(end).quat_wxyz, in_hand(start).quat_wxyz) < math.radians(2)


def check_a_detached_object_stays(simulator: Simulator) -> None:
    for kind in simulator.objects:
        grasped(simulator, kind)
        move(simulator, arm_above(kind, (0.5, 0.1), 0.0), FINGER_OPEN_M, 15)
        simulator.detach()
        move(simulator, arm_above(kind, (0.5, 0.1), 0.1), FINGER_OPEN_M, 30)
        end = simulator.observe().object_to_world
        resting = scene(kind).object_pose
        np.testing.assert_allclose(end.position, resting.position, atol=0.005)
        assert rotation_angle(end.quat_wxyz, resting.quat_wxyz) < math.radians(5)


def check_reset_removes_the_weld(simulator: Simulator) -> None:
    kind = simulator.objects[0]
    grasped(simulator, kind)
    simulator.reset(scene(kind))
    move(simulator, np.array(HOME_RAD) + (0.5, 0, 0, 0, 0, 0, 0), FINGER_OPEN_M, 20)
    np.testing.assert_allclose(
        simulator.observe().object_to_world.position, scene(kind).object_pose.position, atol=0.002
    )


def check_only_objects_of_the_run_are_taken(simulator: Simulator) -> None:
    simulator.reset(scene(simulator.objects[0]))
    stranger = ObjectKind("stranger", "stranger", "box", (0.03, 0.03, 0.03), 0.1, 0.015, math.pi, None)
    with pytest.raises(ValueError, match="stranger"):
        simulator.reset(scene(stranger))
    for kind in simulator.objects:
        simulator.reset(scene(kind, object_rgb=kind.rgb or RGB))


def check_an_object_put_into_the_air_falls_onto_the_table(simulator: Simulator) -> None:
    kind = simulator.objects[0]
    resting = scene(kind).object_pose
    simulator.reset(scene(kind, object_pose=Pose(resting.position + (0, 0, 0.02))))
    for _ in range(30):
        simulator.advance(BLIND)
    np.testing.assert_allclose(simulator.observe().object_to_world.position, resting.position, atol=0.002)


def rests_at_m(simulator: Simulator, wanted: Scene) -> float:
    """Height of the object's centre after it has been dropped from a centimetre above where the scene has it."""
    pose = wanted.object_pose
    simulator.reset(dataclasses.replace(wanted, object_pose=Pose(pose.position + (0, 0, 0.01), pose.quat_wxyz)))
    for _ in range(30):
        simulator.advance(BLIND)
    return float(simulator.observe().object_to_world.position[2])


def check_a_table_is_as_high_as_the_scene_has_it(simulator: Simulator) -> None:
    kind = simulator.objects[0]
    half_m = kind.size_m[2] / 2
    for height_m in (0.03, -0.03, 0.0):
        pose = Pose((0.5, 0.1, TABLE_SURFACE_Z_M + height_m + half_m))
        wanted = scene(kind, object_pose=pose, table=Table(height_m=height_m))
        assert rests_at_m(simulator, wanted) == pytest.approx(TABLE_SURFACE_Z_M + height_m + half_m, abs=0.002)


def check_a_cube_is_as_large_as_the_scene_has_it(simulator: Simulator) -> None:
    if simulator.objects[0].name != CUBE.name:
        return  # published objects have one size
    for edge_m in (0.05, 0.03, 0.04):
        kind = dataclasses.replace(CUBE, size_m=(edge_m,) * 3, mass_kg=0.3, grasp_below_top_m=edge_m / 2)
        assert rests_at_m(simulator, scene(kind)) == pytest.approx(TABLE_SURFACE_Z_M + edge_m / 2, abs=0.002)
        held = grasped(simulator, kind)
        np.testing.assert_allclose(held.object_to_world.position[:2], (0.5, 0.1), atol=0.005)


def check_nothing_is_left_of_a_varied_scene(simulator: Simulator) -> None:
    """After a scene in which everything is another, the nominal one is what it was."""
    kind = simulator.objects[0]
    if kind.name == CUBE.name:
        varied = dataclasses.replace(kind, size_m=(0.05,) * 3, mass_kg=0.5, grasp_below_top_m=0.025)
    else:
        varied = kind

    def end_of(wanted: Scene) -> Observation:
        simulator.reset(wanted)
        return move(simulator, np.array(HOME_RAD) + (0.3, 0.2, 0, 0, 0, 0, 0), FINGER_CLOSED_M, 12)

    before = end_of(scene(kind))
    other = end_of(
        scene(
            varied,
            object_pose=Pose((0.6, -0.1, TABLE_SURFACE_Z_M + 0.02 + varied.size_m[2] / 2)),
            arm_rad=tuple((np.array(HOME_RAD) + 0.04).tolist()),
            friction=0.3,
            table=Table(height_m=0.02, rgb=(0.3, 0.3, 0.3)),
            light=Light(turn_rad=(0.2, 0.1), intensity=0.8, kelvin=4000.0, rgb=(1.2, 1.0, 0.7)),
            cameras=tuple(dataclasses.replace(camera, horizontal_fov_rad=1.2) for camera in simulator.cameras),
            plant=Plant(gain=0.8),
        )
    )
    assert np.abs(other.object_to_world.position - before.object_to_world.position).max() > 0.01
    after = end_of(scene(kind))
    np.testing.assert_allclose(after.arm_rad, before.arm_rad, atol=1e-4)
    np.testing.assert_allclose(after.object_to_world.matrix(), before.object_to_world.matrix(), atol=1e-4)


CHECKS: tuple[Callable[[Simulator], None], ...] = (
    check_it_describes_itself,
    check_reset_puts_the_scene_up,
    check_targets_after_reset_are_where_the_arm_is,
    check_each_advance_is_one_control_period,
    check_pictures_are_of_this_instant_or_refused,
    check_a_refresh_shows_this_instant_and_changes_nothing,
    check_pictures_have_the_cameras_shape,
    check_observations_belong_to_the_caller,
    check_a_command_holds_until_the_next,
    check_attach_and_detach_never_step,
    check_a_welded_object_moves_with_the_hand,
    check_a_detached_object_stays,
    check_reset_removes_the_weld,
    check_only_objects_of_the_run_are_taken,
    check_an_object_put_into_the_air_falls_onto_the_table,
    check_a_table_is_as_high_as_the_scene_has_it,
    check_a_cube_is_as_large_as_the_scene_has_it,
    check_nothing_is_left_of_a_varied_scene,
)


def check_closing(simulator: Simulator) -> None:
    """Apart from CHECKS: closes the simulator, twice."""
    simulator.reset(scene(simulator.objects[0]))
    simulator.close()
    simulator.close()
