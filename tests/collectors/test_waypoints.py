from __future__ import annotations

import numpy as np
import pytest

from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.motion import LINEAR, MAX_SPEED_FRACTION, peak_factor
from collectors.objects import CUBE
from collectors.scene import Scene
from collectors.simulator import Action
from collectors.waypoints import Plan, UnreachableError, Waypoint

PERIOD_S = 1 / 30


def random_action(rng: np.random.Generator) -> Action:
    return Action(np.asarray(HOME_RAD) + rng.uniform(-0.4, 0.4, size=7), float(rng.uniform(0, FINGER_OPEN_M)))


def as_rows(actions: tuple[Action, ...]) -> Array:
    return np.stack([np.append(action.arm_rad, action.finger_m) for action in actions])


def plan_through(*waypoints: Waypoint) -> Plan:
    scene = Scene(CUBE, Pose((0.5, 0.1, 0.43)), (0.8, 0.1, 0.1), (0.4, -0.2))
    return Plan(scene, "Do it.", waypoints, "red", 0.0, 0.0, 0.0, 0)


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
        np.testing.assert_array_equal(
            as_rows(segment.actions), as_rows(LINEAR.actions(LINEAR.way(start, waypoint.action, False), 30))
        )
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
