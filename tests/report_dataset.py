"""Datasets to report on, written without a simulator: many episodes share few files, and rows have what is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from foreign_dataset import write_video
from writing import SIZE

from collectors.features import ACTION_NAMES, ROBOT_TYPE, STATE_NAMES
from collectors.randomization import PRESETS

FPS = 30
CAMERAS = ("observation.images.cam_high", "observation.images.cam_wrist")
SEGMENTS = 9
Columns = Callable[[int], Mapping[str, Any]]


def collected_columns(episode: int) -> dict[str, Any]:
    """What this collector writes of an episode, as far as a report reads it; all of it varies. Every tenth episode is a
    failure that was kept, every seventh needed two attempts."""
    rng = np.random.default_rng(episode)
    failed = episode % 10 == 9
    retried = episode % 7 == 6
    pick, place = rng.uniform((0.3, -0.3), (0.7, 0.3), (2, 2)).tolist()
    columns: dict[str, Any] = {
        "index": episode,
        "seed": 7,
        "attempt": int(retried),
        "failed_attempts": "dropped" if retried else "",
        "success": not failed,
        "success_2cm": not failed and episode % 10 != 8,
        "failure_reason": "off_target" if failed else "",
        "placement_error_m": 0.2 if failed else 0.03 if episode % 10 == 8 else 1e-5 * (1 + episode % 7),
        "segment_frames": None,
        "max_joint_speed_fraction": float(rng.uniform(0.4, 0.9)),
        "object": "cube",
        "object_colour": ("red", "blue", "white")[episode % 3],
        "object_rgb": rng.uniform(0, 1, 3).tolist(),
        "object_size_m": [float(rng.uniform(0.03, 0.05))] * 3,
        "object_mass_kg": float(rng.uniform(0.05, 0.5)),
        "object_friction": float(rng.uniform(0.3, 1.5)),
        "object_yaw_rad": float(rng.uniform(0, 1.5)),
        "pick_xy_m": pick,
        "place_xy_m": place,
        "num_distractors": int(rng.integers(6)),
        "table_height_m": float(rng.uniform(-0.03, 0.03)),
        "table_texture": ("plain", "grain")[episode % 2],
        "light_kelvin": float(rng.uniform(3500, 9000)),
        "start_arm_rad": rng.uniform(-0.05, 0.05, 7).tolist(),
        "gain": float(rng.uniform(0.8, 1.2)),
        "delay_ticks": int(rng.integers(4)),
        "speed": float(rng.uniform(0.8, 1.2)),
        "cam_high/position_m": (np.array([0.3, -0.3, 1.3]) + rng.uniform(-0.02, 0.02, 3)).tolist(),
        "cam_high/forward": (np.array([0.0, 0.42, -0.91]) + rng.uniform(-0.02, 0.02, 3)).tolist(),
        "cam_high/horizontal_fov_rad": float(rng.uniform(1.25, 1.32)),
    }
    return {f"collection/{name}": value for name, value in columns.items()}


def collection_file(exhausted: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Of meta/collection.json."""
    return {
        "configuration": {
            "seed": 7,
            "simulator": "mujoco",
            "keep_failures": True,
            "randomization": PRESETS["full"].as_json(),
            "cameras": {"cam_high": {"position_m": [0.3, -0.3, 1.3], "horizontal_fov_rad": 1.285}},
            "versions": {"isaac-collect": "0.1.0", "mujoco": "3.3"},
        },
        "exhausted": exhausted or {},
    }


def write_report_dataset(
    root: Path,
    episodes: int,
    *,
    length: int = SEGMENTS,
    columns: Columns | None = collected_columns,
    collection: Mapping[str, Any] | None = None,
    cameras: Sequence[str] = CAMERAS,
    task: str = "Pick up the cube.",
    videos: bool = True,
    **video: Any,
) -> None:
    """columns: of an episode's row; None as other collectors have it. video: as `write_video` takes it."""
    frames = [(episode % 4, frame % 64) for episode in range(episodes) for frame in range(length)]
    starts = [episode * length for episode in range(episodes)]
    for camera in cameras if videos else ():
        video.setdefault("keyframes", starts)
        write_video(root / f"videos/{camera}/chunk-000/file-000.mp4", frames, **video)
    rows = []
    for episode, start in enumerate(starts):
        row: dict[str, Any] = {
            "episode_index": episode,
            "tasks": [task],
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": start,
            "dataset_to_index": start + length,
        }
        for camera in cameras:
            row |= {
                f"videos/{camera}/chunk_index": 0,
                f"videos/{camera}/file_index": 0,
                f"videos/{camera}/from_timestamp": start / FPS,
                f"videos/{camera}/to_timestamp": (start + length) / FPS,
            }
        row |= dict(columns(episode)) if columns is not None else {}
        if "collection/segment_frames" in row and row["collection/segment_frames"] is None:
            row["collection/segment_frames"] = [length // SEGMENTS] * (SEGMENTS - 1) + [
                length - (SEGMENTS - 1) * (length // SEGMENTS)
            ]
        rows.append(row)
    _write(root / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(rows))
    _write(root / "data/chunk-000/file-000.parquet", _data(episodes, length), row_group_size=max(1, length))
    (root / "meta/info.json").write_text(json.dumps(_info(episodes, length, cameras)))
    if collection is not None:
        (root / "meta/collection.json").write_text(json.dumps(collection))


def _data(episodes: int, length: int) -> pa.Table:
    count = episodes * length
    times = np.arange(count) % length
    swing = np.sin(times / max(1, length) * 2 * np.pi)[:, None]
    state = np.tile(swing, (1, len(STATE_NAMES))).astype(np.float32)
    action = np.tile(1.1 * swing, (1, len(ACTION_NAMES))).astype(np.float32)
    return pa.table(
        {
            "observation.state": pa.FixedSizeListArray.from_arrays(pa.array(state.ravel()), len(STATE_NAMES)),
            "action": pa.FixedSizeListArray.from_arrays(pa.array(action.ravel()), len(ACTION_NAMES)),
            "timestamp": pa.array((times / FPS).astype(np.float32)),
            "frame_index": pa.array(times),
            "episode_index": pa.array(np.repeat(np.arange(episodes), length)),
            "index": pa.array(np.arange(count)),
            "task_index": pa.array(np.zeros(count, np.int64)),
        }
    )


def _info(episodes: int, length: int, cameras: Sequence[str]) -> dict[str, Any]:
    width, height = SIZE
    one = {name: {"dtype": "int64", "shape": [1], "names": None} for name in ("frame_index", "episode_index", "index")}
    return {
        "codebase_version": "v3.0",
        "robot_type": ROBOT_TYPE,
        "total_episodes": episodes,
        "total_frames": episodes * length,
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": f"0:{episodes}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {
            "observation.state": {"dtype": "float32", "shape": [len(STATE_NAMES)], "names": list(STATE_NAMES)},
            "action": {"dtype": "float32", "shape": [len(ACTION_NAMES)], "names": list(ACTION_NAMES)},
            **{
                camera: {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"]}
                for camera in cameras
            },
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
            **one,
            "task_index": {"dtype": "int64", "shape": [1], "names": None},
        },
    }


def _write(path: Path, table: pa.Table, row_group_size: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)
