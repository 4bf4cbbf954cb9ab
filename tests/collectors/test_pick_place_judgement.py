from __future__ import annotations

import math

import numpy as np
import pytest

from collectors.franka import HOME_RAD
from collectors.geometry import Array, Pose, quat_about_axis, quat_multiply
from collectors.objects import CUBE, YCB, ObjectKind, lowest_point_m
from collectors.scene import TABLE_SURFACE_Z_M, Scene
from collectors.tasks.pick_place import MIN_LIFT_M, Judgement, PickPlace

every_kind = pytest.mark.parametrize("kind", [CUBE, *YCB.values()], ids=lambda kind: kind.name)

GOAL_M = (0.45, -0.2)


def standing(kind: ObjectKind, x: float = GOAL_M[0], y: float = GOAL_M[1], yaw: float = 0.3, rise: float = 0.0) -> Pose:
    return Pose((x, y, TABLE_SURFACE_Z_M + kind.size_m[2] / 2 + rise), quat_about_axis((0, 0, 1), yaw))


def leaning(kind: ObjectKind, lean: float) -> Pose:
    """On the table, leaning about a slanted horizontal axis."""
    quat = quat_multiply(quat_about_axis((1, 2, 0), lean), quat_about_axis((0, 0, 1), 0.3))
    lifted = Pose((*GOAL_M, 1.0), quat)
    return Pose((*GOAL_M, 1.0 - lowest_point_m(kind, lifted) + TABLE_SURFACE_Z_M), quat)


def judged(
    object_to_world: Pose,
    kind: ObjectKind = CUBE,
    arm_rad: Array | None = None,
    grasped: bool = True,
    lifted_m: float = 0.1,
) -> Judgement:
    scene = Scene(kind, standing(kind, 0.6, 0.1), (0.5, 0.5, 0.5), GOAL_M)
    arm = np.array(HOME_RAD) if arm_rad is None else arm_rad
    return PickPlace((kind,)).judge(scene, object_to_world, arm, grasped, lifted_m)


@every_kind
def test_an_object_on_the_goal_with_the_arm_at_home_is_a_success_whatever_its_yaw(kind: ObjectKind) -> None:
    for yaw in np.linspace(0, 2 * math.pi, 9):
        judgement = judged(standing(kind, yaw=float(yaw)), kind)
        assert judgement.success
        assert judgement.success_2cm
        assert judgement.failure_reason == ""
        assert judgement.placement_error_m == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("off_m", "success", "success_2cm"),
    [(0.0199, True, True), (0.0201, True, False), (0.0499, True, False), (0.0501, False, False)],
)
def test_the_goal_is_missed_beyond_5_cm_in_any_direction(off_m: float, success: bool, success_2cm: bool) -> None:
    for direction in np.linspace(0, 2 * math.pi, 7):
        x, y = GOAL_M[0] + off_m * math.cos(direction), GOAL_M[1] + off_m * math.sin(direction)
        judgement = judged(standing(CUBE, x, y))
        assert judgement.placement_error_m == pytest.approx(off_m)
        assert (judgement.success, judgement.success_2cm) == (success, success_2cm)
        assert judgement.failure_reason == ("" if success else "off_target")


@every_kind
def test_an_object_must_stand_within_15_degrees_of_upright(kind: ObjectKind) -> None:
    assert judged(leaning(kind, math.radians(14.9)), kind).success
    for degrees in (15.1, 90, 180):
        assert judged(leaning(kind, math.radians(degrees)), kind).failure_reason == "dropped"


@every_kind
def test_an_object_must_rest_on_the_table_within_5_mm(kind: ObjectKind) -> None:
    for rise, reason in ((0.0049, ""), (-0.0049, ""), (0.0051, "dropped"), (-0.0051, "dropped"), (-0.4, "dropped")):
        assert judged(standing(kind, rise=rise), kind).failure_reason == reason


def test_the_arm_must_be_home_in_every_joint() -> None:
    for joint in range(7):
        for off, reason in ((0.049, ""), (0.051, "not_home"), (-0.051, "not_home")):
            arm = np.array(HOME_RAD) + off * np.eye(7)[joint]
            assert judged(standing(CUBE), arm_rad=arm).failure_reason == reason


def test_an_object_must_have_been_lifted() -> None:
    assert judged(standing(CUBE), lifted_m=MIN_LIFT_M).success
    assert judged(standing(CUBE), lifted_m=MIN_LIFT_M - 1e-6).failure_reason == "dropped"


def test_the_first_thing_that_went_wrong_is_the_reason() -> None:
    away = np.array(HOME_RAD) + 1.0
    far, fallen = standing(CUBE, 0.6, 0.2), standing(CUBE, 0.6, 0.2, rise=-0.4)
    assert judged(fallen, arm_rad=away, grasped=False, lifted_m=0.0).failure_reason == "missed_grasp"
    assert judged(fallen, arm_rad=away).failure_reason == "dropped"
    assert judged(far, arm_rad=away, lifted_m=0.0).failure_reason == "dropped"
    assert judged(far, arm_rad=away).failure_reason == "off_target"
    assert judged(standing(CUBE), arm_rad=away).failure_reason == "not_home"
