"""Bad input: every kind of it raises, with a message that says what is wrong, and costs nothing but the bad call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from writing import (
    CAMERAS,
    FPS,
    GOAL,
    Take,
    add_frame,
    add_frames,
    assert_holds,
    finish,
    open_writer,
    picture,
    record,
    vectors,
)

from lerobot_writer import (
    FrameError,
    OrderError,
    SimLeRobotWriter,
    WriterError,
)

TAKES = [Take(1, 3), Take(2, 4, "place the cube"), Take(3, 2)]


def change(name: str, value: Any) -> dict[str, Any]:
    """The arguments of the third frame of the second take, one of them changed."""
    values = vectors(TAKES[1].content, 2)
    arguments = {
        "episode_index": 1,
        "frame_index": 2,
        "state": values["observation.state"],
        "action": values["action"],
        "timestamp": 2 / FPS,
        "next_done": False,
        "extra": {GOAL: values[GOAL]},
    }
    assert name in arguments
    return {**arguments, name: value}


BAD_FRAMES: list[tuple[str, Any, type[WriterError], str]] = [
    ("state", np.zeros(4), FrameError, r"state must have shape \(3,\), got \(4,\)"),
    ("state", np.zeros((1, 3)), FrameError, r"state must have shape \(3,\), got \(1, 3\)"),
    ("state", np.zeros(3, dtype=np.int64), FrameError, "state must be floating point, got int64"),
    ("state", np.array(["a", "b", "c"]), FrameError, "state must be floating point, got <U1"),
    ("state", [1.0, [2.0], 3.0], FrameError, "state is no array"),
    ("state", None, FrameError, "state is missing"),
    ("state", np.array([0, np.nan, 0]), FrameError, r"state is not finite \(as float32\) at y=nan"),
    ("state", np.array([np.inf, 0, -np.inf]), FrameError, r"at x=inf, z=-inf"),
    ("state", np.array([0, 0, 1e39]), FrameError, r"not finite \(as float32\) at z=1e\+39"),
    ("action", np.zeros(3, dtype=np.float32), FrameError, r"action must have shape \(2,\), got \(3,\)"),
    ("action", np.full(2, np.nan), FrameError, "at left=nan, right=nan"),
    ("extra", None, FrameError, "privileged.goal is missing"),
    ("extra", {GOAL: np.zeros(3)}, FrameError, r"privileged.goal must have shape \(2,\)"),
    (
        "extra",
        {GOAL: np.zeros(2), "more": np.zeros(1)},
        FrameError,
        "unknown extra feature 'more'; known: privileged.goal",
    ),
    ("extra", {GOAL: np.zeros(2), "action": np.zeros(2)}, FrameError, "unknown extra feature 'action'"),
    ("timestamp", 3 / FPS, FrameError, r"timestamp is 0.1 s, frame 2 at 30 fps is 0.066667 s"),
    ("timestamp", 2 / FPS + 2e-4, FrameError, "timestamp is"),
    ("timestamp", float("nan"), FrameError, "timestamp is nan s"),
    ("timestamp", "0.066", FrameError, "timestamp is '0.066' s"),
    ("timestamp", None, FrameError, "timestamp is None s"),
    ("next_done", 1, FrameError, "next_done must be a bool, got 1"),
    ("frame_index", 3, OrderError, "got frame 3 of episode 1, the next one is frame 2 of episode 1"),
    ("frame_index", 1, OrderError, "got frame 1 of episode 1, the next one is frame 2 of episode 1"),
    ("episode_index", 0, OrderError, "got frame 2 of episode 0, the next one is frame 2 of episode 1"),
    ("episode_index", 2, OrderError, "got frame 2 of episode 2"),
]


@pytest.fixture
def half_recorded(root: Path) -> Iterator[SimLeRobotWriter]:
    """A writer with one episode finished and two frames of the second recorded; at the end the rest must still fit."""
    with open_writer(root) as writer:
        record(writer, TAKES[0])
        add_frames(writer, TAKES[1], 2)
        yield writer
        for frame in (2, 3):
            add_frame(writer, TAKES[1].content, frame, done=frame == 3)
            for number, camera in enumerate(CAMERAS):
                writer.add_video_frame(camera, picture(number, TAKES[1].content, frame))
        finish(writer, TAKES[1])
        record(writer, TAKES[2])
    assert_holds(root, TAKES)


def test_bad_frames_are_refused_and_the_episode_goes_on(half_recorded: SimLeRobotWriter) -> None:
    for name, value, error, message in BAD_FRAMES:
        with pytest.raises(error, match=message):
            half_recorded.add_frame(**change(name, value))


def test_a_bad_frame_is_told_everything_that_is_wrong_with_it(half_recorded: SimLeRobotWriter) -> None:
    arguments = {**change("state", np.zeros(4)), "action": np.full(2, np.nan), "timestamp": 7.0, "next_done": None}
    with pytest.raises(FrameError) as caught:
        half_recorded.add_frame(**arguments)
    for part in ("episode 1, frame 2", "state must have shape", "left=nan", "timestamp is 7.0", "next_done must be"):
        assert part in str(caught.value)


RIGHT = picture(0, TAKES[1].content, 2)


BAD_PICTURES: list[tuple[str, Any, str]] = [
    (
        "cam_high",
        RIGHT.transpose(2, 0, 1),
        r"expected uint8 of shape \(48, 64, 3\) \(height, width, 3\), got uint8 \(3, 48",
    ),
    ("cam_high", RIGHT.transpose(1, 0, 2), r"got uint8 \(64, 48, 3\)"),
    ("cam_high", RIGHT[:, :62], r"got uint8 \(48, 62, 3\)"),
    ("cam_high", np.dstack([RIGHT, RIGHT[..., :1]]), r"got uint8 \(48, 64, 4\)"),
    ("cam_high", RIGHT / 255, r"got float64 \(48, 64, 3\)"),
    ("cam_high", RIGHT.astype(np.int16), r"got int16"),
    ("cam_high", RIGHT.tolist(), "expected a uint8 array .*, got list"),
    ("cam_high", None, "got NoneType"),
    ("cam_low", RIGHT, "unknown camera 'cam_low'; known: cam_high, cam_wrist"),
    ("observation.images.cam_high", RIGHT, "unknown camera"),
]


def test_bad_pictures_are_refused_and_the_episode_goes_on(half_recorded: SimLeRobotWriter) -> None:
    for camera, rgb, message in BAD_PICTURES:
        with pytest.raises(FrameError, match=message):
            half_recorded.add_video_frame(camera, rgb)


def test_a_frame_is_refused_while_a_camera_lags_behind(half_recorded: SimLeRobotWriter) -> None:
    add_frame(half_recorded, TAKES[1].content, 2, done=False)
    half_recorded.add_video_frame("cam_wrist", picture(1, TAKES[1].content, 2))
    arguments = change("frame_index", 3) | {"timestamp": 3 / FPS, "next_done": True}
    with pytest.raises(OrderError, match="a camera frame of the 3 frames before is missing: cam_high has 2"):
        half_recorded.add_frame(**arguments)
    # What is missing can still be added, and then the fixture's frame 2 is frame 3: give it what it expects.
    half_recorded.add_video_frame("cam_high", picture(0, TAKES[1].content, 2))
    half_recorded.discard_episode()
    add_frames(half_recorded, TAKES[1], 2)


def test_a_camera_cannot_run_ahead_by_more_than_the_coming_frame(half_recorded: SimLeRobotWriter) -> None:
    half_recorded.add_video_frame("cam_high", picture(0, TAKES[1].content, 2))
    with pytest.raises(OrderError, match="episode 1, camera cam_high: already has the picture of frame 2"):
        half_recorded.add_video_frame("cam_high", picture(0, TAKES[1].content, 3))
    half_recorded.discard_episode()
    add_frames(half_recorded, TAKES[1], 2)


def test_pictures_may_come_before_their_frame(root: Path) -> None:
    take = Take(5)
    with open_writer(root) as writer:
        for frame in range(take.length):
            writer.add_video_frame("cam_wrist", picture(1, take.content, frame))
            add_frame(writer, take.content, frame, done=frame == take.length - 1)
            writer.add_video_frame("cam_high", picture(0, take.content, frame))
        finish(writer, take)
    assert_holds(root, [take])


def test_an_ended_episode_takes_neither_frames_nor_pictures(root: Path) -> None:
    with open_writer(root) as writer:
        add_frames(writer, TAKES[0])
        with pytest.raises(OrderError, match="episode 0 ended with next_done at frame 2; finish it"):
            add_frame(writer, TAKES[0].content, 3, done=False)
        with pytest.raises(OrderError, match="camera cam_high: has the pictures of all 3 frames; finish the episode"):
            writer.add_video_frame("cam_high", picture(0, TAKES[0].content, 3))
        finish(writer, TAKES[0])
    assert_holds(root, TAKES[:1])


BAD_FINISHES: list[tuple[dict[str, Any], type[WriterError], str]] = [
    ({"length": 4}, FrameError, "episode 0 cannot be finished: length is given as 4, 3 frames were added"),
    ({"length": 2}, FrameError, "length is given as 2, 3 frames were added"),
    ({"episode_index": 1}, OrderError, "cannot finish episode 1: episode 0 is open"),
    ({"task": ""}, FrameError, "task must be a non-empty text, got ''"),
    ({"task": " \n"}, FrameError, "task must be a non-empty text"),
    ({"task": None}, FrameError, "task must be a non-empty text, got None"),
    ({"task": "half \ud83d pair"}, FrameError, "task must be a non-empty text"),
    (
        {"columns": {"a": None}},
        FrameError,
        "column 'a' = None must be a bool, 64-bit int, float, text or a non-empty list",
    ),
    ({"columns": {"a": []}}, FrameError, r"column 'a' = \[\] must be"),
    ({"columns": {"a": [1, 2.0]}}, FrameError, "of one kind"),
    ({"columns": {"a": {"b": 1}}}, FrameError, "column 'a' = {'b': 1} must be"),
    ({"columns": {"a": 2**63}}, FrameError, "64-bit int"),
    ({"columns": {"a": "\ud83d"}}, FrameError, "column 'a'"),
    ({"columns": {"": 1}}, FrameError, "column name '' is no text"),
    ({"columns": {7: 1}}, FrameError, "column name 7 is no text"),
    ({"columns": {"stats/x": 1}}, FrameError, "column name 'stats/x' is taken"),
    ({"columns": {"length": 1}}, FrameError, "column name 'length' is taken"),
    ({"columns": {"a": None, "tasks": 1}}, FrameError, "column 'a' = None .*; column name 'tasks' is taken"),
]


def test_bad_finishes_are_refused_and_can_be_repeated(root: Path) -> None:
    with open_writer(root) as writer:
        add_frames(writer, TAKES[0])
        for changed, error, message in BAD_FINISHES:
            with pytest.raises(error, match=message):
                writer.finish_episode(**{"episode_index": 0, "length": 3, "task": "t", **changed})
        finish(writer, TAKES[0])
        record(writer, TAKES[1])
    assert_holds(root, TAKES[:2])


BAD_COLUMNS: list[tuple[dict[str, Any] | None, str]] = [
    ({}, "expected {'collection/content': 'int64'}, got {}"),
    (None, "got {}"),
    ({"collection/content": 2, "collection/more": 1}, "'collection/more': 'int64'"),
    ({"collection/content": 2.0}, "got {'collection/content': 'double'}"),
    ({"collection/content": True}, "got {'collection/content': 'bool'}"),
    ({"collection/content": [2]}, "got {'collection/content': 'list<element: int64>'}"),
]


@pytest.mark.parametrize("reopened", [False, True])
def test_episode_columns_must_stay_the_same(root: Path, reopened: bool) -> None:
    writer = open_writer(root)
    record(writer, TAKES[0])
    if reopened:
        writer.finalize()
        writer = open_writer(root, resume=True)
    add_frames(writer, TAKES[1])
    for columns, message in BAD_COLUMNS:
        with pytest.raises(FrameError, match=re.escape(message)):
            writer.finish_episode(1, 4, TAKES[1].task, columns)
    finish(writer, TAKES[1])
    writer.finalize()
    assert_holds(root, TAKES[:2])


def test_an_incomplete_episode_is_told_everything_that_is_missing(root: Path) -> None:
    with open_writer(root) as writer:
        add_frames(writer, TAKES[0], 2)
        writer.add_video_frame("cam_high", picture(0, TAKES[0].content, 2))
        with pytest.raises(FrameError) as caught:
            writer.finish_episode(0, 3, "task")
        for part in ("length is given as 3, 2 frames", "camera cam_high has 3 pictures for 2 frames", "next_done=True"):
            assert part in str(caught.value)
        add_frame(writer, TAKES[0].content, 2, done=True)
        writer.add_video_frame("cam_wrist", picture(1, TAKES[0].content, 2))
        finish(writer, TAKES[0])
    assert_holds(root, TAKES[:1])


def test_an_episode_without_frames_cannot_be_finished(root: Path) -> None:
    with open_writer(root) as writer:
        with pytest.raises(OrderError, match="cannot finish episode 0: no episode is open"):
            writer.finish_episode(0, 0, "task")
        writer.add_video_frame("cam_high", picture(0, 1, 0))
        with pytest.raises(FrameError, match="it has no frame"):
            writer.finish_episode(0, 0, "task")
        writer.discard_episode()
        record(writer, TAKES[0])
    assert_holds(root, TAKES[:1])
