"""Whatever lies in a dataset's folder, `check` answers with a report and never with a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_dataset import write_dataset

from lerobot_writer.check import check_dataset

FILES = [
    "meta/info.json",
    "meta/stats.json",
    "meta/writer.json",
    "meta/tasks.parquet",
    "meta/tasks.jsonl",
    "meta/episodes/chunk-000/file-000.parquet",
    "meta/image_histograms/chunk-000/file-001.parquet",
    "data/chunk-000/file-001.parquet",
    "videos/observation.images.cam_high/chunk-000/file-001.mp4",
]
TABLES = [path for path in FILES if path.endswith(".parquet")]
VALUES = [None, True, -1, 0, 1.5, 1e308, float("nan"), 2**31 - 1, 10**400, "", "x/y", [], [0], [[[1]]], {}, {"a": None}]

_FREE = ("repo_id", "robot_type", "quantile_episodes")
"""Keys of JSON files that allow more than one value."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("datasets") / "plain"
    write_dataset(root)
    return root


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "copy"))


def test_every_kind_of_file_is_covered(dataset: Path) -> None:
    def kind(path: str) -> str:
        return path if path.count("/") == 1 else path.split("/")[0] + path.split("/")[1] * path.startswith("meta")

    found = {path.relative_to(dataset).as_posix() for path in dataset.rglob("*") if path.is_file()}
    assert set(FILES) <= found
    assert {kind(path) for path in found} == {kind(path) for path in FILES}


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_truncated_file_is_a_finding(path: str, kept: float, copy: Path) -> None:
    content = (copy / path).read_bytes()
    (copy / path).write_bytes(content[: int(len(content) * kept)])
    report = check_dataset(copy)
    assert report.findings, report.text()
    assert any(finding.file == path for finding in report.findings)


@pytest.mark.parametrize("path", FILES)
def test_damaged_bytes_do_not_make_it_raise(path: str, copy: Path) -> None:
    content = (copy / path).read_bytes()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(content), 8)] = rng.integers(0, 256, 8)
        (copy / path).write_bytes(damaged.tobytes())
        report = check_dataset(copy)
        assert report.ok == (not report.findings and not report.not_checked)
        json.loads(report.to_json())


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("instead", ["folder", "garbage", "other", "link"])
def test_something_else_in_its_place_is_a_finding(path: str, instead: str, copy: Path) -> None:
    (copy / path).unlink()
    if instead == "folder":
        (copy / path).mkdir()
    elif instead == "garbage":
        (copy / path).write_bytes(np.random.default_rng(0).bytes(4000))
    elif instead == "link":
        (copy / path).symlink_to("nowhere")
    else:
        other = "meta/tasks.parquet" if path == TABLES[2] else TABLES[2]
        shutil.copy(copy / other, copy / path)
    report = check_dataset(copy)
    assert report.findings, report.text()


@pytest.mark.parametrize("path", ["meta/info.json", "meta/stats.json", "meta/writer.json"])
def test_wrong_values_in_json_do_not_make_it_raise(path: str, copy: Path) -> None:
    document = json.loads((copy / path).read_text())
    for number, key in enumerate(document):
        for value in (VALUES[(number + step) % len(VALUES)] for step in (0, 9)):
            (copy / path).write_text(json.dumps(document | {key: value}))
            report = check_dataset(copy)
            assert not report.ok or document[key] == value or key in _FREE, (key, value)
            json.loads(report.to_json())


@pytest.mark.parametrize("name", ["observation.state", "index", "observation.images.cam_high"])
@pytest.mark.parametrize("value", VALUES, ids=str)
def test_wrong_description_of_a_feature_is_a_finding(name: str, value: object, copy: Path) -> None:
    info = json.loads((copy / "meta/info.json").read_text())
    info["features"][name]["shape"] = value
    (copy / "meta/info.json").write_text(json.dumps(info))
    assert check_dataset(copy).findings


@pytest.mark.parametrize("path", TABLES)
def test_columns_of_other_types_are_findings(path: str, copy: Path) -> None:
    table = pq.read_table(copy / path)
    columns = [name for name in table.column_names if not name.startswith("stats/") or name == "stats/action/mean"]
    for number, name in enumerate(columns):
        other = pa.nulls(len(table)) if number % 2 else pa.array([[{"a": "x"}]] * len(table))
        position = table.schema.get_field_index(name)
        pq.write_table(table.set_column(position, name, other), copy / path)
        assert check_dataset(copy).findings or name.startswith("collection/"), name
    pq.write_table(table.slice(0, 0), copy / path)
    assert check_dataset(copy).findings


def test_empty_folder_is_invalid(tmp_path: Path) -> None:
    report = check_dataset(tmp_path)
    assert {finding.rule for finding in report.findings} == {"F1"}
    assert not report.ok


def test_no_folder_is_an_error(tmp_path: Path, copy: Path) -> None:
    for path in (tmp_path / "missing", copy / "meta/info.json"):
        with pytest.raises(NotADirectoryError, match="is no folder"):
            check_dataset(path)


def test_dataset_without_our_own_files_is_read_as_far_as_it_goes(copy: Path) -> None:
    """As LeRobot itself would write it: valid there, but without histograms, and with statistics of its own kind."""
    shutil.rmtree(copy / "meta/image_histograms")
    (copy / "meta/writer.json").unlink()
    (copy / "meta/tasks.jsonl").unlink()
    report = check_dataset(copy)
    assert {finding.rule for finding in report.findings} == {"F1"}
    assert {"S3", "S4", "H1", "H2", "T2"} <= {unchecked.rule for unchecked in report.not_checked}
    assert not {"V1", "V2", "V3", "V4", "D3", "S1", "S2"} & {unchecked.rule for unchecked in report.not_checked}
