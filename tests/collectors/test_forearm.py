"""Elbow and forearm keep off the table and what stands on it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from collectors.distractors import UNDER_FOREARM_M
from collectors.forearm import forearm_balls, forearm_clearance_m
from collectors.franka import HOME_RAD
from collectors.objects import CUBE
from collectors.randomization import PRESETS
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import MIN_FOREARM_CLEARANCE_M, PickPlace
from collectors.variation import draw_variation
from collectors.waypoints import Plan

TASK = PickPlace((CUBE,))


def plan_of(seed: tuple[int, int, int], preset: str = "full") -> Plan:
    return TASK.draw(np.random.default_rng(seed), draw_variation(PRESETS[preset], seed))


def test_the_arm_at_home_is_far_above_the_table() -> None:
    assert forearm_clearance_m(np.array(HOME_RAD), TABLE_SURFACE_Z_M) > 0.15


def test_clearance_falls_as_the_table_rises() -> None:
    arm = plan_of((1, 0, 0)).waypoints[1].arm_rad
    gaps = [forearm_clearance_m(arm, z) for z in (0.35, 0.41, 0.5)]
    assert gaps[0] - gaps[1] == pytest.approx(0.06)
    assert gaps[1] - gaps[2] == pytest.approx(0.09)


def test_balls_turn_with_the_base() -> None:
    arm = np.array(HOME_RAD)
    turned = arm + 0.7 * np.eye(7)[0]
    before, after = forearm_balls(arm), forearm_balls(turned)
    np.testing.assert_allclose(np.hypot(*before[:, :2].T), np.hypot(*after[:, :2].T), atol=1e-12)
    np.testing.assert_allclose(before[:, 2:], after[:, 2:], atol=1e-12)


def test_no_plan_leads_the_forearm_onto_the_table() -> None:
    for index in range(150):
        plan = plan_of((42, 900 + index, 0))
        for waypoint in (plan.waypoints[1], plan.waypoints[5]):
            gap_m = forearm_clearance_m(waypoint.arm_rad, plan.scene.surface_z_m)
            assert gap_m >= MIN_FOREARM_CLEARANCE_M, (index, waypoint.phase)


def test_nothing_stands_under_the_forearm() -> None:
    for index in range(80):
        plan = plan_of((7, index, 0))
        balls = np.concatenate([forearm_balls(plan.waypoints[number].arm_rad) for number in (1, 5)])
        for thing in plan.scene.distractors:
            x, y, z = thing.pose.position
            for ball_x, ball_y, ball_z, radius_m in balls:
                under = ball_z - radius_m < z + thing.size_m[2] / 2 + UNDER_FOREARM_M
                beside_m = math.hypot(x - ball_x, y - ball_y) - radius_m - math.hypot(*thing.size_m[:2]) / 2
                assert not under or beside_m >= UNDER_FOREARM_M - 1e-9, index
