"""A mapping survives being written down, and a wrong one is told everything at once."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sim_service.importing.mapping import DemoMapping, MappingError, Source, mapping_of, mapping_text, read_mapping

MAPPING = DemoMapping(
    (
        Source("obs/q", ("a", "b"), (3, 0), scale=0.5),
        Source("states/q", ("c",), offset=-1.0, initial="initial_state/q"),
    ),
    (Source("actions", ("d: e", "f")),),
    {"privileged.cube": (Source("obs/cube", ("x",)),)},
    {"top": "obs/top_image"},
    "arm",
)


def test_a_mapping_written_down_is_the_same() -> None:
    assert mapping_of(json.loads(json.dumps(MAPPING.as_json()))) == MAPPING
    assert mapping_of(yaml.safe_load(mapping_text(MAPPING))) == MAPPING


@pytest.mark.parametrize("write", [lambda mapping: json.dumps(mapping.as_json()), mapping_text])
def test_a_file_of_either_kind_is_read(write: Any, tmp_path: Path) -> None:
    file = tmp_path / "mapping"
    file.write_text(write(MAPPING))
    assert read_mapping(file) == MAPPING


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"speed": 3}, "unknown entry 'speed'"),
        ({"state": []}, "state must be a list of sources"),
        ({"state": ["obs/q"]}, "state[0] must have the entries key and names"),
        ({"state": [{"names": ["a"]}]}, "state[0]: key must be a text"),
        ({"action": [{"key": "actions"}]}, "action[0]: names must be a list of texts"),
        ({"action": [{"key": "actions", "names": ["a", "b"], "columns": [1]}]}, "1 columns for 2 names"),
        ({"action": [{"key": "actions", "names": ["a"], "columns": [-1]}]}, "numbers from 0 on"),
        ({"action": [{"key": "actions", "names": ["a"], "columns": [True]}]}, "numbers from 0 on"),
        ({"action": [{"key": "actions", "names": ["a"], "scale": "deg"}]}, "scale must be a number, got 'deg'"),
        ({"action": [{"key": "actions", "names": ["a"], "offset": float("inf")}]}, "offset must be a number"),
        ({"action": [{"key": "actions", "names": ["a"], "unit": "mm"}]}, "unknown entry 'unit'"),
        ({"action": [{"key": "actions", "names": ["a"], "initial": 3}]}, "initial must be a text"),
        ({"extra": ["cube"]}, "extra must hold features by name"),
        ({"cameras": ["obs/top_image"]}, "cameras must hold a key of pictures"),
        ({"robot_type": ""}, "robot_type must be a text"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], told: str) -> None:
    with pytest.raises(MappingError) as error:
        mapping_of({**MAPPING.as_json(), **change})
    assert told in str(error.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(MappingError) as error:
        mapping_of({"state": 1, "action": 2, "extra": 3, "cameras": 4, "robot_type": 5, "what": 6})
    assert str(error.value).count(";") >= 5


def test_a_file_that_holds_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    for text in ("state: [", "- 1", ""):
        file.write_text(text)
        with pytest.raises(MappingError, match=r"mapping\.yaml"):
            read_mapping(file)
    with pytest.raises(MappingError, match="missing"):
        read_mapping(tmp_path / "missing")


def test_the_example_of_the_documentation_is_a_mapping() -> None:
    text = (Path(__file__).parents[2] / "docs/hdf5.md").read_text()
    example = mapping_of(yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0]))
    assert [len(sources) for sources in example.vectors.values()] == [2, 2, 1]
