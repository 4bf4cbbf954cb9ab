from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from collectors.franka import (
    FINGER_CLOSED_M,
    FINGER_OPEN_M,
    HOME_RAD,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
)
from collectors.geometry import (
    Array,
    Pose,
    matrix_from_quat,
    quat_about_axis,
    quat_multiply,
    quat_rotate,
    rotation_angle,
)
from collectors.kinematics import fingertip_position, solve_planar
from collectors.objects import CUBE, PALETTE, YCB, ObjectKind, lowest_point_m
from collectors.randomization import PRESETS
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.task import TASKS
from collectors.tasks.pick_place import (
    AREA_X_M,
    AREA_Y_M,
    LIFT_M,
    MAX_TILT_RAD,
    RELEASE_HEIGHT_M,
    TALL_MAX_TILT_RAD,
    PickPlace,
)
from collectors.variation import draw_variation
from collectors.waypoints import Plan, UnreachableError, Waypoint

PLAIN = draw_variation(PRESETS["none"], (0, 0, 0))
KINDS = (CUBE, *YCB.values())
PHASES = (
    "APPROACH_PICK",
    "DOWN_PICK",
    "CLOSE_GRIPPER",
    "LIFT",
    "MOVE_TO_PLACE",
    "DOWN_PLACE",
    "OPEN_GRIPPER",
    "RETRACT",
    "HOME",
)
CONTACT = ("DOWN_PICK", "CLOSE_GRIPPER", "DOWN_PLACE", "OPEN_GRIPPER")
NOISY = ("APPROACH_PICK", "LIFT", "MOVE_TO_PLACE", "RETRACT")
PERIOD_S = 1 / 30
NOISE_RAD = 0.05

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
every_tall_kind = pytest.mark.parametrize("kind", YCB.values(), ids=lambda kind: kind.name)


def plans(kind: ObjectKind, count: int = 200, noise_rad: float = NOISE_RAD) -> list[Plan]:
    task = PickPlace((kind,), noise_rad)
    return [task.draw(np.random.default_rng([12345, episode, 0]), PLAIN) for episode in range(count)]


def by_phase(plan: Plan) -> dict[str, Waypoint]:
    return {waypoint.phase: waypoint for waypoint in plan.waypoints}


def grasp_point(plan: Plan) -> Array:
    return np.array([*plan.pick_xy_m, TABLE_SURFACE_Z_M + plan.scene.kind.grasp_height_m])


def release_point(plan: Plan) -> Array:
    return np.array([*plan.place_xy_m, TABLE_SURFACE_Z_M + plan.scene.kind.grasp_height_m + RELEASE_HEIGHT_M])


def lean_rad(hand_to_world: Pose) -> float:
    """Of the tool from straight down."""
    down = -matrix_from_quat(hand_to_world.quat_wxyz)[2, 2]
    return math.acos(min(1.0, float(down)))


def released_pose(plan: Plan) -> Pose:
    """Where a perfect weld lets go of the object."""
    waypoints = by_phase(plan)
    object_to_hand = waypoints["DOWN_PICK"].hand_to_world.inverse() @ plan.scene.object_pose
    return waypoints["DOWN_PLACE"].hand_to_world @ object_to_hand


# The plan as a table


@every_kind
def test_the_nine_phases_with_their_gripper_and_weld(kind: ObjectKind) -> None:
    (plan,) = plans(kind, 1)
    table = [(waypoint.phase, waypoint.finger_m, waypoint.then) for waypoint in plan.waypoints]
    open_m, closed_m = FINGER_OPEN_M, FINGER_CLOSED_M
    fingers = (open_m, open_m, closed_m, closed_m, closed_m, closed_m, open_m, open_m, open_m)
    then = (None, None, "attach", None, None, None, "detach", None, None)
    assert table == list(zip(PHASES, fingers, then, strict=True))
    assert 270 <= sum(len(segment.actions) for segment in plan.segments(30, PERIOD_S)) <= 285
    np.testing.assert_array_equal(plan.waypoints[-1].arm_rad, HOME_RAD)
    assert plan.scene.arm_rad == HOME_RAD


