"""Files of robomimic and of Isaac Lab Mimic become datasets; whatever else becomes an error, and no dataset."""

import argparse
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hdf5_files import (
    ISAAC_LAB,
    LENGTHS,
    QUAT_WXYZ,
    ROBOSUITE,
    SIDE,
    Arrays,
    isaac_lab_arrays,
    pictures,
    robomimic_arrays,
    write_demos,
)

from lerobot_writer.check import check_dataset
from lerobot_writer.lock import holding
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.import_command import add_import_flags, run_import
from sim_service.stored import StoredDataset, open_stored

Errors = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


def import_(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_import_flags(parser)
    return run_import(parser.parse_args(["hdf5", *map(str, words)]))


def imported(folder: Path, *words: object) -> StoredDataset:
    """Of folder/in.hdf5, checked against every rule of the format."""
    assert import_(folder / "in.hdf5", folder / "out", *words) == DONE
    report = check_dataset(folder / "out")
    assert report.ok, report.text()
    return open_stored(folder / "out")


def state(dataset: StoredDataset, episode: int, *names: str) -> np.ndarray:
    order = dataset.features["observation.state"]["names"]
    rows: np.ndarray = dataset.numbers(episode)["observation.state"][:, [order.index(name) for name in names]]
    return rows


def write_isaac_lab(path: Path, arrays: Callable[[int, int], Arrays] = isaac_lab_arrays, **more: Any) -> None:
    write_demos(path, arrays, **{"env_args": ISAAC_LAB, **more})


def write_mapping(path: Path, **content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


LIFT = {
    "state": [
        {"key": "obs/robot0_joint_pos", "names": [f"joint_pos_{i}" for i in range(7)]},
        {"key": "obs/robot0_gripper_qpos", "names": ["gripper_pos_1", "gripper_pos_0"], "columns": [1, 0]},
    ],
    "action": [{"key": "actions", "names": [f"action_{i}" for i in range(7)]}],
    "extra": {"privileged.object_position": [{"key": "obs/object", "names": ["x", "y", "z"], "columns": [0, 1, 2]}]},
    "cameras": {"top": "obs/agentview_image"},
    "robot_type": "panda",
}


def test_a_frame_of_isaac_lab_holds_what_was_there_before_its_action(tmp_path: Path) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    dataset = imported(tmp_path, "--task", "stack the cubes")
    assert (dataset.fps, dataset.info["robot_type"]) == (20, "franka_panda")
    assert [row["length"] for row in dataset.rows] == list(LENGTHS)
    assert [row["tasks"] for row in dataset.rows] == [["stack the cubes"]] * 3
    assert [row["import/demo"] for row in dataset.rows] == ["demo_0", "demo_1", "demo_2"]
    for episode, length in enumerate(LENGTHS):
        times = np.arange(length)[:, None]
        joints = state(dataset, episode, *(f"joint_pos_{i}" for i in range(7)), "gripper_pos_0", "gripper_pos_1")
        np.testing.assert_array_equal(joints, times + np.arange(9))
        speeds = state(dataset, episode, *(f"joint_vel_{i}" for i in range(7)))
        np.testing.assert_array_equal(speeds, times + np.arange(100, 107))
        np.testing.assert_array_equal(state(dataset, episode, "tool_pos_x"), times)  # obs is of before already
        cube = dataset.numbers(episode)["privileged.cube_1_pose"]
        np.testing.assert_allclose(cube[:, 0], 0.4 + times[:, 0], rtol=1e-6)
    assert dataset.features["action"]["names"][-1] == "action_gripper_binary"
    assert dataset.cameras == ["observation.images.table_cam", "observation.images.wrist_cam"]


@pytest.mark.parametrize("version", [0, 1])
def test_quaternions_are_wxyz_whatever_isaac_lab_wrote(version: int, tmp_path: Path) -> None:
    def arrays(demo: int, length: int) -> Arrays:
        return isaac_lab_arrays(demo, length, xyzw=version == 1)

    write_isaac_lab(tmp_path / "in.hdf5", arrays, attributes={"format_version": version})
    dataset = imported(tmp_path, "--task", "t")
    tool = state(dataset, 0, *(f"tool_quat_{axis}" for axis in "wxyz"))
    np.testing.assert_allclose(tool, [QUAT_WXYZ] * LENGTHS[0], rtol=1e-6)
    cube = dataset.numbers(0)["privileged.cube_1_pose"][:, 3:]
    np.testing.assert_allclose(cube, [QUAT_WXYZ] * LENGTHS[0], rtol=1e-6)
    assert dataset.features["privileged.cube_1_pose"]["names"][3:] == ["quat_w", "quat_x", "quat_y", "quat_z"]


def test_absolute_poses_of_isaac_lab(tmp_path: Path) -> None:
    def arrays(demo: int, length: int) -> Arrays:
        return {**isaac_lab_arrays(demo, length), "actions": np.full((length, 8), 0.5, np.float32)}

    name = ISAAC_LAB["env_name"].replace("IK-Rel", "IK-Abs")
    write_isaac_lab(tmp_path / "in.hdf5", arrays, env_args={**ISAAC_LAB, "env_name": name})
    names = imported(tmp_path, "--task", "t").features["action"]["names"]
    assert names[3:7] == [f"action_quat_{axis}" for axis in "wxyz"]


def test_an_action_that_may_be_anything_needs_a_mapping(tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "in.hdf5", env_args={**ISAAC_LAB, "env_name": "Isaac-Lift-Cube-Franka-v0"})
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
    assert "the 7 numbers of an action of Isaac-Lift-Cube-Franka-v0 are not known" in capsys.readouterr().err


def test_skipped_frames_are_missing_at_the_beginning_alone(tmp_path: Path) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    dataset = imported(tmp_path, "--task", "t", "--skip-first", 2)
    for episode, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(state(dataset, episode, "joint_pos_0")[:, 0], np.arange(2, length))
        for camera, name in enumerate(dataset.cameras):
            shown = np.stack(list(dataset.pictures(episode, name, range(length - 2))))
            expected = pictures(episode, length, camera)[2:]
            assert np.abs(shown.astype(int) - expected).mean(axis=(1, 2, 3)).max() < 2  # the next one differs by 8


def test_robomimic_with_a_mapping(tmp_path: Path) -> None:
    write_demos(tmp_path / "in.hdf5", robomimic_arrays, env_args=ROBOSUITE)
    mapping = write_mapping(tmp_path / "mapping.json", **LIFT)
    dataset = imported(tmp_path, "--mapping", mapping, "--task", "lift the cube")
    assert (dataset.fps, dataset.info["robot_type"], dataset.cameras) == (20, "panda", ["observation.images.top"])
    for episode, length in enumerate(LENGTHS):
        arrays, columns = robomimic_arrays(episode, length), dataset.numbers(episode)
        joints = state(dataset, episode, *(f"joint_pos_{i}" for i in range(7)))
        np.testing.assert_array_equal(joints, arrays["obs/robot0_joint_pos"].astype(np.float32))
        fingers = state(dataset, episode, "gripper_pos_0", "gripper_pos_1")
        np.testing.assert_array_equal(fingers, arrays["obs/robot0_gripper_qpos"].astype(np.float32))
        np.testing.assert_array_equal(columns["action"], arrays["actions"].astype(np.float32))
        expected = arrays["obs/object"][:, :3].astype(np.float32)
        np.testing.assert_array_equal(columns["privileged.object_position"], expected)


def test_units_are_scaled_as_the_mapping_says(tmp_path: Path) -> None:
    write_demos(tmp_path / "in.hdf5", robomimic_arrays, env_args=ROBOSUITE)
    degrees, millimetres = np.pi / 180, 0.001
    mapping = write_mapping(
        tmp_path / "mapping.json",
        state=[
            {"key": "obs/robot0_joint_pos", "names": ["elbow"], "columns": [3], "scale": degrees},
            {"key": "obs/robot0_eef_pos", "names": ["z"], "columns": [2], "scale": millimetres},
        ],
        action=[{"key": "actions", "names": ["finger"], "columns": [6], "scale": 0.02, "offset": 0.02}],
    )
    columns = imported(tmp_path, "--mapping", mapping, "--task", "t").numbers(1)
    arrays = robomimic_arrays(1, LENGTHS[1])
    elbow, z = arrays["obs/robot0_joint_pos"][:, 3] * degrees, arrays["obs/robot0_eef_pos"][:, 2] * millimetres
    np.testing.assert_allclose(columns["observation.state"], np.stack([elbow, z], axis=1), rtol=1e-6)
    np.testing.assert_allclose(columns["action"].ravel(), 0.02 * arrays["actions"][:, 6] + 0.02, rtol=1e-5, atol=1e-8)


def test_without_a_mapping_the_error_holds_one_that_works(tmp_path: Path, capsys: Errors) -> None:
    write_demos(tmp_path / "in.hdf5", robomimic_arrays, env_args=ROBOSUITE)
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
    told = capsys.readouterr().err
    for key, values in robomimic_arrays(0, LENGTHS[0]).items():
        assert f"{key}  {values.shape}  {values.dtype}" in told
    draft = told[told.index("robot_type:") :]
    (tmp_path / "mapping.yaml").write_text(draft)
    dataset = imported(tmp_path, "--mapping", tmp_path / "mapping.yaml", "--task", "t")
    assert dataset.features["observation.state"]["shape"] == [22]
    assert dataset.cameras == ["observation.images.agentview"]


def test_the_rate_may_be_given(tmp_path: Path, capsys: Errors) -> None:
    for env_args, told in (
        (None, "does not say how many frames a second"),
        ({"sim_args": {"dt": 0.007, "decimation": 5}}, "28.5714 frames a second"),
        ({"sim_args": {"dt": 0, "decimation": 0}}, "does not say"),
    ):
        write_demos(tmp_path / "in.hdf5", robomimic_arrays, env_args=env_args)
        mapping = write_mapping(tmp_path / "mapping.json", **LIFT)
        words = ["--mapping", mapping, "--task", "t"]
        assert import_(tmp_path / "in.hdf5", tmp_path / "out", *words) == BAD_ARGUMENTS
        assert told in capsys.readouterr().err
    assert imported(tmp_path, *words, "--fps", 25).fps == 25


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"success": (True, False, True)}, [0, 2]),
        ({"success": (True, None, False)}, [0, 1]),
        ({"masks": {"successful": [1]}}, [1]),
        ({"masks": {"successful": [1]}, "success": (True, None, None)}, [0, 1]),
        ({"masks": {"train": [1]}}, [0, 1, 2]),
        ({}, [0, 1, 2]),
    ],
)
def test_failed_demonstrations_are_left_out(told: dict[str, Any], kept: list[int], tmp_path: Path) -> None:
    write_isaac_lab(tmp_path / "in.hdf5", **told)
    dataset = imported(tmp_path, "--task", "t")
    assert [row["import/demo"] for row in dataset.rows] == [f"demo_{number}" for number in kept]


