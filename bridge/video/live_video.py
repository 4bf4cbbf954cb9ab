"""Live video: WebRTC sessions on an event loop of their own, and JPEG pictures."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Final

from bridge.config import LiveConfig
from bridge.live import LiveError, TooManyViewersError, WhepSession
from bridge.priority import step_back
from bridge.video.camera_stream import CameraStream
from bridge.video.encoder import Codec
from bridge.video.jpeg import JpegEncoder
from bridge.video.offer import clean_offer
from bridge.video.pictures import LivePictures
from bridge.video.viewer import Viewer
from sim_service.ports import Frame, FrameSource

ANSWER_TIMEOUT_S: Final = 5.0
END_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class LiveVideo:
    """`bridge.live.Live` by way of aiortc.

    One thread runs the event loop of all sessions, another one encodes: live video takes at most one core from the
    simulator, and pictures come less often when that is not enough. Viewers of the same camera and codec share an
    encoder. Somebody watches the frame source for as long as there is a session, from the offer on. Call `start` first
    and `close` at the end, once each; `jpeg` works at any time.
    """

    def __init__(self, frames: FrameSource, config: LiveConfig) -> None:
        self._frames, self._config = frames, config
        self._jpegs = JpegEncoder(config.max_size_px)
        self._pictures = LivePictures(config.max_size_px)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # guards the next two
        self._loop: asyncio.AbstractEventLoop | None = None  # None while it takes no work
        self._viewers = 0
        # For the event loop's thread alone:
        self._stopping = asyncio.Event()
        self._sessions: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}  # the event ends it
        self._streams: dict[tuple[str, Codec], CameraStream] = {}

    def start(self) -> None:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(started)), name="live-video", daemon=True)
        self._thread.start()
        started.result()

    def close(self) -> None:
        """End every session and wait until its sockets are closed."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    @property
    def viewers(self) -> int:
        return self._viewers

    def answer(self, camera: str, offer_sdp: str) -> WhepSession:
        self._frames.latest(camera)  # KeyError where there is no such camera
        offer = clean_offer(offer_sdp)
        session_id, answer = secrets.token_urlsafe(16), Future[str]()
        with self._lock:
            if self._loop is None:
                raise LiveError("live video is not running")
            if self._viewers >= self._config.max_viewers:
                raise TooManyViewersError(
                    f"{self._viewers} viewers watch already; at most {self._config.max_viewers} may"
                )
            self._viewers += 1
            self._loop.call_soon_threadsafe(self._open, session_id, camera, offer, answer)
        try:
            return WhepSession(session_id, answer.result(ANSWER_TIMEOUT_S))
        except FutureTimeoutError:
            answer.cancel()
            raise LiveError(f"live video did not answer within {ANSWER_TIMEOUT_S:g} s") from None
        except CancelledError:
            raise LiveError("live video is shutting down") from None

    def end(self, session_id: str) -> bool:
        with self._lock:
            if self._loop is None:
                return False
            ending = asyncio.run_coroutine_threadsafe(self._end(session_id), self._loop)
        try:
            return ending.result(END_TIMEOUT_S)
        except (FutureTimeoutError, CancelledError):
            return True  # it is ending, or everything is

    def jpeg(self, frame: Frame) -> bytes:
        return self._jpegs.encode(frame)

    # What follows happens on the event loop's thread.

    async def _main(self, started: Future[None]) -> None:
        step_back()
        with ThreadPoolExecutor(1, thread_name_prefix="live-encoder") as self._pool:
            with self._lock:
                self._loop = asyncio.get_running_loop()
            started.set_result(None)
            await self._stopping.wait()
            for over, _ in self._sessions.values():
                over.set()
            if self._sessions:
                await asyncio.wait([task for _, task in self._sessions.values()], timeout=END_TIMEOUT_S)

    def _open(self, session_id: str, camera: str, offer: str, answer: Future[str]) -> None:
        over = asyncio.Event()
        task = asyncio.create_task(self._serve(camera, offer, answer, over))
        self._sessions[session_id] = over, task
        task.add_done_callback(lambda task: self._settle(session_id, task, answer))

    async def _serve(self, camera: str, offer: str, answer: Future[str], over: asyncio.Event) -> None:
        with self._frames.watch(), self._taken_place():
            viewer = Viewer(lambda codec: self._stream(camera, codec), over)
            try:
                answer_sdp = await viewer.answer(offer)
                if answer.set_running_or_notify_cancel():
                    answer.set_result(answer_sdp)
                    await viewer.wait_until_over()
            finally:
                await viewer.close()

    @contextmanager
    def _taken_place(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                self._viewers -= 1

    def _settle(self, session_id: str, task: asyncio.Task[None], answer: Future[str]) -> None:
        """The session is over. What went wrong goes to the thread that waits for the answer."""
        del self._sessions[session_id]
        error = None if task.cancelled() else task.exception()
        if error is None:
            answer.cancel()  # does nothing to one that was given
        elif answer.done():
            _log.error("a session of live video failed", exc_info=error)
        else:
            answer.set_exception(error)

    async def _end(self, session_id: str) -> bool:
        if session_id not in self._sessions:
            return False
        over, task = self._sessions[session_id]
        over.set()
        await asyncio.wait([task])
        return True

    def _stream(self, camera: str, codec: Codec) -> CameraStream:
        if (camera, codec) not in self._streams:
            self._streams[camera, codec] = CameraStream(
                camera, codec, self._frames, self._pictures, self._pool, self._config.max_fps
            )
        return self._streams[camera, codec]
