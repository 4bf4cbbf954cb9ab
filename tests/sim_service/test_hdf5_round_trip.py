"""A dataset that was exported to HDF5 and imported again is the same one, its pictures up to one more encoding."""

import argparse
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fake_simulator import FakeSimulator
from hdf5_files import arrays_in
from small_dataset import write_dataset

from collectors.cameras import CAMERAS
from collectors.franka import HOME_RAD
from collectors.randomization import PRESETS
from collectors.replay import joint_deviation, replay
from collectors.scene import Scene
from collectors.simulator import Action, Tick
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from lerobot_writer import SimLeRobotWriter, VideoCodec
from lerobot_writer.check import check_dataset
from sim_service.collection import Collection, drive
from sim_service.config import CollectConfig
from sim_service.exit_codes import BAD_ARGUMENTS, DONE
from sim_service.export.hdf5_export import add_hdf5_flags, run_hdf5
from sim_service.import_command import add_import_flags, run_import
from sim_service.ledger import Ledger
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.recorded import load_episode, open_dataset
from sim_service.scene_columns import scene_columns
from sim_service.simulators import SimulatorSettings
from sim_service.stored import open_stored

LEAST_PSNR_DB = 36.0
CONFIG = CollectConfig(
    output=Path(),
    num_episodes=3,
    seed=7,
    steps_per_segment=2,
    max_attempts=1,
    keep_failures=True,
    simulator="mujoco",
    randomization=dataclasses.replace(PRESETS["none"], observation_noise=1.0),
)
META = ("info.json", "collection.json", "tasks.jsonl", "writer.json")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


