"""Continuing a dataset: as if it had never been closed, or a clear refusal that changes nothing."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from writing import (
    AV1,
    CAMERAS,
    EXTRA,
    FPS,
    GOAL,
    Take,
    add_frames,
    assert_holds,
    files_of,
    finish,
    open_writer,
    read_json,
    read_parquet,
    record,
    vectors,
)

from lerobot_writer import DatasetExistsError, ResumeError, SimLeRobotWriter, VideoCodec
from lerobot_writer.check import check_dataset
from lerobot_writer.tables import write_table

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


def test_a_lost_info_json_does_not_cost_the_data(root: Path) -> None:
    """More than one episode's files cannot be the left-overs of the first episode."""
    write(root, *TAKES[:2])
    (root / "meta/info.json").unlink()
    before = files_of(root)
    with pytest.raises(
        ResumeError, match=r"has files of finished episodes, such as data/chunk-000/file-001.parquet, but no"
    ):
        open_writer(root, resume=True)
    assert files_of(root) == before


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


DIFFERENT: list[tuple[dict[str, Any], list[str]]] = [
    ({"fps": 60}, ["fps: the dataset has 30, asked for 60"]),
    ({"robot_type": "leg"}, ["robot_type: the dataset has 'arm', asked for 'leg'"]),
    ({"repo_id": "test/other"}, ["repo_id: the dataset has 'test/synthetic', asked for 'test/other'"]),
    ({"size": (64, 64)}, ["feature observation.images.cam_high", "feature observation.images.cam_wrist", "64"]),
    ({"cameras": ["cam_high"]}, ["feature observation.images.cam_wrist: the dataset has", "asked for None"]),
    ({"cameras": ["cam_high", "cam_low"]}, ["observation.images.cam_wrist", "observation.images.cam_low"]),
    ({"extra": {}}, ["feature privileged.goal"]),
    ({"extra": {GOAL: ((2,), ["x", "y"])}}, ["feature privileged.goal", "goal_x"]),
    ({"extra": {**EXTRA, "more": ((1,), ["m"])}}, ["feature more: the dataset has None"]),
    ({"codec": VideoCodec(crf=24)}, ["'video.crf': 23", "'video.crf': 24"]),
    ({"codec": VideoCodec(preset="fast")}, ["'video.preset': 'ultrafast'", "'video.preset': 'fast'"]),
    ({"codec": VideoCodec(keyframe_interval=5)}, ["'video.g': 10", "'video.g': 5"]),
    ({"codec": AV1, "size": (64, 64)}, ["'video.codec': 'h264'", "'video.codec': 'av1'"]),
    (
        {"fps": 24, "robot_type": "leg", "repo_id": "x", "extra": {}, "cameras": []},
        ["fps", "robot_type", "repo_id", "privileged.goal", "cam_high", "cam_wrist"],
    ),
]


def test_another_schema_is_refused_with_every_difference_and_nothing_changes(root: Path) -> None:
    write(root, TAKES[0])
    (root / ".unfinished").mkdir()
    (root / "data/chunk-000/file-001.parquet").write_bytes(b"left over")
    before = files_of(root.parent)
    for changed, parts in DIFFERENT:
        with pytest.raises(ResumeError, match=r"cannot continue .* with another schema") as caught:
            open_writer(root, resume=True, **changed)
        for part in parts:
            assert part in str(caught.value)
        assert files_of(root.parent) == before
    write(root, TAKES[1], resume=True)
    assert_holds(root, TAKES[:2])


def damage_info(root: Path) -> None:
    (root / "meta/info.json").write_text("{")


def damage_totals(root: Path) -> None:
    info = read_json(root, "info.json")
    del info["total_frames"]
    (root / "meta/info.json").write_text(json.dumps(info))


def damage_features(root: Path) -> None:
    (root / "meta/info.json").write_text(json.dumps({**read_json(root, "info.json"), "features": None}))


def lose_video(root: Path) -> None:
    (root / "videos/observation.images.cam_high/chunk-000/file-001.mp4").unlink()


def lose_data(root: Path) -> None:
    (root / "data/chunk-000/file-000.parquet").unlink()


def lose_histogram(root: Path) -> None:
    (root / "meta/image_histograms/chunk-000/file-001.parquet").unlink()


def lose_episodes(root: Path) -> None:
    (root / "meta/episodes/chunk-000/file-000.parquet").unlink()


def lose_tasks(root: Path) -> None:
    (root / "meta/tasks.parquet").unlink()


def tear_episodes(root: Path) -> None:
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def tear_histogram(root: Path) -> None:
    (root / "meta/image_histograms/chunk-000/file-000.parquet").write_bytes(b"PAR1")


def drop_row(root: Path) -> None:
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    write_table(read_parquet(path).slice(0, 1), path)


def count_too_much(root: Path) -> None:
    (root / "meta/info.json").write_text(json.dumps({**read_json(root, "info.json"), "total_frames": 8}))


