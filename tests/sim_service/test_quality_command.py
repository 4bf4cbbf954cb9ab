"""`isaac-collect check --quality`: what it prints, its exit codes, and what it reads."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dataset_damage import delete, table
from foreign_dataset import write_foreign
from quality_damages import DAMAGES
from quality_datasets import CAMERAS, SIZE, clean, moving_picture, write

from collectors.motion import Motion
from collectors.randomization import PRESETS
from lerobot_writer.check import check_dataset
from lerobot_writer.pack import pack_dataset
from sim_service.check_command import add_check_flags, run_check
from sim_service.collect_command import run_collect
from sim_service.config import CollectConfig
from sim_service.exit_codes import DONE, FAILED
from sim_service.quality.inspection import inspect
from sim_service.quality.luma import luma
from sim_service.quality.number_gates import number_gates
from sim_service.simulators import SimulatorSettings
from sim_service.stored import DatasetError, StoredDataset, open_stored

EPISODES = 3
NUMBER_GATES = {verdict.gate for gate in number_gates() for verdict in gate.verdicts()} | {"finite-values"}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "dataset", clean("full", EPISODES))


def check(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_check_flags(parser)
    return run_check(parser.parse_args([str(word) for word in words]))


def number_statuses(root: Path) -> dict[str, str]:
    return {v.gate: v.status for v in inspect(open_stored(root)).verdicts if v.gate in NUMBER_GATES}


def test_without_quality_it_is_the_check_of_the_format(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = check_dataset(root)
    assert check(root) == DONE
    assert capsys.readouterr().out == f"{report.text()}\n"
    assert check(root, "--json") == DONE
    assert capsys.readouterr().out == f"{report.to_json()}\n"
    delete("meta/stats.json")(root)
    assert check(root) == FAILED


def test_a_clean_dataset_passes_every_gate_on_numbers(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert number_statuses(root) == dict.fromkeys(NUMBER_GATES, "pass")
    assert check(root, "--quality") in (DONE, FAILED)  # of pictures of 32 pixels the gates on pictures may say anything
    text = capsys.readouterr().out
    assert text.startswith(check_dataset(root).text())
    assert all(f"  {gate} " in text for gate in NUMBER_GATES)
    assert "state: speed" in text


def test_json_is_one_object_with_both_reports(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = check(root, "--quality", "--json")
    content = json.loads(capsys.readouterr().out)
    whole = json.loads(check_dataset(root).to_json())
    assert {name: content[name] for name in whole if name != "ok"} == {k: v for k, v in whole.items() if k != "ok"}
    assert {gate["gate"] for gate in content["quality"]["gates"]} >= NUMBER_GATES
    assert content["ok"] == content["quality"]["ok"] == (code == DONE)
    assert content["quality"]["motion"]["state"]["jerk"]["unit"] == "rad/s3"


def test_a_failing_gate_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = DAMAGES["actions a row early"].damage(clean("full", EPISODES))
    root = write(tmp_path / "damaged", damaged)
    assert check_dataset(root).ok
    assert check(root, "--quality") == FAILED
    lines = capsys.readouterr().out.splitlines()
    failing = {line.split()[0] for line in lines if "FAIL" in line}
    assert failing >= {"action-lag", "gripper-timing"}
    assert any(line.strip().startswith("gripper-timing") and "episodes 0-2" in line for line in lines)
    number = {gate for gate, status in number_statuses(root).items() if status == "fail"}
    assert number == {"action-lag", "gripper-timing"}


def test_the_format_is_judged_where_the_quality_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_foreign(tmp_path)  # without data files
    assert check(tmp_path, "--quality") == FAILED
    text = capsys.readouterr().out
    assert "invalid" in text
    assert "quality: not judged: cannot read episode 0" in text
    assert check(tmp_path, "--quality", "--json") == FAILED
    quality = json.loads(capsys.readouterr().out)["quality"]
    assert (quality["ok"], quality["gates"]) == (False, [])


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    for words in ([], ["--quality"]):
        with pytest.raises(DatasetError, match="is not a folder"):
            check(tmp_path / "nowhere", *words)


def test_an_episode_that_is_not_finite_is_judged_by_one_gate_alone(root: Path) -> None:
    def damage(data: pa.Table) -> pa.Table:
        place = data.column_names.index("observation.state")
        states = np.stack(data.column(place).to_pylist())
        states[5] = np.nan
        changed = pa.FixedSizeListArray.from_arrays(pa.array(states.ravel(), pa.float32()), states.shape[1])
        return data.set_column(place, data.schema.field(place), changed)

    file = open_stored(root).data_file(open_stored(root).row(1))
    table(file, damage)(root)
    failing = {v.gate: v.episodes for v in inspect(open_stored(root)).verdicts if v.status == "fail"}
    assert failing["finite-values"] == (1,)
    assert not set(failing) & (NUMBER_GATES - {"finite-values"})


def test_packing_changes_no_verdict(root: Path) -> None:
    before = inspect(open_stored(root)).as_json()
    pack_dataset(root, None)
    assert inspect(open_stored(root)).as_json() == before


def test_numbers_are_read_once_and_pictures_decoded_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: Counter[object] = Counter()

    def counting(method: Callable[..., Any]) -> Callable[..., Any]:
        def numbers(self: StoredDataset, episode: int, *rest: Any) -> Any:
            read[episode] += 1
            return method(self, episode, *rest)

        return numbers

    def frames(method: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def video_frames(self: StoredDataset, episode: int, camera: str, wanted: Any) -> Iterator[Any]:
            for frame in method(self, episode, camera, wanted):
                read["frames"] += 1
                yield frame

        return video_frames

    monkeypatch.setattr(StoredDataset, "numbers", counting(StoredDataset.numbers))
    monkeypatch.setattr(StoredDataset, "video_frames", frames(StoredDataset.video_frames))
    dataset = open_stored(root)
    inspect(dataset)
    total = sum(row["length"] for row in dataset.rows) * len(CAMERAS)
    assert read == {**dict.fromkeys(range(EPISODES), 1), "frames": total}


def test_luma_has_the_full_range(tmp_path: Path) -> None:
    """From black to white in limited range, as the writer stores it, to 0 and 255."""
    ramp = np.repeat(np.linspace(0, 255, SIZE[0]).round().astype(np.uint8)[None, :, None], SIZE[1], axis=0)
    picture = np.repeat(ramp, 3, axis=2)
    root = write(tmp_path / "ramp", clean("linear", 1), pictures=lambda *which: picture)
    dataset = open_stored(root)
    frame = next(dataset.video_frames(0, dataset.cameras[0], [0]))
    assert frame.format.name == "yuv420p"
    seen = luma(frame)
    assert (seen.shape, seen.dtype) == ((SIZE[1], SIZE[0]), np.uint8)
    assert np.abs(seen.astype(int) - picture[:, :, 0]).max() <= 8
    assert seen.max() - seen.min() >= 245
    full = frame.reformat(format="yuvj420p")
    assert np.abs(luma(full).astype(int) - seen).max() <= 2
    assert np.abs(luma(frame.reformat(format="yuv444p")).astype(int) - seen).max() <= 2


def test_the_synthetic_dataset_is_valid(root: Path) -> None:
    assert check_dataset(root).ok
    assert moving_picture(0, 0, 0).shape == (SIZE[1], SIZE[0], 3)


@pytest.mark.long
def test_what_the_simulator_records_passes_every_gate(tmp_path: Path) -> None:
    """With everything varied, and the hand straight down to the object."""
    config = CollectConfig(
        output=tmp_path / "real",
        num_episodes=2,
        simulator="mujoco",
        settings=SimulatorSettings.of(30, False, "fast", PRESETS["full"]),
        randomization=PRESETS["full"],
        motion=Motion("min-jerk", "cartesian"),
    )
    assert run_collect(config, []) == DONE
    assert check(config.output, "--quality") == DONE
