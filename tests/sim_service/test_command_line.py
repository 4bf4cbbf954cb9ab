"""`isaac-collect` as a user runs it: exit codes, messages, interruption. On the embedded simulator, short episodes."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lerobot_writer.check import check_dataset
from sim_service.__main__ import main

QUICK = ["--steps-per-segment", "12", "--render-preset", "fast", "--seed", "1"]


def collect(root: Path, episodes: int, *flags: str) -> int:
    return main(["collect", "--output", str(root), "--num-episodes", str(episodes), *QUICK, *flags])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("command_line") / "ds"
    assert collect(root, 2) == 0
    return root


def tree(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_collect_makes_a_dataset_that_check_passes(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(dataset)]) == 0
    assert capsys.readouterr().out.rstrip().endswith("valid")
    assert main(["check", str(dataset), "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_check_of_a_damaged_dataset_is_1(dataset: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", dataset, tmp_path / "ds"], check=True)
    (tmp_path / "ds/data/chunk-000/file-001.parquet").write_bytes(b"PAR1")
    assert main(["check", str(tmp_path / "ds")]) == 1


def test_resume_of_a_complete_dataset_is_0_and_says_json(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collect(dataset, 2, "--resume", "--json") == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["exit_code"], result["episodes"], result["frames_per_s"]) == (0, 2, 0.0)
    assert f'LeRobotDataset("isaac-collect/pick_place", root="{dataset}")' in said.err


def test_without_resume_an_existing_dataset_is_refused(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(dataset)
    assert collect(dataset, 2) == 2
    assert "holds a dataset already" in capsys.readouterr().err
    assert tree(dataset) == before


def test_resume_with_another_seed_is_refused(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(dataset)
    assert collect(dataset, 2, "--resume", "--seed", "2") == 2
    assert "seed: the dataset has 1, asked for 2" in capsys.readouterr().err
    assert tree(dataset) == before


def test_a_foreign_folder_is_refused_and_untouched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for flags in ([], ["--resume"]):
        assert collect(tmp_path, 1, *flags) == 2
        assert "thesis.tex" in capsys.readouterr().err
    assert tree(tmp_path) == {tmp_path / "thesis.tex": b"precious"}


def test_an_output_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert collect(tmp_path / "file/ds", 1) == 2
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["collect"], "--output"),
        (["collect", "--output", "x", "--num-episodes", "0"], "--num-episodes must be at least 1, got 0"),
        (["collect", "--output", "x", "--simulator", "gazebo"], "invalid choice: 'gazebo'"),
        (["collect", "--output", "x", "--simulator", "isaac"], "run it by Isaac Sim's own python.sh"),
        (["collect", "--output", "x", "--streaming", "--streaming-port", "8211"], "one of Isaac Sim's own"),
        (["check", "nowhere"], "nowhere is not a folder"),
        (["replay", "nowhere", "0"], "holds no LeRobot dataset"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_bad_arguments_are_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:  # argparse's own way out
        code = stop.code  # type: ignore[assignment]  # always a number there
    assert code == 2
    assert message in capsys.readouterr().err
    assert not Path("x").exists()


def test_replay_reproduces_and_a_shifted_action_column_does_not(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(dataset), "1"]) == 0
    assert "it reproduces the recorded states" in capsys.readouterr().out
    subprocess.run(["cp", "-r", dataset, tmp_path / "ds"], check=True)
    path = tmp_path / "ds/data/chunk-000/file-001.parquet"
    table = pq.read_table(path)
    column = table.column("action").combine_chunks()
    for shift in (1, -1):
        rows = [min(max(row + shift, 0), len(column) - 1) for row in range(len(column))]
        position = table.column_names.index("action")
        pq.write_table(table.set_column(position, table.field(position), column.take(rows)), path)
        assert main(["replay", str(tmp_path / "ds"), "1"]) == 1
        assert "it does not reproduce" in capsys.readouterr().out


def test_a_varied_dataset_is_valid_and_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With delays, gains, another table and distractors; its recorded states are noisy, the true ones come again."""
    root = tmp_path / "ds"
    assert collect(root, 3, "--randomize", "full", "--interpolation", "min-jerk", "--approach", "cartesian") == 0
    assert main(["check", str(root)]) == 0
    for episode in range(3):
        capsys.readouterr()
        assert main(["replay", str(root), str(episode)]) == 0
        said = capsys.readouterr().out
        assert "it reproduces the recorded states" in said
        assert "0.000e+00" in said or " 0.0" in said or "by 0 " in said, said


