"""The way between the waypoints: what the arm does on the straight lines in joint space that join them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from collectors.franka import (
    FINGER_OPEN_M,
    FINGER_VELOCITY_LIMIT_M_S,
    FINGERTIP_OFFSET_M,
    HOME_RAD,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    JOINT_VELOCITY_LIMIT_RAD_S,
)
from collectors.geometry import Array, Pose
from collectors.kinematics import fingertip_position, hand_pose
from collectors.motion import MAX_SPEED_FRACTION, peak_factor
from collectors.objects import CUBE, YCB, ObjectKind, lowest_point_m
from collectors.randomization import PRESETS
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import MIN_LIFT_M, PickPlace
from collectors.variation import draw_variation
from collectors.waypoints import Plan, Waypoint

PLAIN = draw_variation(PRESETS["none"], (0, 0, 0))
PERIOD_S = 1 / 30

every_kind = pytest.mark.parametrize("kind", [CUBE, *YCB.values()], ids=lambda kind: kind.name)
every_tall_kind = pytest.mark.parametrize("kind", YCB.values(), ids=lambda kind: kind.name)


def plans(kind: ObjectKind, count: int) -> list[Plan]:
    return [PickPlace((kind,)).draw(np.random.default_rng([12345, episode, 0]), PLAIN) for episode in range(count)]


def by_phase(plan: Plan) -> dict[str, Waypoint]:
    return {waypoint.phase: waypoint for waypoint in plan.waypoints}


def object_in_hand(plan: Plan) -> Pose:
    """Object to hand, as the weld takes it."""
    return by_phase(plan)["DOWN_PICK"].hand_to_world.inverse() @ plan.scene.object_pose


@every_kind
@pytest.mark.parametrize(("steps", "period_s"), [(30, 1 / 30), (5, 1 / 30), (30, 1 / 120)])
def test_commands_respect_every_joint_and_speed_limit(kind: ObjectKind, steps: int, period_s: float) -> None:
    stretched = 0
    for plan in plans(kind, 60):
        segments = plan.segments(steps, period_s)
        arms = np.array([HOME_RAD, *(action.arm_rad for segment in segments for action in segment.actions)])
        assert np.all((arms > JOINT_LOWER_RAD) & (arms < JOINT_UPPER_RAD))
        speeds = np.abs(np.diff(arms, axis=0)) / period_s
        allowed = MAX_SPEED_FRACTION / peak_factor(period_s) * np.asarray(JOINT_VELOCITY_LIMIT_RAD_S)
        assert np.all(speeds <= allowed * (1 + 1e-9))
        fingers = np.array([FINGER_OPEN_M, *(action.finger_m for segment in segments for action in segment.actions)])
        assert np.all(np.abs(np.diff(fingers)) / period_s <= FINGER_VELOCITY_LIMIT_M_S * (1 + 1e-9))
        stretched += any(len(segment.actions) > steps for segment in segments)
    assert stretched == 60 or steps * period_s == 1  # a second is enough for most ways, and for the fingers


@every_kind
def test_free_motion_keeps_the_fingertips_3_cm_above_the_table(kind: ObjectKind) -> None:
    lowest = math.inf
    for plan in plans(kind, 40):
        for segment in plan.segments(15, 2 * PERIOD_S):
            if segment.phase not in ("APPROACH_PICK", "MOVE_TO_PLACE", "RETRACT", "HOME"):
                continue
            # The retract begins at the object, so only its end is free.
            actions = segment.actions[7:] if segment.phase == "RETRACT" else segment.actions
            lowest = min(lowest, *(float(fingertip_position(hand_pose(action.arm_rad))[2]) for action in actions))
    assert lowest > TABLE_SURFACE_Z_M + 0.03


@every_kind
def test_the_way_down_and_up_stays_beside_the_object(kind: ObjectKind) -> None:
    """While the fingertips are below its top, the open fingers stray by less than the gap beside the object."""
    gap_m = FINGER_OPEN_M - kind.size_m[0] / 2
    for plan in plans(kind, 100):
        waypoints = by_phase(plan)
        for segment in plan.segments(30, PERIOD_S):
            if segment.phase not in ("DOWN_PICK", "RETRACT"):
                continue
            contact = waypoints["DOWN_PICK" if segment.phase == "DOWN_PICK" else "DOWN_PLACE"].hand_to_world
            for action in segment.actions:
                tips = fingertip_position(hand_pose(action.arm_rad))
                if tips[2] > TABLE_SURFACE_Z_M + kind.size_m[2]:
                    continue
                aside = (contact.inverse() @ Pose(tips)).position
                assert abs(aside[1]) < gap_m
                assert math.hypot(aside[0], aside[1]) < (0.011 if kind.is_tall else 0.022)


@every_kind
def test_the_carried_object_never_touches_the_table_on_its_way(kind: ObjectKind) -> None:
    lowest = math.inf
    for plan in plans(kind, 40):
        object_to_hand = object_in_hand(plan)
        highest = 0.0
        for segment in plan.segments(30, PERIOD_S):
            if segment.phase not in ("LIFT", "MOVE_TO_PLACE", "DOWN_PLACE"):
                continue
            heights = [
                lowest_point_m(kind, hand_pose(action.arm_rad) @ object_to_hand) - TABLE_SURFACE_Z_M
                for action in segment.actions
            ]
            lowest, highest = min(lowest, *heights), max(highest, *heights)
        assert highest > 2 * MIN_LIFT_M
    assert lowest > 0


@every_tall_kind
def test_the_open_hand_passes_clear_of_a_tall_object_on_its_way_from_and_to_home(kind: ObjectKind) -> None:
    hand = hand_outline()
    closest = math.inf
    for plan in plans(kind, 60):
        segments = {segment.phase: segment for segment in plan.segments(15, 2 * PERIOD_S)}
        released = by_phase(plan)["DOWN_PLACE"].hand_to_world @ object_in_hand(plan)
        for phase, standing in (("APPROACH_PICK", plan.scene.object_pose), ("HOME", released)):
            for action in segments[phase].actions:
                hand_to_object = (standing.inverse() @ hand_pose(action.arm_rad)).matrix()
                points = hand @ hand_to_object[:3, :3].T + hand_to_object[:3, 3]
                outside = np.maximum(np.abs(points) - np.asarray(kind.size_m) / 2, 0)
                closest = min(closest, float(np.linalg.norm(outside, axis=1).min()))
    assert closest > 0.003


def hand_outline() -> Array:
    """Points on the open hand [m], shape (n, 3), in its frame: both fingers 2 cm thick, and the palm's lower half."""
    fingers = box_points((-0.011, FINGER_OPEN_M, 0.058), (0.011, FINGER_OPEN_M + 0.02, FINGERTIP_OFFSET_M + 0.009))
    palm = box_points((-0.032, -0.102, 0.02), (0.032, 0.102, 0.066))
    return np.concatenate([fingers, fingers * (1, -1, 1), palm])


def box_points(low: tuple[float, float, float], high: tuple[float, float, float]) -> Array:
    axes = [np.linspace(a, b, count) for a, b, count in zip(low, high, (3, 9, 5), strict=True)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