def test_failed_demonstrations_may_be_kept(tmp_path: Path) -> None:
    write_isaac_lab(tmp_path / "in.hdf5", success=(True, False, True))
    dataset = imported(tmp_path, "--task", "t", "--keep-failed")
    assert [row["import/success"] for row in dataset.rows] == [True, False, True]


def test_demonstrations_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    order = (2, 9, 10, 11)  # not that of the alphabet
    write_isaac_lab(tmp_path / "in.hdf5", lengths=(2,) * 12, success=[number in order for number in range(12)])
    dataset = imported(tmp_path, "--task", "t")
    assert [row["import/demo"] for row in dataset.rows] == [f"demo_{number}" for number in order]


Change = Callable[[Any], None]


def replace(key: str, values: np.ndarray | None) -> Change:
    def change(file: Any) -> None:
        del file[key]
        if values is not None:
            file[key] = values

    return change


def spoil(key: str, value: float) -> Change:
    def change(file: Any) -> None:
        file[key][3, 1] = value

    return change


POSITION = "data/demo_1/states/articulation/robot/joint_position"
CAMERA = "data/demo_1/obs/table_cam"
SMALL = np.zeros((LENGTHS[1], SIDE // 2, SIDE // 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (replace("data", None), "has no group 'data'"),
        (replace("data", np.zeros(3)), "has no group 'data'"),
        (lambda file: [file.__delitem__(f"data/demo_{n}") for n in range(3)], "has no demonstration"),
        (spoil(POSITION, np.nan), "1 values that are not finite; the first is nan of joint_pos_1 at frame 4"),
        (spoil("data/demo_1/actions", np.inf), "the first is inf of action_delta_pos_y at frame 3"),
        (replace(POSITION, np.zeros((LENGTHS[1], 8), np.float32)), "rows of shape (8,), (9,) in demo_0"),
        (replace(POSITION, np.zeros((3, 9), np.float32)), "expected 8 rows, demo_1 having 9 frames"),
        (replace(POSITION, None), "demo_1 has no array states/articulation/robot/joint_position"),
        (replace("data/demo_1/actions", np.zeros((4, 7), np.float32)), "expected 9 rows"),
        (replace("data/demo_1/actions", np.full((9, 7), "x", "S1")), "expected numbers"),
        (replace(CAMERA, SMALL), "rows of shape (32, 32, 3), (64, 64, 3) in demo_0"),
        (replace(CAMERA, SMALL.transpose(0, 3, 1, 2)), "rows of shape (3, 32, 32)"),
        (replace(CAMERA, np.zeros((9, SIDE, SIDE, 3), np.float32)), "expected uint8, 0 to 255"),
        (replace(CAMERA, np.zeros((4, SIDE, SIDE, 3), np.uint8)), "4 pictures for 9 frames"),
        (replace(CAMERA, None), "demo_1 has no array obs/table_cam"),
        (lambda file: file["data/demo_1"].attrs.__setitem__("num_samples", 4), "9 pictures for 4 frames"),
        (lambda file: file["data/demo_1"].attrs.__setitem__("num_samples", 0), "demo_1 has 0 frames"),
        (lambda file: file["data/demo_1"].attrs.__setitem__("num_samples", "many"), "demo_1"),
        (lambda file: file["data"].attrs.__setitem__("env_args", "{"), "env_args of data is no JSON"),
        (lambda file: [demo.attrs.__setitem__("success", False) for demo in file["data"].values()], "all 3"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(change: Change, told: str, tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    with h5py.File(tmp_path / "in.hdf5", "r+") as file:
        change(file)
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.hdf5"]


@pytest.mark.parametrize(
    ("shape", "dtype", "told"),
    [
        ((3, SIDE, SIDE), np.uint8, "channels come first"),
        ((SIDE, SIDE, 4), np.uint8, "expected pictures"),
        ((SIDE * SIDE * 3,), np.uint8, "expected pictures"),
        ((SIDE, SIDE, 3), np.float32, "expected uint8, 0 to 255"),
    ],
)
def test_what_is_no_picture_is_no_camera(
    shape: tuple[int, ...], dtype: type, told: str, tmp_path: Path, capsys: Errors
) -> None:
    def arrays(demo: int, length: int) -> Arrays:
        return {**robomimic_arrays(demo, length), "obs/agentview_image": np.zeros((length, *shape), dtype)}

    write_demos(tmp_path / "in.hdf5", arrays, env_args=ROBOSUITE)
    mapping = write_mapping(tmp_path / "mapping.json", **LIFT)
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--mapping", mapping, "--task", "t") == BAD_ARGUMENTS
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": [{"key": "obs/none", "names": ["a"]}]}, "has no array obs/none; it has actions"),
        ({"state": [{"key": "obs/object", "names": ["a", "b"]}]}, "has 10 columns, asked for 2 names"),
        ({"state": [{"key": "obs/object", "names": ["a"], "columns": [10]}]}, "asked for columns [10]"),
        ({"state": [{"key": "obs/object", "names": ["a", "a"], "columns": [0, 1]}]}, "has a name twice"),
        ({"cameras": {"a/b": "obs/agentview_image"}}, "camera name 'a/b'"),
        ({"state": "obs"}, "state must be a list of sources"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told(
    changes: dict[str, Any], told: str, tmp_path: Path, capsys: Errors
) -> None:
    write_demos(tmp_path / "in.hdf5", robomimic_arrays, env_args=ROBOSUITE)
    mapping = write_mapping(tmp_path / "mapping.json", **{**LIFT, **changes})
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--mapping", mapping, "--task", "t") == BAD_ARGUMENTS
    assert told in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"in.hdf5", "mapping.json"}


def test_cameras_of_two_sizes_are_refused(tmp_path: Path, capsys: Errors) -> None:
    def arrays(demo: int, length: int) -> Arrays:
        small = pictures(demo, length)[:, ::2, ::2]
        return {**isaac_lab_arrays(demo, length), "obs/wrist_cam": small}

    write_isaac_lab(tmp_path / "in.hdf5", arrays)
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
    assert "obs/table_cam 64 x 64, obs/wrist_cam 32 x 32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "no HDF5 file"), (b"hello", "no HDF5 file"), (None, "is not a file")]
)
def test_what_is_no_hdf5_file_is_told(content: bytes | None, told: str, tmp_path: Path, capsys: Errors) -> None:
    if content is not None:
        (tmp_path / "in.hdf5").write_bytes(content)
    assert import_(tmp_path / "in.hdf5", tmp_path / "out") == BAD_ARGUMENTS
    assert told in capsys.readouterr().err


def test_a_file_cut_short_anywhere_leaves_nothing(tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "whole.hdf5")
    whole = (tmp_path / "whole.hdf5").read_bytes()
    (tmp_path / "whole.hdf5").unlink()
    for share in (0.01, 0.3, 0.6, 0.99):
        (tmp_path / "in.hdf5").write_bytes(whole[: int(len(whole) * share)])
        assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
        assert "in.hdf5" in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["in.hdf5"]


def test_a_damaged_array_leaves_nothing(tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    with h5py.File(tmp_path / "in.hdf5") as file:
        damaged = file["data/demo_2/obs/wrist_cam"].id.get_chunk_info(0)
    with (tmp_path / "in.hdf5").open("r+b") as file:
        file.seek(damaged.byte_offset)
        file.write(b"\0" * damaged.size)
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
    assert "cannot read demo_2/obs/wrist_cam" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.hdf5"]


def test_a_file_that_another_program_writes_may_be_tried_again(tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    with (tmp_path / "in.hdf5").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as HDF5 itself does
        assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == FAILED
    assert "is open for writing in another program" in capsys.readouterr().err
    imported(tmp_path, "--task", "t")


def test_a_folder_in_use_is_not_touched(tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("mine")
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == BAD_ARGUMENTS
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious"]
    assert {path.name for path in tmp_path.iterdir()} == {"in.hdf5", "out"}


def test_what_a_killed_import_left_is_removed_unless_it_is_still_running(tmp_path: Path) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    left = tmp_path / ".out.importing"
    (left / "dataset/meta").mkdir(parents=True)
    (left / "dataset/meta/info.json").write_text("{}")
    with holding(left):
        assert import_(tmp_path / "in.hdf5", tmp_path / "out", "--task", "t") == FAILED
    assert (left / "dataset/meta/info.json").exists()
    imported(tmp_path, "--task", "t")
    assert {path.name for path in tmp_path.iterdir()} == {"in.hdf5", "out"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "does not say what the task was"),
        (["--task", "t", "--skip-first", 5], "--skip-first 5 leaves nothing of 1 demonstrations"),
        (["--task", " "], "task must be a non-empty text"),
        (["--task", "t", "--mapping", "missing.yaml"], "cannot read the mapping missing.yaml"),
    ],
)
def test_what_is_missing_is_told(words: list[object], told: str, tmp_path: Path, capsys: Errors) -> None:
    write_isaac_lab(tmp_path / "in.hdf5")
    assert import_(tmp_path / "in.hdf5", tmp_path / "out", *words) == BAD_ARGUMENTS
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.hdf5"]


@pytest.mark.parametrize("words", [["--fps", "0"], ["--skip-first", "-1"], ["--fps", "two"]])
def test_a_number_that_is_none_is_no_argument(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        import_(tmp_path / "in.hdf5", tmp_path / "out", *words)
    assert stop.value.code == BAD_ARGUMENTS


def test_a_dataset_without_pictures(tmp_path: Path) -> None:
    def arrays(demo: int, length: int) -> Arrays:
        return {key: values for key, values in isaac_lab_arrays(demo, length).items() if values.dtype != np.uint8}

    write_isaac_lab(tmp_path / "in.hdf5", arrays)
    dataset = imported(tmp_path, "--task", "t")
    assert dataset.cameras == []
    np.testing.assert_array_equal(state(dataset, 1, "joint_pos_3")[:, 0], np.arange(LENGTHS[1]) + 3)
