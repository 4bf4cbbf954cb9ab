"""The files of NVIDIA's GR00T flavour of LeRobot v2.1, and which numbers in a row mean what.

Source: NVIDIA/Isaac-GR00T, getting_started/LeRobot_compatible_data_schema.md (N1.5) and data_preparation.md (later).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collectors.features import ACTION_NAMES, STATE_NAMES
from lerobot_writer.schema import IMAGE_PREFIX
from sim_service.export import ExportError
from sim_service.stored import StoredDataset

CODEBASE_VERSION: Final = "v2.1"
EPISODES_PER_CHUNK: Final = 1000
DATA_TEMPLATE: Final = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_TEMPLATE: Final = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"

INFO: Final = "meta/info.json"
EPISODES: Final = "meta/episodes.jsonl"
EPISODES_STATS: Final = "meta/episodes_stats.jsonl"
TASKS: Final = "meta/tasks.jsonl"
STATS: Final = "meta/stats.json"
MODALITY: Final = "meta/modality.json"

STATE: Final = "observation.state"
ACTION: Final = "action"
# Our rows in parts, by what the names of a part begin with.
_STATE_PARTS: Final = {
    "single_arm": "joint_pos_",
    "joint_velocity": "joint_vel_",
    "gripper": "gripper_pos_",
    "eef_position": "eef_pos_",
    "eef_quaternion": "eef_quat_",
}
_ACTION_PARTS: Final = {"single_arm": "action_joint_", "gripper": "action_gripper"}
_PICTURE_NAMES: Final = {"height", "width", "channels"}
# Of N1.5's RotationType; it converts by pytorch3d, which has the real part first, as our w, x, y, z.
_ROTATION_TYPES: Final = {"eef_quaternion": "quaternion"}


def data_file(episode: int) -> str:
    """Below the root."""
    return DATA_TEMPLATE.format(episode_chunk=episode // EPISODES_PER_CHUNK, episode_index=episode)


def video_file(episode: int, key: str) -> str:
    """Below the root. key: the camera's feature name."""
    return VIDEO_TEMPLATE.format(episode_chunk=episode // EPISODES_PER_CHUNK, episode_index=episode, video_key=key)


def require_exportable(dataset: StoredDataset) -> None:
    """Raise ExportError listing what GR00T needs and the dataset has not."""
    problems = [] if dataset.rows else ["it has no episodes"]
    for name in (STATE, ACTION):
        feature = dataset.features.get(name)
        if feature is None:
            problems.append(f"it has no {name}; there are {', '.join(dataset.features)}")
        elif _names(feature) is None:
            problems.append(f"{name} needs a name for each of its numbers, has names {feature.get('names')!r}")
    problems += [
        f"{name} needs names for height, width and channels, has names {dataset.features[name].get('names')!r}"
        for name in dataset.cameras
        if set(_picture_names(dataset.features[name])) != _PICTURE_NAMES
    ]
    if not dataset.cameras:
        problems.append("it has no videos, and GR00T is a policy that sees")
    strange = {name: feature["dtype"] for name, feature in dataset.features.items() if not _is_vector(feature)}
    problems += [
        f"{name} is {dtype} of shape {dataset.features[name]['shape']}; vectors of numbers and videos are allowed"
        for name, dtype in strange.items()
        if dtype != "video"
    ]
    if problems:
        raise ExportError(f"{dataset.root} cannot be exported for GR00T: {'; '.join(problems)}")


def modality(dataset: StoredDataset) -> dict[str, Any]:
    """Content of modality.json: half-open ranges of the state's and action's numbers, cameras, the task's column.

    One part each, `state` and `action`, where the names are not this collector's.
    """
    cameras = {key.removeprefix(IMAGE_PREFIX): {"original_key": key} for key in dataset.cameras}
    return {
        "state": _parts(dataset.features[STATE], STATE_NAMES, _STATE_PARTS, "state"),
        "action": _parts(dataset.features[ACTION], ACTION_NAMES, _ACTION_PARTS, "action"),
        "video": cameras,
        "annotation": {"human.task_description": {"original_key": "task_index"}},
    }


def info(dataset: StoredDataset) -> dict[str, Any]:
    """Content of info.json."""
    episodes = len(dataset.rows)
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": dataset.info.get("robot_type"),
        "total_episodes": episodes,
        "total_frames": dataset.info["total_frames"],
        "total_tasks": dataset.info["total_tasks"],
        "total_videos": episodes * len(dataset.cameras),
        "total_chunks": -(-episodes // EPISODES_PER_CHUNK),
        "chunks_size": EPISODES_PER_CHUNK,
        "fps": dataset.fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_TEMPLATE,
        "video_path": VIDEO_TEMPLATE,
        "features": {name: _feature(feature, dataset.fps) for name, feature in dataset.features.items()},
    }


def _feature(feature: Mapping[str, Any], fps: int) -> dict[str, Any]:
    """N1.5 looks the size of pictures up by the names of their dimensions, and their rate in `info`."""
    if feature["dtype"] != "video":
        return dict(feature)
    names = _picture_names(feature)
    height, width, channels = (feature["shape"][names.index(name)] for name in ("height", "width", "channels"))
    described = {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.fps": fps,
        "video.channels": channels,
        "has_audio": False,
    }
    return {**feature, "names": names, "info": {**described, **feature.get("info", {})}}


def _picture_names(feature: Mapping[str, Any]) -> list[str]:
    """LeRobot has had three names for the colours."""
    return ["channels" if name in ("channel", "rgb") else name for name in feature.get("names") or ()]


def _parts(
    feature: Mapping[str, Any], ours: Sequence[str], prefixes: Mapping[str, str], whole: str
) -> dict[str, dict[str, Any]]:
    names = _names(feature)
    if names is None or tuple(names) != tuple(ours):
        return {whole: {"start": 0, "end": feature["shape"][0]}}
    parts: dict[str, dict[str, Any]] = {}
    for part, prefix in prefixes.items():
        members = [position for position, name in enumerate(names) if name.startswith(prefix)]
        parts[part] = {"start": members[0], "end": members[-1] + 1}
        if part in _ROTATION_TYPES:
            parts[part]["rotation_type"] = _ROTATION_TYPES[part]
    return parts


def _names(feature: Mapping[str, Any]) -> list[str] | None:
    """Of a vector's numbers: LeRobot has them in a list, or in a list below one key such as "motors"."""
    names = feature.get("names")
    if isinstance(names, dict) and len(names) == 1:
        (names,) = names.values()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return names if feature["shape"] == [len(names)] else None


def _is_vector(feature: Mapping[str, Any]) -> bool:
    return feature["dtype"] not in ("video", "image", "string") and len(feature["shape"]) == 1
