"""Encoder threads: they block the caller rather than lose a frame, report their errors, and end with their writer."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from writing import CAMERAS, Take, add_frame, add_frames, assert_holds, files_of, finish, open_writer, picture, record

from lerobot_writer import CommitError, EncodingError, OrderError, SimLeRobotWriter, WriterError
from lerobot_writer import video as video_module
from lerobot_writer.episode import OpenEpisode

pytestmark = pytest.mark.timeout(60)

BUFFERS = video_module._BUFFERS
PATIENCE_S = 30


class Gate:
    """Stands before `_Mp4.encode` or another method of it: the encoder waits there until the gate is opened."""

    def __init__(self, patch: pytest.MonkeyPatch, method: str = "encode") -> None:
        self.reached, self._opened = threading.Event(), threading.Event()
        self.buffers: set[int] = set()
        real = getattr(video_module._Mp4, method)

        def gated(mp4: Any, *arguments: NDArray[np.uint8]) -> None:
            self.buffers.update(argument.ctypes.data for argument in arguments)
            self.reached.set()
            assert self._opened.wait(PATIENCE_S)
            real(mp4, *arguments)

        patch.setattr(video_module._Mp4, method, gated)

    def open(self) -> None:
        self._opened.set()


def fail_at_frame(patch: pytest.MonkeyPatch, number: int, camera: str = "cam_wrist") -> None:
    """Encoding that frame (from 0) of that camera fails, in the first episode only."""
    real = video_module._Mp4.encode

    def encode(mp4: Any, rgb: NDArray[np.uint8]) -> None:
        if camera in str(mp4.path) and mp4.path.stem == "file-000" and mp4._frames == number:
            raise OSError(28, "No space left on device")
        real(mp4, rgb)

    patch.setattr(video_module._Mp4, "encode", encode)


def encoder_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("encode ")]


@pytest.fixture(autouse=True)
def all_threads_end() -> Iterator[None]:
    gc.collect()
    before = set(encoder_threads())
    yield
    gc.collect()
    for thread in set(encoder_threads()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


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


def test_an_interrupt_while_the_caller_waits_for_a_buffer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C reaches a blocked caller; the frame that was not delivered does not count."""
    gate = Gate(monkeypatch)
    take = Take(5, 2 * BUFFERS)
    sent = 0

    def interrupt() -> None:
        assert gate.reached.wait(PATIENCE_S)
        os.kill(os.getpid(), signal.SIGINT)

    with open_writer(root, cameras=["cam_high"]) as writer:
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            for frame in range(take.length):
                sent = frame
                add_frame(writer, take.content, frame, done=frame == take.length - 1)
                writer.add_video_frame("cam_high", picture(0, take.content, frame))
            pytest.fail("nothing interrupted the caller")
        except KeyboardInterrupt:
            pass
        interrupter.join(PATIENCE_S)
        gate.open()
        with pytest.raises(WriterError):
            writer.finish_episode(0, take.length, take.task)
        assert sent <= BUFFERS
        writer.discard_episode()
        record(writer, Take(6), cameras=["cam_high"])
    assert_holds(root, [Take(6)], cameras=["cam_high"])


def test_an_interrupt_between_delivery_and_count_is_found_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller repeats the call, so that a picture is in the file twice: that episode must not be committed."""
    take = Take(7)
    real = OpenEpisode.count_picture
    interrupts = iter([KeyboardInterrupt])

    def count(episode: OpenEpisode, camera: str) -> None:
        for interrupt in interrupts:
            raise interrupt
        real(episode, camera)

    monkeypatch.setattr(OpenEpisode, "count_picture", count)
    with open_writer(root) as writer:
        add_frame(writer, take.content, 0, done=False)
        with pytest.raises(KeyboardInterrupt):
            writer.add_video_frame("cam_high", picture(0, take.content, 0))
        for number, camera in enumerate(CAMERAS):
            writer.add_video_frame(camera, picture(number, take.content, 0))
        for frame in range(1, take.length):
            add_frame(writer, take.content, frame, done=frame == take.length - 1)
            for number, camera in enumerate(CAMERAS):
                writer.add_video_frame(camera, picture(number, take.content, frame))
        with pytest.raises(EncodingError, match=r"images.cam_high, episode 0: 5 of 4 pictures were encoded"):
            finish(writer, take)
        writer.discard_episode()
        record(writer, take)
    assert_holds(root, [take])


def test_an_interrupt_while_finish_waits_for_the_encoder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The episode is not committed; repeating finish_episode neither hangs nor commits half of it."""
    gate = Gate(monkeypatch, "finish")
    real = Future.result

    def interrupted(future: Future[Any], timeout: float | None = None) -> Any:
        assert gate.reached.wait(PATIENCE_S)
        raise KeyboardInterrupt

    with open_writer(root) as writer:
        add_frames(writer, Take(8))
        with monkeypatch.context() as patch:
            patch.setattr(Future, "result", interrupted)
            with pytest.raises(KeyboardInterrupt):
                finish(writer, Take(8))
        assert Future.result is real
        gate.open()
        with pytest.raises(OrderError, match="takes no more calls, discard it: finishing episode 0 failed"):
            finish(writer, Take(8))
        with pytest.raises(OrderError, match="discard it"):
            writer.add_video_frame("cam_high", picture(0, 8, 0))
        assert not (root / "meta/info.json").exists()
        writer.discard_episode()
        record(writer, Take(9))
    assert_holds(root, [Take(9)])


@pytest.mark.parametrize("rename", range(10))
def test_an_interrupt_during_the_renames_ends_the_writer(
    root: Path, monkeypatch: pytest.MonkeyPatch, rename: int
) -> None:
    """Both the context and reopening cope: the episode is there whole or not at all."""
    real, count = Path.replace, 0

    def replace(path: Path, target: Path) -> Path:
        nonlocal count
        if count == rename:
            raise KeyboardInterrupt
        count += 1
        return real(path, target)

    def session() -> None:
        with open_writer(root) as writer:
            add_frames(writer, Take(1))
            monkeypatch.setattr(Path, "replace", replace)
            finish(writer, Take(1))

    with pytest.raises(KeyboardInterrupt):
        session()
    monkeypatch.setattr(Path, "replace", real)
    with open_writer(root, resume=True) as writer:
        assert writer.num_episodes == 0
        record(writer, Take(2))
    assert_holds(root, [Take(2)])


def test_an_interrupt_after_the_renames_does_not_count_the_episode_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was committed, but the caller was not told: the writer must not go on as if it were still open."""
    from lerobot_writer import writer as writer_module

    real = writer_module.publish

    def publish(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    with open_writer(root) as writer:
        add_frames(writer, Take(1))
        with monkeypatch.context() as patch:
            patch.setattr(writer_module, "publish", publish)
            with pytest.raises(KeyboardInterrupt):
                finish(writer, Take(1))
        with pytest.raises(OrderError, match=r"committing episode 0 was cut short .*; reopen the dataset"):
            writer.discard_episode()
    with open_writer(root, resume=True) as writer:
        assert writer.num_episodes == 1
        record(writer, Take(2))
    assert_holds(root, [Take(1), Take(2)])


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
