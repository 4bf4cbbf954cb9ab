"""Viewers of live video in one process: `python -m bench.service_viewers`, started by `bench.service`.

They are aiortc peers: ICE, DTLS, SRTP, the jitter buffer and the receiver's reports are those of a real viewer. A
viewer puts the pictures together from their packets and counts them; only the first `--decode` of them decode what they
get, as a browser would on its own machine, and look whether the pictures change. VP8, as browsers offer it first.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiortc.rtcrtpreceiver
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from bench.service_process import Orders
from bridge.video.loopback import gather_candidates

CONNECT_TIMEOUT_S: Final = 20.0
CHANGED: Final = 0.01  # mean difference of brightness, of 255, between two pictures that are not the same

_decode = aiortc.rtcrtpreceiver.decoder_worker


@dataclass
class Pictures:
    """What came to one viewer. kilobits: of encoded pictures. longest_gap_s: between two of them."""

    count: int = 0
    keyframes: int = 0
    kilobits: float = 0.0
    longest_gap_s: float = 0.0
    last_at: float | None = None
    decoded: int = 0
    changed: int = 0

    def add(self, data: bytes) -> None:
        now = time.monotonic()
        if self.last_at is not None:
            self.longest_gap_s = max(self.longest_gap_s, now - self.last_at)
        self.last_at = now
        self.count += 1
        self.kilobits += 8 * len(data) / 1000
        self.keyframes += not data[0] & 1  # VP8's frame tag


class Taps:
    """Stands between aiortc's jitter buffers and its decoders, which it starts in the order of the connections."""

    def __init__(self, decoding: int) -> None:
        self._decoding = decoding
        self.pictures: list[Pictures] = []

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        input_q: queue.Queue[Any],
        output_q: asyncio.Queue[Any],
        decode_error: threading.Event,
    ) -> None:
        """aiortc's `decoder_worker`, in a thread of its own."""
        pictures, number = Pictures(), len(self.pictures)
        self.pictures.append(pictures)
        if number < self._decoding:
            passed_on: queue.Queue[Any] = queue.Queue()
            decoder = threading.Thread(target=_decode, args=(loop, passed_on, output_q, decode_error))
            decoder.start()
            while (task := input_q.get()) is not None:
                pictures.add(task[1].data)
                passed_on.put(task)
            passed_on.put(None)
            decoder.join()
        else:
            while (task := input_q.get()) is not None:
                pictures.add(task[1].data)
            asyncio.run_coroutine_threadsafe(output_q.put(None), loop)  # tells the track that it has ended


class Viewer:
    """One session."""

    def __init__(self, host: str, port: int, camera: str) -> None:
        self._host, self._port, self._camera = host, port, camera
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._location: str | None = None

    async def connect(self) -> Any:
        """The track that comes."""
        transceiver = self._connection.addTransceiver("video", direction="recvonly")
        capabilities = RTCRtpReceiver.getCapabilities("video")
        assert capabilities is not None
        wanted = [codec for codec in capabilities.codecs if codec.mimeType in ("video/VP8", "video/rtx")]
        transceiver.setCodecPreferences(wanted)
        await gather_candidates(transceiver.receiver.transport.transport.iceGatherer)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        offer = self._connection.localDescription.sdp
        answer = await asyncio.to_thread(self._ask, "POST", f"/cameras/{self._camera}/whep", offer)
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return transceiver.receiver.track

    async def close(self) -> None:
        if self._location is not None:
            await asyncio.to_thread(self._ask, "DELETE", self._location, None)
        await self._connection.close()

    def _ask(self, method: str, path: str, offer: str | None) -> str:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.request(method, path, offer, {"Content-Type": "application/sdp"} if offer else {})
            reply = connection.getresponse()
            body = reply.read().decode("utf-8")
            if reply.status >= 300:
                raise ConnectionError(f"{method} {path}: {reply.status} {body}")
            self._location = reply.getheader("Location", self._location)
            return body
        finally:
            connection.close()


async def look_at(track: Any, pictures: Pictures) -> None:
    """Until the track ends."""
    before: np.ndarray[Any, Any] | None = None
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        assert isinstance(frame, VideoFrame)
        brightness = frame.to_ndarray()[: frame.height].astype(np.int16)
        pictures.decoded += 1
        if before is not None and before.shape == brightness.shape:
            pictures.changed += bool(np.abs(brightness - before).mean() > CHANGED)
        before = brightness


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    taps, orders = Taps(arguments.decode), Orders()
    aiortc.rtcrtpreceiver.decoder_worker = taps
    viewers = [Viewer(arguments.host, arguments.port, camera) for camera in arguments.cameras]
    watching: set[asyncio.Task[None]] = set()
    try:
        for number, viewer in enumerate(viewers):
            track = await viewer.connect()
            deadline = time.monotonic() + CONNECT_TIMEOUT_S
            while len(taps.pictures) <= number or not taps.pictures[number].count:
                if time.monotonic() > deadline:
                    raise ConnectionError(
                        f"no picture of {arguments.cameras[number]} came within {CONNECT_TIMEOUT_S:g} s"
                    )
                await asyncio.sleep(0.05)
            if number < arguments.decode:
                watching.add(asyncio.create_task(look_at(track, taps.pictures[number])))
        await orders.open()
        began_s, cpu_s = time.monotonic(), time.process_time()
        while await orders.wait():
            began_s, cpu_s = time.monotonic(), time.process_time()
            for pictures in taps.pictures:
                vars(pictures).update(vars(Pictures(last_at=pictures.last_at)))
        wall_s = time.monotonic() - began_s
        share = (time.process_time() - cpu_s) / wall_s
        figures = [_figures(pictures, wall_s) for pictures in taps.pictures]
    finally:
        await asyncio.gather(*(viewer.close() for viewer in viewers), return_exceptions=True)
        await asyncio.gather(*watching)
    return {"viewers": figures, "cpu_share": share}


def _figures(pictures: Pictures, wall_s: float) -> dict[str, float]:
    return {
        "frames_per_s": pictures.count / wall_s,
        "kbit_per_s": pictures.kilobits / wall_s,
        "keyframes": pictures.keyframes,
        "longest_gap_s": pictures.longest_gap_s,
        "decoded_per_s": pictures.decoded / wall_s,
        "changed_per_s": pictures.changed / wall_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cameras", nargs="+", required=True, help="one per viewer")
    parser.add_argument("--decode", type=int, default=0, metavar="N", help="so many viewers decode what they get")
    parser.add_argument("--result", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.result.write_text(json.dumps(asyncio.run(run(arguments))), encoding="utf-8")


if __name__ == "__main__":
    main()
