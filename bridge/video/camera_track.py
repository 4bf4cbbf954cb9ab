"""What one viewer gets of a camera's stream."""

from __future__ import annotations

import asyncio
from typing import Final

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet, VideoStream

MAX_WAITING: Final = 8  # packets, of one picture each


class CameraTrack(MediaStreamTrack):
    """Hands encoded pictures to aiortc, which only packs and sends them. For the event loop's thread alone.

    The pictures after a lost one are of no use up to the next key frame, so nothing is passed on before the first key
    frame, nor after a backlog had to be dropped.
    """

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[Packet[VideoStream] | None] = asyncio.Queue()
        self._synchronized = False

    def put(self, packet: Packet[VideoStream]) -> bool:
        """False where the track has to wait for a key frame."""
        if self._packets.qsize() >= MAX_WAITING:
            self._drop_waiting()
            self._synchronized = False
        self._synchronized |= packet.is_keyframe
        if self._synchronized:
            self._packets.put_nowait(packet)
        return self._synchronized

    async def recv(self) -> Packet[VideoStream]:
        if self.readyState != "live":
            raise MediaStreamError
        packet = await self._packets.get()
        if packet is None:
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        super().stop()
        self._drop_waiting()
        self._packets.put_nowait(None)  # wakes `recv`

    def _drop_waiting(self) -> None:
        while not self._packets.empty():
            self._packets.get_nowait()
