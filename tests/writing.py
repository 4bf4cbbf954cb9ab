"""Datasets of known content for the writer's tests: recording them, and reading back what is on disk.

An episode's content follows from a number, so that a dataset is known by its list of `Take`s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lerobot_writer import SimLeRobotWriter, VideoCodec

FPS = 30
SIZE = (64, 48)
"""Pixels of a picture, (width, height)."""
CAMERAS = ("cam_high", "cam_wrist")
STATE_NAMES = ("x", "y", "z")
ACTION_NAMES = ("left", "right")
GOAL = "privileged.goal"
EXTRA = {GOAL: ((2,), ["goal_x", "goal_y"])}
AV1 = VideoCodec("av1", "12", 30, 2)

_ID_BITS = 16
_ID_BLOCK = 8
"""Pixels a side of the black or white square that stands for one bit of a picture's number."""


class Take(NamedTuple):
    """An episode: the number from which its content follows, its frames and its task."""

    content: int
    length: int = 4
    task: str = "lift the cube"


def open_writer(
    root: Path | str,
    *,
    fps: int = FPS,
    cameras: Sequence[str] = CAMERAS,
    size: tuple[int, int] = SIZE,
    codec: VideoCodec | None = None,
    repo_id: str = "test/synthetic",
    robot_type: str = "arm",
    extra: Mapping[str, tuple[tuple[int, ...], Sequence[str]]] = EXTRA,
    resume: bool = False,
    overwrite: bool = False,
) -> SimLeRobotWriter:
    return SimLeRobotWriter(
        root,
        repo_id,
        fps,
        robot_type,
        len(STATE_NAMES),
        len(ACTION_NAMES),
        list(cameras),
        size,
        list(STATE_NAMES),
        list(ACTION_NAMES),
        extra_features=extra,
        resume=resume,
        overwrite=overwrite,
        codec=codec,
    )


