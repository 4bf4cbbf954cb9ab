"""What an HDF5 export holds, by group and key; docs/hdf5.md describes it.

The layout is that of robomimic (its documentation, "Dataset Structure", 0.5) as Isaac Lab's HDF5DatasetFileHandler
writes and reads it (2.x: quaternions wxyz, no attribute format_version).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collectors.features import OBJECT_POSE, STATE_NAMES, TRUE_STATE
from collectors.scene import PHYSICS_PERIOD_S
from lerobot_writer.schema import ACTION, DONE, IMAGE_PREFIX, STATE
from sim_service.importing.mapping import UNKNOWN_ROBOT, DemoMapping, Source
from sim_service.stored import Columns, StoredDataset

FORMAT: Final = 1
OURS: Final = "isaac_collect"  # group beside data: what a dataset has and the layout has no place for
INFO: Final = f"{OURS}/info"
MAPPING: Final = f"{OURS}/mapping"
COLLECTION: Final = f"{OURS}/collection"
ROW: Final = OURS  # attribute of a demonstration: JSON with its task and its columns
TIMESTAMP: Final = "timestamp"
GYM_TYPE: Final = 2  # EnvType.GYM_TYPE of robomimic, and what Isaac Lab writes

_ARM: Final = range(7)
_VELOCITY: Final = range(7, 14)
_FINGERS: Final = range(14, 16)
# Of observation.state as this collector records it: obs key to the columns.
_OBSERVATIONS: Final[dict[str, tuple[int, ...]]] = {
    "joint_pos": (*_ARM, *_FINGERS),
    "joint_vel": (*_VELOCITY,),
    "gripper_pos": (*_FINGERS,),
    "eef_pos": (16, 17, 18),
    "eef_quat": (19, 20, 21, 22),
}
_FIXED_BASE: Final = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)  # the robot's base is the world frame

Arrays = dict[str, NDArray[Any]]


def feature_names(dataset: StoredDataset, feature: str) -> tuple[str, ...]:
    """Of a vector's dimensions; numbered where info.json has none."""
    described = dataset.features[feature]
    names = described.get("names")
    size = int(np.prod(described["shape"]))
    if isinstance(names, list) and len(names) == size:
        return tuple(map(str, names))
    return (feature,) if size == 1 else tuple(f"{feature}_{number}" for number in range(size))


def extra_features(dataset: StoredDataset) -> list[str]:
    """The vectors besides state and action that an import brings back."""
    return [
        name
        for name in dataset.numeric
        if dataset.features[name]["dtype"] == "float32" and name not in (STATE, ACTION, TIMESTAMP)
    ]


def extra_key(feature: str) -> str:
    """privileged.x becomes privileged/x, so that nothing takes it for an observation."""
    group, dot, name = feature.partition(".")
    return f"privileged/{name}" if group == "privileged" and dot and name else f"extra/{feature}"


def picture_key(camera: str) -> str:
    """camera: its feature's name."""
    return f"obs/{camera.removeprefix(IMAGE_PREFIX)}_image"


def mapping_back(dataset: StoredDataset) -> DemoMapping:
    """Of an export to the dataset that it is an export of."""
    names = feature_names(dataset, STATE)
    state: tuple[Source, ...] = (Source("obs/state", names),)
    if names == STATE_NAMES:
        state = (Source("obs/joint_pos", tuple(names[i] for i in _ARM), tuple(_ARM)),)
        state += tuple(
            Source(f"obs/{key}", tuple(names[i] for i in columns))
            for key, columns in _OBSERVATIONS.items()
            if key != "joint_pos"
        )
        order = [name for source in state for name in source.names]
        assert order == list(names), "the observations make up the state, in its order"
    return DemoMapping(
        state,
        (Source("actions", feature_names(dataset, ACTION)),),
        {name: (Source(extra_key(name), feature_names(dataset, name)),) for name in extra_features(dataset)},
        {camera.removeprefix(IMAGE_PREFIX): picture_key(camera) for camera in dataset.cameras},
        dataset.info.get("robot_type") or UNKNOWN_ROBOT,
    )


def demo_arrays(dataset: StoredDataset, columns: Columns, success: bool | None) -> Arrays:
    """Everything of a demonstration but the pictures, by key.

    columns: of `dataset.numeric`, shape (N,) or (N, size). success: None where nothing says.
    """
    state = columns[STATE].reshape(len(columns[STATE]), -1)
    frames = len(state)
    arrays: Arrays = {"actions": columns[ACTION].reshape(frames, -1)}
    ours = feature_names(dataset, STATE) == STATE_NAMES
    if ours:
        arrays |= {f"obs/{key}": state[:, list(chosen)] for key, chosen in _OBSERVATIONS.items()}
    else:
        arrays["obs/state"] = state
    arrays |= {extra_key(name): columns[name] for name in extra_features(dataset)}
    last = np.arange(frames) == frames - 1
    arrays["dones"] = columns[DONE].astype(np.uint8) if DONE in columns else last.astype(np.uint8)
    if success is not None:
        arrays["rewards"] = (last & success).astype(np.float32)
    arrays[TIMESTAMP] = columns[TIMESTAMP]
    if ours and OBJECT_POSE in columns:
        truth = columns.get(TRUE_STATE, state)
        arrays |= scene_states(truth, columns[OBJECT_POSE])
    return arrays


def scene_states(state: NDArray[np.float32], object_pose: NDArray[np.float32]) -> Arrays:
    """`initial_state` (frame 0) and `states` (what was there after each action: frame k + 1 in row k, N - 1 rows).

    state: rows of STATE_NAMES, shape (N, 23). object_pose: position [m] and quat_wxyz, shape (N, 7). The velocities of
    fingers and object are not recorded: nan in `states`, 0 in `initial_state`, where the scene has settled.
    """
    arrays: Arrays = {}
    for group, rows, unknown in (("initial_state", slice(0, 1), 0.0), ("states", slice(1, None), np.nan)):
        some, pose = state[rows], object_pose[rows]
        count = len(some)
        robot, thing = f"{group}/articulation/robot", f"{group}/rigid_object/object"
        fingers = np.full((count, len(_FINGERS)), unknown, np.float32)
        arrays[f"{robot}/joint_position"] = some[:, list(_OBSERVATIONS["joint_pos"])]
        arrays[f"{robot}/joint_velocity"] = np.concatenate([some[:, list(_VELOCITY)], fingers], axis=1)
        arrays[f"{robot}/root_pose"] = np.tile(np.array(_FIXED_BASE, np.float32), (count, 1))
        arrays[f"{robot}/root_velocity"] = np.zeros((count, 6), np.float32)
        arrays[f"{thing}/root_pose"] = pose
        arrays[f"{thing}/root_velocity"] = np.full((count, 6), unknown, np.float32)
    return arrays


def env_args(dataset: StoredDataset, configuration: Mapping[str, Any] | None) -> str:
    """The attribute of `data`: what robomimic and Isaac Lab want to know of the environment, as JSON.

    configuration: of meta/collection.json, None where another tool recorded the dataset.
    """
    if configuration is None:
        name, period_s, steps = "lerobot", 1 / dataset.fps, 1
    else:
        steps = round(1 / (PHYSICS_PERIOD_S * dataset.fps))
        name, period_s = f"isaac-collect/{configuration['task']}", PHYSICS_PERIOD_S
    return json.dumps(
        {
            "env_name": name,
            "type": GYM_TYPE,
            "env_kwargs": {"fps": dataset.fps},
            "sim_args": {"dt": period_s, "decimation": steps, "render_interval": steps, "num_envs": 1},
        }
    )
