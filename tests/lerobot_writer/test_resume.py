"""Continuing a dataset: as if it had never been closed, or a clear refusal that changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from writing import (
    CAMERAS,
    FPS,
    Take,
    add_frames,
    assert_holds,
    files_of,
    finish,
    open_writer,
    read_parquet,
    record,
    vectors,
)

from lerobot_writer import SimLeRobotWriter
from lerobot_writer.check import check_dataset

TAKES = [Take(1, 3), Take(2, 4, "place the cube"), Take(3, 2), Take(4, 5, "a third task"), Take(5, 1, "place the cube")]


ONE_CAMERA = ("cam_high",)


def write(root: Path, *takes: Take, **options: Any) -> None:
    with open_writer(root, **options) as writer:
        record(writer, *takes, cameras=options.get("cameras", CAMERAS))


def test_a_dataset_that_was_closed_after_every_episode_is_the_same_to_the_byte(tmp_path: Path) -> None:
    write(tmp_path / "at once", *TAKES)
    for take in TAKES:
        write(tmp_path / "in parts", take, resume=True)
    assert files_of(tmp_path / "in parts") == files_of(tmp_path / "at once")
    assert_holds(tmp_path / "in parts", TAKES)
    assert check_dataset(tmp_path / "in parts").ok


def test_one_episode_is_the_same_after_reopening(tmp_path: Path) -> None:
    """Its statistics are computed by another path then."""
    for name in ("once", "reopened"):
        write(tmp_path / name, TAKES[1])
    write(tmp_path / "reopened", resume=True)
    assert files_of(tmp_path / "reopened") == files_of(tmp_path / "once")


def test_resuming_starts_where_there_is_nothing(tmp_path: Path) -> None:
    write(tmp_path / "new", TAKES[0], resume=True)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", TAKES[0], resume=True)
    assert_holds(tmp_path / "new", TAKES[:1])
    assert files_of(tmp_path / "new") == files_of(tmp_path / "empty")


@pytest.mark.parametrize("resume_without_episodes", [0, 1, 3])
def test_a_dataset_without_episodes_can_be_resumed(root: Path, resume_without_episodes: int) -> None:
    write(root)
    for _ in range(resume_without_episodes):
        write(root, resume=True)
    with open_writer(root, resume=True) as writer:
        assert (writer.num_episodes, writer.num_frames) == (0, 0)
        record(writer, TAKES[0])
    assert_holds(root, TAKES[:1])


@pytest.mark.parametrize("others", [["meta/collection.json"], ["meta/writer.json", "meta/collection.json"], []])
def test_what_the_collector_wrote_before_the_first_episode_stays(root: Path, others: list[str]) -> None:
    if "meta/writer.json" in others:
        write(root)
    (root / "meta").mkdir(parents=True, exist_ok=True)
    if "meta/collection.json" in others:
        (root / "meta/collection.json").write_text("{}")
    write(root, TAKES[0], resume=True)
    assert_holds(root, TAKES[:1])
    assert (root / "meta/collection.json").exists() == ("meta/collection.json" in others)


def test_left_overs_of_an_unfinished_first_episode_are_removed(root: Path) -> None:
    """A killed writer, at any point before the first info.json: here after all of its renames but that."""
    write(root, TAKES[0])
    (root / "meta/info.json").unlink()
    (root / ".unfinished/videos").mkdir(parents=True)
    (root / ".unfinished/videos/half.mp4").write_bytes(b"half")
    with open_writer(root, resume=True) as writer:
        assert writer.num_episodes == 0
        assert [path for path, kind in files_of(root).items() if kind != "folder"] == ["meta/writer.json"]
        record(writer, TAKES[1])
    assert_holds(root, TAKES[1:2])


def test_orphans_are_removed_and_foreign_files_stay(root: Path) -> None:
    write(root, *TAKES[:2])
    data, video = root / "data/chunk-000", root / "videos/observation.images.cam_high/chunk-000"
    for orphan in (
        data / "file-002.parquet",
        video / "file-002.mp4",
        root / "meta/image_histograms/chunk-000/file-002.parquet",
        root / "meta/episodes/chunk-000/file-001.parquet",
        root / "data/chunk-001/file-000.parquet",
        root / "videos/observation.images.cam_old/chunk-000/file-000.mp4",
    ):
        orphan.parent.mkdir(parents=True, exist_ok=True)
        orphan.write_bytes(b"torn")
    foreign = [root / "README.md", data / "notes.txt", video / "file-002.mp4.part", root / "meta/collection.json"]
    for path in foreign:
        path.write_text("mine")
    write(root, TAKES[2], resume=True)
    for path in foreign:
        assert path.read_text() == "mine"
        path.unlink()
    assert_holds(root, TAKES[:3])


@pytest.mark.parametrize("per_file", [1, 2, 3])
def test_meta_files_that_run_ahead_are_cut_back(root: Path, monkeypatch: pytest.MonkeyPatch, per_file: int) -> None:
    """A kill between the renames of the episode row and info.json, at every place relative to a new meta file."""
    monkeypatch.setattr("lerobot_writer.layout.EPISODES_PER_META_FILE", per_file)
    write(root, TAKES[0], cameras=ONE_CAMERA)
    for number in range(1, len(TAKES)):
        info = (root / "meta/info.json").read_bytes()
        write(root, Take(60, 2, "never acknowledged"), cameras=ONE_CAMERA, resume=True)
        (root / "meta/info.json").write_bytes(info)
        with open_writer(root, cameras=ONE_CAMERA, resume=True) as writer:
            assert writer.num_episodes == number
            assert_holds(root, TAKES[:number], cameras=ONE_CAMERA)
            assert "never acknowledged" not in (root / "meta/tasks.jsonl").read_text()
            record(writer, TAKES[number], cameras=ONE_CAMERA)
    assert_holds(root, TAKES, cameras=ONE_CAMERA)
    files = sorted(root.glob("meta/episodes/*/*"))
    assert [read_parquet(path).num_rows for path in files] == [
        min(per_file, len(TAKES) - first) for first in range(0, len(TAKES), per_file)
    ]


def test_meta_files_hold_a_bounded_number_of_episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one go, reopened, and packed."""
    monkeypatch.setattr("lerobot_writer.layout.EPISODES_PER_META_FILE", 2)
    write(tmp_path / "a", *TAKES, cameras=ONE_CAMERA)
    for take in TAKES:
        write(tmp_path / "b", take, cameras=ONE_CAMERA, resume=True)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    for root in (tmp_path / "a", tmp_path / "b"):
        with open_writer(root, cameras=ONE_CAMERA, resume=True) as writer:
            writer.finalize(pack=True)
        with open_writer(root, cameras=ONE_CAMERA, resume=True) as writer:
            record(writer, Take(9), cameras=ONE_CAMERA)
        assert_holds(root, [*TAKES, Take(9)], cameras=ONE_CAMERA)
        rows = [read_parquet(path) for path in sorted(root.glob("meta/episodes/*/*"))]
        assert [table.num_rows for table in rows] == [2, 2, 2]
        for number, table in enumerate(rows):
            assert set(table["meta/episodes/file_index"].to_pylist()) == {number}


