"""What goes in comes out: vectors, columns, tasks and names, in every corner of the schema."""

from __future__ import annotations

import copy
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from writing import (
    CAMERAS,
    FPS,
    GOAL,
    Take,
    assert_holds,
    open_writer,
    picture,
    read_data,
    read_episodes,
    read_json,
    record,
    vectors,
    video_path,
)

from lerobot_writer import OrderError, SimLeRobotWriter
from lerobot_writer.pack import pack_dataset

TAKES = [Take(1, 3), Take(2, 5, "place the cube"), Take(3, 1), Take(4, 4, "place the cube")]


@pytest.mark.parametrize("fps", [30, 24, 25, 60, 7, 1])
def test_every_value_is_read_back(root: Path, fps: int) -> None:
    with open_writer(root, fps=fps) as writer:
        for number, take in enumerate(TAKES):
            assert (writer.num_episodes, writer.num_frames) == (number, sum(t.length for t in TAKES[:number]))
            record(writer, take, fps=fps)
            assert_holds(root, TAKES[: number + 1], fps=fps)
    assert_holds(root, TAKES, fps=fps)


def test_float64_is_rounded_once_and_timestamps_come_from_the_frame(root: Path) -> None:
    """A timestamp that is a little off is replaced by k / fps, and values are the nearest float32."""
    rng = np.random.default_rng(1)
    states = rng.normal(size=(9, 3)) * 10.0 ** rng.integers(-30, 30, size=(9, 3))
    with open_writer(root, cameras=()) as writer:
        for frame, state in enumerate(states):
            late = frame / FPS + 9e-5 * (-1) ** frame
            writer.add_frame(0, frame, state, state[:2], late, frame == 8, extra={GOAL: state[1:]})
        writer.finish_episode(0, 9, "task")
    data = read_data(root)
    np.testing.assert_array_equal(np.array(data["observation.state"].to_pylist()), states.astype(np.float32))
    np.testing.assert_array_equal(data["timestamp"].to_numpy(), (np.arange(9) / FPS).astype(np.float32))


def test_arrays_and_dicts_may_be_reused_and_are_not_changed(root: Path) -> None:
    """One set of buffers for the whole recording, overwritten right after each call."""
    take = Take(6, 20)
    state, action, goal = np.empty(3, np.float32), np.empty(2, np.float32), np.empty(2, np.float32)
    rgb = np.empty((48, 64, 3), np.uint8)
    extra: dict[str, Any] = {GOAL: goal}
    with open_writer(root) as writer:
        for frame in range(take.length):
            for buffer, value in zip((state, action, goal), vectors(take.content, frame).values(), strict=True):
                buffer[:] = value
            given = [state.copy(), action.copy(), goal.copy()]
            writer.add_frame(0, frame, state, action, frame / FPS, frame == take.length - 1, extra=extra)
            for buffer, before in zip((state, action, goal), given, strict=True):
                np.testing.assert_array_equal(buffer, before)
                buffer[:] = np.nan
            assert list(extra) == [GOAL]
            for number, camera in enumerate(CAMERAS):
                rgb[:] = picture(number, take.content, frame)
                writer.add_video_frame(camera, rgb)
                np.testing.assert_array_equal(rgb, picture(number, take.content, frame))
                rgb[:] = 255
        columns = {"collection/list": [1, 2], "collection/content": take.content}
        before = copy.deepcopy(columns)
        writer.finish_episode(0, take.length, take.task, columns)
        assert columns == before
        columns["collection/list"].append(3)
    assert_holds(root, [take])
    assert read_episodes(root)["collection/list"].to_pylist() == [[1, 2]]


def test_views_of_any_layout_and_read_only_arrays_are_accepted(root: Path) -> None:
    take = Take(7, 6)
    with open_writer(root) as writer:
        for frame in range(take.length):
            values = vectors(take.content, frame)
            state = np.repeat(values["observation.state"], 2)[::2]
            state.flags.writeable = False
            action = values["action"][::-1].copy()[::-1]
            done = np.bool_(frame == take.length - 1)
            writer.add_frame(
                np.int64(0), np.int32(frame), state, action, np.float32(frame / FPS), done, {GOAL: values[GOAL]}
            )
            first, second = (picture(number, take.content, frame) for number in (0, 1))
            writer.add_video_frame("cam_high", np.asfortranarray(first))
            flipped = second[::-1, ::-1].copy()[::-1, ::-1]
            flipped.flags.writeable = False
            writer.add_video_frame("cam_wrist", flipped)
        writer.finish_episode(np.int64(0), np.int64(take.length), take.task, {"collection/content": np.int32(7)})
    assert_holds(root, [take])


