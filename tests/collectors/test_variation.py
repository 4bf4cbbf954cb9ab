"""What one episode draws: pure, within its ranges, each axis by itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from collectors.cameras import CAMERAS
from collectors.colour_temperature import rgb_of_kelvin
from collectors.franka import HOME_RAD
from collectors.geometry import Pose, quat_from_matrix, rotation_angle
from collectors.kinematics import fingertip_position, hand_pose
from collectors.objects import CUBE, YCB
from collectors.randomization import PRESETS, TEXTURES, Randomization
from collectors.recording_noise import NO_NOISE
from collectors.scene import TABLE_RGB, TABLE_SURFACE_Z_M, Light, Plant, Table
from collectors.tasks.pick_place import PickPlace
from collectors.variation import (
    AXES,
    PALM_EDGE_M,
    PALM_OUT_OF_VIEW,
    START_CLEARANCE_M,
    Variation,
    axis_generator,
    draw_variation,
)

FULL, NOMINAL = PRESETS["full"], PRESETS["none"]
DRAWS = 2000

# What of a variation each field decides.
PARTS: dict[str, tuple[str, ...]] = {
    "cube_edge_m": ("edge_m",),
    "object_mass_kg": ("mass_kg",),
    "object_friction": ("friction",),
    "colour_jitter": (),  # drawn with the layout
    "distractors": ("num_distractors",),
    "table_height_m": ("table.height_m", "start_arm_rad"),  # a start that a higher table would be in the way of
    "table_colour": ("table.rgb",),
    "table_textures": ("table.texture", "table.texture_seed"),
    "light_angle_rad": ("light.turn_rad",),
    "light_intensity": ("light.intensity",),
    "light_kelvin": ("light.kelvin", "light.rgb"),
    "camera_position_m": ("cameras.position_m",),
    "camera_angle_rad": ("cameras.forward", "cameras.up", "cameras.position_m"),  # the palm must not be in the way
    "camera_fov": ("cameras.horizontal_fov_rad", "cameras.position_m"),  # likewise
    "camera_noise": ("noise.camera_levels",),
    "start_arm_rad": ("start_arm_rad",),
    "gain": ("plant.gain",),
    "delay_ticks": ("plant.delay_ticks",),
    "speed": ("speed",),
    "observation_noise": ("noise.observation", "noise.keeps_truth"),
}


def parts(variation: Variation) -> dict[str, Any]:
    """Everything that an episode is made of, by a name."""
    found: dict[str, Any] = {
        name: getattr(variation, name)
        for name in ("edge_m", "mass_kg", "friction", "start_arm_rad", "speed", "num_distractors")
    }
    for whole, names in {
        "table": ("height_m", "rgb", "texture", "texture_seed"),
        "light": ("turn_rad", "intensity", "kelvin", "rgb"),
        "plant": ("gain", "delay_ticks"),
        "noise": ("observation", "camera_levels", "seed", "keeps_truth"),
    }.items():
        found |= {f"{whole}.{name}": getattr(getattr(variation, whole), name) for name in names}
    for name in ("position_m", "forward", "up", "horizontal_fov_rad"):
        found[f"cameras.{name}"] = [getattr(camera, name) for camera in variation.cameras]
    return found


def drawn(randomization: Randomization, count: int = DRAWS) -> list[Variation]:
    return [draw_variation(randomization, (17, index, 0)) for index in range(count)]


@pytest.fixture(scope="module")
def full() -> list[Variation]:
    return drawn(FULL)


def test_a_variation_depends_on_its_arguments_alone() -> None:
    seeds = [(seed, index, attempt) for seed in (1, 2) for index in (0, 1, 2**40) for attempt in (0, 1)]
    forwards = [draw_variation(FULL, seed) for seed in seeds]
    np.random.default_rng(0).uniform()
    backwards = [draw_variation(FULL, seed) for seed in reversed(seeds)]
    assert forwards == list(reversed(backwards))
    assert len({(variation.edge_m, variation.friction, variation.speed) for variation in forwards}) == len(seeds)


def test_nothing_varies_nominally() -> None:
    for index in range(20):
        variation = draw_variation(NOMINAL, (index, index, index))
        assert (variation.edge_m, variation.mass_kg, variation.friction) == (0.04, 0.1, 1.0)
        assert (variation.table.height_m, variation.table.rgb, variation.table.texture) == (0.0, TABLE_RGB, "plain")
        assert replace(variation.table, texture_seed=0) == Table()
        assert (variation.light, variation.plant, variation.cameras) == (Light(), Plant(), CAMERAS)
        assert variation.start_arm_rad == HOME_RAD
        assert (variation.speed, variation.num_distractors) == (1.0, 0)
        assert replace(variation.noise, seed=NO_NOISE.seed) == NO_NOISE
        assert variation.kind(CUBE) == CUBE


@pytest.mark.parametrize("field", PARTS)
def test_one_axis_changes_nothing_of_the_others(field: str) -> None:
    assert PARTS.keys() == {name for name in vars(FULL) if name != "curriculum_episodes"}
    for base, other in ((NOMINAL, FULL), (FULL, NOMINAL)):  # switched on, and switched off
        changed = replace(base, **{field: getattr(other, field)})
        moved = set()
        for index in range(40):
            seed = (3, index, 0)
            before, after = parts(draw_variation(base, seed)), parts(draw_variation(changed, seed))
            moved |= {name for name in before if before[name] != after[name]}
        assert moved <= set(PARTS[field])
        assert moved or field == "colour_jitter"


def test_a_higher_table_changes_a_start_pose_only_where_it_is_in_the_way() -> None:
    flat, high = replace(FULL, table_height_m=0.0), replace(FULL, table_height_m=0.03)
    changed = 0
    for index in range(300):
        one, other = draw_variation(flat, (3, index, 0)), draw_variation(high, (3, index, 0))
        tips_z_m = float(fingertip_position(hand_pose(one.start_arm_rad))[2])
        is_clear = tips_z_m >= TABLE_SURFACE_Z_M + other.table.height_m + START_CLEARANCE_M
        assert (one.start_arm_rad == other.start_arm_rad) == is_clear
        changed += not is_clear
    assert changed > 0


def test_a_layout_is_that_of_its_seed_whatever_the_colours_and_lights() -> None:
    """Axes that nothing can collide with leave the plan as it is, but for the picture."""
    looks = ("table_colour", "light_angle_rad", "light_intensity", "light_kelvin", "camera_position_m", "camera_noise")
    varied = replace(NOMINAL, **{name: getattr(FULL, name) for name in looks})
    task = PickPlace((CUBE,))
    for index in range(20):
        seed = (5, index, 0)
        one, other = (
            task.draw(np.random.default_rng(seed), draw_variation(randomization, seed))
            for randomization in (NOMINAL, varied)
        )
        assert (one.task, one.pick_xy_m, one.place_xy_m) == (other.task, other.pick_xy_m, other.place_xy_m)
        assert one.scene.object_rgb == other.scene.object_rgb
        for a, b in zip(one.waypoints, other.waypoints, strict=True):
            np.testing.assert_array_equal(a.arm_rad, b.arm_rad)


def check_range(values: Any, least: float, most: float) -> None:
    """Within both ends, and near them."""
    array = np.asarray(values, dtype=float)
    assert array.min() >= least - 1e-12
    assert array.max() <= most + 1e-12
    assert array.min() < least + 0.02 * (most - least)
    assert array.max() > most - 0.02 * (most - least)


def test_values_lie_in_their_ranges_and_reach_both_ends(full: list[Variation]) -> None:
    check_range([v.edge_m for v in full], *FULL.cube_edge_m)
    check_range([v.mass_kg for v in full], *FULL.object_mass_kg)
    check_range([v.friction for v in full], *FULL.object_friction)
    check_range([v.table.height_m for v in full], -FULL.table_height_m, FULL.table_height_m)
    check_range([v.light.intensity for v in full], *FULL.light_intensity)
    check_range([v.light.kelvin for v in full], *FULL.light_kelvin)
    check_range([v.plant.gain for v in full], *FULL.gain)
    check_range([v.speed for v in full], *FULL.speed)
    check_range([v.noise.camera_levels for v in full], *FULL.camera_noise)
    for axis in (0, 1):
        check_range([v.light.turn_rad[axis] for v in full], -FULL.light_angle_rad, FULL.light_angle_rad)
    assert {v.noise.observation for v in full} == {1.0}


def test_counts_and_textures_are_all_drawn_alike(full: list[Variation]) -> None:
    for values, choices in (
        ([v.num_distractors for v in full], range(6)),
        ([v.plant.delay_ticks for v in full], range(4)),
        ([v.table.texture for v in full], TEXTURES),
    ):
        counts = [values.count(choice) for choice in choices]  # type: ignore[attr-defined]  # a list, each of them
        assert sum(counts) == DRAWS
        assert min(counts) > 0.85 * DRAWS / len(counts)


def test_gains_are_as_often_below_1_as_above(full: list[Variation]) -> None:
    """Drawn by ratio: half the gain is as far off as twice the gain."""
    logs = np.log([v.plant.gain for v in full])
    middle = (math.log(FULL.gain[0]) + math.log(FULL.gain[1])) / 2
    assert np.median(logs) == pytest.approx(middle, abs=0.02)


def test_light_is_tinted_by_its_temperature(full: list[Variation]) -> None:
    for variation in full[:50]:
        assert variation.light.rgb == rgb_of_kelvin(variation.light.kelvin)


def test_the_table_is_lighter_or_darker_and_keeps_most_of_its_hue(full: list[Variation]) -> None:
    shifts = np.array([v.table.rgb for v in full]) - TABLE_RGB
    assert np.abs(shifts).max() <= 1.25 * FULL.table_colour
    assert shifts.min() >= -np.max(TABLE_RGB)
    unclipped = (np.array([v.table.rgb for v in full]) > 0).all(axis=1)
    assert (np.ptp(shifts[unclipped], axis=1) <= FULL.table_colour / 2 + 1e-12).all()


def test_start_poses_are_near_home_and_never_low(full: list[Variation]) -> None:
    offsets = np.array([v.start_arm_rad for v in full]) - HOME_RAD
    for joint in range(7):
        check_range(offsets[:, joint], -FULL.start_arm_rad, FULL.start_arm_rad)
    for variation in full:
        tips_z_m = float(fingertip_position(hand_pose(variation.start_arm_rad))[2])
        assert tips_z_m >= TABLE_SURFACE_Z_M + variation.table.height_m + START_CLEARANCE_M


def test_cameras_are_moved_turned_and_zoomed_within_their_bounds(full: list[Variation]) -> None:
    for number, nominal in enumerate(CAMERAS):
        cameras = [v.cameras[number] for v in full]
        shifts = np.array([camera.position_m for camera in cameras]) - nominal.position_m
        assert np.abs(shifts).max() <= FULL.camera_position_m + 1e-12
        for axis in range(3):
            if nominal.parent == "world" or axis == 1:  # else the palm would be in the way
                check_range(shifts[:, axis], -FULL.camera_position_m, FULL.camera_position_m)
        fovs = [camera.horizontal_fov_rad / nominal.horizontal_fov_rad - 1 for camera in cameras]
        check_range(fovs, -FULL.camera_fov, FULL.camera_fov)
        nominal_quat = nominal.camera_to_parent().quat_wxyz
        turns = [rotation_angle(nominal_quat, camera.camera_to_parent().quat_wxyz) for camera in cameras]
        assert max(turns) <= math.sqrt(3) * FULL.camera_angle_rad + 1e-6
        assert max(turns) > 1.2 * FULL.camera_angle_rad
        for camera in cameras:
            assert (camera.name, camera.parent) == (nominal.name, nominal.parent)
            assert (camera.width_px, camera.height_px) == (nominal.width_px, nominal.height_px)
            np.testing.assert_allclose(np.linalg.norm(camera.forward), 1, atol=1e-12)
            assert np.dot(camera.forward, camera.up) == pytest.approx(0, abs=1e-12)
            matrix = camera.camera_to_parent().matrix()[:3, :3]
            assert rotation_angle(quat_from_matrix(matrix), camera.camera_to_parent().quat_wxyz) < 1e-6


def test_the_palm_hides_no_more_than_the_border_of_the_wrist_camera_s_picture(full: list[Variation]) -> None:
    """The middle of its front edge stays within the last eighth of the picture, or below it."""
    edges = []
    for variation in full:
        _, wrist = variation.cameras
        _, fy, _, cy = wrist.intrinsics()
        assert wrist.position_m[0] > PALM_EDGE_M[0]  # not within the palm
        _, y, z = (wrist.camera_to_parent().inverse() @ Pose(PALM_EDGE_M)).position
        if z > 0:
            edges.append((fy * y / z + cy) / wrist.height_px)
    assert 0.5 + PALM_OUT_OF_VIEW / 2 <= min(edges) < 0.5 + PALM_OUT_OF_VIEW / 2 + 0.01


def test_a_camera_that_is_only_turned_is_drawn_however_much_of_the_palm_it_sees() -> None:
    widest = replace(NOMINAL, camera_angle_rad=math.radians(5), camera_fov=0.1, camera_position_m=0.001)
    for index in range(200):
        assert len(draw_variation(widest, (1, index, 0)).cameras) == 2


def test_both_cameras_are_turned_about_every_axis(full: list[Variation]) -> None:
    for number, nominal in enumerate(CAMERAS):
        before = nominal.camera_to_parent().matrix()[:3, :3]
        after = [v.cameras[number].camera_to_parent().matrix()[:3, :3] for v in full]
        turns = np.array([matrix @ before.T for matrix in after])
        for row, column in ((2, 1), (0, 2), (1, 0)):  # about x, y and z, to first order
            assert np.ptp(turns[:, row, column]) > 1.8 * FULL.camera_angle_rad


def test_a_cube_has_the_drawn_size_and_mass_and_is_grasped_at_its_centre(full: list[Variation]) -> None:
    for variation in full[:50]:
        kind = variation.kind(CUBE)
        assert (kind.size_m, kind.mass_kg) == ((variation.edge_m,) * 3, variation.mass_kg)
        assert kind.grasp_height_m == pytest.approx(variation.edge_m / 2)
        assert replace(kind, size_m=CUBE.size_m, mass_kg=CUBE.mass_kg, grasp_below_top_m=0.02) == CUBE


def test_a_published_object_stays_as_it_is(full: list[Variation]) -> None:
    for kind in YCB.values():
        assert full[0].kind(kind) is kind


def test_a_curriculum_draws_what_holds_for_its_index() -> None:
    curriculum = replace(FULL, curriculum_episodes=100)
    for index in (0, 30, 99, 100, 500):
        variation = draw_variation(curriculum, (1, index, 0))
        assert variation.randomization == curriculum.at(index)
        drawn_so = replace(curriculum.at(index), curriculum_episodes=0)
        expected, found = parts(draw_variation(drawn_so, (1, index, 0))), parts(variation)
        assert {name for name in found if found[name] != expected[name]} <= {"noise.keeps_truth"}
    beginning = draw_variation(curriculum, (1, 0, 0))
    assert beginning.noise.observation == 0
    assert beginning.noise.keeps_truth  # every episode of a dataset has the same columns


def test_generators_of_axes_are_their_own_and_begin_anew() -> None:
    firsts = {axis: float(axis_generator((1, 2, 3), axis).uniform()) for axis in AXES}
    assert len(set(firsts.values())) == len(AXES) == len(set(AXES.values()))
    variation = draw_variation(FULL, (1, 2, 3))
    for axis, first in firsts.items():
        assert float(variation.generator(axis).uniform()) == first
    assert float(np.random.default_rng([1, 2, 3]).uniform()) not in firsts.values()  # the layout's
