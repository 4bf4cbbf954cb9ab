"""One browser that watches one camera."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, get_args

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import OperationError
from aiortc.sdp import SessionDescription
from aiortc.stats import RTCOutboundRtpStreamStats, RTCTransportStats

from bridge.live import UnsupportedOfferError
from bridge.video.camera_stream import CameraStream
from bridge.video.camera_track import CameraTrack
from bridge.video.encoder import Codec
from bridge.video.loopback import gather_candidates

CONNECT_TIMEOUT_S: Final = 15.0
SILENCE_TIMEOUT_S: Final = 10.0  # receivers report about once a second on what they get
CHECK_PERIOD_S: Final = 1.0

_log = logging.getLogger(__name__)


class Viewer:
    """A peer connection, for the event loop's thread alone. Call `answer`, then `wait_until_over`, and in any case
    `close`.

    It lasts until `over` is set. It sets that itself when the browser leaves, does not connect in time, or falls silent
    although pictures are sent to it: a page that is closed says nothing, and ICE takes half a minute to notice.
    """

    def __init__(self, stream_of: Callable[[Codec], CameraStream], over: asyncio.Event) -> None:
        self._stream_of = stream_of
        self._stream: CameraStream | None = None
        self._track = CameraTrack()
        self._over = over
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._connection = RTCPeerConnection(configuration)
        self._connection.on("connectionstatechange", self._follow_connection)
        self._track.on("ended", self._over.set)  # also when the encoder or the sender failed

    async def answer(self, offer_sdp: str) -> str:
        """offer_sdp: as `clean_offer` writes it. The answer holds all candidates. Raises UnsupportedOfferError."""
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
        except OperationError:
            raise UnsupportedOfferError("none of the offer's profiles of VP8 or H.264 can be sent") from None
        sender = self._connection.addTrack(self._track)
        await gather_candidates(sender.transport.transport.iceGatherer)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        answer_sdp: str = self._connection.localDescription.sdp
        self._stream = self._stream_of(_sent_codec(answer_sdp))
        # aiortc has no event for a viewer that asks for a key frame; it would tell an encoder of its own.
        sender._send_keyframe = self._stream.request_keyframe  # type: ignore[method-assign]  # that is the purpose
        return answer_sdp

    async def wait_until_over(self) -> None:
        loop = asyncio.get_running_loop()
        opened_at = heard_at = loop.time()
        heard = _Traffic()  # at that time
        while not self._over.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._over.wait(), CHECK_PERIOD_S)
            traffic, now = await self._traffic(), loop.time()
            if traffic.received > heard.received or traffic.sent == heard.sent:
                heard, heard_at = traffic, now
            if not self._connected and now - opened_at > CONNECT_TIMEOUT_S:
                _log.info("a viewer did not connect within %g s", CONNECT_TIMEOUT_S)
                self._over.set()
            elif now - heard_at > SILENCE_TIMEOUT_S:
                _log.info("a viewer was silent for %g s", SILENCE_TIMEOUT_S)
                self._over.set()

    async def close(self) -> None:
        """Free the transports."""
        if self._stream is not None:
            self._stream.discard(self._track)
        await self._connection.close()

    def _follow_connection(self) -> None:
        if self._connected and self._stream is not None:
            self._stream.add(self._track)
        elif self._connection.connectionState in ("failed", "closed"):
            self._over.set()

    @property
    def _connected(self) -> bool:
        return bool(self._connection.connectionState == "connected")

    async def _traffic(self) -> _Traffic:
        sent = received = 0
        for statistics in (await self._connection.getStats()).values():
            if isinstance(statistics, RTCOutboundRtpStreamStats):
                sent += statistics.packetsSent
            elif isinstance(statistics, RTCTransportStats):
                received = statistics.packetsReceived
        return _Traffic(sent, received)


@dataclass(frozen=True)
class _Traffic:
    """Packets of video sent, and packets of any kind but ICE's received."""

    sent: int = 0
    received: int = 0


def _sent_codec(answer_sdp: str) -> Codec:
    """The first one that was agreed on: that is what aiortc sends."""
    for media in SessionDescription.parse(answer_sdp).media:
        for codec in media.rtp.codecs:
            for known in get_args(Codec):
                if media.kind == "video" and codec.name.upper() == known:
                    sent: Codec = known
                    return sent
    raise UnsupportedOfferError("no video codec was agreed on")