@every_kind
def test_the_fingertips_meet_the_grasp_point_and_10_cm_above_it(kind: ObjectKind) -> None:
    above = np.array([0, 0, LIFT_M])
    for plan in plans(kind, noise_rad=0.0):
        pick, place = grasp_point(plan), release_point(plan)
        expected = (pick + above, pick, pick, pick + above, place + above, place, place, place + above)
        for waypoint, target in zip(plan.waypoints, expected, strict=False):
            np.testing.assert_allclose(fingertip_position(waypoint.hand_to_world), target, atol=1e-9)


@every_kind
def test_contact_waypoints_share_one_tilt_and_wrist_yaw_and_carry_no_noise(kind: ObjectKind) -> None:
    for noisy, exact in zip(plans(kind, 50), plans(kind, 50, noise_rad=0.0), strict=True):
        for phase in CONTACT:
            waypoint = by_phase(noisy)[phase]
            np.testing.assert_array_equal(waypoint.arm_rad, by_phase(exact)[phase].arm_rad)
            assert lean_rad(waypoint.hand_to_world) == pytest.approx(noisy.tilt_rad, abs=1e-7)
            assert waypoint.arm_rad[6] == math.pi / 4 - noisy.wrist_yaw_rad
            assert waypoint.arm_rad[2] == waypoint.arm_rad[4] == 0


def test_noise_is_on_every_joint_of_the_free_space_waypoints_within_its_bound() -> None:
    deviations: list[Array] = []
    for noisy, exact in zip(plans(CUBE), plans(CUBE, noise_rad=0.0), strict=True):
        assert noisy.scene.goal_xy_m == exact.scene.goal_xy_m  # the noise is drawn last
        deviations += [by_phase(noisy)[phase].arm_rad - by_phase(exact)[phase].arm_rad for phase in NOISY]
        np.testing.assert_array_equal(noisy.waypoints[-1].arm_rad, exact.waypoints[-1].arm_rad)
    sizes = np.abs(deviations)
    assert sizes.max() <= NOISE_RAD + 1e-12
    assert sizes.max(axis=0).min() > 0.9 * NOISE_RAD
    np.testing.assert_allclose(np.mean(deviations, axis=0), 0, atol=0.1 * NOISE_RAD)
    assert len(np.unique(sizes)) == sizes.size  # no two share a draw


def test_noise_never_leaves_the_joint_limits() -> None:
    for plan in plans(CUBE, 100, noise_rad=2.0):
        for waypoint in plan.waypoints:
            assert np.all(waypoint.arm_rad > JOINT_LOWER_RAD)
            assert np.all(waypoint.arm_rad < JOINT_UPPER_RAD)


# The layout


@every_kind
def test_pick_and_place_lie_in_the_area_and_apart(kind: ObjectKind) -> None:
    drawn = plans(kind)
    spots = np.array([(plan.pick_xy_m, plan.place_xy_m) for plan in drawn])
    for axis, (low, high) in enumerate((AREA_X_M, AREA_Y_M)):
        assert np.all((low <= spots[..., axis]) & (spots[..., axis] <= high))
    assert np.linalg.norm(spots[:, 0] - spots[:, 1], axis=1).min() >= 0.1
    for plan in drawn:
        np.testing.assert_allclose(lowest_point_m(kind, plan.scene.object_pose), TABLE_SURFACE_Z_M, atol=1e-12)
        turn = quat_about_axis((0, 0, 1), plan.object_yaw_rad)
        assert rotation_angle(plan.scene.object_pose.quat_wxyz, turn) == pytest.approx(0, abs=1e-9)
        assert 0 <= plan.object_yaw_rad < kind.yaw_period_rad


def test_the_cube_is_picked_and_placed_all_over_the_area() -> None:
    """Nothing is out of reach, and each of 4 x 6 cells of 10 cm gets its share."""
    drawn = plans(CUBE, 1000)
    assert all(plan.resampled == 0 for plan in drawn)
    for spots in ([plan.pick_xy_m for plan in drawn], [plan.place_xy_m for plan in drawn]):
        xs, ys = np.transpose(spots)
        counts, _, _ = np.histogram2d(xs, ys, bins=(4, 6), range=(AREA_X_M, AREA_Y_M))
        assert counts.sum() == 1000
        assert counts.min() > 20  # 42 expected
    yaws, _ = np.histogram([plan.object_yaw_rad for plan in drawn], bins=6, range=(0, CUBE.yaw_period_rad))
    assert yaws.min() > 120  # 167 expected