def vectors(content: int, frame: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng([content, frame])
    sizes = {"observation.state": len(STATE_NAMES), "action": len(ACTION_NAMES), GOAL: 2}
    return {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}


def picture(camera: int, content: int, frame: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A smooth picture, uint8 (height, width, 3), with the number of camera, content and frame in its first rows."""
    width, height = size
    down, right = np.mgrid[0:height, 0:width]
    rgb = np.stack([40 + 160 * right / width, 40 + 160 * down / height, np.full((height, width), 60 + 40 * camera)], 2)
    number = camera << 14 | content << 6 | frame
    for bit in range(_ID_BITS):
        row, column = divmod(bit, width // _ID_BLOCK)
        top, left = row * _ID_BLOCK, column * _ID_BLOCK
        rgb[top : top + _ID_BLOCK, left : left + _ID_BLOCK] = 220 if number >> bit & 1 else 30
    return rgb.astype(np.uint8)


def picture_number(decoded: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Camera, content and frame of a decoded picture."""
    number, columns = 0, decoded.shape[1] // _ID_BLOCK
    for bit in range(_ID_BITS):
        row, column = divmod(bit, columns)
        middle = (row * _ID_BLOCK + _ID_BLOCK // 2, column * _ID_BLOCK + _ID_BLOCK // 2)
        number |= int(decoded[middle] > 125) << bit
    return number >> 14, number >> 6 & 0xFF, number & 0x3F


def add_frame(writer: SimLeRobotWriter, content: int, frame: int, *, done: bool, fps: int = FPS) -> None:
    values = vectors(content, frame)
    state, action, goal = values.values()
    writer.add_frame(writer.num_episodes, frame, state, action, frame / fps, done, extra={GOAL: goal})


def add_frames(
    writer: SimLeRobotWriter, take: Take, count: int | None = None, *, cameras: Sequence[str] = CAMERAS, fps: int = FPS
) -> None:
    """Add the first `count` frames of a take, or all."""
    for frame in range(take.length if count is None else count):
        add_frame(writer, take.content, frame, done=frame == take.length - 1, fps=fps)
        for number, camera in enumerate(cameras):
            writer.add_video_frame(camera, picture(number, take.content, frame))


def finish(writer: SimLeRobotWriter, take: Take) -> None:
    writer.finish_episode(writer.num_episodes, take.length, take.task, {"collection/content": take.content})


def record(writer: SimLeRobotWriter, *takes: Take, cameras: Sequence[str] = CAMERAS, fps: int = FPS) -> None:
    for take in takes:
        add_frames(writer, take, cameras=cameras, fps=fps)
        finish(writer, take)


def read_json(root: Path, file: str) -> Any:
    return json.loads((root / "meta" / file).read_bytes())


def read_data(root: Path) -> pa.Table:
    """All frames' rows, in the order of LeRobot's readers: by file name."""
    return pa.concat_tables([read_parquet(path) for path in sorted(root.glob("data/*/*.parquet"))])


def read_episodes(root: Path) -> pa.Table:
    return pa.concat_tables([read_parquet(path) for path in sorted(root.glob("meta/episodes/*/*.parquet"))])


def read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def decode(path: Path) -> list[NDArray[np.uint8]]:
    """The pictures as they are stored, yuv420p: shape (height * 3 // 2, width), brightness first."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def video_path(root: Path, camera: str, chunk: int = 0, file: int = 0) -> Path:
    return root / f"videos/observation.images.{camera}/chunk-{chunk:03d}/file-{file:03d}.mp4"


def files_of(root: Path) -> dict[str, str]:
    """Every file and folder below a folder, with the hash of its content."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(root.rglob("*"))
    }


def assert_holds(
    root: Path, takes: Sequence[Take], *, cameras: Sequence[str] = CAMERAS, fps: int = FPS, left_overs: bool = False
) -> None:
    """The dataset holds exactly these takes: rows, episode rows, totals, tasks, pictures, and no file besides.

    left_overs: what a killed writer left beyond the totals of info.json may be there.
    """
    info, episodes, data = read_json(root, "info.json"), read_episodes(root), read_data(root)
    starts = np.cumsum([0, *(take.length for take in takes)]).tolist()
    if left_overs:
        episodes, data = episodes.slice(0, len(takes)), data.slice(0, starts[-1])
    tasks = list(dict.fromkeys(take.task for take in takes))
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (len(takes), starts[-1], len(tasks))
    assert info["splits"] == {"train": f"0:{len(takes)}"}
    assert read_parquet(root / "meta/tasks.parquet").column("task").to_pylist()[: len(tasks)] == tasks

    frames = [(take, frame) for take in takes for frame in range(take.length)]
    columns = data.to_pydict()
    for name in ("observation.state", "action", GOAL):
        expected = np.array([vectors(take.content, frame)[name] for take, frame in frames])
        np.testing.assert_array_equal(np.array(columns[name], dtype=np.float32), expected)
    assert columns["index"] == list(range(starts[-1]))
    assert columns["frame_index"] == [frame for _, frame in frames]
    assert columns["episode_index"] == [index for index, take in enumerate(takes) for _ in range(take.length)]
    assert columns["task_index"] == [tasks.index(take.task) for take, _ in frames]
    assert columns["next.done"] == [frame == take.length - 1 for take, frame in frames]
    assert columns["timestamp"] == [float(np.float32(frame / fps)) for _, frame in frames]

    assert episodes.num_rows == len(takes)
    named = {"data": set[Path](), "videos": set[Path]()}
    pictures: dict[Path, list[NDArray[np.uint8]]] = {}
    for index, (row, take) in enumerate(zip(episodes.to_pylist(), takes, strict=True)):
        assert (row["episode_index"], row["length"], row["tasks"]) == (index, take.length, [take.task])
        assert (row["dataset_from_index"], row["dataset_to_index"]) == (starts[index], starts[index] + take.length)
        assert row["collection/content"] == take.content
        named["data"].add(root / "data" / _place(row, "data", ".parquet"))
        for number, camera in enumerate(cameras):
            key = f"videos/observation.images.{camera}"
            path = root / key / _place(row, key, ".mp4")
            named["videos"].add(path)
            if path not in pictures:
                pictures[path] = decode(path)
            first, end = row[f"{key}/from_timestamp"] * fps, row[f"{key}/to_timestamp"] * fps
            assert round(end) - round(first) == take.length
            shown = [picture_number(decoded) for decoded in pictures[path][round(first) : round(end)]]
            assert shown == [(number, take.content, frame) for frame in range(take.length)]
    if not left_overs:
        assert set((root / "data").glob("*/*")) == named["data"]
        assert set((root / "videos").glob("*/*/*")) == named["videos"]
        histograms = list((root / "meta/image_histograms").glob("*/*"))
        if cameras:
            assert sum(pq.read_metadata(path).num_row_groups for path in histograms) == len(takes)
        assert sum(map(len, pictures.values())) == starts[-1] * len(cameras)
        assert not (root / ".unfinished").exists()


def _place(row: Mapping[str, Any], kind: str, suffix: str) -> str:
    return f"chunk-{row[f'{kind}/chunk_index']:03d}/file-{row[f'{kind}/file_index']:03d}{suffix}"
