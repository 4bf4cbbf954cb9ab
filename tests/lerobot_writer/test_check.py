"""What `check` says about valid datasets, how it says what is wrong, and the arithmetic that it judges by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_dataset import LENGTHS, picture, write_dataset

from lerobot_writer import VideoCodec
from lerobot_writer.__main__ import main
from lerobot_writer.check import RULES, Report, check_dataset, statistics
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
    assert {finding.rule for finding in report.findings} <= {"F2"}
    assert [note for note in report.notes if "of 3 episodes" in note and "resume=True" in note]
    for name in (".unfinished", "data/chunk-000/file-003.parquet"):
        shutil.rmtree(tmp_path / "dataset/.unfinished", ignore_errors=True)
        (tmp_path / "dataset" / name).mkdir() if name == ".unfinished" else (tmp_path / "dataset" / name).touch()
        assert "resume=True" in check_dataset(tmp_path / "dataset").findings[-1].found


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
