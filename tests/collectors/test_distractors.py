"""Where distractors stand, how large they are and which colours they have."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from collectors.distractors import (
    BETWEEN_M,
    COLOUR_JITTER,
    EDGE_RANGE_M,
    KEEP_OFF_M,
    LEAST_COLOUR_DISTANCE,
    SLOT_SHAPES,
)
from collectors.geometry import matrix_from_quat
from collectors.kinematics import fingertip_position, hand_pose
from collectors.objects import CUBE, PALETTE, YCB, ObjectKind
from collectors.randomization import MAX_DISTRACTORS, PRESETS
from collectors.scene import GOAL_RGB, TABLE_CENTRE_M, TABLE_SIZE_M, TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from collectors.waypoints import Plan

MOST = replace(PRESETS["full"], distractors=(MAX_DISTRACTORS, MAX_DISTRACTORS))
EPISODES = 60


def plans(objects: tuple[ObjectKind, ...]) -> list[Plan]:
    task = PickPlace(objects)
    seeds = [(8, index, 0) for index in range(EPISODES)]
    return [task.draw(np.random.default_rng(seed), draw_variation(MOST, seed)) for seed in seeds]


@pytest.fixture(scope="module")
def drawn() -> list[Plan]:
    return plans((CUBE,)) + plans(tuple(YCB.values()))


def test_there_are_as_many_as_were_drawn_but_where_the_table_is_crowded(drawn: list[Plan]) -> None:
    numbers = [len(plan.scene.distractors) for plan in drawn]
    assert max(numbers) == MAX_DISTRACTORS
    assert sum(numbers) > 0.97 * MAX_DISTRACTORS * len(drawn)
    for number in range(MAX_DISTRACTORS):
        few = replace(MOST, distractors=(number, number))
        plan = PickPlace((CUBE,)).draw(np.random.default_rng(1), draw_variation(few, (8, 1, 0)))
        assert len(plan.scene.distractors) == number
        assert len({distractor.slot for distractor in plan.scene.distractors}) == number


def test_they_are_small_upright_and_stand_on_the_table_with_all_of_their_base(drawn: list[Plan]) -> None:
    sizes = []
    for plan in drawn:
        slots = [distractor.slot for distractor in plan.scene.distractors]
        assert len(set(slots)) == len(slots)
        for distractor in plan.scene.distractors:
            sizes.append(distractor.size_m)
            x, y, z = distractor.size_m
            assert all(EDGE_RANGE_M[0] <= edge <= EDGE_RANGE_M[1] <= 0.05 for edge in (x, y, z))
            assert SLOT_SHAPES[distractor.slot] == "box" or x == y
            position = distractor.pose.position
            assert position[2] - z / 2 == pytest.approx(TABLE_SURFACE_Z_M + plan.scene.table.height_m, abs=1e-12)
            np.testing.assert_allclose(matrix_from_quat(distractor.pose.quat_wxyz)[2], (0, 0, 1), atol=1e-12)
            for axis in (0, 1):
                reach_m = abs(position[axis] - TABLE_CENTRE_M[axis]) + math.hypot(x, y) / 2
                assert reach_m < TABLE_SIZE_M[axis] / 2
    assert np.ptp(sizes, axis=0).min() > 0.028  # of 3 cm


def test_they_keep_off_pick_place_and_fingertips_and_one_another(drawn: list[Plan]) -> None:
    nearest_m = between_m = math.inf
    for plan in drawn:
        tips = fingertip_position(hand_pose(plan.scene.arm_rad))
        spots = [plan.pick_xy_m, plan.place_xy_m, (float(tips[0]), float(tips[1]))]
        centres = [distractor.pose.position[:2].tolist() for distractor in plan.scene.distractors]
        nearest_m = min([nearest_m, *(math.dist(centre, spot) for centre in centres for spot in spots)])
        for number, centre in enumerate(centres):
            between_m = min([between_m, *(math.dist(centre, other) for other in centres[:number])])
    assert 0.12 == KEEP_OFF_M <= nearest_m < KEEP_OFF_M + 0.005
    assert math.sqrt(2) * EDGE_RANGE_M[1] < BETWEEN_M <= between_m < BETWEEN_M + 0.005


def test_none_has_the_colour_of_the_object_or_of_the_goal(drawn: list[Plan]) -> None:
    """Nor one near it, though both vary by a jitter of their own."""
    least = LEAST_COLOUR_DISTANCE - math.sqrt(3) * COLOUR_JITTER
    seen = set()
    for plan in drawn:
        for distractor in plan.scene.distractors:
            assert math.dist(distractor.rgb, plan.scene.object_rgb) >= least
            assert math.dist(distractor.rgb, GOAL_RGB) >= least
            named = min(PALETTE, key=lambda name, rgb=distractor.rgb: math.dist(PALETTE[name], rgb))  # type: ignore[misc]  # mypy knows no default of a lambda
            assert named != plan.colour
            seen.add(named)
    assert seen == set(PALETTE)


def test_they_change_nothing_of_the_plan() -> None:
    task = PickPlace((CUBE,))
    for index in range(20):
        seed = (8, index, 0)
        without = replace(MOST, distractors=(0, 0))
        one, other = (
            task.draw(np.random.default_rng(seed), draw_variation(randomization, seed))
            for randomization in (MOST, without)
        )
        assert one.scene.distractors
        assert not other.scene.distractors
        assert one.scene.object_rgb == other.scene.object_rgb
        np.testing.assert_array_equal(one.scene.object_pose.matrix(), other.scene.object_pose.matrix())
        for a, b in zip(one.waypoints, other.waypoints, strict=True):
            np.testing.assert_array_equal(a.arm_rad, b.arm_rad)
