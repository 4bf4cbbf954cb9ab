"""A LeRobot v3.0 dataset as another tool writes it: episodes share files, rows come in small groups."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import pyarrow.parquet as pq
from writing import SIZE, picture, picture_number

FPS = 30
LENGTHS = (5, 9, 4, 7)
"""Frames per episode; episode e shows the pictures of content e."""
CAMERA = "observation.images.top"
NO_B_FRAMES = {"preset": "ultrafast", "bf": "0", "g": "2"}


def write_video(
    path: Path,
    pictures: Sequence[tuple[int, int]],
    *,
    encoder: str = "libx264",
    options: Mapping[str, str] = NO_B_FRAMES,
    fps: int = FPS,
    size: tuple[int, int] = SIZE,
    keyframes: Sequence[int] = (),
    shift_s: float = 0.0,
) -> None:
    """pictures: content and frame of each. keyframes: positions of forced ones. shift_s: of all presentation times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(encoder, rate=fps, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps * 100)
        for position, (content, number) in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture(0, content, number, size), format="rgb24")
            frame.pts, frame.time_base = round(position * 100 + shift_s * fps * 100), Fraction(1, fps * 100)
            frame.pict_type = 1 if position in keyframes else 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def pictures_of(lengths: Sequence[int]) -> list[tuple[int, int]]:
    return [(episode, frame) for episode, length in enumerate(lengths) for frame in range(length)]


def write_foreign(root: Path, lengths: Sequence[int] = LENGTHS, **video: Any) -> None:
    """All pictures in one file, the rows in a file per two episodes. video: as `write_video` takes it."""
    starts = [sum(lengths[:episode]) for episode in range(len(lengths))]
    video.setdefault("keyframes", starts)
    write_video(root / f"videos/{CAMERA}/chunk-000/file-000.mp4", pictures_of(lengths), **video)
    rows = [
        {
            "episode_index": episode,
            "tasks": ["fold the towel"],
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": start,
            "dataset_to_index": start + length,
            f"videos/{CAMERA}/chunk_index": 0,
            f"videos/{CAMERA}/file_index": 0,
            f"videos/{CAMERA}/from_timestamp": start / FPS,
            f"videos/{CAMERA}/to_timestamp": (start + length) / FPS,
            "stats/action/mean": [0.5],
        }
        for episode, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    for number in range(0, len(rows), 2):
        path = root / f"meta/episodes/chunk-000/file-{number // 2:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows[number : number + 2]), path, row_group_size=1)
    write_info(root, foreign_info(lengths))


def foreign_info(lengths: Sequence[int] = LENGTHS) -> dict[str, Any]:
    width, height = SIZE
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": len(lengths),
        "total_frames": sum(lengths),
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": f"0:{len(lengths)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {
            "action": {"dtype": "float32", "shape": [6], "names": None},
            CAMERA: {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"]},
            "observation.images.depth": {"dtype": "image", "shape": [height, width, 1], "names": None},
        },
    }


def write_info(root: Path, info: Any) -> None:
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")


def picture_numbers(video: bytes | Path) -> list[tuple[int, int, int]]:
    """Camera, content and frame of every picture of an MP4."""
    with av.open(str(video) if isinstance(video, Path) else io.BytesIO(video)) as container:
        return [picture_number(frame.to_ndarray()) for frame in container.decode(video=0)]
