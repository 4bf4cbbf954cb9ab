"""Encoder threads: they block the caller rather than lose a frame, report their errors, and end with their writer."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from failing_encoder import PATIENCE_S, Gate, encoder_threads, fail_at_frame
from writing import Take, add_frame, add_frames, assert_holds, files_of, finish, open_writer, picture, record

from lerobot_writer import CommitError, EncodingError, OrderError, SimLeRobotWriter
from lerobot_writer import video as video_module

pytestmark = pytest.mark.timeout(60)


BUFFERS = video_module._BUFFERS


def test_a_slow_encoder_blocks_the_caller_and_no_frame_is_lost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly the stated number of frames is on its way, in as many buffers; the next one waits."""
    gate = Gate(monkeypatch)
    take = Take(1, 3 * BUFFERS)
    writer = open_writer(root, cameras=["cam_high"])
    added, all_buffers_used = 0, threading.Event()

    def add_all() -> None:
        nonlocal added
        for frame in range(take.length):
            add_frame(writer, take.content, frame, done=frame == take.length - 1)
            writer.add_video_frame("cam_high", picture(0, take.content, frame))
            added += 1
            if added == BUFFERS:
                all_buffers_used.set()

    caller = threading.Thread(target=add_all, daemon=True)
    caller.start()
    try:
        assert all_buffers_used.wait(PATIENCE_S)
        assert gate.reached.wait(PATIENCE_S)
        caller.join(0.2)
        assert caller.is_alive(), "the caller did not wait"
        assert added == BUFFERS
    finally:
        gate.open()
    caller.join(PATIENCE_S)
    assert not caller.is_alive()
    finish(writer, take)
    writer.finalize()
    assert_holds(root, [take], cameras=["cam_high"])
    assert len(gate.buffers) == BUFFERS <= 8


@pytest.mark.parametrize("frame", [0, 1, 5])
def test_an_encoder_error_surfaces_with_camera_and_episode(
    root: Path, monkeypatch: pytest.MonkeyPatch, frame: int
) -> None:
    """At the latest in finish_episode; then the episode can only be discarded, and the next one is whole."""
    take = Take(2, 40)
    fail_at_frame(monkeypatch, frame)
    with open_writer(root) as writer:
        with pytest.raises(EncodingError, match=r"camera cam_wrist, episode 0: .*No space left") as caught:
            record(writer, take)
        assert isinstance(caught.value.__cause__, OSError)
        calls: list[Callable[[], object]] = [
            lambda: add_frame(writer, take.content, 0, done=False),
            lambda: writer.add_video_frame("cam_high", picture(0, 2, 0)),
            lambda: finish(writer, take),
        ]
        for call in calls:
            with pytest.raises(EncodingError, match="camera cam_wrist, episode 0"):
                call()
        writer.discard_episode()
        assert not (root / ".unfinished").exists()
        monkeypatch.undo()
        record(writer, Take(3), Take(4))
    assert_holds(root, [Take(3), Take(4)])


def test_an_encoder_error_is_raised_by_finish_at_the_latest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last frame's error has no other call to surface in."""
    take = Take(2, 3)
    gate = Gate(monkeypatch)
    fail_at_frame(monkeypatch, take.length - 1)
    with open_writer(root) as writer:
        add_frames(writer, take)
        gate.open()
        with pytest.raises(EncodingError, match="camera cam_wrist, episode 0"):
            finish(writer, take)
        assert files_of(root / "videos") == files_of(root / "data") == {}
        writer.discard_episode()
        monkeypatch.undo()
        record(writer, Take(3))
    assert_holds(root, [Take(3)])


@pytest.mark.parametrize("step", ["open_mp4", "flush"])
def test_an_error_at_the_start_or_the_end_of_a_file(root: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object) -> None:
        raise ValueError("broken")

    with open_writer(root) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(video_module, step, fail)
            with pytest.raises(EncodingError, match=r"camera cam_\w+, episode 0: broken"):
                record(writer, Take(2, 30))
        writer.discard_episode()
        record(writer, Take(3))
    assert_holds(root, [Take(3)])


