from __future__ import annotations

import numpy as np
import pytest

from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD, JOINT_VELOCITY_LIMIT_RAD_S, SERVO_LAG_S
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.objects import CUBE
from collectors.scene import Scene
from collectors.simulator import Action
from collectors.waypoints import (
    MAX_SPEED_FRACTION,
    Plan,
    UnreachableError,
    Waypoint,
    interpolate,
    least_steps,
    peak_factor,
)

PERIOD_S = 1 / 30
LIMITS_RAD_S = np.asarray(JOINT_VELOCITY_LIMIT_RAD_S)


def random_action(rng: np.random.Generator) -> Action:
    return Action(np.asarray(HOME_RAD) + rng.uniform(-0.4, 0.4, size=7), float(rng.uniform(0, FINGER_OPEN_M)))


def as_rows(actions: tuple[Action, ...]) -> Array:
    return np.stack([np.append(action.arm_rad, action.finger_m) for action in actions])


def plan_through(*waypoints: Waypoint) -> Plan:
    scene = Scene(CUBE, Pose((0.5, 0.1, 0.43)), (0.8, 0.1, 0.1), (0.4, -0.2))
    return Plan(scene, "Do it.", waypoints, "red", 0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_interpolation_is_a_straight_line_in_equal_steps_that_ends_on_the_target_to_the_bit(steps: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        start, end = random_action(rng), random_action(rng)
        rows = as_rows(interpolate(start, end, steps))
        assert rows.shape == (steps, 8)
        np.testing.assert_array_equal(rows[-1], as_rows((end,))[0])
        all_rows = np.concatenate([as_rows((start,)), rows])
        one_step = (all_rows[-1] - all_rows[0]) / steps
        np.testing.assert_allclose(np.diff(all_rows, axis=0), np.tile(one_step, (steps, 1)), atol=1e-12)


def test_what_stands_still_keeps_its_value_to_the_bit() -> None:
    start = random_action(np.random.default_rng(2))
    for action in interpolate(start, Action(start.arm_rad, FINGER_CLOSED_M), 7):
        np.testing.assert_array_equal(action.arm_rad, start.arm_rad)


@pytest.mark.parametrize("steps", [0, -3])
def test_a_segment_without_a_step_is_refused(steps: int) -> None:
    action = random_action(np.random.default_rng(3))
    with pytest.raises(ValueError, match=f"at least 1 step, got {steps}"):
        interpolate(action, action, steps)


@pytest.mark.parametrize("period_s", [1 / 120, 1 / 30, 1 / 10])
def test_least_steps_keep_the_speed_and_one_fewer_would_not(period_s: float) -> None:
    rng, more_than_one = np.random.default_rng(4), 0
    for _ in range(100):
        start, end = random_action(rng), random_action(rng)
        end = Action(end.arm_rad, start.finger_m)
        steps = least_steps(start, end, period_s)
        speed = np.abs(end.arm_rad - start.arm_rad) / period_s
        allowed = MAX_SPEED_FRACTION / peak_factor(period_s) * LIMITS_RAD_S
        assert np.all(speed / steps <= allowed * (1 + 1e-9))
        if steps > 1:
            more_than_one += 1
            assert np.any(speed / (steps - 1) > allowed)
    assert more_than_one > 0


@pytest.mark.parametrize("joint", range(7))
def test_every_joint_counts_with_its_own_limit_and_an_exact_fit_needs_no_extra_step(joint: int) -> None:
    start = Action(np.array(HOME_RAD), FINGER_OPEN_M)
    for steps in (1, 3, 29, 30, 31):
        move = MAX_SPEED_FRACTION / peak_factor(PERIOD_S) * LIMITS_RAD_S[joint] * PERIOD_S * steps
        for sign in (-1, 1):
            end = Action(start.arm_rad + sign * move * np.eye(7)[joint], FINGER_OPEN_M)
            assert least_steps(start, end, PERIOD_S) == steps


def test_standing_still_takes_one_step() -> None:
    action = random_action(np.random.default_rng(5))
    assert least_steps(action, action, PERIOD_S) == 1


def test_fingers_take_their_time() -> None:
    """0.04 m at 0.05 m/s: 0.8 s."""
    opened = Action(np.array(HOME_RAD), FINGER_OPEN_M)
    closed = Action(opened.arm_rad, FINGER_CLOSED_M)
    assert least_steps(opened, closed, 1 / 30) == least_steps(closed, opened, 1 / 30) == 24
    assert least_steps(opened, closed, 1 / 120) == 96


def test_peak_factor_is_that_of_a_first_order_lag() -> None:
    """A target held for a period T is approached as exp(-t / lag); the steady ramp's peak is at the period's begin."""
    for period_s in (1 / 120, 1 / 30, 0.1, 1.0):
        behind = 1.0  # of the target, in units of one period's move
        for _ in range(10_000):
            start, behind = behind, behind * np.exp(-period_s / SERVO_LAG_S) + 1.0
        assert peak_factor(period_s) == pytest.approx(start * period_s / SERVO_LAG_S, rel=1e-6)


def test_segments_run_from_the_scene_s_start_through_every_waypoint_in_order() -> None:
    rng = np.random.default_rng(6)
    arms = [random_action(rng).arm_rad for _ in range(3)]
    plan = plan_through(
        Waypoint("DOWN", arms[0], FINGER_OPEN_M),
        Waypoint("CLOSE", arms[1], FINGER_CLOSED_M, then="attach"),
        Waypoint("AWAY", arms[2], FINGER_OPEN_M, then="detach"),
    )
    segments = plan.segments(30, PERIOD_S)
    assert [(segment.phase, segment.then) for segment in segments] == [
        ("DOWN", None),
        ("CLOSE", "attach"),
        ("AWAY", "detach"),
    ]
    start = Action(np.array(plan.scene.arm_rad), FINGER_OPEN_M)
    for segment, waypoint in zip(segments, plan.waypoints, strict=True):
        assert len(segment.actions) == 30
        np.testing.assert_array_equal(as_rows(segment.actions), as_rows(interpolate(start, waypoint.action, 30)))
        start = waypoint.action


def test_only_the_segment_that_would_be_too_fast_gets_more_steps() -> None:
    near = np.asarray(HOME_RAD) + 0.1 * np.eye(7)[0]
    far = near + 2.5 * np.eye(7)[0]  # 2.5 rad in one second; joint 1 may do 2.175 rad/s
    plan = plan_through(*(Waypoint(name, arm, FINGER_OPEN_M) for name, arm in (("A", near), ("B", far), ("C", far))))
    a, b, c = plan.segments(30, PERIOD_S)
    assert len(a.actions) == len(c.actions) == 30
    assert len(b.actions) == np.ceil(2.5 * peak_factor(PERIOD_S) / (MAX_SPEED_FRACTION * 2.175 * PERIOD_S))
    assert len(plan.segments(60, PERIOD_S)[1].actions) == 60  # slow enough by itself


def test_a_waypoint_owns_a_read_only_arm_and_plans_the_hand_where_that_arm_has_it() -> None:
    arm = np.array(HOME_RAD)
    waypoint = Waypoint("HOME", arm, FINGER_OPEN_M)
    arm[0] = 1.0
    np.testing.assert_array_equal(waypoint.arm_rad, HOME_RAD)
    np.testing.assert_array_equal(waypoint.hand_to_world.matrix(), hand_pose(HOME_RAD).matrix())
    with pytest.raises(ValueError, match="read-only"):
        waypoint.arm_rad[0] = 1.0


def test_a_plan_s_object_and_targets_are_those_of_its_scene() -> None:
    plan = plan_through()
    assert plan.object_name == "cube"
    assert plan.pick_xy_m == (0.5, 0.1)
    assert plan.place_xy_m == (0.4, -0.2)


def test_an_unreachable_error_says_how_often_it_was_tried() -> None:
    error = UnreachableError("no reachable pick", 100)
    assert error.resamples == 100
    assert str(error) == "no reachable pick after 100 resamples"
