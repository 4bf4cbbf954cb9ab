"""What a dataset's frames look like, and how info.json and parquet say so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from lerobot_writer import layout
from lerobot_writer.errors import SchemaError, raise_all
from lerobot_writer.video import VideoCodec

CODEBASE_VERSION: Final = "v3.0"

STATE: Final = "observation.state"
ACTION: Final = "action"
DONE: Final = "next.done"
IMAGE_PREFIX: Final = "observation.images."
# Scalars that every LeRobot dataset has, with their dtypes.
DEFAULTS: Final[dict[str, str]] = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}

MAX_FPS: Final = 5000  # LeRobot tells frames apart by 1e-4 s (`tolerance_s` of LeRobotDataset): two of these at least

_ARROW_TYPES: Final = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_()}


@dataclass(frozen=True)
class Schema:
    """vectors: float32 features in order, name to the names of its dimensions. width, height: of every camera [px]."""

    fps: int
    robot_type: str
    vectors: Mapping[str, tuple[str, ...]]
    cameras: tuple[str, ...]
    width: int
    height: int
    codec: VideoCodec

    @property
    def video_keys(self) -> tuple[str, ...]:
        return tuple(IMAGE_PREFIX + camera for camera in self.cameras)

    @property
    def extra_features(self) -> tuple[str, ...]:
        return tuple(name for name in self.vectors if name not in (STATE, ACTION))

    @property
    def image_stride(self) -> int:
        """Every how many-th row and column counts in image statistics.

        LeRobot's own choice of pixels: `auto_downsample_height_width` in its `compute_stats.py`, 0.6.1.
        """
        longer = max(self.width, self.height)
        return 1 if longer < 300 else longer // 150

    @property
    def sampled_pixels(self) -> int:
        """Of a picture, in its statistics."""
        return -(-self.width // self.image_stride) * -(-self.height // self.image_stride)

    def features(self) -> dict[str, dict[str, Any]]:
        """The `features` of info.json (FORMAT.md, I4 and I5)."""
        features: dict[str, dict[str, Any]] = {}

        def add_vector(name: str) -> None:
            names = self.vectors[name]
            features[name] = {"dtype": "float32", "shape": [len(names)], "names": list(names)}

        add_vector(STATE)
        add_vector(ACTION)
        for key in self.video_keys:
            features[key] = {
                "dtype": "video",
                "shape": [self.height, self.width, 3],
                "names": ["height", "width", "channels"],
                "info": self._video_info(),
            }
        for name in self.extra_features:
            add_vector(name)
        features[DONE] = {"dtype": "bool", "shape": [1], "names": None}
        for name, dtype in DEFAULTS.items():
            features[name] = {"dtype": dtype, "shape": [1], "names": None}
        return features

    def _video_info(self) -> dict[str, Any]:
        return {
            "video.height": self.height,
            "video.width": self.width,
            "video.codec": self.codec.name,
            "video.pix_fmt": "yuv420p",
            "video.fps": self.fps,
            "video.channels": 3,
            "has_audio": False,
            "video.g": self.codec.keyframe_interval,
            "video.crf": self.codec.crf,
            "video.preset": self.codec.preset,
            "video.fast_decode": 0,
            "video.video_backend": "pyav",
            "video.extra_options": {},
            "is_depth_map": False,
        }

    def columns(self) -> dict[str, tuple[str, int]]:
        """Data columns in order: name to (dtype, dimensions)."""
        return {
            name: (feature["dtype"], feature["shape"][0])
            for name, feature in self.features().items()
            if feature["dtype"] != "video"
        }

    def data_schema(self) -> pa.Schema:
        """The parquet schema of the data, with the metadata by which the `datasets` library knows it."""
        fields: list[pa.Field] = []
        hub: dict[str, Any] = {}
        for name, (dtype, size) in self.columns().items():
            value = {"dtype": dtype, "_type": "Value"}
            if size == 1:
                fields.append(pa.field(name, _ARROW_TYPES[dtype]))
                hub[name] = value
            else:
                fields.append(pa.field(name, pa.list_(_ARROW_TYPES[dtype], size)))
                hub[name] = {"feature": value, "length": size, "_type": "Sequence"}
        return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": hub}})})

    def info(self, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
        """The content of info.json."""
        return {
            "codebase_version": CODEBASE_VERSION,
            "robot_type": self.robot_type,
            "total_episodes": episodes,
            "total_frames": frames,
            "total_tasks": tasks,
            "chunks_size": layout.FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{episodes}"},
            "data_path": layout.DATA_TEMPLATE,
            "video_path": layout.VIDEO_TEMPLATE,
            "features": self.features(),
        }


def schema_of(info: Mapping[str, Any]) -> Schema:
    """What `Schema.info` described. Raises SchemaError where it is something else."""
    try:
        features = info["features"]
        cameras = [name for name, feature in features.items() if feature["dtype"] == "video"]
        vectors = {
            name: tuple(feature["names"])
            for name, feature in features.items()
            if feature["dtype"] == "float32" and feature["names"] is not None
        }
        height, width, _ = features[cameras[0]]["shape"] if cameras else (2, 2, 3)
        video = features[cameras[0]]["info"] if cameras else {}
        codec = (
            VideoCodec(video["video.codec"], video["video.preset"], video["video.crf"], video["video.g"])
            if cameras
            else VideoCodec()
        )
        names = tuple(name.removeprefix(IMAGE_PREFIX) for name in cameras)
        schema = Schema(info["fps"], info["robot_type"], vectors, names, width, height, codec)
        told = schema.info(info["total_episodes"], info["total_frames"], info["total_tasks"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchemaError(f"{layout.INFO} is not of this writer: {error!r}") from error
    differing = [key for key in {*told, *info} if told.get(key) != info.get(key)]
    if differing:
        raise SchemaError(f"{layout.INFO} is not of this writer: {', '.join(sorted(differing))} changed")
    return schema


def is_text(value: object) -> bool:
    """Whether it is a str, not empty, that UTF-8 can hold; half a surrogate pair it cannot."""
    return isinstance(value, str) and value != "" and value.encode(errors="ignore").decode() == value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_file_name(value: object) -> bool:
    return is_text(value) and not {"/", "\0"} & set(str(value))


def build_schema(
    repo_id: str,
    fps: int,
    robot_type: str,
    state_names: Sequence[str],
    action_names: Sequence[str],
    state_dim: int,
    action_dim: int,
    camera_names: Sequence[str],
    camera_resolution: tuple[int, int],
    extra_features: Mapping[str, tuple[tuple[int, ...], Sequence[str]]],
    codec: VideoCodec,
) -> Schema:
    """Raises SchemaError with everything that does not hold together."""
    problems = []
    if not _is_count(fps) or not 1 <= fps <= MAX_FPS:
        problems.append(f"fps must be an integer from 1 to {MAX_FPS}, got {fps!r}")
    problems += [
        f"{name} must be a non-empty text, got {value!r}"
        for name, value in (("repo_id", repo_id), ("robot_type", robot_type))
        if not is_text(value)
    ]
    vectors: dict[str, tuple[str, ...]] = {}
    asked: list[tuple[str, tuple[int, ...], Sequence[str]]] = [
        (STATE, (state_dim,), state_names),
        (ACTION, (action_dim,), action_names),
    ]
    asked += [(name, shape, names) for name, (shape, names) in extra_features.items()]
    reserved = {STATE, ACTION, DONE, *DEFAULTS}
    for position, (name, shape, names) in enumerate(asked):
        vectors[name] = tuple(names)
        if isinstance(names, str) or not all(is_text(n) for n in names):
            problems.append(f"the names of {name} must be a list of texts, got {names!r}")
        if not _is_file_name(name):
            problems.append(f"feature name {name!r} is empty, no text or contains '/'")
        elif position >= 2 and (name in reserved or name.startswith(IMAGE_PREFIX)):
            problems.append(f"extra feature {name!r} has a name that is taken")
        if len(shape) != 1 or shape[0] < 1:
            problems.append(f"{name} must be a vector, shape (n,) with n of at least 1, got {tuple(shape)}")
        elif len(vectors[name]) != shape[0]:
            problems.append(f"{name} has {shape[0]} dimensions but {len(vectors[name])} names")
        if len(set(vectors[name])) != len(vectors[name]):
            problems.append(f"{name} has a name twice: {list(names)}")
    cameras = tuple(camera_names)
    if isinstance(camera_names, str):
        problems.append(f"camera_names must be a list of texts, got {camera_names!r}")
    if len(set(cameras)) != len(cameras):
        problems.append(f"camera_names has a name twice: {list(cameras)}")
    problems += [
        f"camera name {name!r} is empty, no text or contains '/'" for name in cameras if not _is_file_name(name)
    ]
    width, height = camera_resolution
    if not all(_is_count(side) and side >= 2 and side % 2 == 0 for side in (width, height)):
        problems.append(
            f"camera_resolution (width, height) must be even integers, as yuv420p asks, got {camera_resolution}"
        )
    else:
        problems += codec.problems(width, height, fps)
    raise_all(SchemaError, "cannot describe the dataset", problems)
    return Schema(fps, robot_type, vectors, cameras, width, height, codec)
