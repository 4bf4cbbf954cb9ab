"""A source of pictures, and a browser's side of live video, for the tests of `bridge.video`."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from av import VideoFrame

from bridge.config import LiveConfig
from bridge.live import WhepSession
from bridge.video.live_video import LiveVideo
from bridge.video.loopback import gather_candidates
from sim_service.ports import Frame

CAMERAS = ("cam_high", "cam_wrist")
DEADLINE_S = 20.0


class PictureSource:
    """Satisfies `ports.FrameSource`; pictures come from `publish`. entered: how often anybody began to watch."""

    def __init__(self, cameras: Sequence[str] = CAMERAS) -> None:
        self.cameras = tuple(cameras)
        self.viewers = self.entered = 0
        self._latest: dict[str, Frame] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def publish(self, rgb: np.ndarray, camera: str = CAMERAS[0]) -> None:
        with self._changed:
            self._latest[camera] = Frame(camera, next(self._numbers), rgb, time.monotonic())
            self._changed.notify_all()

    @contextmanager
    def watch(self) -> Iterator[None]:
        with self._changed:
            self.viewers += 1
            self.entered += 1
        try:
            yield
        finally:
            with self._changed:
                self.viewers -= 1
                self._changed.notify_all()

    def latest(self, camera: str) -> Frame | None:
        if camera not in self.cameras:
            raise KeyError(camera)
        return self._latest.get(camera)

    def wait(self, camera: str, after: int, timeout_s: float) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_newer(camera, after), timeout_s)
            return self.latest(camera) if self._is_newer(camera, after) else None

    def wait_for_viewers(self, count: int, timeout_s: float = DEADLINE_S) -> bool:
        """Whether exactly so many watch within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.viewers == count, timeout_s)

    def _is_newer(self, camera: str, after: int) -> bool:
        frame = self.latest(camera)
        return frame is not None and frame.number > after


def plain(colour: Sequence[int], width: int = 64, height: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype=np.uint8)


@contextmanager
def live_video(source: PictureSource, config: LiveConfig | None = None) -> Iterator[LiveVideo]:
    live = LiveVideo(source, config or LiveConfig())
    live.start()
    try:
        yield live
    finally:
        live.close()


class Browser:
    """Watches one camera over a real peer connection. codec: VP8 or H264, the only one that it offers."""

    def __init__(self, codec: str = "VP8") -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.transceiver = self.connection.addTransceiver("video", direction="recvonly")
        known = RTCRtpReceiver.getCapabilities("video").codecs
        wanted = (f"video/{codec}", "video/rtx")
        self.transceiver.setCodecPreferences([codec for codec in known if codec.mimeType in wanted])
        self.pts: list[int] = []

    async def watch(self, live: LiveVideo, camera: str = CAMERAS[0]) -> WhepSession:
        offer = await self.connection.createOffer()
        await gather_candidates(self.transceiver.sender.transport.transport.iceGatherer)
        await self.connection.setLocalDescription(offer)
        session = await asyncio.to_thread(live.answer, camera, self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(session.answer_sdp, "answer"))
        return session

    async def picture(self) -> np.ndarray:
        """The next one, RGB, shape (height, width, 3). Raises TimeoutError."""
        frame = await asyncio.wait_for(self.transceiver.receiver.track.recv(), DEADLINE_S)
        assert isinstance(frame, VideoFrame)
        assert frame.pts is not None
        self.pts.append(frame.pts)
        return frame.to_ndarray(format="rgb24")

    async def picture_that(self, fits: Callable[[np.ndarray], bool]) -> np.ndarray:
        """The first one that fits. Raises TimeoutError when none comes in time."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            picture = await self.picture()
            if fits(picture):
                return picture
        raise TimeoutError("no picture fits")


@asynccontextmanager
async def browser(codec: str = "VP8") -> AsyncIterator[Browser]:
    it = Browser(codec)
    try:
        yield it
    finally:
        await it.connection.close()


def looks_like(colour: Sequence[int]) -> Callable[[np.ndarray], bool]:
    """Whether the middle of a picture has that colour, as near as video can tell."""

    def fits(picture: np.ndarray) -> bool:
        height, width = picture.shape[:2]
        middle = picture[height // 4 : -(height // 4), width // 4 : -(width // 4)].mean((0, 1))
        return bool(np.abs(middle - np.array(colour)).max() < 8)

    return fits