def forget_writer(root: Path) -> None:
    (root / "meta/writer.json").unlink()


def future_format(root: Path) -> None:
    (root / "meta/writer.json").write_text(json.dumps({**read_json(root, "writer.json"), "format": 2}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_info, "cannot read .*info.json"),
        (damage_totals, r"has totals \[2, None, 2\], expected positive integers"),
        (damage_features, "feature action: the dataset has None"),
        (lose_video, "is damaged .*: missing videos/observation.images.cam_high/chunk-000/file-001.mp4"),
        (lose_data, "missing data/chunk-000/file-000.parquet"),
        (lose_histogram, "missing meta/image_histograms/chunk-000/file-001.parquet"),
        (lose_episodes, "info.json counts 2 episodes, meta/episodes holds 0"),
        (lose_tasks, "info.json counts 2 tasks, tasks.parquet holds 0"),
        (tear_episodes, "is damaged"),
        (tear_histogram, "is damaged"),
        (drop_row, "info.json counts 2 episodes, meta/episodes holds 1"),
        (count_too_much, "info.json counts 8 frames, meta/episodes ends at 7"),
        (forget_writer, "was not written by lerobot_writer"),
        (future_format, "format of meta/writer.json: found 2, this writer knows 1"),
    ],
)
def test_a_damaged_dataset_is_refused_and_nothing_changes(
    root: Path, damage: Callable[[Path], None], message: str
) -> None:
    write(root, *TAKES[:2])
    damage(root)
    (root / "data/chunk-000/file-002.parquet").write_bytes(b"left over")
    before = files_of(root)
    with pytest.raises(ResumeError, match=message):
        open_writer(root, resume=True)
    assert files_of(root) == before


@pytest.mark.parametrize("damage", ["torn", "short", "other columns"])
def test_data_that_cannot_be_read_is_damage_too(root: Path, damage: str) -> None:
    write(root, *TAKES[:2])
    path = root / "data/chunk-000/file-001.parquet"
    table = read_parquet(path)
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "short":
        write_table(table.slice(1), path)
    else:
        write_table(table.drop_columns(["action"]), path)
    with pytest.raises(ResumeError, match=r"is damaged: column .* of its data cannot be read"):
        open_writer(root, resume=True)


def test_two_writers_on_one_folder_are_refused(root: Path) -> None:
    first = open_writer(root)
    before = files_of(root)
    for options in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(ResumeError, match="is being written or packed by somebody else"):
            open_writer(root, **options)
    assert files_of(root) == before
    record(first, TAKES[0])
    with pytest.raises(ResumeError, match="is being written or packed by somebody else"):
        open_writer(root, resume=True)
    first.finalize()
    write(root, TAKES[1], resume=True)
    assert_holds(root, TAKES[:2])


def test_another_process_is_refused_and_a_forked_one_does_not_keep_the_lock(root: Path) -> None:
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from writing import Take, open_writer, record
from lerobot_writer import ResumeError
root = Path({str(root)!r})
writer = open_writer(root, cameras=[])
record(writer, Take(1), cameras=[])
here, there = os.pipe()
child = os.fork()
if child == 0:
    os.close(there)
    os.read(here, 1)  # until the parent has ended its writer and opened another
    os._exit(0)
writer.finalize()
writer = open_writer(root, cameras=[], resume=True)
print("open", flush=True)
sys.stdin.readline()
os.close(there)
os.waitpid(child, 0)
writer.finalize()
"""
    other = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ResumeError, match="by somebody else"):
            open_writer(root, cameras=[], resume=True)
        other.stdin.write("\n")
    assert other.returncode == 0
    with open_writer(root, cameras=[], resume=True) as writer:
        record(writer, Take(2), cameras=[])
    assert_holds(root, [Take(1), Take(2)], cameras=[])


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_a_file_system_without_locks_is_no_obstacle(root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    write(root, TAKES[0])
    write(root, TAKES[1], resume=True)
    assert_holds(root, TAKES[:2])


def test_a_folder_that_was_exchanged_while_waiting_for_its_lock_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock would be that of a folder which is not there any more."""
    write(root, TAKES[0])
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX:
            root.rename(root.with_name("aside"))
            shutil.copytree(root.with_name("aside"), root)
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with pytest.raises(ResumeError, match="by somebody else"):
            open_writer(root, resume=True)
    write(root, TAKES[1], resume=True)
    assert_holds(root, TAKES[:2])


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


def test_a_dataset_of_another_tool_is_not_continued(root: Path) -> None:
    write(root, TAKES[0])
    (root / "meta/writer.json").unlink()
    before = files_of(root)
    with pytest.raises(ResumeError, match="was not written by lerobot_writer"):
        open_writer(root, resume=True)
    with pytest.raises(DatasetExistsError, match="holds a dataset already"):
        open_writer(root)
    assert files_of(root) == before


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
