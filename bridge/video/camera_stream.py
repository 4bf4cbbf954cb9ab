"""One camera in one codec, encoded once for everybody who watches it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import Final

from av import Packet, VideoStream

from bridge.video.camera_track import CameraTrack
from bridge.video.encoder import CLOCK_RATE, Codec, VideoEncoder
from bridge.video.pictures import LivePictures
from sim_service.ports import Frame, FrameSource

REPEAT_PERIOD_S: Final = 0.5  # a picture that stays is sent again: browsers take silence for a broken line
KEYFRAME_MIN_GAP_S: Final = 0.5  # whatever viewers ask for

_log = logging.getLogger(__name__)


class CameraStream:
    """Encodes the latest picture at most `max_fps` times per second for as long as it has tracks.

    Encoding happens on `pool`, which must have one thread: `pictures` belongs to it. Everything else is for the event
    loop's thread alone. When the encoder fails, all tracks are stopped.
    """

    def __init__(
        self, camera: str, codec: Codec, frames: FrameSource, pictures: LivePictures, pool: Executor, max_fps: int
    ) -> None:
        self._camera, self._codec, self._max_fps = camera, codec, max_fps
        self._frames, self._pictures, self._pool = frames, pictures, pool
        self._tracks: set[CameraTrack] = set()
        self._task: asyncio.Task[None] | None = None
        self._keyframe_wanted = False

    def add(self, track: CameraTrack) -> None:
        """The track gets a key frame first."""
        self._tracks.add(track)
        self._keyframe_wanted = True
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._log_failure)

    def discard(self, track: CameraTrack) -> None:
        """Does nothing where the track was not added."""
        self._tracks.discard(track)
        if not self._tracks and self._task is not None:
            self._task.cancel()
            self._task = None

    def request_keyframe(self) -> None:
        """A viewer cannot decode what it has."""
        self._keyframe_wanted = True

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        encoding = _Encoding(self._codec, self._pictures, self._max_fps)
        period_s = 1 / self._max_fps
        sent_number, sent_at, keyframe_at, pts = -1, -REPEAT_PERIOD_S, -KEYFRAME_MIN_GAP_S, -1
        start = due = loop.time()
        try:
            while True:
                now = loop.time() - start
                frame = self._frames.latest(self._camera)
                keyframe = self._keyframe_wanted and now - keyframe_at >= KEYFRAME_MIN_GAP_S
                stale = now - sent_at >= REPEAT_PERIOD_S
                if frame is not None and (frame.number != sent_number or keyframe or stale):
                    sent_number, sent_at = frame.number, now
                    if keyframe:
                        self._keyframe_wanted, keyframe_at = False, now
                    pts = max(pts + 1, int(now * CLOCK_RATE))
                    packet = await loop.run_in_executor(self._pool, encoding.encode, frame, pts, keyframe)
                    if packet is not None:
                        self._send(packet)
                due = max(due + period_s, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            for track in tuple(self._tracks):
                track.stop()

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("live video of camera %s in %s failed", self._camera, self._codec, exc_info=task.exception())

    def _send(self, packet: Packet[VideoStream]) -> None:
        for track in self._tracks:
            if not track.put(packet):
                self._keyframe_wanted = True


class _Encoding:
    """The part that happens on the pool's thread."""

    def __init__(self, codec: Codec, pictures: LivePictures, max_fps: int) -> None:
        self._codec, self._pictures, self._max_fps = codec, pictures, max_fps
        self._encoder: VideoEncoder | None = None

    def encode(self, frame: Frame, pts: int, keyframe: bool) -> Packet[VideoStream] | None:
        picture = self._pictures.get(frame)
        size = picture.width, picture.height
        if self._encoder is None or self._encoder.size != size:
            self._encoder = VideoEncoder(self._codec, *size, self._max_fps)
        return self._encoder.encode(picture, pts, keyframe)