def test_a_replay_of_a_varied_episode_needs_all_that_was_drawn(tmp_path: Path) -> None:
    """Another gain in the row, and the states are others."""
    root = tmp_path / "ds"
    assert collect(root, 1, "--randomize", "full") == 0
    path = next(root.glob("meta/episodes/*/*.parquet"))
    table = pq.read_table(path)
    number = table.column_names.index("collection/gain")
    pq.write_table(table.set_column(number, table.field(number), pa.array([1.5], pa.float64())), path)
    assert main(["replay", str(root), "0"]) == 1


def test_replay_of_an_episode_that_is_not_there(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(dataset), "2"]) == 2
    said = capsys.readouterr().err
    assert "no episode 2" in said
    assert "it has 0 to 1" in said


def test_a_failed_collect_still_says_json(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert collect(dataset, 2, "--json") == 2
    result = json.loads(capsys.readouterr().out)
    assert result["exit_code"] == 2
    assert "holds a dataset already" in result["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sheet", "DS", "out.xyz"], "cannot write the contact sheet"),
        (["sheet", "DS", "missing/out.png"], "cannot write the contact sheet"),
        (["sheet", "DS", "out.png", "--width", "0"], "--width must be at least 1"),
        (["sheet", "DS", "out.png", "--episodes", "9"], "no episode 9"),
        (["replay", "DS", "-1"], "no episode -1"),
    ],
)
def test_what_cannot_be_shown_is_said(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(dataset) if word == "DS" else word for word in arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("damaged", ["meta/collection.json", "data/chunk-000/file-000.parquet", "VIDEO"])
def test_a_damaged_dataset_is_said_to_be(
    dataset: Path, tmp_path: Path, damaged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["cp", "-r", dataset, tmp_path / "ds"], check=True)
    video = "videos/observation.images.cam_high/chunk-000/file-000.mp4"
    (tmp_path / "ds" / damaged.replace("VIDEO", video)).write_bytes(b"[]")
    command = ["sheet", str(tmp_path / "ds"), str(tmp_path / "out.png")] if damaged == "VIDEO" else None
    assert main(command or ["replay", str(tmp_path / "ds"), "0"]) == 2
    assert capsys.readouterr().err.startswith("isaac-collect: ")


def test_sheet_shows_both_cameras(dataset: Path, tmp_path: Path) -> None:
    assert main(["sheet", str(dataset), str(tmp_path / "sheet.png"), "--episodes", "0", "1", "--width", "128"]) == 0
    picture = iio.imread(tmp_path / "sheet.png")
    assert picture.shape == (4 * 128 + 3 * 4, 10 * 128 + 9 * 4, 3)
    assert picture.std() > 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_cleanly_and_resume_goes_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    root = tmp_path / "ds"
    arguments = [sys.executable, "-m", "sim_service", "collect", "--output", str(root), "--num-episodes", "3", *QUICK]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        seen = [next(line for line in lines if line.startswith("episode 1 of 3"))]
        process.send_signal(number)
        seen += list(lines)
        assert process.wait(timeout=60) == code, seen
    how = next(line for line in seen if "Continue with: isaac-collect collect" in line)
    report = check_dataset(root)
    assert report.ok, report.text()
    assert not (root / ".unfinished").exists()
    assert main(shlex.split(how.partition("isaac-collect ")[2])) == 0
    whole = tmp_path / "whole"
    assert collect(whole, 3) == 0
    for path in sorted(whole.rglob("*.parquet")):
        assert (root / path.relative_to(whole)).read_bytes() == path.read_bytes(), path
