"""How a way between two waypoints is carried out: its shape, its law over time, its speed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from collectors.franka import (
    FINGER_CLOSED_M,
    FINGER_OPEN_M,
    FINGER_VELOCITY_LIMIT_M_S,
    HOME_RAD,
    JOINT_VELOCITY_LIMIT_RAD_S,
    SERVO_LAG_S,
)
from collectors.geometry import Array, quat_slerp, rotation_angle
from collectors.kinematics import hand_pose
from collectors.motion import (
    APPROACHES,
    INTERPOLATIONS,
    LINEAR,
    MAX_SPEED_FRACTION,
    MIN_JERK_PEAK,
    Interpolation,
    Motion,
    Way,
    peak_factor,
)
from collectors.objects import CUBE, YCB
from collectors.randomization import PRESETS
from collectors.simulator import Action
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from collectors.waypoints import Plan

PERIOD_S = 1 / 30
LIMITS_RAD_S = np.asarray(JOINT_VELOCITY_LIMIT_RAD_S)
CARTESIAN = Motion("linear", "cartesian")

every_interpolation = pytest.mark.parametrize("interpolation", INTERPOLATIONS)
every_motion = pytest.mark.parametrize("motion", [Motion(i, a) for i in INTERPOLATIONS for a in APPROACHES], ids=str)


def random_action(rng: np.random.Generator) -> Action:
    return Action(np.asarray(HOME_RAD) + rng.uniform(-0.4, 0.4, size=7), float(rng.uniform(0, FINGER_OPEN_M)))


def as_rows(actions: tuple[Action, ...]) -> Array:
    return np.stack([np.append(action.arm_rad, action.finger_m) for action in actions])


def joint_way(start: Action, end: Action) -> Way:
    return LINEAR.way(start, end, straight=False)


def drawn_plans(count: int) -> list[Plan]:
    task = PickPlace((CUBE, *YCB.values()))
    plans = []
    for index in range(count):
        seed = (3, index, 0)
        plans.append(task.draw(np.random.default_rng(seed), draw_variation(PRESETS["full"], seed)))
    return plans


def straight_ways(count: int) -> list[tuple[Action, Action]]:
    """Both ends of each way to the object and away from it, noise included."""
    ways = []
    for plan in drawn_plans(count):
        start = Action(np.array(plan.scene.arm_rad), FINGER_OPEN_M)
        for waypoint in plan.waypoints:
            if waypoint.straight:
                ways.append((start, waypoint.action))
            start = waypoint.action
    return ways


def expected_of_linear(start: Action, end: Action, steps: int) -> Array:
    """The law in its plainest form: what is left of the way, taken off the end."""
    left = [(steps - 1 - step) / steps for step in range(steps)]
    one, other = as_rows((start,))[0], as_rows((end,))[0]
    return np.stack([other - part * (other - one) for part in left])


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_linear_is_a_straight_line_in_equal_steps_that_ends_on_the_target_to_the_bit(steps: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        start, end = random_action(rng), random_action(rng)
        rows = as_rows(LINEAR.actions(joint_way(start, end), steps))
        np.testing.assert_array_equal(rows, expected_of_linear(start, end, steps))
        np.testing.assert_array_equal(rows[-1], as_rows((end,))[0])
        all_rows = np.concatenate([as_rows((start,)), rows])
        one_step = (all_rows[-1] - all_rows[0]) / steps
        np.testing.assert_allclose(np.diff(all_rows, axis=0), np.tile(one_step, (steps, 1)), atol=1e-12)


@every_motion
def test_every_motion_ends_on_the_target_to_the_bit(motion: Motion) -> None:
    for start, end in straight_ways(4):
        for steps in (1, 3, 30):
            rows = as_rows(motion.actions(motion.way(start, end, straight=True), steps))
            np.testing.assert_array_equal(rows[-1], as_rows((end,))[0])


@every_interpolation
def test_what_stands_still_keeps_its_value_to_the_bit(interpolation: Interpolation) -> None:
    motion = Motion(interpolation)
    start = random_action(np.random.default_rng(2))
    for action in motion.actions(joint_way(start, Action(start.arm_rad, FINGER_CLOSED_M)), 7):
        np.testing.assert_array_equal(action.arm_rad, start.arm_rad)


@every_interpolation
@pytest.mark.parametrize("steps", [0, -3])
def test_a_segment_without_a_step_is_refused(interpolation: Interpolation, steps: int) -> None:
    action = random_action(np.random.default_rng(3))
    with pytest.raises(ValueError, match=f"at least 1 step, got {steps}"):
        Motion(interpolation).actions(joint_way(action, action), steps)


def test_min_jerk_begins_and_ends_without_speed_and_acceleration_and_peaks_in_the_middle() -> None:
    start, end = Action(np.zeros(7), 0.0), Action(np.ones(7), 0.0)
    steps = 1000
    parts = np.array([0.0, *(action.arm_rad[0] for action in Motion("min-jerk").actions(joint_way(start, end), steps))])
    speed = np.diff(parts) * steps  # of the way per whole time
    acceleration = np.diff(speed) * steps
    assert np.all(speed > 0)
    for ends in ((0, 1), (-1, -2)):
        assert speed[ends[0]] < 1e-4
        assert abs(acceleration[ends[0]]) < 0.1  # it peaks at 5.8
        assert abs(speed[ends[0]]) < abs(speed[ends[1]])
    assert speed.max() == pytest.approx(MIN_JERK_PEAK, rel=1e-4)
    assert abs(int(np.argmax(speed)) - steps // 2) <= 1
    np.testing.assert_allclose(parts + parts[::-1], 1.0, atol=1e-12)  # symmetric
    assert np.abs(acceleration).max() == pytest.approx(10 / math.sqrt(3), rel=1e-3)


@every_interpolation
@pytest.mark.parametrize("period_s", [1 / 120, 1 / 30, 1 / 10])
def test_least_steps_keep_the_speed_and_one_fewer_would_not(interpolation: Interpolation, period_s: float) -> None:
    motion = Motion(interpolation)
    law = MIN_JERK_PEAK if interpolation == "min-jerk" else 1.0
    rng, more_than_one = np.random.default_rng(4), 0
    for _ in range(100):
        start, end = random_action(rng), random_action(rng)
        end = Action(end.arm_rad, start.finger_m)
        steps = motion.least_steps(joint_way(start, end), period_s)
        speed = law * np.abs(end.arm_rad - start.arm_rad) / period_s
        allowed = MAX_SPEED_FRACTION / peak_factor(period_s) * LIMITS_RAD_S
        assert np.all(speed / steps <= allowed * (1 + 1e-9))
        if steps > 1:
            more_than_one += 1
            assert np.any(speed / (steps - 1) > allowed)
    assert more_than_one > 0


@every_motion
def test_commands_of_a_drawn_plan_respect_every_speed_limit(motion: Motion) -> None:
    for plan in drawn_plans(6):
        lag_s = SERVO_LAG_S / plan.scene.plant.gain
        allowed = MAX_SPEED_FRACTION / peak_factor(PERIOD_S, lag_s) * LIMITS_RAD_S
        actions = [action for segment in plan.segments(5, PERIOD_S, motion) for action in segment.actions]
        arms = np.array([plan.scene.arm_rad, *(action.arm_rad for action in actions)])
        fingers = np.array([FINGER_OPEN_M, *(action.finger_m for action in actions)])
        assert np.all(np.abs(np.diff(arms, axis=0)) / PERIOD_S <= allowed * (1 + 1e-9))
        assert np.all(np.abs(np.diff(fingers)) / PERIOD_S <= FINGER_VELOCITY_LIMIT_M_S * (1 + 1e-9))


@pytest.mark.parametrize("joint", range(7))
def test_every_joint_counts_with_its_own_limit_and_an_exact_fit_needs_no_extra_step(joint: int) -> None:
    start = Action(np.array(HOME_RAD), FINGER_OPEN_M)
    for steps in (1, 3, 29, 30, 31):
        move = MAX_SPEED_FRACTION / peak_factor(PERIOD_S) * LIMITS_RAD_S[joint] * PERIOD_S * steps
        for sign in (-1, 1):
            end = Action(start.arm_rad + sign * move * np.eye(7)[joint], FINGER_OPEN_M)
            assert LINEAR.least_steps(joint_way(start, end), PERIOD_S) == steps


@every_interpolation
def test_standing_still_takes_one_step(interpolation: Interpolation) -> None:
    action = random_action(np.random.default_rng(5))
    assert Motion(interpolation).least_steps(joint_way(action, action), PERIOD_S) == 1


def test_fingers_take_their_time() -> None:
    """0.04 m at 0.05 m/s: 0.8 s; smoothly, 15/8 of it."""
    opened = Action(np.array(HOME_RAD), FINGER_OPEN_M)
    closed = Action(opened.arm_rad, FINGER_CLOSED_M)
    for start, end in ((opened, closed), (closed, opened)):
        assert LINEAR.least_steps(joint_way(start, end), 1 / 30) == 24
        assert LINEAR.least_steps(joint_way(start, end), 1 / 120) == 96
        assert Motion("min-jerk").least_steps(joint_way(start, end), 1 / 30) == 45


def test_peak_factor_is_that_of_a_first_order_lag() -> None:
    """A target held for a period T is approached as exp(-t / lag); the steady ramp's peak is at the period's begin."""
    for period_s in (1 / 120, 1 / 30, 0.1, 1.0):
        behind = 1.0  # of the target, in units of one period's move
        for _ in range(10_000):
            start, behind = behind, behind * np.exp(-period_s / SERVO_LAG_S) + 1.0
        assert peak_factor(period_s) == pytest.approx(start * period_s / SERVO_LAG_S, rel=1e-6)


def test_a_straight_way_leads_the_hand_along_a_line_and_turns_it_evenly() -> None:
    ways = straight_ways(8)
    longest = 0.0
    for start, end in ways:
        way = CARTESIAN.way(start, end, straight=True)
        assert len(way.knots) > 2  # the arm could
        first, last = hand_pose(start.arm_rad), hand_pose(end.arm_rad)
        across = last.position - first.position
        longest = max(longest, float(np.linalg.norm(across)))
        for left in np.linspace(0, 1, 33):
            hand = hand_pose(way.at(float(left)).arm_rad)
            even = first.position + (1 - left) * across
            aside = hand.position - even
            along = across / np.linalg.norm(across)
            assert np.linalg.norm(aside - (aside @ along) * along) < 1e-4  # off the line
            assert np.linalg.norm(aside) < 5e-4  # ahead or behind on it
            turned = quat_slerp(first.quat_wxyz, last.quat_wxyz, 1 - float(left))
            assert rotation_angle(hand.quat_wxyz, turned) < 1e-3
    assert longest > 0.1


def test_a_way_that_is_not_straight_in_the_world_is_so_in_joint_space() -> None:
    """So that the test above can fail: the hand strays by millimetres."""
    strayed = 0.0
    for start, end in straight_ways(3):
        first, last = hand_pose(start.arm_rad), hand_pose(end.arm_rad)
        middle = hand_pose(LINEAR.way(start, end, straight=True).at(0.5).arm_rad)
        strayed = max(strayed, float(np.linalg.norm(middle.position - (first.position + last.position) / 2)))
    assert strayed > 2e-3


def test_joints_on_a_straight_way_do_not_jump() -> None:
    """What they do in a small part of the way is small, also where a stretched arm is quick."""
    for start, end in straight_ways(8):
        way = CARTESIAN.way(start, end, straight=True)
        np.testing.assert_array_equal(way.at(1.0).arm_rad, start.arm_rad)
        for parts in (50, 800):
            arms = np.stack([way.at(left).arm_rad for left in np.linspace(1, 0, parts + 1)])
            assert np.abs(np.diff(arms, axis=0)).max() < 2 / math.sqrt(parts)


def test_only_the_ways_to_the_object_and_from_it_are_straight() -> None:
    (plan,) = drawn_plans(1)
    straight = [waypoint.phase for waypoint in plan.waypoints if waypoint.straight]
    assert straight == ["DOWN_PICK", "LIFT", "DOWN_PLACE", "RETRACT"]
    joint, cartesian = plan.segments(30, PERIOD_S), plan.segments(30, PERIOD_S, CARTESIAN)
    for one, other in zip(joint, cartesian, strict=True):
        if one.phase in straight:
            assert not np.array_equal(as_rows(one.actions)[5], as_rows(other.actions)[5])
        else:
            np.testing.assert_array_equal(as_rows(one.actions), as_rows(other.actions))


def test_a_way_that_the_arm_cannot_go_straight_is_gone_in_joint_space() -> None:
    """From one side behind the robot to the other the line leads where the first joint does not turn."""
    start = Action(np.array([2.8, *HOME_RAD[1:]]), FINGER_OPEN_M)
    end = Action(np.array([-2.8, *HOME_RAD[1:]]), FINGER_OPEN_M)
    way = CARTESIAN.way(start, end, straight=True)
    np.testing.assert_array_equal(way.knots, [start.arm_rad, end.arm_rad])