@every_tall_kind
def test_tall_objects_keep_away_from_the_hand_at_home_and_are_taken_upright_without_noise(kind: ObjectKind) -> None:
    drawn = plans(kind)
    for plan in drawn:
        for spot in (plan.pick_xy_m, plan.place_xy_m):
            assert math.dist(spot, (0.307, 0)) >= 0.2 - 1e-4
        for waypoint in plan.waypoints:
            assert lean_rad(waypoint.hand_to_world) <= TALL_MAX_TILT_RAD + 1e-7
        above = fingertip_position(by_phase(plan)["APPROACH_PICK"].hand_to_world)
        np.testing.assert_allclose(above, grasp_point(plan) + np.array([0, 0, LIFT_M]), atol=1e-9)
    assert sum(plan.resampled for plan in drawn) > 0


@every_kind
def test_tilts_are_the_least_that_serve(kind: ObjectKind) -> None:
    drawn = plans(kind, 200 if kind.is_tall else 1000, noise_rad=0.0)
    tilts = [plan.tilt_rad for plan in drawn]
    assert min(tilts) == 0
    assert max(tilts) <= (TALL_MAX_TILT_RAD if kind.is_tall else math.radians(5.7))
    assert (max(tilts) > 0) == (kind is CUBE)  # one placement in a hundred lies that far out
    for plan in drawn:
        leans = {waypoint.phase: lean_rad(waypoint.hand_to_world) for waypoint in plan.waypoints}
        assert all(plan.tilt_rad - 1e-7 <= leans[phase] <= MAX_TILT_RAD for phase in NOISY)
        if plan.tilt_rad > 0:
            targets = (grasp_point(plan), release_point(plan))
            assert any(solve_planar(target, plan.wrist_yaw_rad, plan.tilt_rad - 1e-4) is None for target in targets)


def test_an_object_out_of_reach_ends_in_an_error_after_the_last_resample() -> None:
    tower = dataclasses.replace(CUBE, name="tower", label="tower", size_m=(0.04, 0.04, 0.9))
    rng = np.random.default_rng(1)
    with pytest.raises(UnreachableError, match="the tower after 100 resamples") as error:
        PickPlace((tower,)).draw(rng, PLAIN)
    assert error.value.resamples == 100
    expected = np.random.default_rng(1)
    expected.integers(1), expected.integers(len(PALETTE)), expected.uniform(size=3 + 1)  # object, colour, jitter, yaw
    expected.uniform(size=(101, 2))  # the first spot and its 100 resamples
    assert rng.uniform() == expected.uniform()


# Grasp and carry


@every_kind
def test_the_fingers_close_along_the_object_s_width(kind: ObjectKind) -> None:
    for plan in plans(kind):
        closing = matrix_from_quat(by_phase(plan)["DOWN_PICK"].hand_to_world.quat_wxyz)[:, 1]
        if kind.shape == "cylinder":  # any direction fits: at right angles to the arm plane
            assert closing @ (*plan.pick_xy_m, 0) == pytest.approx(0, abs=1e-9)
            continue
        off = math.remainder(math.atan2(closing[1], closing[0]) - plan.object_yaw_rad, kind.yaw_period_rad)
        assert off == pytest.approx(0, abs=1e-9)
        assert abs(closing[2]) < 0.1
        assert abs(plan.wrist_yaw_rad) <= kind.yaw_period_rad / 2 + 0.01  # the nearest of the equivalent ones


@every_kind
def test_a_carried_object_is_released_upright_over_the_goal(kind: ObjectKind) -> None:
    for plan in plans(kind):
        released = released_pose(plan)
        start = plan.scene.object_pose
        np.testing.assert_allclose(released.position[:2], plan.place_xy_m, atol=1e-9)
        assert released.position[2] - start.position[2] == pytest.approx(RELEASE_HEIGHT_M, abs=1e-9)
        np.testing.assert_allclose(quat_rotate(released.quat_wxyz, (0, 0, 1)), (0, 0, 1), atol=1e-9)
        azimuths = [math.atan2(y, x) for x, y in (plan.pick_xy_m, plan.place_xy_m)]
        turned = quat_multiply(quat_about_axis((0, 0, 1), azimuths[1] - azimuths[0]), start.quat_wxyz)
        assert rotation_angle(released.quat_wxyz, turned) == pytest.approx(0, abs=1e-9)


# The draw


