"""A schema or a folder that cannot be, and calls after the end: refused with a message, and nothing changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from writing import (
    ACTION_NAMES,
    CAMERAS,
    EXTRA,
    FPS,
    STATE_NAMES,
    Take,
    add_frame,
    add_frames,
    assert_holds,
    files_of,
    open_writer,
    picture,
    record,
)

from lerobot_writer import (
    DatasetExistsError,
    OrderError,
    SchemaError,
    SimLeRobotWriter,
    StorageError,
    VideoCodec,
)

TAKES = [Take(1, 3), Take(2, 4, "place the cube"), Take(3, 2)]


RIGHT = picture(0, TAKES[1].content, 2)


BAD_SCHEMAS: list[tuple[dict[str, Any], str]] = [
    ({"fps": 0}, "fps must be an integer from 1 to 5000, got 0"),
    ({"fps": 29.97}, "fps must be an integer from 1 to 5000, got 29.97"),
    ({"fps": True}, "fps must be an integer"),
    ({"fps": 10**10}, "fps must be an integer from 1 to 5000, got 10000000000"),
    ({"repo_id": ""}, "repo_id must be a non-empty text, got ''"),
    ({"robot_type": None}, "robot_type must be a non-empty text, got None"),
    ({"state_dim": 4}, "observation.state has 4 dimensions but 3 names"),
    (
        {"state_dim": 0, "state_names": []},
        r"observation.state must be a vector, shape \(n,\) with n of at least 1, got \(0,\)",
    ),
    ({"state_names": ["x", "y", "x"]}, r"observation.state has a name twice: \['x', 'y', 'x'\]"),
    ({"state_names": "xyz"}, "the names of observation.state must be a list of texts, got 'xyz'"),
    ({"action_names": ["left", 2]}, r"the names of action must be a list of texts, got \['left', 2\]"),
    ({"camera_names": "cam"}, "camera_names must be a list of texts, got 'cam'"),
    ({"camera_names": ["a", "a"]}, r"camera_names has a name twice: \['a', 'a'\]"),
    ({"camera_names": ["a/b"]}, "camera name 'a/b' is empty, no text or contains '/'"),
    ({"camera_names": ["a\0b"]}, "camera name 'a.x00b' is empty"),
    ({"camera_names": [""]}, "camera name '' is empty"),
    ({"camera_names": [3]}, "camera name 3 is empty, no text"),
    ({"camera_resolution": (63, 48)}, r"camera_resolution \(width, height\) must be even integers, .*, got \(63, 48\)"),
    ({"camera_resolution": (0, 48)}, "must be even"),
    ({"camera_resolution": (64.0, 48.0)}, "must be even integers"),
    ({"camera_resolution": (np.int64(64), 48)}, "must be even integers"),
    ({"extra_features": {"action": ((1,), ["a"])}}, "extra feature 'action' has a name that is taken"),
    ({"extra_features": {"timestamp": ((1,), ["a"])}}, "extra feature 'timestamp' has a name that is taken"),
    ({"extra_features": {"observation.images.x": ((1,), ["a"])}}, "has a name that is taken"),
    ({"extra_features": {"a/b": ((1,), ["a"])}}, "feature name 'a/b' is empty, no text or contains '/'"),
    ({"extra_features": {"a": ((2, 2), ["a"])}}, r"a must be a vector, .* got \(2, 2\)"),
    ({"codec": VideoCodec("vp9")}, "unknown codec 'vp9'; known: h264, av1"),
    ({"codec": VideoCodec(preset="12")}, "unknown h264 preset '12'; known: ultrafast"),
    ({"codec": VideoCodec("av1", "14", 30, 2), "camera_resolution": (64, 64)}, "unknown av1 preset '14'; known: 0, 1"),
    ({"codec": VideoCodec(crf=52)}, "crf must be 0 to 51 for h264, got 52"),
    ({"codec": VideoCodec(keyframe_interval=0)}, "keyframe_interval must be at least 1, got 0"),
    ({"codec": VideoCodec("av1", "12")}, "av1 takes pictures of at least 64 px a side, got 64 x 48"),
    ({"codec": VideoCodec("av1", "12"), "fps": 241, "camera_resolution": (64, 64)}, "av1 takes at most 240 frames"),
]


def schema_arguments(root: Path) -> dict[str, Any]:
    return {
        "output_dir": root,
        "repo_id": "test/synthetic",
        "fps": FPS,
        "robot_type": "arm",
        "state_dim": 3,
        "action_dim": 2,
        "camera_names": list(CAMERAS),
        "camera_resolution": (64, 48),
        "state_names": list(STATE_NAMES),
        "action_names": list(ACTION_NAMES),
        "extra_features": EXTRA,
    }


@pytest.mark.parametrize(("changed", "message"), BAD_SCHEMAS)
def test_a_bad_schema_is_refused_before_anything_is_written(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        SimLeRobotWriter(**{**schema_arguments(tmp_path / "dataset"), **changed})
    assert not any(tmp_path.iterdir())


def test_a_bad_schema_is_told_everything_that_is_wrong_with_it(root: Path) -> None:
    bad: dict[str, Any] = {"fps": 0, "robot_type": "", "state_dim": 9, "camera_names": ["a", "a", ""]}
    bad |= {"camera_resolution": (63, 48), "extra_features": {"action": ((2,), ["a"])}}
    with pytest.raises(SchemaError) as caught:
        SimLeRobotWriter(**{**schema_arguments(root), **bad})
    for part in (
        "fps",
        "robot_type",
        "9 dimensions",
        "a name twice",
        "camera name ''",
        "(63, 48)",
        "'action' has a name",
    ):
        assert part in str(caught.value)


def make_foreign_folder(root: Path) -> None:
    root.mkdir()
    (root / "thesis.tex").write_text("years of work")


def make_foreign_data_folder(root: Path) -> None:
    (root / "data").mkdir(parents=True)
    (root / "data" / "file-000.csv").write_text("1,2")


def make_file(root: Path) -> None:
    root.write_text("a file")


def make_dataset(root: Path) -> None:
    with open_writer(root) as writer:
        record(writer, TAKES[0])


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_foreign_folder, r"is not empty and holds no dataset \(found: thesis.tex\); choose another folder"),
        (make_foreign_data_folder, r"is not empty and holds no dataset \(found: data\)"),
        (make_file, "exists and is not a folder"),
    ],
)
def test_what_is_not_ours_is_left_alone(
    tmp_path: Path, make: Callable[[Path], None], message: str, resume: bool, overwrite: bool
) -> None:
    root = tmp_path / "taken"
    make(root)
    before = files_of(tmp_path)
    with pytest.raises(DatasetExistsError, match=message):
        open_writer(root, resume=resume, overwrite=overwrite)
    assert files_of(tmp_path) == before


def test_a_dataset_is_not_overwritten_by_default(tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset")
    before = files_of(tmp_path)
    with pytest.raises(DatasetExistsError, match="holds a dataset already; resume it or choose another folder"):
        open_writer(tmp_path / "dataset")
    assert files_of(tmp_path) == before


def test_overwriting_starts_anew(root: Path) -> None:
    make_dataset(root)
    with open_writer(root, overwrite=True, fps=20) as writer:
        assert (writer.num_episodes, writer.num_frames) == (0, 0)
        record(writer, TAKES[1], fps=20)
    assert_holds(root, TAKES[1:2], fps=20)


def test_a_bad_schema_does_not_overwrite(root: Path) -> None:
    make_dataset(root)
    with pytest.raises(SchemaError):
        open_writer(root, overwrite=True, fps=0)
    assert_holds(root, TAKES[:1])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="cannot open /proc/dataset"):
        open_writer("/proc/dataset")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=f"cannot open {tmp_path}/file/dataset"):
        open_writer(tmp_path / "file" / "dataset")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as context:
        context.setattr(Path, "mkdir", refuse)
        with pytest.raises(StorageError, match=r"cannot open .*dataset: .*Permission denied"):
            open_writer(tmp_path / "dataset")
    make_dataset(tmp_path / "dataset")


def test_a_folder_that_stops_being_writable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with open_writer(tmp_path / "dataset") as writer:
        with monkeypatch.context() as context:
            context.setattr(Path, "mkdir", refuse)
            with pytest.raises(StorageError, match=r"cannot start episode 0: .*Permission denied"):
                add_frames(writer, TAKES[0])
        record(writer, TAKES[0])
    assert_holds(tmp_path / "dataset", TAKES[:1])


def test_after_the_end_every_verb_says_so(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "dataset")
    record(writer, TAKES[0])
    writer.finalize()
    before = files_of(tmp_path)
    calls: list[Callable[[], object]] = [
        lambda: add_frame(writer, 1, 0, done=False),
        lambda: writer.add_video_frame("cam_high", RIGHT),
        lambda: writer.finish_episode(1, 1, "task"),
        writer.discard_episode,
        writer.finalize,
        lambda: writer.finalize(pack=True),
    ]
    for call in calls:
        with pytest.raises(OrderError, match="takes no more calls: it was finalized"):
            call()
    assert (writer.num_episodes, writer.num_frames) == (1, 3)
    assert files_of(tmp_path) == before


def test_an_open_episode_keeps_finalize_from_guessing(root: Path) -> None:
    writer = open_writer(root)
    add_frames(writer, TAKES[0], 2)
    with pytest.raises(OrderError, match="episode 0 is open with 2 frames; finish or discard it first"):
        writer.finalize()
    writer.discard_episode()
    record(writer, TAKES[1])
    writer.finalize()
    assert_holds(root, TAKES[1:2])


def test_an_exception_in_the_body_discards_the_open_episode_and_finalizes(root: Path) -> None:
    writer = open_writer(root)

    def fail_in_the_third_episode() -> None:
        with writer:
            record(writer, TAKES[0], TAKES[1])
            add_frames(writer, TAKES[2], 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_third_episode()
    assert_holds(root, TAKES[:2])
    assert json.loads((root / "meta/writer.json").read_bytes())["quantile_episodes"] == 2
    with pytest.raises(OrderError, match="it was finalized"):
        writer.finalize()


def test_a_finalized_writer_leaves_its_context_in_peace(root: Path) -> None:
    with open_writer(root) as writer:
        record(writer, TAKES[0])
        writer.finalize()
    assert_holds(root, TAKES[:1])
