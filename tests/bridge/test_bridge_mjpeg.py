"""Motion JPEG, without a server around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from bridge_fakes import FakeFrames

from bridge.mjpeg import CONTENT_TYPE, mjpeg_stream
from sim_service.ports import Frame

PIXELS = np.zeros((2, 2, 3), np.uint8)


def numbered(frame: Frame) -> bytes:
    return f"picture {frame.number}\r\n--not the boundary".encode()


def stream(
    frames: FakeFrames,
    *,
    closing: threading.Event | None = None,
    gone: threading.Event | None = None,
    max_fps: float = 1000.0,
    resend_s: float = 60.0,
) -> Iterator[bytes]:
    closing, gone = closing or threading.Event(), gone or threading.Event()
    return mjpeg_stream(frames, "cam_high", numbered, closing, gone.is_set, max_fps, resend_s)


def part(number: int) -> bytes:
    picture = f"picture {number}\r\n--not the boundary".encode()
    return b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n--picture\r\n" % (len(picture), picture)


def test_a_picture_comes_with_the_boundary_that_ends_it() -> None:
    frames = FakeFrames()
    frames.publish({"cam_high": PIXELS})
    chunks = stream(frames)
    assert CONTENT_TYPE.endswith("boundary=picture")
    assert next(chunks) == b"--picture\r\n"
    assert next(chunks) == part(1)
    frames.publish({"cam_high": PIXELS})
    assert next(chunks) == part(2)


def test_pictures_that_came_too_fast_are_skipped() -> None:
    frames = FakeFrames()
    frames.publish({"cam_high": PIXELS})
    chunks = stream(frames)
    next(chunks)
    next(chunks)
    for _ in range(5):
        frames.publish({"cam_high": PIXELS})
    assert next(chunks) == part(6)


def test_pictures_come_no_faster_than_the_limit() -> None:
    frames = FakeFrames()
    frames.publish({"cam_high": PIXELS})
    chunks = stream(frames, max_fps=50.0)
    next(chunks)
    next(chunks)
    began = time.monotonic()
    for _ in range(5):
        frames.publish({"cam_high": PIXELS})
        next(chunks)
    assert time.monotonic() - began >= 5 / 50


def test_the_last_picture_comes_again_where_nothing_new_does() -> None:
    frames = FakeFrames()
    frames.publish({"cam_high": PIXELS})
    chunks = stream(frames, resend_s=0.05)
    next(chunks)
    assert [next(chunks) for _ in range(3)] == [part(1)] * 3


def test_somebody_watches_for_as_long_as_it_is_streamed() -> None:
    frames = FakeFrames()
    frames.publish({"cam_high": PIXELS})
    chunks = stream(frames)
    next(chunks)
    assert frames.viewers == 0
    next(chunks)
    assert frames.viewers == 1
    chunks.close()  # type: ignore[attr-defined]  # it is a generator, as WSGI servers close it
    assert frames.viewers == 0


def test_a_source_that_ended_is_not_asked_without_pause() -> None:
    class Ended(FakeFrames):
        asked = 0

        def wait(self, camera: str, after: int, timeout_s: float) -> Frame | None:
            self.asked += 1
            return super().wait(camera, after, timeout_s)

    frames, closing = Ended(), threading.Event()
    frames.close()
    timer = threading.Timer(0.2, closing.set)
    timer.start()
    assert list(stream(frames, closing=closing, max_fps=50.0)) == [b"--picture\r\n"]
    timer.join()
    assert 1 <= frames.asked <= 20


@pytest.mark.parametrize("source_ends_first", [False, True])
@pytest.mark.parametrize("who", ["closing", "gone"])
def test_the_stream_ends_without_a_picture_too(who: str, source_ends_first: bool) -> None:
    frames, ended = FakeFrames(), threading.Event()
    chunks = stream(frames, **{who: ended})
    next(chunks)
    if source_ends_first:
        frames.close()
    timer = threading.Timer(0.05, ended.set)
    timer.start()
    assert list(chunks) == []
    timer.join()
    assert frames.viewers == 0
