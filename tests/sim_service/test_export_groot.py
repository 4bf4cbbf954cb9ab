"""`isaac-collect export groot`: a reader of the documented format gets back whatever the dataset holds."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign_dataset import CAMERA, FPS, LENGTHS, foreign_info, write_foreign, write_info
from groot_reader import GrootDataset
from small_dataset import write_dataset
from writing import AV1, Take, decode, files_of, open_writer, picture, read_data, read_episodes, read_json, record

from collectors.features import ACTION_NAMES, STATE_NAMES
from lerobot_writer import InUseError, SimLeRobotWriter
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.export import ExportError
from sim_service.export.groot import export_groot
from sim_service.export_command import add_export_flags, run_export
from sim_service.stored import DatasetError

B_FRAMES = {"preset": "veryfast", "bf": "2", "g": "6"}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))
    monkeypatch.setattr("sim_service.export.groot_folder.flush_file_system", lambda folder: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "exports" / "groot"


def write_ours(root: Path) -> None:
    """Two episodes with the names of this collector's features."""
    sizes = (len(STATE_NAMES), len(ACTION_NAMES))
    names = (list(STATE_NAMES), list(ACTION_NAMES))
    writer = SimLeRobotWriter(root, "test/ours", 30, "franka_panda", *sizes, ["cam_high"], (64, 48), *names)
    rng = np.random.default_rng(7)
    for episode, length in enumerate((3, 5)):
        for frame in range(length):
            state, action = (rng.normal(size=size).astype(np.float32) for size in sizes)
            writer.add_frame(episode, frame, state, action, frame / 30, frame == length - 1)
            writer.add_video_frame("cam_high", picture(0, episode, frame))
        writer.finish_episode(episode, length, f"Pick up cube {episode}.")
    writer.finalize()


def write_other(root: Path, names: Any = ("a", "b"), **video: Any) -> None:
    """A dataset of another tool: lists without a fixed size, small row groups, an index without a name."""
    write_foreign(root, **video)
    info = foreign_info()
    number = {"dtype": "float32", "shape": [2], "names": list(names) if isinstance(names, tuple) else names}
    count = {"dtype": "int64", "shape": [1], "names": None}
    camera = {**info["features"][CAMERA], "names": ["height", "width", "channel"]}
    counts = dict.fromkeys(("timestamp", "frame_index", "episode_index", "index", "task_index"), count)
    info["features"] = {"observation.state": number, "action": number, CAMERA: camera, **counts}
    write_info(root, info)
    total = sum(LENGTHS)
    rng = np.random.default_rng(3)
    vectors = {name: rng.normal(size=(total, 2)).astype(np.float32) for name in ("observation.state", "action")}
    frames = [frame for length in LENGTHS for frame in range(length)]
    table = pa.table(
        {
            **{name: pa.array(values.tolist(), pa.list_(pa.float32())) for name, values in vectors.items()},
            "timestamp": pa.array([frame / FPS for frame in frames], pa.float32()),
            "frame_index": frames,
            "episode_index": [episode for episode, length in enumerate(LENGTHS) for _ in range(length)],
            "index": list(range(total)),
            "task_index": [0] * total,
        }
    )
    path = root / "data/chunk-000/file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, row_group_size=6)
    pq.write_table(pa.table({"task_index": [0], "__index_level_0__": ["fold it"]}), root / "meta/tasks.parquet")
    (root / "meta/stats.json").write_text(json.dumps({"action": {"mean": [0.5, 0.5], "count": [total]}}))


def assert_equal(root: Path, exported: GrootDataset) -> None:
    """All that a reader of the source sees, a reader of the export sees, episode by episode."""
    info, rows = read_json(root, "info.json"), read_episodes(root).to_pylist()
    data = read_data(root)
    assert [line["episode_index"] for line in exported.lines("episodes.jsonl")] == list(range(len(rows)))
    for episode, row in enumerate(rows):
        line = exported.lines("episodes.jsonl")[episode]
        assert (line["length"], line["tasks"]) == (row["length"], row["tasks"])
        source = data.slice(row["dataset_from_index"], row["length"]).to_pydict()
        columns = exported.columns(episode)
        assert set(columns) == set(source)
        for name, values in source.items():
            np.testing.assert_array_equal(columns[name], np.array(values))
        cameras = exported.json("modality.json")["video"]
        assert cameras
        for key, where in cameras.items():
            name = where["original_key"]
            place = f"chunk-{row[f'videos/{name}/chunk_index']:03d}/file-{row[f'videos/{name}/file_index']:03d}.mp4"
            first = round(row[f"videos/{name}/from_timestamp"] * info["fps"])
            expected = decode(root / "videos" / name / place)[first : first + row["length"]]
            pictures = exported.pictures(episode, key)
            assert len(pictures) == row["length"]
            for shown, written in zip(pictures, expected, strict=True):
                np.testing.assert_array_equal(shown, written)


def export(root: Path, out: Path) -> GrootDataset:
    export_groot(root, out)
    assert sorted(path.name for path in out.parent.iterdir()) == [out.name]
    return GrootDataset(out)


