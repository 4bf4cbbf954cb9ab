"""What a randomization is: its ranges, its curriculum, its form as a file, its presets."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from collectors.randomization import (
    ALLOWED,
    PRESETS,
    TEXTURES,
    Randomization,
    RandomizationError,
    from_mapping,
)

FIELDS = [field.name for field in fields(Randomization)]
RANGES = [name for name in FIELDS if isinstance(getattr(Randomization(), name), tuple) and name != "table_textures"]
FULL = PRESETS["full"]
NOMINAL = Randomization()


def ends(randomization: Randomization, name: str) -> tuple[float, float]:
    """Between which its values lie; a bound reaches from 0."""
    value: Any = getattr(randomization, name)
    return value if isinstance(value, tuple) else (min(0.0, value), value)


def test_no_part_of_it_is_nominal_and_all_of_it_is_itself() -> None:
    for preset in PRESETS.values():
        assert preset.scaled(0) == NOMINAL
        assert preset.scaled(1) is preset
        assert preset.at(0) is preset  # without a curriculum


def test_every_axis_of_full_is_varied() -> None:
    """So that the laws below are about something."""
    assert [name for name in FIELDS if getattr(FULL, name) == getattr(NOMINAL, name)] == ["curriculum_episodes"]


def test_a_curriculum_widens_every_axis_from_one_episode_to_the_next_and_is_over_in_time() -> None:
    curriculum = replace(FULL, curriculum_episodes=50)
    assert replace(curriculum.at(0), curriculum_episodes=0) == NOMINAL
    assert curriculum.at(50) == curriculum.at(10**6) == curriculum
    for name in FIELDS:
        if name in ("table_textures", "curriculum_episodes"):
            continue
        seen = [ends(curriculum.at(index), name) for index in range(51)]
        for before, after in itertools.pairwise(seen):
            assert after[0] <= before[0] <= before[1] <= after[1], name
        assert seen[0][1] - seen[0][0] < seen[50][1] - seen[50][0], name
        least, most = ends(FULL, name)
        assert ends(curriculum.at(25), name) == pytest.approx(
            tuple((a + b) / 2 for a, b in zip(ends(NOMINAL, name), (least, most), strict=True)),
            abs=0.51 if name in ("distractors", "delay_ticks") else 1e-9,
        )
    assert curriculum.at(0).table_textures == ("plain",)
    assert curriculum.at(1).table_textures == TEXTURES


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_allowed(preset: str) -> None:
    """What is allowed holds for presets as for files."""
    assert from_mapping(PRESETS[preset].as_json()) == PRESETS[preset]
    assert ALLOWED.keys() == set(FIELDS) - {"table_textures"}
    for name, (lowest, highest) in ALLOWED.items():
        value: Any = getattr(PRESETS[preset], name)
        least, most = value if isinstance(value, tuple) else (value, value)
        assert lowest <= least <= most <= highest, name


def test_each_preset_holds_the_one_before() -> None:
    for narrow, wide in (("none", "light"), ("light", "full")):
        for name in FIELDS:
            if name != "table_textures":
                a, b = ends(PRESETS[narrow], name), ends(PRESETS[wide], name)
                assert b[0] <= a[0] <= a[1] <= b[1], name
        assert set(PRESETS[narrow].table_textures) <= set(PRESETS[wide].table_textures)


def test_full_is_what_the_requirements_say() -> None:
    assert (FULL.cube_edge_m, FULL.object_mass_kg, FULL.object_friction) == ((0.03, 0.05), (0.05, 0.5), (0.3, 1.5))
    assert (FULL.distractors, FULL.table_height_m, FULL.start_arm_rad) == ((0, 5), 0.03, 0.05)
    assert (FULL.gain, FULL.delay_ticks) == ((0.8, 1.2), (0, 3))
    assert (FULL.camera_position_m, FULL.camera_fov) == (0.02, 0.03)
    assert FULL.camera_angle_rad == pytest.approx(0.0349, abs=1e-4)


def test_its_form_as_json_reads_back_as_itself() -> None:
    mixed = replace(FULL, distractors=(2, 2), gain=(0.9, 1.0), curriculum_episodes=30, table_textures=("speckle",))
    for randomization in (*PRESETS.values(), mixed):
        assert from_mapping(randomization.as_json()) == randomization
        assert from_mapping(randomization.as_json(), FULL) == randomization


def test_what_is_not_named_is_the_base_s() -> None:
    assert from_mapping({}) == NOMINAL
    assert from_mapping({}, FULL) == FULL
    assert from_mapping({"gain": [0.9, 1.1]}, FULL) == replace(FULL, gain=(0.9, 1.1))


def test_one_number_stands_for_both_ends() -> None:
    assert from_mapping({"gain": 1.1, "distractors": 3}) == replace(NOMINAL, gain=(1.1, 1.1), distractors=(3, 3))
    assert from_mapping({"gain": 1}).gain == (1.0, 1.0)


@pytest.mark.parametrize("name", ALLOWED)
def test_the_ends_of_what_is_allowed_are_allowed_and_beyond_is_not(name: str) -> None:
    lowest, highest = ALLOWED[name]
    from_mapping({name: [lowest, highest] if name in RANGES else highest})
    whole = isinstance(lowest, int)
    beyond = highest + 1 if whole else highest * 1.001
    with pytest.raises(RandomizationError, match=re.escape(f"{name} must be within {lowest:g} to {highest:g}")):
        from_mapping({name: beyond})
    with pytest.raises(RandomizationError, match=f"{name} must be within"):
        from_mapping({name: lowest - 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"gains": 1.0}, r"unknown 'gains'; known: cube_edge_m, .*gain"),
        ({1: 1.0}, "unknown 1"),
        ({"gain": "1.0"}, r"gain must be a number or \[least, most\], got '1.0'"),
        ({"gain": True}, "gain must be a number"),
        ({"gain": None}, "gain must be a number"),
        ({"gain": float("nan")}, "gain must be a number"),
        ({"gain": [0.9]}, "gain must be a number"),
        ({"gain": [0.9, 1.0, 1.1]}, "gain must be a number"),
        ({"gain": [1.1, 0.9]}, "gain must be within 0.5 to 2, least first"),
        ({"distractors": 1.5}, "distractors must be an integer"),
        ({"distractors": [0, 6]}, "distractors must be within 0 to 5"),
        ({"table_height_m": [0.0, 0.01]}, r"table_height_m must be a number, got \[0.0, 0.01\]"),
        ({"table_height_m": -0.01}, "table_height_m must be within 0 to 0.05"),
        ({"table_textures": []}, "table_textures must be a list of plain, grain, checker, speckle"),
        ({"table_textures": ["marble"]}, "table_textures must be a list of"),
        ({"table_textures": "plain"}, "table_textures must be a list of"),
        ({"curriculum_episodes": 1.0}, "curriculum_episodes must be an integer"),
        ({"curriculum_episodes": -1}, "curriculum_episodes must be within 0"),
    ],
)
def test_a_bad_value_is_told_with_what_is_allowed(content: dict[str, Any], message: str) -> None:
    with pytest.raises(RandomizationError, match=message):
        from_mapping(content)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(RandomizationError) as error:
        from_mapping({"gains": 1, "gain": "x", "speed": 9.0, "distractors": [4, 2], "table_textures": ["marble"]})
    assert str(error.value).count(";") == 5  # one of them within the message about `gains`
    for name in ("gains", "gain", "speed", "distractors", "table_textures"):
        assert f"{name} must" in str(error.value) or f"unknown '{name}'" in str(error.value)
