"""A discarded episode leaves no byte, and nothing of it appears in the one that takes its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from writing import AV1, Take, add_frame, add_frames, assert_holds, files_of, finish, open_writer, picture, record

from lerobot_writer import FrameError, SimLeRobotWriter, VideoCodec

KEPT, DROPPED, REPLACEMENT = Take(1), Take(2, 9, "a task that never was"), Take(3, 5)


def one_picture(writer: SimLeRobotWriter) -> None:
    writer.add_video_frame("cam_wrist", picture(1, DROPPED.content, 0))


def one_frame(writer: SimLeRobotWriter) -> None:
    add_frame(writer, DROPPED.content, 0, done=False)


def some_frames(writer: SimLeRobotWriter) -> None:
    add_frames(writer, DROPPED, 4)


def all_frames(writer: SimLeRobotWriter) -> None:
    add_frames(writer, DROPPED)


def a_refused_finish(writer: SimLeRobotWriter) -> None:
    add_frames(writer, DROPPED)
    with pytest.raises(FrameError):
        writer.finish_episode(writer.num_episodes, DROPPED.length, DROPPED.task, {"collection/content": None})


@pytest.mark.parametrize("start", [one_picture, one_frame, some_frames, all_frames, a_refused_finish])
@pytest.mark.parametrize("earlier", [[], [KEPT]], ids=["first", "second"])
def test_no_byte_is_left(root: Path, earlier: list[Take], start: Callable[[SimLeRobotWriter], None]) -> None:
    writer = open_writer(root)
    record(writer, *earlier)
    before = files_of(root)
    for _ in range(3):
        start(writer)
        assert (root / ".unfinished").exists()
        writer.discard_episode()
        assert files_of(root) == before
        assert (writer.num_episodes, writer.num_frames) == (len(earlier), 4 * len(earlier))
    record(writer, REPLACEMENT)
    writer.finalize()
    assert_holds(root, [*earlier, REPLACEMENT])


def test_nothing_to_discard_is_no_error(root: Path) -> None:
    with open_writer(root) as writer:
        writer.discard_episode()
        record(writer, KEPT)
        before = files_of(root)
        writer.discard_episode()
        assert files_of(root) == before
    assert_holds(root, [KEPT])


@pytest.mark.parametrize(
    ("codec", "size"), [(VideoCodec(), (64, 48)), (VideoCodec(preset="medium"), (64, 48)), (AV1, (64, 64))]
)
def test_pictures_of_discarded_takes_never_reach_a_video(root: Path, codec: VideoCodec, size: tuple[int, int]) -> None:
    """Encoders look ahead: what one still holds when its episode is dropped must not come out in the next."""
    takes = [Take(number, 3 + number % 4) for number in range(10, 16)]

    def add(take: Take, count: int) -> None:
        for frame in range(count):
            add_frame(writer, take.content, frame, done=frame == take.length - 1)
            for number, camera in enumerate(("cam_high", "cam_wrist")):
                writer.add_video_frame(camera, picture(number, take.content, frame, size))

    with open_writer(root, codec=codec, size=size) as writer:
        for number, take in enumerate(takes):
            add(Take(100 + number, 60), 5 * number + 1)
            writer.discard_episode()
            add(take, take.length)
            finish(writer, take)
    assert_holds(root, takes)


def test_a_task_or_column_of_a_discarded_take_leaves_no_trace(root: Path) -> None:
    with open_writer(root) as writer:
        add_frames(writer, DROPPED)
        writer.discard_episode()
        record(writer, KEPT)
    assert_holds(root, [KEPT])
    assert DROPPED.task not in (root / "meta/tasks.jsonl").read_text()


def test_an_unfinished_dataset_has_no_info(root: Path) -> None:
    """FORMAT.md: what info.json does not count does not exist; LeRobot cannot load a dataset of no episodes."""
    writer = open_writer(root)
    add_frames(writer, DROPPED)
    assert not (root / "meta/info.json").exists()
    writer.discard_episode()
    writer.finalize()
    assert [path for path, kind in files_of(root).items() if kind != "folder"] == ["meta/writer.json"]
    with open_writer(root, resume=True) as writer:
        record(writer, KEPT)
    assert_holds(root, [KEPT])
