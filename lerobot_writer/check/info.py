"""`meta/info.json`: rules I1, I2, I4 and I5, and what the other checks take from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from lerobot_writer.check.files import INFO, REOPEN, Tree
from lerobot_writer.check.reading import Unreadable, read_json_object, shown
from lerobot_writer.check.report import Report

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
STATE_AND_ACTION = ("observation.state", "action")
SCALARS = {
    "next.done": "bool",
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}

_ARROW_TYPES = {"float32": pa.float32(), "bool": pa.bool_(), "int64": pa.int64()}
_FIXED = {
    "codebase_version": "v3.0",
    "chunks_size": 1000,
    "data_files_size_in_mb": 100,
    "video_files_size_in_mb": 200,
}
_TOTALS = ("total_episodes", "total_frames", "total_tasks")
_KEYS = {*_FIXED, *_TOTALS, "robot_type", "fps", "splits", "data_path", "video_path", "features"}


@dataclass(frozen=True)
class Column:
    """A feature with one value or vector per row of the data files."""

    name: str
    dtype: str
    width: int

    def arrow_type(self) -> pa.DataType:
        element = _ARROW_TYPES[self.dtype]
        return element if self.width == 1 else pa.list_(element, self.width)


@dataclass(frozen=True)
class Camera:
    """A feature that lies in video files. height, width: in pixels. codec, pix_fmt: as `info` names them."""

    name: str
    height: int
    width: int
    codec: str
    pix_fmt: str

    @property
    def image_stride(self) -> int:
        """Every how many rows and columns a pixel counts in the statistics (rule S3)."""
        longer = max(self.height, self.width)
        return 1 if longer < 300 else longer // 150

    @property
    def sampled_pixels(self) -> int:
        stride = self.image_stride
        return -(-self.height // stride) * -(-self.width // stride)


@dataclass(frozen=True)
class Info:
    """What can be used of `meta/info.json`; None where it is missing or of a wrong type.

    features: All feature names in order. videos: Those of dtype "video". columns, cameras: The features that are
    described well enough to check, without and with dtype "video".
    """

    fps: int | None
    total_episodes: int | None
    total_frames: int | None
    total_tasks: int | None
    features: tuple[str, ...]
    videos: tuple[str, ...]
    columns: tuple[Column, ...]
    cameras: tuple[Camera, ...]

    @property
    def unusable(self) -> tuple[str, ...]:
        """Features that nothing more can be checked of."""
        usable = {column.name for column in self.columns} | {camera.name for camera in self.cameras}
        return tuple(name for name in self.features if name not in usable)


def check_info(tree: Tree, report: Report) -> Info | None:
    """Checks I1, I2, I4 and I5. None if the file is missing (F1) or no JSON object (I1)."""
    if INFO not in tree:
        report.skip(("I1", "I2", "I3", "I4", "I5"), f"{INFO} is missing")
        return None
    try:
        document = read_json_object(tree.root / INFO)
    except Unreadable as error:
        report.add("I1", INFO, "a JSON object", str(error))
        report.skip(("I2", "I3", "I4", "I5"), f"{INFO} does not read")
        return None
    _check_keys(document, report)
    for key, path in (("data_path", DATA_PATH), ("video_path", VIDEO_PATH)):
        if document.get(key) != path:
            report.add("I2", INFO, f"{key} {path}", shown(document.get(key)))
    features = document.get("features")
    if not isinstance(features, dict):
        report.add("I4", INFO, "features as an object", shown(features))
        features = {}
    cameras = {name: feature for name, feature in features.items() if _is_camera(feature)}
    vectors = {name: feature for name, feature in features.items() if name not in cameras}
    _check_features(features, vectors, report)
    for name, feature in cameras.items():
        _check_camera(name, feature, document.get("fps"), report)
    report.ran("I1", "I2", "I4", "I5")
    return Info(
        fps=_positive(document.get("fps")),
        total_episodes=as_count(document.get("total_episodes")),
        total_frames=as_count(document.get("total_frames")),
        total_tasks=as_count(document.get("total_tasks")),
        features=tuple(features),
        videos=tuple(cameras),
        columns=tuple(column for name in vectors if (column := _column(name, vectors[name]))),
        cameras=tuple(camera for name in cameras if (camera := _camera(name, cameras[name]))),
    )


def check_totals(info: Info, episodes: int | None, frames: int | None, tasks: int | None, report: Report) -> None:
    """Checks I3. episodes, frames, tasks: What the files hold, None if they do not read."""
    report.ran("I3")
    held = (("episodes", info.total_episodes, episodes), ("frames", info.total_frames, frames))
    for what, told, found in (*held, ("tasks", info.total_tasks, tasks)):
        if told is None or found is None:
            report.skip(("I3",), f"total_{what}: {'the files do not read' if found is None else 'info does not say'}")
        elif told != found:
            advice = f": {REOPEN}" if what == "episodes" and told < found else ""
            report.add("I3", INFO, f"total_{what} {found}, which the files hold", f"{told}{advice}")
    if info.total_episodes == 0:
        report.add("I3", INFO, "at least one episode", "total_episodes 0")


def _check_keys(document: Mapping[str, object], report: Report) -> None:
    for key in sorted(_KEYS - document.keys()):
        report.add("I1", INFO, f"the key {key}", "no such key")
    for key in sorted(document.keys() - _KEYS):
        report.add("I1", INFO, "no other keys", f"the key {key}")
    present = {key: document[key] for key in document.keys() & _KEYS}
    for key, value in _FIXED.items():
        if key in present and not _same(present[key], value):
            report.add("I1", INFO, f"{key} {shown(value)}", shown(present[key]))
    for key in _TOTALS:
        if key in present and as_count(present[key]) is None:
            report.add("I1", INFO, f"{key} as an integer of at least 0", shown(present[key]))
    if "robot_type" in present and not isinstance(present["robot_type"], str):
        report.add("I1", INFO, "robot_type as a string", shown(present["robot_type"]))
    if "fps" in present and _positive(present["fps"]) is None:
        report.add("I1", INFO, "fps as a positive integer", shown(present["fps"]))
    splits = {"train": f"0:{present.get('total_episodes')}"}
    if "splits" in present and present["splits"] != splits:
        report.add("I1", INFO, f"splits {shown(splits)}", shown(present["splits"]))


def _check_features(features: Mapping[str, object], vectors: Mapping[str, object], report: Report) -> None:
    def wrong(name: str, expected: str, found: object) -> None:
        report.add("I4", INFO, f"{name}: {expected}", shown(found))

    for name in features:
        if "/" in name or not name:
            wrong(shown(name), 'a name without "/"', name)
    for name in (*STATE_AND_ACTION, *SCALARS):
        if name not in vectors:
            wrong(name, "a feature of this name that is no camera", sorted(features))
    for name, feature in vectors.items():
        if not isinstance(feature, dict) or feature.keys() != {"dtype", "shape", "names"}:
            wrong(name, "the keys dtype, shape, names", sorted(feature) if isinstance(feature, dict) else feature)
            continue
        dtype, shape, names = feature["dtype"], feature["shape"], feature["names"]
        if name in SCALARS:
            if (dtype, names) != (SCALARS[name], None) or not _same(shape, [1]):
                wrong(name, f"{SCALARS[name]} [1], names null", feature)
            continue
        if dtype != "float32":
            wrong(name, 'dtype "float32" (or "video")', dtype)
        if not (isinstance(shape, list) and len(shape) == 1 and _positive(shape[0])):
            wrong(name, "shape [D]", shape)
        elif not (isinstance(names, list) and len(names) == shape[0] and all(isinstance(n, str) for n in names)):
            wrong(name, f"{shape[0]} names", names)
        elif name in STATE_AND_ACTION and len(set(names)) < len(names):
            wrong(name, "distinct names", names)


def _check_camera(name: str, feature: Mapping[str, object], fps: object, report: Report) -> None:
    def wrong(expected: str, found: object) -> None:
        report.add("I5", INFO, f"{name}: {expected}", shown(found))

    if feature.keys() != {"dtype", "shape", "names", "info"}:
        wrong("the keys dtype, shape, names, info", sorted(feature))
    size = feature.get("shape")
    sized = isinstance(size, list) and len(size) == 3 and all(_positive(n) for n in size) and size[2] == 3
    if not sized:
        wrong("shape [height, width, 3]", size)
    if feature.get("names") != ["height", "width", "channels"]:
        wrong('names ["height", "width", "channels"]', feature.get("names"))
    info = feature.get("info")
    if not isinstance(info, dict):
        wrong("info as an object", info)
        return
    fixed: dict[str, object] = {
        "video.pix_fmt": "yuv420p",
        "video.channels": 3,
        "has_audio": False,
        "video.fast_decode": 0,
        "video.video_backend": "pyav",
        "video.extra_options": {},
        "is_depth_map": False,
    }
    if _positive(fps) is not None:
        fixed["video.fps"] = fps
    if sized and isinstance(size, list):
        fixed |= {"video.height": size[0], "video.width": size[1]}
    chosen = {
        "video.codec": ('"h264" or "av1"', info.get("video.codec") in ("h264", "av1")),
        "video.g": ("an integer of at least 1", _positive(info.get("video.g")) is not None),
        "video.crf": ("an integer of at least 0", as_count(info.get("video.crf")) is not None),
        "video.preset": ("a string or an integer", type(info.get("video.preset")) in (str, int)),
    }
    keys = {*fixed, *chosen, "video.height", "video.width", "video.fps"}
    if info.keys() != keys:
        missing, unknown = sorted(keys - info.keys()), sorted(info.keys() - keys)
        wrong(f"info with exactly {shown(sorted(keys), 600)}", f"missing {missing}, unknown {unknown}")
    for key in fixed:
        if key in info and not _same(info[key], fixed[key]):
            wrong(f"{key} {shown(fixed[key])}", info[key])
    for key, (expected, fits) in chosen.items():
        if key in info and not fits:
            wrong(f"{key} {expected}", info[key])


def _column(name: str, feature: object) -> Column | None:
    if not isinstance(feature, dict):
        return None
    dtype, shape = feature.get("dtype"), feature.get("shape")
    if not isinstance(dtype, str) or dtype not in _ARROW_TYPES or not isinstance(shape, list) or len(shape) != 1:
        return None
    width = _positive(shape[0])
    if width is None or (name in SCALARS and (dtype, width) != (SCALARS[name], 1)):
        return None
    return Column(name, dtype, width)


def _camera(name: str, feature: Mapping[str, object]) -> Camera | None:
    shape, info = feature.get("shape"), feature.get("info")
    if not isinstance(info, dict) or not isinstance(shape, list) or len(shape) != 3 or not all(map(_positive, shape)):
        return None
    return Camera(name, shape[0], shape[1], str(info.get("video.codec")), str(info.get("video.pix_fmt")))


def _is_camera(feature: object) -> bool:
    return isinstance(feature, dict) and feature.get("dtype") == "video"


def _same(found: object, expected: object) -> bool:
    """Equality in which 1, 1.0 and true differ."""
    return json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


def as_count(value: object) -> int | None:
    """The value if it is a count that indices of any library can hold, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _positive(value: object) -> int | None:
    return as_count(value) or None
