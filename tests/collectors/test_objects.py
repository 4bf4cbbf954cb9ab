from __future__ import annotations

import math

import numpy as np
import pytest

from collectors.geometry import Pose
from collectors.objects import (
    CUBE,
    FINGER_REACH_M,
    GRIPPER_SPAN_M,
    PALETTE,
    REFUSED,
    YCB,
    ObjectError,
    ObjectKind,
    lowest_point_m,
    object_kind,
)
from collectors.randomization import Randomization
from collectors.scene import GOAL_RGB, TABLE_CENTRE_M, TABLE_SIZE_M
from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M

KINDS = (CUBE, *YCB.values())
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@every_kind
def test_fits_between_the_fingers_with_5_mm_to_spare_on_each_side(kind: ObjectKind) -> None:
    assert kind.size_m[0] <= GRIPPER_SPAN_M - 0.010


@every_kind
def test_the_grasp_point_lies_within_the_object_and_the_fingers_reach_it(kind: ObjectKind) -> None:
    assert 0 < kind.grasp_below_top_m <= 0.035 < FINGER_REACH_M
    assert 0 < kind.grasp_height_m < kind.size_m[2]
    assert kind.grasp_height_m + kind.grasp_below_top_m == pytest.approx(kind.size_m[2])


@every_kind
def test_the_yaw_period_is_a_symmetry_of_gripper_and_object(kind: ObjectKind) -> None:
    assert 0 < kind.yaw_period_rad <= math.pi
    assert (math.pi / kind.yaw_period_rad).is_integer()  # the gripper's own symmetry is half a turn
    if kind.yaw_period_rad < math.pi:
        assert kind.size_m[0] == kind.size_m[1]


@every_kind
def test_stands_on_the_table_with_its_whole_footprint_anywhere_in_the_area_at_any_yaw(kind: ObjectKind) -> None:
    half_diagonal = math.hypot(kind.size_m[0], kind.size_m[1]) / 2
    for axis, area in enumerate((AREA_X_M, AREA_Y_M)):
        assert area[0] - half_diagonal >= TABLE_CENTRE_M[axis] - TABLE_SIZE_M[axis] / 2
        assert area[1] + half_diagonal <= TABLE_CENTRE_M[axis] + TABLE_SIZE_M[axis] / 2


@every_kind
def test_is_physically_plausible(kind: ObjectKind) -> None:
    litres = 1000 * math.prod(kind.size_m) * (math.pi / 4 if kind.shape == "cylinder" else 1)
    assert 0.3 < kind.mass_kg / litres < 2.0
    if kind.shape == "cylinder":
        assert kind.size_m[0] == kind.size_m[1]


def test_the_cube_is_grasped_at_its_centre_and_is_not_tall() -> None:
    assert CUBE.grasp_height_m == pytest.approx(CUBE.size_m[2] / 2)
    assert not CUBE.is_tall
    assert CUBE.rgb is None


def test_ycb_objects_are_tall_and_have_their_own_colour() -> None:
    for kind in YCB.values():
        assert kind.is_tall
        assert kind.rgb is not None


def test_tall_means_over_6_cm() -> None:
    def of_height(height_m: float) -> ObjectKind:
        return ObjectKind("test", "test", "box", (0.04, 0.04, height_m), 0.1, 0.02, math.pi / 2, None)

    assert not of_height(0.06).is_tall
    assert of_height(0.0601).is_tall


def test_labels_are_plain_words_and_unambiguous() -> None:
    assert len({kind.label for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind.label.replace(" ", "").isalpha()
        assert kind.label == kind.label.lower()


def test_no_colour_of_the_palette_can_be_taken_for_the_goal_or_for_another() -> None:
    """Even after the jitter, which moves each channel of each colour by at most `colour_jitter`."""
    colours = [*PALETTE.values(), GOAL_RGB]
    assert all(0 <= channel <= 1 for colour in colours for channel in colour)
    for i, a in enumerate(colours):
        for b in colours[:i]:
            assert np.abs(np.subtract(a, b)).max() > 4 * Randomization().colour_jitter


@every_kind
def test_an_object_is_found_by_its_name(kind: ObjectKind) -> None:
    assert object_kind(kind.name) is kind


def test_a_refused_object_says_why() -> None:
    assert REFUSED.keys().isdisjoint(YCB)
    with pytest.raises(ObjectError, match=r"007_tuna_fish_can.*85 mm exceeds the gripper's 80 mm"):
        object_kind("007_tuna_fish_can")


def test_an_unknown_object_names_what_exists() -> None:
    with pytest.raises(ObjectError, match="'banana'") as error:
        object_kind("banana")
    assert all(kind.name in str(error.value) for kind in KINDS)


@every_kind
def test_the_lowest_point_is_a_corner_of_a_box_or_a_point_on_the_rim_of_a_cylinder(kind: ObjectKind) -> None:
    rng = np.random.default_rng(11)
    half_x, half_y, half_z = np.asarray(kind.size_m) / 2
    turns = np.linspace(0, 2 * math.pi, 721)
    if kind.shape == "cylinder":
        rim = np.stack([half_x * np.cos(turns), half_y * np.sin(turns)], axis=1)
    else:
        rim = np.array([(half_x, half_y), (-half_x, half_y), (half_x, -half_y), (-half_x, -half_y)])
    points = np.concatenate([np.insert(rim, 2, z, axis=1) for z in (-half_z, half_z)])
    for _ in range(100):
        quat = rng.normal(size=4)
        pose = Pose(rng.uniform(-1, 1, size=3), quat / np.linalg.norm(quat))
        heights = points @ pose.matrix()[2, :3] + pose.position[2]
        assert lowest_point_m(kind, pose) == pytest.approx(heights.min(), abs=1e-6)
