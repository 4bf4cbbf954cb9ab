"""HDF5 files as robomimic and Isaac Lab Mimic write them, and readers after their documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

LENGTHS = (6, 9, 5)
SIDE = 64
"""Pixels of a square picture."""

Arrays = dict[str, np.ndarray]


def picture(demo: int, frame: int, camera: int = 0, side: int = SIDE) -> np.ndarray:
    """Smooth, and of a brightness that names demo, frame and camera."""
    ramp = np.linspace(0, 40, side)[:, None, None] + np.linspace(0, 20, side)[None, :, None]
    return np.broadcast_to(ramp + 30 + 40 * demo + 8 * frame + 5 * camera, (side, side, 3)).astype(np.uint8)


def pictures(demo: int, length: int, camera: int = 0) -> np.ndarray:
    return np.stack([picture(demo, frame, camera) for frame in range(length)])


def write_demos(
    path: Path,
    arrays_of: Callable[[int, int], Arrays],
    *,
    lengths: Sequence[int] = LENGTHS,
    env_args: Mapping[str, Any] | None = None,
    success: Sequence[bool | None] = (),
    masks: Mapping[str, Sequence[int]] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """arrays_of: from a demonstration's number and length to its arrays by key. attributes: of the file."""
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes or {})
        data = file.create_group("data")
        data.attrs["total"] = sum(lengths)
        if env_args is not None:
            data.attrs["env_args"] = json.dumps(env_args)
        for number, length in enumerate(lengths):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = length
            if number < len(success) and success[number] is not None:
                demo.attrs["success"] = success[number]
            for key, values in arrays_of(number, length).items():
                demo.create_dataset(key, data=values, compression="gzip")
        for name, demos in (masks or {}).items():
            file[f"mask/{name}"] = np.array([f"demo_{number}" for number in demos], dtype="S8")


ROBOSUITE = {"env_name": "Lift", "type": 1, "env_kwargs": {"robots": ["Panda"], "control_freq": 20}}


def robomimic_arrays(demo: int, length: int) -> Arrays:
    """As robosuite's Lift has them, with pictures; float64, as there."""
    rng = np.random.default_rng([demo, length])
    sizes = {"robot0_joint_pos": 7, "robot0_eef_pos": 3, "robot0_gripper_qpos": 2, "object": 10}
    obs = {f"obs/{key}": rng.uniform(-1, 1, (length, size)) for key, size in sizes.items()}
    obs["obs/agentview_image"] = pictures(demo, length)
    return {
        **obs,
        "actions": rng.uniform(-1, 1, (length, 7)),
        "states": rng.normal(size=(length, 32)),
        "dones": (np.arange(length) == length - 1).astype(np.int64),
        "rewards": np.zeros(length),
    }


ISAAC_LAB = {
    "env_name": "Isaac-Stack-Cube-Franka-IK-Rel-Visuomotor-Mimic-v0",
    "type": 2,
    "sim_args": {"dt": 0.01, "decimation": 5, "render_interval": 2, "num_envs": 1},
}
QUAT_WXYZ = np.array([0.8, 0.0, 0.6, 0.0])


def isaac_lab_arrays(demo: int, length: int, xyzw: bool = False) -> Arrays:
    """Row k of `states` is what was there after action k: joint j stands at j + k + 1 then, and at j at first.

    xyzw: the order of every quaternion, which is QUAT_WXYZ.
    """
    quat = QUAT_WXYZ[[1, 2, 3, 0]] if xyzw else QUAT_WXYZ
    after = np.arange(1, length + 1, dtype=np.float32)[:, None]

    def pose(rows: int) -> np.ndarray:
        return np.tile(np.concatenate([[0.4, 0.1, 0.02], quat]), (rows, 1)).astype(np.float32)

    arrays: Arrays = {"actions": np.full((length, 7), 0.1, np.float32), "processed_actions": np.ones((length, 9))}
    for group, times in (("initial_state", np.zeros((1, 1), np.float32)), ("states", after)):
        robot = f"{group}/articulation/robot"
        arrays[f"{robot}/joint_position"] = times + np.arange(9, dtype=np.float32)
        arrays[f"{robot}/joint_velocity"] = times + np.arange(100, 109, dtype=np.float32)
        arrays[f"{robot}/root_pose"] = pose(len(times))
        arrays[f"{robot}/root_velocity"] = np.zeros((len(times), 6), np.float32)
        arrays[f"{group}/rigid_object/cube_1/root_pose"] = pose(len(times)) + np.eye(7, dtype=np.float32)[0] * times
        arrays[f"{group}/rigid_object/cube_1/root_velocity"] = np.zeros((len(times), 6), np.float32)
    arrays["obs/joint_pos"] = np.zeros((length, 9), np.float32)  # relative to a default pose
    arrays["obs/eef_pos"] = np.tile(np.arange(length, dtype=np.float32)[:, None], 3)
    arrays["obs/eef_quat"] = np.tile(quat, (length, 1)).astype(np.float32)
    arrays["obs/gripper_pos"] = np.zeros((length, 2), np.float32)
    for camera, name in enumerate(("table_cam", "wrist_cam")):
        arrays[f"obs/{name}"] = pictures(demo, length, camera)
    arrays["obs/datagen_info/eef_pose/franka"] = np.zeros((length, 4, 4), np.float32)
    return arrays


def isaac_lab_episode(path: Path, name: str) -> dict[str, Any]:
    """A demonstration as HDF5DatasetFileHandler.load_episode hands it out: nested dicts of arrays that torch takes,
    with `root_pose` in xyzw as Isaac Lab 3 wants it, and the attributes."""

    def load(group: h5py.Group, legacy: bool) -> dict[str, Any]:
        loaded: dict[str, Any] = {}
        for key, item in group.items():
            if isinstance(item, h5py.Group):
                loaded[key] = load(item, legacy)
                continue
            values = np.array(item)
            assert values.dtype.kind in "fiub", f"torch.tensor takes no {values.dtype}"
            if legacy and key == "root_pose":
                values = values[..., [0, 1, 2, 4, 5, 6, 3]]
            loaded[key] = values
        return loaded

    with h5py.File(path, "r") as file:
        legacy = int(file.attrs.get("format_version", 0)) < 1
        demo = file["data"][name]
        attributes = {name: demo.attrs.get(name) for name in ("seed", "success", "num_samples")}
        return {**load(demo, legacy), **attributes}


def robomimic_demos(path: Path, filter_key: str | None = None) -> list[str]:
    """In the order of robomimic's SequenceDataset."""
    with h5py.File(path, "r", swmr=True, libver="latest") as file:
        names = list(file["data"]) if filter_key is None else [name.decode() for name in file[f"mask/{filter_key}"]]
        return sorted(names, key=lambda name: int(name[5:]))


def arrays_in(path: Path, name: str) -> Arrays:
    """Every array of a demonstration, by key."""
    found: Arrays = {}
    with h5py.File(path, "r") as file:
        file["data"][name].visititems(
            lambda key, item: found.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found
