"""What `check` says about valid datasets, how it says what is wrong, and the arithmetic that it judges by."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_dataset
from small_dataset import LENGTHS, picture, write_dataset

from lerobot_writer import VideoCodec
from lerobot_writer.__main__ import main
from lerobot_writer.check import RULES, Report, check_dataset, episodes, files, statistics
from lerobot_writer.check.figures import FIGURES, QUANTILES, histogram_figures, moments, quantiles


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("datasets") / "plain"
    write_dataset(root)
    return root


@pytest.fixture
def damaged(dataset: Path, tmp_path: Path) -> Path:
    """A copy in which info.json counts a frame too many and data file 1 is gone."""
    root = tmp_path / "damaged"
    shutil.copytree(dataset, root)
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"data_path": "elsewhere"}))
    (root / "data/chunk-000/file-001.parquet").unlink()
    return root


@pytest.mark.parametrize("codec", [VideoCodec(), VideoCodec("av1", "12", 30, 2)], ids=["h264", "av1"])
@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
def test_what_the_writer_writes_is_valid(tmp_path: Path, codec: VideoCodec, pack: bool) -> None:
    write_dataset(tmp_path / "dataset", codec, pack=pack)
    report = check_dataset(tmp_path / "dataset")
    assert report.ok, report.text()
    assert (report.episodes, report.frames, report.cameras, report.fps) == (len(LENGTHS), sum(LENGTHS), 2, 30)
    assert not report.findings
    assert not report.not_checked
    assert not report.warnings
    assert not report.notes
    assert {report.outcome(rule) for rule in RULES} == {"ok"}


def test_check_shares_no_code_with_the_writer() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "pyarrow", "av"}
    for path in Path(check_dataset.__code__.co_filename).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
                assert node.level == 0
            for module in modules:
                assert module.split(".")[0] in allowed or module.startswith("lerobot_writer.check."), (path, module)


def test_text_of_a_valid_dataset(dataset: Path) -> None:
    lines = check_dataset(dataset).text().splitlines()
    assert lines[0].startswith(f"{dataset}: 3 episodes, 23 frames, 2 cameras, 0.8 s at 30 fps, ")
    assert lines[-1] == "valid"
    assert all(any(rule in line.split() for line in lines) for rule in RULES)


def test_all_problems_are_reported_at_once_and_what_depends_on_them_as_not_checked(damaged: Path) -> None:
    report = check_dataset(damaged)
    assert {finding.rule for finding in report.findings} == {"I2", "F1"}
    unchecked = {unchecked.rule for unchecked in report.not_checked}
    assert {"D1", "D2", "D3", "D4", "D5", "S2", "S4", "S5"} <= unchecked
    assert not unchecked & {"V1", "V2", "V3", "V4", "H1", "H2", "T1", "E1"}
    assert report.outcome("V1", "V2") == "ok"
    lines = report.text().splitlines()
    assert "  F1 data/chunk-000/file-001.parquet: expected a file, found none" in lines
    assert lines[-1] == "invalid: 2 problems"


def test_json_lists_what_the_text_cuts_short(tmp_path: Path) -> None:
    report = Report(tmp_path)
    report.ran(*RULES)
    for row in range(42):
        report.add("E4", "meta/episodes", f"row {row}", "nothing")
    assert report.text().count("E4 meta/episodes") == 5
    assert "     and 37 more" in report.text().splitlines()
    told = json.loads(report.to_json())
    assert len(told["findings"]) == 42
    assert told["findings"][41] == {"rule": "E4", "file": "meta/episodes", "expected": "row 41", "found": "nothing"}
    assert (told["ok"], told["rules"]["E4"], told["rules"]["E3"]) == (False, "42 problems", "ok")


def test_a_rule_whose_check_did_not_run_is_not_ok(tmp_path: Path) -> None:
    report = Report(tmp_path)
    report.ran(*(rule for rule in RULES if rule != "S4"))
    assert [unchecked.rule for unchecked in report.not_checked] == ["S4"]
    assert not report.ok
    assert report.text().splitlines()[-1] == "invalid: not everything could be checked"


def test_killed_writer_leaves_a_valid_dataset_with_a_note(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", finalize=False)
    report = check_dataset(tmp_path / "dataset")
    assert report.ok, report.text()
    assert [note for note in report.notes if "of 3 episodes" in note and "resume=True" in note]


def test_dataset_without_cameras_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_dataset, "CAMERAS", ())
    write_dataset(tmp_path / "dataset")
    report = check_dataset(tmp_path / "dataset")
    assert report.ok, report.text()
    assert report.cameras == 0


@pytest.mark.parametrize("left", [".unfinished/videos/file", "data/chunk-000/file-003.parquet"])
def test_what_a_killed_writer_left_comes_with_advice(left: str, dataset: Path, tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(dataset, root)
    (root / left).parent.mkdir(parents=True, exist_ok=True)
    (root / left).touch()
    (finding,) = check_dataset(root).findings
    assert finding.rule == "F2"
    assert left.startswith(finding.file)
    assert "resume=True" in finding.found


def test_pictures_large_enough_to_be_sampled_are_valid(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", scale=4)
    assert json.loads((tmp_path / "dataset/meta/writer.json").read_text())["image_stride"] == 2
    report = check_dataset(tmp_path / "dataset")
    assert report.ok, report.text()


def test_black_and_frozen_cameras_are_warnings(tmp_path: Path) -> None:
    def pictures(camera: int, episode: int, frame: int) -> np.ndarray:
        if (camera, episode) == (0, 1):
            return picture(0, 1, frame) // 128
        return picture(camera, episode, 0 if (camera, episode) == (1, 2) else frame)

    write_dataset(tmp_path / "dataset", pictures=pictures)
    report = check_dataset(tmp_path / "dataset")
    assert report.ok
    black, frozen = report.warnings
    assert black.startswith("observation.images.cam_high of episode 1")
    assert black.endswith("is black")
    assert frozen.startswith("observation.images.cam_wrist of episode 2")
    assert "is frozen" in frozen


def test_few_dimensions_at_a_time_give_the_same_verdict(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = []
    read = statistics.Data.values
    monkeypatch.setattr(statistics, "_VALUES_AT_ONCE", 2 * sum(LENGTHS))
    monkeypatch.setattr(statistics.Data, "values", lambda *args: groups.append(args[1].name) or read(*args))
    assert check_dataset(dataset).ok
    assert groups.count("observation.state") == 2


@pytest.mark.parametrize(
    ("rows", "broken"), [([[0, 1], [2]], set()), ([[0], [1, 2]], {"F3"}), ([[1, 2], [0]], {"F3"})], ids=str
)
def test_episodes_in_several_files(
    rows: list[list[int]], broken: set[str], dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of 1000 episodes per file, with 2 in its place."""
    monkeypatch.setattr(files, "EPISODES_PER_FILE", 2)
    monkeypatch.setattr(episodes, "EPISODES_PER_FILE", 2)
    root = tmp_path / "dataset"
    shutil.copytree(dataset, root)
    folder = root / "meta/episodes/chunk-000"
    table = pq.read_table(folder / "file-000.parquet")
    named = table.schema.get_field_index("meta/episodes/file_index")
    for number, held in enumerate(rows):
        part = table.take(held).set_column(named, table.schema.field(named), pa.array([number] * len(held)))
        pq.write_table(part, folder / f"file-{number:03d}.parquet")
    report = check_dataset(root)
    assert {finding.rule for finding in report.findings} == broken, report.text()
    assert not report.not_checked


