"""What cannot be continued is refused, with every reason, before anything is changed on disk."""

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

import pytest
from writing import (
    AV1,
    CAMERAS,
    EXTRA,
    GOAL,
    Take,
    assert_holds,
    files_of,
    open_writer,
    read_json,
    read_parquet,
    record,
)

from lerobot_writer import DatasetExistsError, ResumeError, VideoCodec
from lerobot_writer.tables import write_table

TAKES = [Take(1, 3), Take(2, 4, "place the cube"), Take(3, 2), Take(4, 5, "a third task"), Take(5, 1, "place the cube")]


ONE_CAMERA = ("cam_high",)


def write(root: Path, *takes: Take, **options: Any) -> None:
    with open_writer(root, **options) as writer:
        record(writer, *takes, cameras=options.get("cameras", CAMERAS))


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
    told = r"is damaged: (column .* of its data has 6 rows|data/.*file-001.parquet cannot be read)"
    with pytest.raises(ResumeError, match=told):
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


def test_a_dataset_of_another_tool_is_not_continued(root: Path) -> None:
    write(root, TAKES[0])
    (root / "meta/writer.json").unlink()
    before = files_of(root)
    with pytest.raises(ResumeError, match="was not written by lerobot_writer"):
        open_writer(root, resume=True)
    with pytest.raises(DatasetExistsError, match="holds a dataset already"):
        open_writer(root)
    assert files_of(root) == before