def export(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_hdf5_flags(parser)
    return run_hdf5(parser.parse_args([str(word) for word in words]))


def import_(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_import_flags(parser)
    return run_import(parser.parse_args(["hdf5", *map(str, words)]))


class MissesOnce(FakeSimulator):
    """At episode 1 the object stands out of reach, in its only attempt."""

    def reset(self, scene: Scene) -> None:
        resets = self.calls.count("reset")
        self.grasp_offset_m = 0.2 if resets == 1 else 0.0
        super().reset(scene)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three episodes, the second one a failure, with noisy observations, so that every feature is there."""
    folder = tmp_path_factory.mktemp("source") / "dataset"
    simulator = MissesOnce()
    drive(simulator, Collection(dataclasses.replace(CONFIG, output=folder), simulator).run())
    assert [row["collection/success"] for row in open_stored(folder).rows] == [True, False, True]
    return folder


def numbers(root: Path) -> list[dict[str, np.ndarray]]:
    dataset = open_stored(root)
    return [dict(dataset.numbers(episode)) for episode in range(len(dataset.rows))]


def assert_same_numbers(one: Path, other: Path) -> None:
    assert list(open_stored(one).rows) == list(open_stored(other).rows)
    for before, after in zip(numbers(one), numbers(other), strict=True):
        assert before.keys() == after.keys()
        for name, values in before.items():
            np.testing.assert_array_equal(after[name], values, strict=True)
            assert after[name].tobytes() == values.tobytes()


def test_it_comes_back_with_every_number(source: Path, tmp_path: Path) -> None:
    assert export(source, tmp_path / "one.hdf5") == DONE
    assert import_(tmp_path / "one.hdf5", tmp_path / "back", "--keep-failed") == DONE
    assert_same_numbers(source, tmp_path / "back")
    for name in META:
        assert (tmp_path / "back/meta" / name).read_bytes() == (source / "meta" / name).read_bytes()
    assert check_dataset(tmp_path / "back").ok
    assert {path.name for path in tmp_path.iterdir()} == {"one.hdf5", "back"}

    assert export(tmp_path / "back", tmp_path / "two.hdf5") == DONE
    for episode in range(3):
        one, two = (arrays_in(tmp_path / f"{name}.hdf5", f"demo_{episode}") for name in ("one", "two"))
        assert one.keys() == two.keys()
        for key in one:
            if not key.endswith("_image"):
                np.testing.assert_array_equal(two[key], one[key], strict=True)
    with h5py.File(tmp_path / "one.hdf5") as one, h5py.File(tmp_path / "two.hdf5") as two:
        for key in ("info", "mapping", "collection"):
            assert one[f"isaac_collect/{key}"][()] == two[f"isaac_collect/{key}"][()]
        assert dict(one["data"].attrs) == dict(two["data"].attrs)
        for demo in one["data"]:
            assert dict(one[f"data/{demo}"].attrs) == dict(two[f"data/{demo}"].attrs)


def test_what_comes_back_can_be_replayed_and_continued(source: Path, tmp_path: Path) -> None:
    assert export(source, tmp_path / "out.hdf5") == DONE
    assert import_(tmp_path / "out.hdf5", tmp_path / "back", "--keep-failed") == DONE
    before, after = open_dataset(source), open_dataset(tmp_path / "back")
    assert after.configuration == before.configuration
    for episode in (0, 2):
        recorded, again = load_episode(before, episode), load_episode(after, episode)
        assert scene_columns(again.scene, CAMERAS) == scene_columns(recorded.scene, CAMERAS)
        simulator = FakeSimulator()
        assert joint_deviation(again.states, drive(simulator, replay(simulator, again))) == joint_deviation(
            recorded.states, drive(simulator, replay(simulator, recorded))
        )
    more = dataclasses.replace(CONFIG, output=tmp_path / "back", num_episodes=4, resume=True)
    simulator = FakeSimulator()
    drive(simulator, Collection(more, simulator).run())
    assert [row["collection/index"] for row in open_stored(tmp_path / "back").rows] == [0, 1, 2, 3]
    assert check_dataset(tmp_path / "back").ok


def test_failed_demonstrations_stay_away_and_are_not_counted(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(source, tmp_path / "out.hdf5") == DONE
    assert import_(tmp_path / "out.hdf5", tmp_path / "back") == DONE
    assert "2 episodes, without 1 that failed" in capsys.readouterr().err
    kept = open_stored(tmp_path / "back").rows
    assert [row["collection/index"] for row in kept] == [0, 2]
    assert check_dataset(tmp_path / "back").ok
    totals = json.loads((tmp_path / "back/meta/collection.json").read_bytes())["totals"]
    assert (totals["episodes"], totals["successes"], totals["failures"]) == (2, 2, {})
    assert Ledger.read(tmp_path / "back").totals() == totals


def test_without_its_first_frames_it_is_no_collection_any_more(source: Path, tmp_path: Path) -> None:
    assert export(source, tmp_path / "out.hdf5") == DONE
    assert import_(tmp_path / "out.hdf5", tmp_path / "back", "--keep-failed", "--skip-first", 5) == DONE
    for before, after in zip(numbers(source), numbers(tmp_path / "back"), strict=True):
        for name in ("observation.state", "action", "privileged.object_pose"):
            np.testing.assert_array_equal(after[name], before[name][5:], strict=True)
        np.testing.assert_array_equal(after["timestamp"], before["timestamp"][:-5], strict=True)
    assert not (tmp_path / "back/meta/collection.json").exists()
    names = open_stored(tmp_path / "back").rows[0]
    assert not [name for name in names if name.startswith("collection/")]
    assert (names["import/demo"], names["import/success"]) == ("demo_0", True)


def test_a_dataset_of_another_collector_comes_back(tmp_path: Path) -> None:
    codec = VideoCodec(crf=18)
    write_dataset(tmp_path / "dataset", codec)
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == DONE
    assert import_(tmp_path / "out.hdf5", tmp_path / "back", "--keep-failed") == DONE
    assert_same_numbers(tmp_path / "dataset", tmp_path / "back")
    for name in ("info.json", "tasks.jsonl", "writer.json"):
        assert (tmp_path / "back/meta" / name).read_bytes() == (tmp_path / "dataset/meta" / name).read_bytes()
    assert not (tmp_path / "back/meta/collection.json").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file["data/demo_1/timestamp"].write_direct(np.zeros(7, np.float32)), "timestamp"),
        (lambda file: file.__delitem__("data/demo_1/privileged/goal"), "privileged/goal"),
        (lambda file: change_text(file, "isaac_collect/info", format=99), "format 99"),
        (lambda file: change_text(file, "isaac_collect/mapping", state=3), "mapping is damaged"),
        (lambda file: file["data/demo_1"].attrs.__setitem__("isaac_collect", "[1]"), "not of an export"),
        (lambda file: file["data/demo_1"].attrs.__setitem__("isaac_collect", "{"), "cannot read demo_1"),
    ],
)
def test_a_changed_export_is_told_from_a_whole_one(
    change: Any, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "dataset")
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == DONE
    with h5py.File(tmp_path / "out.hdf5", "r+") as file:
        change(file)
    assert import_(tmp_path / "out.hdf5", tmp_path / "back", "--keep-failed") == BAD_ARGUMENTS
    assert told in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "out.hdf5"}


def change_text(file: Any, key: str, **entries: Any) -> None:
    content = {**json.loads(file[key][()]), **entries}
    del file[key]
    file[key] = json.dumps(content)


def test_pictures_lose_little_in_one_more_encoding(tmp_path: Path) -> None:
    """Of the embedded simulator, while the arm moves."""
    simulator = MujocoSimulator(SimulatorSettings(render_preset="fast"))
    try:
        names = [camera.name for camera in simulator.cameras]
        size = (CAMERAS[0].width_px, CAMERAS[0].height_px)
        variation = draw_variation(PRESETS["none"], (7, 0, 0), simulator.cameras)
        plan = PickPlace(simulator.objects, 0.05).draw(np.random.default_rng(7), variation)
        simulator.reset(plan.scene)
        with SimLeRobotWriter(tmp_path / "dataset", "a/b", 30, "arm", 1, 1, names, size, ["x"], ["y"]) as writer:
            for frame in range(8):
                simulator.command(Action(np.array(HOME_RAD) + 0.05 * frame, 0.04))
                simulator.advance(Tick(images=True))
                for name, picture in simulator.observe(images=True).images.items():
                    writer.add_video_frame(name, picture)
                writer.add_frame(0, frame, np.zeros(1), np.zeros(1), frame / 30, frame == 7)
            writer.finish_episode(0, 8, "move")
    finally:
        simulator.close()
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == DONE
    assert import_(tmp_path / "out.hdf5", tmp_path / "back") == DONE
    before, after = open_stored(tmp_path / "dataset"), open_stored(tmp_path / "back")
    for camera in before.cameras:
        shown = np.stack(list(before.pictures(0, camera, range(8))))
        assert shown.std() > 20  # something is to be seen
        again = np.stack(list(after.pictures(0, camera, range(8))))
        assert psnr_db(shown, again).min() >= LEAST_PSNR_DB
        assert psnr_db(shown[:-1], again[1:]).min() < LEAST_PSNR_DB  # a picture late would be seen


def psnr_db(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each picture."""
    squares = (one.astype(np.float64) - other) ** 2
    return np.asarray(10 * np.log10(255**2 / squares.mean(axis=(1, 2, 3))))


@pytest.mark.long
def test_an_episode_of_the_embedded_simulator_replays_after_the_way_there_and_back(tmp_path: Path) -> None:
    settings = SimulatorSettings(render_preset="fast")
    simulator = MujocoSimulator(settings)
    config = CollectConfig(output=tmp_path / "dataset", num_episodes=1, seed=7, simulator="mujoco", settings=settings)
    try:
        drive(simulator, Collection(config, simulator).run())
        assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == DONE
        assert import_(tmp_path / "out.hdf5", tmp_path / "back") == DONE
        recorded = load_episode(open_dataset(tmp_path / "back"), 0)
        assert joint_deviation(recorded.states, drive(simulator, replay(simulator, recorded))) == 0.0
    finally:
        simulator.close()