def test_command_line_tells_valid_invalid_and_no_dataset_apart(
    dataset: Path, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(dataset)]) == 0
    assert capsys.readouterr().out.endswith("\nvalid\n")
    assert main(["check", str(damaged), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["rules"]["I2"] == "1 problem"
    for path in (tmp_path / "missing", dataset / "meta/info.json"):
        assert main(["check", str(path)]) == 2
        captured = capsys.readouterr()
        assert str(path) in captured.err
        assert not captured.out
    with pytest.raises(SystemExit) as stopped:
        main(["check"])
    assert stopped.value.code == 2


@pytest.mark.parametrize("frames", [1, 2, 101, 1000])
def test_figures_of_a_histogram_are_those_of_the_pixels_in_it(frames: int) -> None:
    pixels = np.random.default_rng(frames).integers(0, [40, 256, 4], (frames, 3))
    counts = np.array([np.bincount(channel, minlength=256) for channel in pixels.T])
    found = histogram_figures(counts)
    values = pixels / 255
    true = moments(values) | quantiles(values)
    assert found.keys() == set(FIGURES) - {"count"}
    for figure, numbers in found.items():
        np.testing.assert_allclose(numbers, true[figure], rtol=0, atol=1e-12)


def test_quantiles_are_numpys() -> None:
    values = np.random.default_rng(0).normal(size=(57, 4)).astype(np.float32)
    for name, q in QUANTILES.items():
        expected = [np.quantile(column.astype(np.float64), float(q)) for column in values.T]
        np.testing.assert_array_equal(quantiles(values)[name], expected)