@pytest.mark.parametrize(
    "write",
    [
        write_dataset,
        lambda root: write_dataset(root, pack=True),
        write_ours,
        write_other,
        lambda root: write_other(root, options=B_FRAMES),
        lambda root: write_other(root, options={"preset": "medium", "g": "2"}),
    ],
    ids=["written", "packed", "ours", "foreign", "foreign with B frames", "foreign with a keyframe every other frame"],
)
def test_every_number_and_picture_is_the_source_s(root: Path, out: Path, write: Callable[[Path], None]) -> None:
    write(root)
    before = files_of(root)
    assert_equal(root, export(root, out))
    assert files_of(root) == before


def test_the_parts_of_a_row_are_what_their_names_say(root: Path, out: Path) -> None:
    write_ours(root)
    exported = export(root, out)
    begins = {
        "single_arm": "joint_pos",
        "joint_velocity": "joint_vel",
        "gripper": "gripper_pos",
        "eef_position": "eef_pos",
        "eef_quaternion": "eef_quat",
    }
    row = exported.columns(1)["observation.state"]
    for key, prefix in begins.items():
        columns = [number for number, name in enumerate(STATE_NAMES) if name.rpartition("_")[0] == prefix]
        np.testing.assert_array_equal(exported.part(1, "state", key), row[:, columns])
    assert set(exported.json("modality.json")["state"]) == set(begins)
    action = exported.columns(1)["action"]
    np.testing.assert_array_equal(exported.part(1, "action", "single_arm"), action[:, :7])
    np.testing.assert_array_equal(exported.part(1, "action", "gripper"), action[:, 7:])
    assert exported.texts(1, "human.task_description") == ["Pick up cube 1."] * 5


def test_rows_with_other_names_are_one_part(root: Path, out: Path) -> None:
    write_dataset(root)
    modality = export(root, out).json("modality.json")
    assert (modality["state"], modality["action"]) == (
        {"state": {"start": 0, "end": 3}},
        {"action": {"start": 0, "end": 2}},
    )
    assert set(modality["video"]) == {"cam_high", "cam_wrist"}


def test_info_counts_what_is_there(root: Path, out: Path) -> None:
    write_dataset(root)
    exported, source = export(root, out), read_json(root, "info.json")
    info = exported.info
    assert info["codebase_version"] == "v2.1"
    assert info["total_videos"] == len(list(out.glob("videos/*/*/*.mp4"))) == 6
    assert info["total_episodes"] == len(list(out.glob("data/*/*.parquet"))) == 3
    assert info["total_chunks"] == len(list(out.glob("data/*"))) == 1
    assert info["total_tasks"] == len(exported.lines("tasks.jsonl")) == 2
    for name in ("total_frames", "fps", "splits", "robot_type"):
        assert info[name] == source[name]
    assert info["features"] == source["features"]


def test_the_size_of_foreign_pictures_is_found_by_name(root: Path, out: Path) -> None:
    write_other(root, names={"motors": ["a", "b"]})
    feature = export(root, out).info["features"][CAMERA]
    assert feature["names"] == ["height", "width", "channels"]
    assert (feature["info"]["video.fps"], feature["info"]["video.codec"]) == (FPS, "h264")


def test_statistics_are_the_source_s_and_counts_are_for_episodes_alone(root: Path, out: Path) -> None:
    write_dataset(root)
    exported, rows = export(root, out), read_episodes(root).to_pylist()
    stats = read_json(root, "stats.json")
    for entry in stats.values():
        del entry["count"]
    assert exported.json("stats.json") == stats
    for line, row in zip(exported.lines("episodes_stats.jsonl"), rows, strict=True):
        assert line["episode_index"] == row["episode_index"]
        flat = {f"stats/{name}/{key}": value for name, entry in line["stats"].items() for key, value in entry.items()}
        assert flat == {name: value for name, value in row.items() if name.startswith("stats/")}
        assert line["stats"]["action"]["count"] == [row["length"]]