def test_lists_of_floats_are_arrays_too(root: Path) -> None:
    with open_writer(root, cameras=(), extra={}) as writer:
        writer.add_frame(0, 0, [0.5, 1.0, 2.0], (0.25, 4.0), 0, True)
        writer.finish_episode(0, 1, "task")
    assert read_data(root)["observation.state"].to_pylist() == [[0.5, 1.0, 2.0]]


def test_a_dataset_without_cameras(root: Path) -> None:
    with open_writer(root, cameras=()) as writer:
        record(writer, *TAKES, cameras=())
    assert_holds(root, TAKES, cameras=())
    with open_writer(root, cameras=(), resume=True) as writer:
        record(writer, Take(9), cameras=())
        writer.finalize(pack=True)
    assert_holds(root, [*TAKES, Take(9)], cameras=())
    assert not (root / "videos").exists()
    assert all("images" not in name for name in read_json(root, "stats.json"))


def test_vectors_of_one_dimension_are_plain_columns(root: Path) -> None:
    writer = SimLeRobotWriter(
        root, "a/b", 10, "arm", 1, 1, [], (64, 48), ["x"], ["y"], extra_features={"z": ((1,), ["z"])}
    )
    with writer:
        for frame in range(3):
            value = np.array([frame + 0.5], dtype=np.float32)
            writer.add_frame(0, frame, value, -value, frame / 10, frame == 2, extra={"z": 2 * value})
        writer.finish_episode(0, 3, "task")
    data = read_data(root)
    assert data.schema.field("observation.state").type == pa.float32()
    assert [data[name].to_pylist() for name in ("observation.state", "action", "z")] == [
        [0.5, 1.5, 2.5],
        [-0.5, -1.5, -2.5],
        [1.0, 3.0, 5.0],
    ]
    assert read_json(root, "info.json")["features"]["z"] == {"dtype": "float32", "shape": [1], "names": ["z"]}
    assert read_json(root, "stats.json")["z"]["q50"] == [3.0]


def test_names_with_dots_spaces_and_letters_of_the_world(root: Path) -> None:
    take, cameras = Take(3), ("left.hand cam", "Kamera_größe_相机")
    with open_writer(root, cameras=cameras, robot_type="Roboter-Ärmel") as writer:
        record(writer, take, cameras=cameras)
        record(writer, Take(4), cameras=cameras)
        writer.finalize(pack=True)
    assert_holds(root, [take, Take(4)], cameras=cameras)
    with open_writer(root, cameras=cameras, robot_type="Roboter-Ärmel", resume=True) as writer:
        record(writer, Take(5), cameras=cameras)
    assert_holds(root, [take, Take(4), Take(5)], cameras=cameras)
    assert read_json(root, "info.json")["robot_type"] == "Roboter-Ärmel"