def test_an_error_while_dropping_a_file_does_not_keep_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = 0

    class FullDisk:
        """Of the container, what `abort` uses."""

        def close(self) -> None:
            nonlocal closed
            closed += 1
            raise OSError(28, "No space left on device")

    real = video_module._Mp4.abort

    def abort(mp4: Any) -> None:
        container, mp4._container = mp4._container, FullDisk()
        real(mp4)
        container.close()

    with open_writer(root) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(video_module._Mp4, "abort", abort)
            add_frames(writer, Take(2, 9), 3)
            writer.discard_episode()
        assert closed == 2
        assert not (root / ".unfinished").exists()
        record(writer, Take(3))
    assert_holds(root, [Take(3)])


def test_leaving_the_context_after_an_encoder_error_keeps_the_finished_episodes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def session() -> None:
        with open_writer(root) as writer:
            record(writer, Take(1))
            monkeypatch.setattr(video_module._Mp4, "encode", broken_encode)
            record(writer, Take(2, 30))

    def broken_encode(*_: object) -> None:
        raise ValueError("broken")

    with pytest.raises(EncodingError, match="episode 1: broken"):
        session()
    assert_holds(root, [Take(1)])


def test_threads_end_with_finalize(root: Path) -> None:
    before = len(encoder_threads())
    writer = open_writer(root)
    assert {thread.name for thread in encoder_threads()[before:]} == {"encode cam_high", "encode cam_wrist"}
    record(writer, Take(1))
    writer.finalize()
    assert len(encoder_threads()) == before


def test_threads_end_when_the_writer_cannot_be_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the second camera's thread cannot start; the folder stays usable."""
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "encode cam_wrist":
            raise RuntimeError("can't start new thread")
        real(thread)

    before = len(encoder_threads())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            open_writer(root)
    assert len(encoder_threads()) == before
    with open_writer(root, resume=True) as writer:
        record(writer, Take(1))
    assert_holds(root, [Take(1)])


@pytest.mark.parametrize("open_episode", [False, True])
def test_threads_and_lock_go_with_a_writer_that_is_dropped(root: Path, open_episode: bool) -> None:
    before = set(encoder_threads())
    writer: SimLeRobotWriter | None = open_writer(root)
    assert writer is not None
    record(writer, Take(1))
    if open_episode:
        add_frames(writer, Take(2, 9), 5)
    mine = set(encoder_threads()) - before
    assert len(mine) == 2
    writer = None
    gc.collect()
    for thread in mine:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    with open_writer(root, resume=True) as writer:
        record(writer, Take(3))
    assert_holds(root, [Take(1), Take(3)])


def test_a_failed_writer_that_is_dropped_lets_go_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error holds the frames of its callers; the encoder's must not hold the writer alive with them."""

    def session() -> None:
        writer = open_writer(root)
        fail_at_frame(monkeypatch, 1)
        record(writer, Take(2, 30))

    with pytest.raises(EncodingError):
        session()
    monkeypatch.undo()
    gc.collect()
    with open_writer(root, resume=True) as writer:
        record(writer, Take(3))
    assert_holds(root, [Take(3)])


def test_a_disk_that_fails_while_committing_does_not_hang_a_repeated_finish(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with open_writer(root) as writer:
        add_frames(writer, Take(1))
        with monkeypatch.context() as patch:
            patch.setattr("lerobot_writer.writer.write_table", refuse)
            with pytest.raises(CommitError, match=r"episode 0 could not be written: .*; discard it to go on"):
                finish(writer, Take(1))
        with pytest.raises(OrderError, match="discard it"):
            finish(writer, Take(1))
        writer.discard_episode()
        record(writer, Take(2))
    assert_holds(root, [Take(2)])


ENDS_WITHOUT_FINALIZE = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from writing import Take, add_frames, open_writer, record
writer = open_writer(Path({root!r}))
record(writer, Take(1))
add_frames(writer, Take(2, 30), 25)
{how}
"""


@pytest.mark.parametrize(("how", "code"), [("", 0), ("sys.exit(3)", 3), ("__import__('os')._exit(4)", 4)])
def test_a_process_that_ends_without_finalize_ends_quietly(root: Path, how: str, code: int) -> None:
    script = ENDS_WITHOUT_FINALIZE.format(path=sys.path, root=str(root), how=how)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, "")
    assert_holds(root, [Take(1)], left_overs=True)
    with open_writer(root, resume=True) as writer:
        record(writer, Take(3))
    assert_holds(root, [Take(1), Take(3)])