def same_plan(a: Plan, b: Plan) -> bool:
    def numbers(plan: Plan) -> list[float]:
        pose = plan.scene.object_pose
        arms = [joint for waypoint in plan.waypoints for joint in waypoint.arm_rad]
        return [*pose.position, *pose.quat_wxyz, *plan.scene.object_rgb, *plan.scene.goal_xy_m, *arms]

    words = [(plan.task, plan.object_name, plan.colour, plan.resampled) for plan in (a, b)]
    return words[0] == words[1] and numbers(a) == numbers(b)


def test_a_plan_depends_on_the_generator_alone_not_on_what_was_drawn_before() -> None:
    task = PickPlace(KINDS)
    forwards = [task.draw(np.random.default_rng([7, episode, 0]), PLAIN) for episode in range(40)]
    backwards = [
        PickPlace(KINDS).draw(np.random.default_rng([7, episode, 0]), PLAIN) for episode in reversed(range(40))
    ]
    assert all(same_plan(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
    for other in ([8, 0, 0], [7, 0, 1]):
        assert not same_plan(forwards[0], task.draw(np.random.default_rng(other), PLAIN))
    assert not any(same_plan(a, b) for a, b in itertools.pairwise(forwards))


def test_the_draws_come_in_the_documented_order() -> None:
    """So that an episode stays the same from one version to the next."""
    for episode, plan in enumerate(PickPlace(KINDS).draw(np.random.default_rng([5, e]), PLAIN) for e in range(60)):
        rng = np.random.default_rng([5, episode])
        assert plan.object_name == KINDS[rng.integers(len(KINDS))].name
        if plan.object_name == CUBE.name:
            assert plan.colour == list(PALETTE)[rng.integers(len(PALETTE))]
            rng.uniform(size=3)
        assert plan.object_yaw_rad == rng.uniform(0, plan.scene.kind.yaw_period_rad)
        spots = [(rng.uniform(*AREA_X_M), rng.uniform(*AREA_Y_M)) for _ in range(2 + plan.resampled)]
        assert plan.pick_xy_m in spots
        if math.dist(*spots[:2]) >= 0.1 and plan.object_name == CUBE.name:
            assert [plan.pick_xy_m, plan.place_xy_m] == spots
            noise = rng.uniform(-NOISE_RAD, NOISE_RAD, size=(4, 7))
            assert plan.waypoints[0].arm_rad[2] == noise[0, 2]  # joint 3 is at zero but for the noise
            assert plan.waypoints[7].arm_rad[4] == noise[3, 4]


def test_all_objects_of_the_run_and_all_colours_are_drawn() -> None:
    task = PickPlace(KINDS)
    drawn = [task.draw(np.random.default_rng([9, episode, 0]), PLAIN) for episode in range(400)]
    names, counts = np.unique([plan.object_name for plan in drawn], return_counts=True)
    assert set(names) == {kind.name for kind in KINDS}
    assert counts.min() > 35  # 67 expected
    assert {plan.colour for plan in plans(CUBE)} == set(PALETTE)


def test_the_cube_s_colour_is_near_its_name_s_and_jittered() -> None:
    drawn = plans(CUBE)
    for plan in drawn:
        assert np.abs(np.subtract(plan.scene.object_rgb, PALETTE[plan.colour])).max() <= 0.03 + 1e-12
        assert all(0 <= channel <= 1 for channel in plan.scene.object_rgb)
    assert len({plan.scene.object_rgb for plan in drawn}) == len(drawn)


@every_tall_kind
def test_an_object_of_a_fixed_colour_keeps_it(kind: ObjectKind) -> None:
    for plan in plans(kind, 5):
        assert plan.scene.object_rgb == kind.rgb
        assert plan.colour == ""


def test_the_instruction_names_object_and_goal_in_plain_words() -> None:
    for plan in plans(CUBE, 20):
        assert plan.task == f"Pick up the {plan.colour} cube and place it on the green circle."
    for kind in YCB.values():
        (plan,) = plans(kind, 1)
        assert plan.task == f"Pick up the {kind.label} and place it on the green circle."


def test_the_task_is_found_by_its_name() -> None:
    task = TASKS["pick_place"]((CUBE,), 0.01)
    assert task.name == "pick_place"
    assert same_plan(
        task.draw(np.random.default_rng(3), PLAIN), PickPlace((CUBE,), 0.01).draw(np.random.default_rng(3), PLAIN)
    )