def test_tasks_of_any_length_and_language(root: Path) -> None:
    texts = [
        "把红色方块放到绿色圆盘上 🦾",
        'quotes " and \\ and\nnewlines\t',
        "a" * 100_000,
        "z",
        "把红色方块放到绿色圆盘上 🦾",
    ]
    takes = [Take(number, 1, text) for number, text in enumerate(texts)]
    with open_writer(root) as writer:
        record(writer, *takes)
    assert_holds(root, takes)
    with open_writer(root, resume=True) as writer:
        record(writer, Take(7, 1, "z"))
    assert_holds(root, [*takes, Take(7, 1, "z")])
    lines = (root / "meta/tasks.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [{"task_index": i, "task": t} for i, t in enumerate(texts[:4])]
    assert lines[-1] == ""


def test_episode_columns_of_every_kind(root: Path) -> None:
    columns: list[dict[str, Any]] = [
        {
            "collection/success": success,
            "collection/seed": seed,
            "collection/error_m": np.float32(0.5) * seed,
            "collection/object": "mustard",
            "collection/empty": "",
            "collection/nan": float("nan"),
            "collection/pick_xy": np.array([0.25, seed]),
            "collection/camera_to_world": np.eye(4),
            "collection/waypoints": [[1, 2], [3]],
        }
        for success, seed in ((True, 2**63 - 1), (np.bool_(False), np.int64(-3)))
    ]
    with open_writer(root, cameras=()) as writer:
        for number, row in enumerate(columns):
            values = vectors(number, 0)
            order = dict(sorted(row.items(), reverse=number == 1))
            state, action, goal = values.values()
            writer.add_frame(number, 0, state, action, 0.0, True, extra={GOAL: goal})
            writer.finish_episode(number, 1, "task", order)
    table = read_episodes(root)
    names = [name for name in table.column_names if name.startswith("collection/")]
    assert names == sorted(columns[0]), "the order is that of the first episode"
    assert table.column_names[-len(names) :] == names
    for number, expected in enumerate(columns):
        row = {name: table[name][number].as_py() for name in names}
        assert math.isnan(row.pop("collection/nan"))
        plain = {
            name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            for name, value in expected.items()
        }
        assert row == {name: value for name, value in plain.items() if name != "collection/nan"}


def test_the_schema_on_disk(root: Path) -> None:
    """FORMAT.md: I1, I4, I5, D1, E1, T1."""
    with open_writer(root) as writer:
        record(writer, TAKES[0])
    info = read_json(root, "info.json")
    assert list(info) == [
        *("codebase_version", "robot_type", "total_episodes", "total_frames", "total_tasks", "chunks_size"),
        *("data_files_size_in_mb", "video_files_size_in_mb", "fps", "splits", "data_path", "video_path", "features"),
    ]
    features = info["features"]
    images = [f"observation.images.{camera}" for camera in CAMERAS]
    scalars = ["next.done", "timestamp", "frame_index", "episode_index", "index", "task_index"]
    assert list(features) == ["observation.state", "action", *images, GOAL, *scalars]
    assert features["observation.state"] == {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]}
    assert {features[name]["dtype"] for name in scalars[2:]} == {"int64"}
    assert features[images[0]]["shape"] == [48, 64, 3]

    schema = pq.read_schema(root / "data/chunk-000/file-000.parquet")
    assert schema.names == [name for name in features if name not in images]
    assert schema.field("observation.state").type == pa.list_(pa.float32(), 3)
    assert schema.field("next.done").type == pa.bool_()
    hub = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(hub) == schema.names
    assert hub["action"] == {"feature": {"dtype": "float32", "_type": "Value"}, "length": 2, "_type": "Sequence"}
    assert hub["index"] == {"dtype": "int64", "_type": "Value"}
    tasks = pq.read_schema(root / "meta/tasks.parquet")
    assert json.loads(tasks.metadata[b"pandas"])["index_columns"] == ["task"]
    with pq.ParquetFile(root / "data/chunk-000/file-000.parquet") as file:
        group = file.metadata.row_group(0)
        assert {group.column(i).compression for i in range(group.num_columns)} == {"SNAPPY"}


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with open_writer("dataset") as writer:
        record(writer, TAKES[0])
        os.chdir(tmp_path)
        record(writer, TAKES[1])
        writer.finalize(pack=True)
    assert_holds(tmp_path / "here/dataset", TAKES[:2])
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_linked_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "dataset"
    link.symlink_to("disk/big")
    with open_writer(link) as writer:
        record(writer, TAKES[0], TAKES[1])
        writer.finalize(pack=True)
    assert link.is_symlink()
    assert_holds(tmp_path / "disk/big", TAKES[:2])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.parent in (tmp_path, tmp_path / "disk")) == [
        "big",
        "dataset",
        "disk",
    ]
    with open_writer(link, resume=True) as writer:
        record(writer, TAKES[2])
    assert_holds(link, TAKES[:3])
    pack_dataset(link)
    assert link.is_symlink()
    assert_holds(link, TAKES[:3])


def test_missing_parent_folders_are_made(tmp_path: Path) -> None:
    root = tmp_path / "a/b/c/dataset"
    with open_writer(root) as writer:
        record(writer, TAKES[0])
    assert_holds(root, TAKES[:1])


def test_files_are_numbered_in_chunks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lerobot_writer.layout.FILES_PER_CHUNK", 2)
    with open_writer(root, cameras=("cam_high",)) as writer:
        record(writer, *TAKES, Take(5), cameras=("cam_high",))
    assert_holds(root, [*TAKES, Take(5)], cameras=("cam_high",))
    assert video_path(root, "cam_high", 2, 0).exists()
    assert (root / "data/chunk-001/file-001.parquet").exists()


def test_a_full_dataset_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lerobot_writer.layout.MAX_FILES", 2)
    with open_writer(root, cameras=()) as writer:
        record(writer, Take(1), Take(2), cameras=())
        with pytest.raises(OrderError, match="is full: a dataset holds at most 2 episodes"):
            record(writer, Take(3), cameras=())
    assert_holds(root, [Take(1), Take(2)], cameras=())