def test_a_video_of_one_episode_is_not_copied(root: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(root)
    exported = export(root, out)
    source = root / "videos/observation.images.cam_high/chunk-000/file-001.mp4"
    assert exported.video_path(1, "cam_high").samefile(source)

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    elsewhere = export(root, out.parent.parent / "elsewhere" / "groot")
    copied = elsewhere.video_path(1, "cam_high")
    assert not copied.samefile(source)
    assert copied.read_bytes() == source.read_bytes()


def test_a_packed_video_is_opened_once(root: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening reads its index, which grows with the dataset."""
    write_dataset(root, pack=True)
    opened: list[str] = []
    real = av.open

    def counting(file: Any, *words: Any, **options: Any) -> Any:
        opened.append(str(file))
        return real(file, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", counting)
        export(root, out)
    of_source = [file for file in opened if file.startswith(str(root))]
    assert len(of_source) == len(set(of_source)) == 2


def image_feature(info: dict[str, Any]) -> None:
    info["features"]["observation.depth"] = {"dtype": "image", "shape": [4, 4, 1], "names": None}


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda info: info["features"].pop(name)


def without_names(info: dict[str, Any]) -> None:
    info["features"]["action"]["names"] = None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("action"), "it has no action; there are observation.state"),
        (without("observation.state"), "it has no observation.state; there are action"),
        (without(CAMERA), "it has no videos"),
        (without_names, "action needs a name for each of its numbers, has names None"),
        (image_feature, "observation.depth is image of shape"),
        (lambda info: info.update(total_episodes=0), "it has no episodes"),
        (lambda info: info["features"][CAMERA].update(names=None), "names None"),
    ],
)
def test_what_groot_cannot_use_is_refused(
    root: Path, out: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    write_other(root)
    info = read_json(root, "info.json")
    change(info)
    write_info(root, info)
    with pytest.raises(ExportError, match=told):
        export_groot(root, out)
    assert not out.parent.exists()


def test_another_codec_is_refused_by_name(root: Path, out: Path) -> None:
    writer = open_writer(root, codec=AV1, size=(64, 64), cameras=("cam_high",))
    state, action, goal = (np.zeros(size, np.float32) for size in (3, 2, 2))
    writer.add_frame(0, 0, state, action, 0.0, True, extra={"privileged.goal": goal})
    writer.add_video_frame("cam_high", np.zeros((64, 64, 3), np.uint8))
    writer.finish_episode(0, 1, "wait")
    writer.finalize()
    with pytest.raises(ExportError, match=r"file-000\.mp4 holds a video in av1, GR00T is given h264 alone"):
        export_groot(root, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    "video",
    [
        {"keyframes": (), "options": {"preset": "ultrafast", "bf": "0", "g": "250"}},
        {"options": {"preset": "medium", "bf": "2", "g": "250", "x264-params": "open-gop=1:b-adapt=0"}},
    ],
    ids=["no keyframe", "open group of pictures"],
)
def test_an_episode_that_needs_pictures_of_another_is_refused(root: Path, out: Path, video: dict[str, Any]) -> None:
    write_other(root, **video)
    with pytest.raises(ExportError, match=r"episode \d cannot be cut out of .* without encoding it again"):
        export_groot(root, out)
    assert list(out.parent.iterdir()) == []


def test_pictures_that_are_not_at_their_time_are_refused(root: Path, out: Path) -> None:
    write_other(root, shift_s=0.004)
    with pytest.raises(ExportError, match=r"frame 0 of episode 0 at 0\.00\d+ s, not at 0 / 30"):
        export_groot(root, out)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda out: out.symlink_to("nowhere")])
def test_nothing_is_overwritten(root: Path, out: Path, make: Callable[[Path], object]) -> None:
    write_dataset(root)
    out.parent.mkdir()
    make(out)
    with pytest.raises(ExportError, match="exists already"):
        export_groot(root, out)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_what_fails_on_the_way_leaves_nothing_and_may_be_tried_again(
    root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sim_service.export.groot._write_meta", full)
        with pytest.raises(OSError, match="No space left"):
            export_groot(root, out)
    assert list(out.parent.iterdir()) == []
    left = out.with_name(".groot.partial")
    (left / "videos").mkdir(parents=True)
    (left / "stale").touch()
    assert_equal(root, export(root, out))
    assert sorted(path.name for path in out.iterdir()) == ["data", "meta", "videos"]


def test_a_dataset_that_is_being_written_is_refused(root: Path, out: Path) -> None:
    writer = open_writer(root)
    record(writer, Take(1))
    with pytest.raises(InUseError):
        export_groot(root, out)
    writer.finalize()
    assert not out.parent.exists()


def test_a_damaged_file_is_named(root: Path, out: Path) -> None:
    write_dataset(root)
    video = root / "videos/observation.images.cam_high/chunk-000/file-001.mp4"
    video.write_bytes(video.read_bytes()[:400])
    with pytest.raises(ExportError, match=r"file-001\.mp4 holds a video in an unknown codec"):
        export_groot(root, out)
    video.write_bytes(b"no video")
    with pytest.raises(ExportError, match=r"episode 1 .*file-001\.mp4"):
        export_groot(root, out)
    video.unlink()
    with pytest.raises(ExportError, match=r"file-001\.mp4"):
        export_groot(root, out)


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_export_flags(parser)
    return run_export(parser.parse_args([str(word) for word in words]))


def test_the_command_says_what_it_wrote(root: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(root)
    assert command("groot", root, out) == DONE
    assert f"{out}: 3 episodes, 23 frames in GR00T's layout" in capsys.readouterr().err
    assert command("groot", root, out) == BAD_ARGUMENTS
    assert f"isaac-collect: {out} exists already" in capsys.readouterr().err
    with pytest.raises(DatasetError, match="is not a folder"):
        command("groot", root / "nowhere", out.with_name("other"))


def test_a_full_disk_is_the_machine_s_fault(
    root: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sim_service.export.groot.write_unflushed", full)
    assert command("groot", root, out) == FAILED
    assert "No space left" in capsys.readouterr().err