def test_resuming_does_not_touch_finished_episodes(root: Path) -> None:
    write(root, *TAKES[:2])
    kept = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*/chunk-000/file-00*")}
    write(root, TAKES[2], resume=True)
    changed = [
        str(path.relative_to(root)) for path, s in kept.items() if (path.stat().st_ino, path.stat().st_mtime_ns) != s
    ]
    assert changed == ["meta/episodes/chunk-000/file-000.parquet"]


def test_two_resumes_with_a_discarded_episode_between(root: Path) -> None:
    write(root, TAKES[0])
    with open_writer(root, resume=True) as writer:
        add_frames(writer, TAKES[3])
        writer.discard_episode()
        record(writer, TAKES[1])
        add_frames(writer, TAKES[3], 1)
        writer.discard_episode()
    write(root, TAKES[2], resume=True)
    assert_holds(root, TAKES[:3])
    assert "a third task" not in (root / "meta/tasks.jsonl").read_text()


def test_episodes_of_one_frame_across_many_reopenings(root: Path) -> None:
    takes = [Take(number, 1, f"task {number % 3}") for number in range(8)]
    for take in takes:
        with open_writer(root, cameras=(), resume=True) as writer:
            add_frames(writer, take, cameras=())
            finish(writer, take)
    assert_holds(root, takes, cameras=())


def test_a_resumed_writer_takes_the_same_arguments_as_the_first(root: Path) -> None:
    """Positional, as existing collectors pass them."""
    arguments: tuple[Any, ...] = (root, "a/b", FPS, "arm", 3, 2, [], (64, 48), ["x", "y", "z"], ["l", "r"])
    for episode in range(2):
        writer = SimLeRobotWriter(*arguments, resume=episode == 1)
        state, action, _ = vectors(episode, 0).values()
        writer.add_frame(episode, 0, state, action, 0.0, True)
        writer.finish_episode(episode, 1, "task")
        writer.finalize()
    with pq.ParquetFile(root / "data/chunk-000/file-001.parquet") as file:
        assert file.metadata.num_rows == 1
