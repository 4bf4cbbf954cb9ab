"""What an HDF5 export holds, as robomimic and Isaac Lab read it, and that it is there whole or not at all."""

import argparse
import dataclasses
import json
import os
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest
from fake_simulator import FakeSimulator
from foreign_dataset import write_foreign
from hdf5_files import arrays_in, isaac_lab_episode, robomimic_demos
from small_dataset import write_dataset

from collectors.features import ACTION_NAMES, GOAL_POSITION, OBJECT_POSE, STATE_NAMES, TRUE_STATE
from lerobot_writer.lock import holding
from sim_service.collection import Collection, drive
from sim_service.config import CollectConfig
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.export import hdf5_library
from sim_service.export.hdf5_export import add_hdf5_flags, run_hdf5
from sim_service.export.hdf5_layout import scene_states
from sim_service.recorded import open_dataset
from sim_service.stored import Columns, DatasetError, StoredDataset, open_stored


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


def export(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_hdf5_flags(parser)
    return run_hdf5(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredDataset, Path]:
    """Two episodes of this collector, and their export."""
    folder = tmp_path_factory.mktemp("collected")
    simulator = FakeSimulator()
    collection = Collection(
        CollectConfig(output=folder / "dataset", num_episodes=2, seed=7, steps_per_segment=2, simulator="mujoco"),
        simulator,
    )
    drive(simulator, collection.run())
    assert export(folder / "dataset", folder / "out.hdf5") == DONE
    return open_stored(folder / "dataset"), folder / "out.hdf5"


def column(columns: Columns, *names: str) -> np.ndarray:
    return columns["observation.state"][:, [STATE_NAMES.index(name) for name in names]]


def test_every_observation_is_a_part_of_the_state(collected: tuple[StoredDataset, Path]) -> None:
    dataset, file = collected
    for episode in range(2):
        columns, arrays = dataset.numbers(episode), arrays_in(file, f"demo_{episode}")
        arm = [f"joint_pos_{i}" for i in range(7)]
        fingers = ["gripper_pos_0", "gripper_pos_1"]
        expected = {
            "joint_pos": column(columns, *arm, *fingers),
            "joint_vel": column(columns, *(f"joint_vel_{i}" for i in range(7))),
            "gripper_pos": column(columns, *fingers),
            "eef_pos": column(columns, "eef_pos_x", "eef_pos_y", "eef_pos_z"),
            "eef_quat": column(columns, *(f"eef_quat_{axis}" for axis in "wxyz")),
        }
        for key, values in expected.items():
            np.testing.assert_array_equal(arrays[f"obs/{key}"], values, strict=True)
        np.testing.assert_array_equal(arrays["actions"], columns["action"], strict=True)
        assert arrays["actions"].shape[1] == len(ACTION_NAMES)
        np.testing.assert_array_equal(arrays["dones"], columns["next.done"])
        np.testing.assert_array_equal(arrays["rewards"], columns["next.done"])  # both succeeded
        for camera in dataset.cameras:
            shown = list(dataset.pictures(episode, camera, range(len(columns["action"]))))
            stored = arrays[f"obs/{camera.removeprefix('observation.images.')}_image"]
            np.testing.assert_array_equal(stored, np.stack(shown), strict=True)


def test_the_ground_truth_is_no_observation(collected: tuple[StoredDataset, Path]) -> None:
    dataset, file = collected
    arrays = arrays_in(file, "demo_0")
    columns = dataset.numbers(0)
    np.testing.assert_array_equal(arrays["privileged/object_pose"], columns[OBJECT_POSE])
    np.testing.assert_array_equal(arrays["privileged/goal_position"], columns[GOAL_POSITION])
    observations = {key.partition("/")[2] for key in arrays if key.startswith("obs/")}
    cameras = {"cam_high_image", "cam_wrist_image"}
    assert observations == {"joint_pos", "joint_vel", "gripper_pos", "eef_pos", "eef_quat", *cameras}


def test_robomimic_finds_what_it_asks_for(collected: tuple[StoredDataset, Path]) -> None:
    dataset, path = collected
    assert robomimic_demos(path) == robomimic_demos(path, "train") == robomimic_demos(path, "successful")
    assert robomimic_demos(path) == ["demo_0", "demo_1"]
    with h5py.File(path, "r") as file:
        environment = json.loads(file["data"].attrs["env_args"])
        assert {"env_name", "type", "env_kwargs"} <= environment.keys()
        simulation = environment["sim_args"]
        assert simulation["dt"] * simulation["decimation"] == pytest.approx(1 / dataset.fps, abs=1e-12)
        lengths = [int(demo.attrs["num_samples"]) for demo in file["data"].values()]
        assert file["data"].attrs["total"] == sum(lengths) == dataset.info["total_frames"]
        for key in ("cam_high_image", "cam_wrist_image"):
            stored = file[f"data/demo_0/obs/{key}"]
            assert stored.chunks == (1, *stored.shape[1:])
            assert stored.compression == "gzip"


def test_isaac_lab_finds_each_state_after_its_action(collected: tuple[StoredDataset, Path]) -> None:
    dataset, file = collected
    for number in range(2):
        columns, episode = dataset.numbers(number), isaac_lab_episode(file, f"demo_{number}")
        assert (bool(episode["success"]), episode["seed"]) == (True, 7)
        joints = column(columns, *(f"joint_pos_{i}" for i in range(7)), "gripper_pos_0", "gripper_pos_1")
        speeds = column(columns, *(f"joint_vel_{i}" for i in range(7)))
        xyzw = columns[OBJECT_POSE][:, [0, 1, 2, 4, 5, 6, 3]]
        for group, rows in (("initial_state", slice(0, 1)), ("states", slice(1, None))):
            robot = episode[group]["articulation"]["robot"]
            np.testing.assert_array_equal(robot["joint_position"], joints[rows])
            np.testing.assert_array_equal(robot["joint_velocity"][:, :7], speeds[rows])
            assert robot["joint_velocity"].shape == robot["joint_position"].shape
            np.testing.assert_array_equal(robot["root_pose"], [[0, 0, 0, 0, 0, 0, 1]] * len(joints[rows]))
            np.testing.assert_array_equal(episode[group]["rigid_object"]["object"]["root_pose"], xyzw[rows])
        assert len(episode["states"]["articulation"]["robot"]["joint_position"]) == len(episode["actions"]) - 1


def test_a_velocity_that_was_not_recorded_is_unknown_and_not_invented() -> None:
    state = np.random.default_rng(1).normal(size=(3, 23)).astype(np.float32)
    arrays = scene_states(state, np.zeros((3, 7), np.float32))
    assert np.isnan(arrays["states/articulation/robot/joint_velocity"][:, 7:]).all()
    assert np.isnan(arrays["states/rigid_object/object/root_velocity"]).all()
    assert all(np.isfinite(values).all() for key, values in arrays.items() if key.startswith("initial_state"))


def test_the_states_are_the_true_ones_where_the_observations_are_noisy(
    collected: tuple[StoredDataset, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset, _ = collected
    numbers = StoredDataset.numbers
    features = {**dataset.features, TRUE_STATE: dataset.features["observation.state"]}

    def noisy(self: StoredDataset, episode: int, columns: None = None) -> Columns:
        found = dict(numbers(self, episode, [name for name in self.numeric if name != TRUE_STATE]))
        return {**found, TRUE_STATE: -found["observation.state"]}

    monkeypatch.setattr(StoredDataset, "features", features)
    monkeypatch.setattr(StoredDataset, "numbers", noisy)
    assert export(dataset.root, tmp_path / "noisy.hdf5") == DONE
    arrays = arrays_in(tmp_path / "noisy.hdf5", "demo_0")
    truth = arrays["privileged/state"]
    np.testing.assert_array_equal(arrays["states/articulation/robot/joint_position"][:, :7], truth[1:, :7])
    np.testing.assert_array_equal(arrays["obs/joint_pos"][:, :7], -truth[:, :7])


def test_a_packed_dataset_of_another_collector(tmp_path: Path) -> None:
    for name, pack in (("loose", False), ("packed", True)):
        write_dataset(tmp_path / name, pack=pack)
        assert export(tmp_path / name, tmp_path / f"{name}.hdf5") == DONE
    dataset = open_stored(tmp_path / "loose")
    for episode in range(3):
        arrays, packed = (arrays_in(tmp_path / f"{name}.hdf5", f"demo_{episode}") for name in ("loose", "packed"))
        assert arrays.keys() == packed.keys()
        for key, values in arrays.items():
            np.testing.assert_array_equal(packed[key], values, strict=True)
        np.testing.assert_array_equal(arrays["obs/state"], dataset.numbers(episode)["observation.state"])
        assert not any(key.startswith(("states", "initial_state")) for key in arrays)
    assert robomimic_demos(tmp_path / "loose.hdf5", "successful") == ["demo_0", "demo_2"]


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_that_exists_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "dataset")
    (tmp_path / "out.hdf5").write_bytes(b"precious")
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == BAD_ARGUMENTS
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "out.hdf5").read_bytes() == b"precious"
    assert left_in(tmp_path) == {"dataset", "out.hdf5"}


def test_a_dataset_that_cannot_be_exported_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_foreign(tmp_path / "foreign")  # without a state
    write_dataset(tmp_path / "damaged")
    next((tmp_path / "damaged").glob("videos/*wrist/*/file-002.mp4")).write_bytes(b"")
    for name, told in (
        ("foreign", "has no observation.state"),
        ("damaged", "file-002.mp4"),
        ("missing", "is not a folder"),
    ):
        assert export(tmp_path / name, tmp_path / "out.hdf5") == BAD_ARGUMENTS
        assert told in capsys.readouterr().err
    assert export(tmp_path / "damaged", tmp_path / "no folder" / "out.hdf5") == BAD_ARGUMENTS
    assert left_in(tmp_path) == {"foreign", "damaged"}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "dataset")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # of any file that this process writes
    try:
        code = export(tmp_path / "dataset", tmp_path / "out.hdf5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == BAD_ARGUMENTS
    assert capsys.readouterr().err.endswith("out.hdf5: File too large\n")
    assert left_in(tmp_path) == {"dataset"}
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == DONE


def test_what_a_killed_export_left_is_removed_unless_it_is_still_running(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset")
    left = tmp_path / ".out.hdf5.exporting"
    left.mkdir()
    (left / "export.hdf5").write_bytes(b"half")
    with holding(left):
        assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == FAILED
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == DONE
    assert left_in(tmp_path) == {"dataset", "out.hdf5"}


def test_a_dataset_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset")
    with holding(tmp_path / "dataset"):
        assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == FAILED
    assert left_in(tmp_path) == {"dataset"}


def test_without_h5py_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "dataset")
    monkeypatch.setattr(hdf5_library.importlib.util, "find_spec", lambda name: None)
    assert export(tmp_path / "dataset", tmp_path / "out.hdf5") == BAD_ARGUMENTS
    assert "pip install 'isaac-collect[hdf5]'" in capsys.readouterr().err


def test_an_episode_of_two_tasks_is_refused(collected: tuple[StoredDataset, Path], tmp_path: Path) -> None:
    from sim_service.export.hdf5_file import write_hdf5

    dataset = open_dataset(collected[0].root)
    rows = list(dataset.rows)
    rows[1] = {**rows[1], "tasks": [*rows[1]["tasks"], "another"]}
    dataset = dataclasses.replace(dataset, rows=rows)
    with pytest.raises(hdf5_library.Hdf5Error, match="episode 1"):
        write_hdf5(dataset, tmp_path / "out.hdf5")


def test_a_picture_that_cannot_be_read_ends_the_export(
    collected: tuple[StoredDataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise DatasetError("no picture")

    monkeypatch.setattr(StoredDataset, "pictures", fails)
    assert export(collected[0].root, tmp_path / "out.hdf5") == BAD_ARGUMENTS
    assert left_in(tmp_path) == set()
