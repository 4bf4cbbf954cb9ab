"""`--randomize` as a preset's name, a YAML or JSON file, and a mapping."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from collectors.randomization import PRESETS, Randomization, RandomizationError
from sim_service.randomization_file import randomization_word, read_randomization


def written(folder: Path, text: str, name: str = "ranges.yaml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_by_its_name_and_as_a_file(preset: str, tmp_path: Path) -> None:
    assert read_randomization(preset) is PRESETS[preset]
    content = PRESETS[preset].as_json()
    assert read_randomization(written(tmp_path, json.dumps(content), "a.json")) == PRESETS[preset]
    assert read_randomization(written(tmp_path, yaml.safe_dump(content), "b.yaml")) == PRESETS[preset]
    assert read_randomization(written(tmp_path, f"preset: {preset}\n")) == PRESETS[preset]


def test_a_file_says_what_departs_from_its_preset(tmp_path: Path) -> None:
    text = "# our lab\npreset: full\ngain: [0.9, 1.1]\ndelay_ticks: 2\ntable_textures: [grain]\n"
    expected = replace(PRESETS["full"], gain=(0.9, 1.1), delay_ticks=(2, 2), table_textures=("grain",))
    assert read_randomization(written(tmp_path, text)) == expected
    assert read_randomization(written(tmp_path, "speed: [0.9, 1.1]")) == Randomization(speed=(0.9, 1.1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold a mapping of names to ranges, got None"),
        ("[1, 2]", r"must hold a mapping of names to ranges, got \[1, 2\]"),
        ("gain: [0.9", "cannot read"),
        ("preset: much", "preset must be one of none, light, full, got 'much'"),
        ("preset: [full]", r"preset must be one of none, light, full, got \['full'\]"),
        ("preset: 1", "preset must be one of none, light, full, got 1"),
        ("gain: 7\nspeeed: 1", "unknown 'speeed'.*gain must be within"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RandomizationError, match=message) as error:
        read_randomization(written(tmp_path, text))
    assert "ranges.yaml" in str(error.value)


def test_what_is_neither_a_preset_nor_a_file_says_which_presets_there_are(tmp_path: Path) -> None:
    for text in ("fulll", str(tmp_path), str(tmp_path / "none.yaml")):
        with pytest.raises(RandomizationError, match="is neither a file nor one of none, light, full"):
            read_randomization(text)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00gain")
    with pytest.raises(RandomizationError, match="cannot read"):
        read_randomization(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize(
    "randomization",
    [
        *PRESETS.values(),
        replace(PRESETS["full"], distractors=(3, 3), curriculum_episodes=7),
        Randomization(gain=(0.9, 1)),
    ],
)
def test_the_word_for_a_randomization_needs_no_file(randomization: Randomization) -> None:
    assert read_randomization(randomization_word(randomization)) == randomization


def test_a_preset_is_named_by_its_name() -> None:
    assert [randomization_word(preset) for preset in PRESETS.values()] == list(PRESETS)


def test_what_is_wrong_with_a_mapping_is_told() -> None:
    with pytest.raises(RandomizationError, match=r"the mapping: .*gain must be within"):
        read_randomization('{"gain": 7}')
    with pytest.raises(RandomizationError, match="cannot read the mapping"):
        read_randomization('{"gain": [7')


@pytest.mark.parametrize("text", ['{"start_arm_rad": 5e-05}', "start_arm_rad: 5.0e-5", "start_arm_rad: 0.00005"])
def test_numbers_of_json_are_numbers(text: str, tmp_path: Path) -> None:
    assert read_randomization(written(tmp_path, text)) == Randomization(start_arm_rad=5e-5)
    assert read_randomization(randomization_word(Randomization(start_arm_rad=5e-5))) == Randomization(
        start_arm_rad=5e-5
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{gain: [0.8, 1.2], gain: 1}", "found gain more than once"),
        ("{gain: &a [0.8, 1.2], speed: *a}", "found the alias 'a'; write it out"),
        ("{gain: 1" + 400 * "0" + "}", "gain must be a number"),
        ("{gain: 2001-13-45}", "cannot read the mapping"),
        ("{gain: " + 5000 * "1" + "}", "cannot read the mapping"),
        ("{gain: " + 3000 * "[" + "}", "cannot read the mapping"),
        (300 * "x", "cannot read|is neither a file"),
        ("~nosuchuser/x.yaml", "cannot read|is neither a file"),
    ],
    ids=["twice", "alias", "huge", "date", "digits", "deep", "long", "home"],
)
def test_whatever_is_given_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(RandomizationError, match=message):
        read_randomization(text)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(RandomizationError, match="has 70001 bytes, a randomization has 65536 at most"):
        read_randomization(written(tmp_path, "#" + 70_000 * "x"))


def test_an_error_names_the_file_once(tmp_path: Path) -> None:
    with pytest.raises(RandomizationError) as error:
        read_randomization(written(tmp_path, "gain: 7"))
    assert str(error.value).count("ranges.yaml") == 1
