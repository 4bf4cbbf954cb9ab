"""Ctrl-C at the worst instants: no hang, no half episode, no frame twice."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from failing_encoder import PATIENCE_S, Gate
from writing import CAMERAS, Take, add_frame, add_frames, assert_holds, finish, open_writer, picture, record

from lerobot_writer import EncodingError, OrderError, WriterError
from lerobot_writer import video as video_module
from lerobot_writer.episode import OpenEpisode

pytestmark = pytest.mark.timeout(60)

BUFFERS = video_module._BUFFERS


def test_an_interrupt_while_the_caller_waits_for_a_buffer(
    root: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Ctrl-C reaches a blocked caller; the frame that was not delivered does not count."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    gate = Gate(monkeypatch)
    take = Take(5, 2 * BUFFERS)
    sent = 0

    noticed = threading.Event()

    def interrupt() -> None:
        assert gate.reached.wait(PATIENCE_S)
        # Python may miss a signal that arrives just before it begins to wait: a person presses the keys again.
        for _ in range(PATIENCE_S // 2):
            signal.pthread_kill(caller, signal.SIGINT)
            if noticed.wait(1.0):
                return

    caller = threading.get_ident()
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
            noticed.set()
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
