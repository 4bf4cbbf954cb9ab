"""How one encoder serves many tracks: who gets which packets, and when there are key frames."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import av
import pytest
from aiortc.mediastreams import MediaStreamError
from live_pictures import DEADLINE_S, PictureSource, plain

from bridge.video import camera_stream as module
from bridge.video.camera_stream import CameraStream
from bridge.video.camera_track import MAX_WAITING, CameraTrack
from bridge.video.encoder import Codec
from bridge.video.pictures import LivePictures

Streams = Callable[[Codec], CameraStream]


def run(scenario: Callable[[PictureSource, Streams], Awaitable[None]]) -> None:
    async def main() -> None:
        source, pictures = PictureSource(), LivePictures(512)
        source.publish(plain((10, 20, 30)))
        with ThreadPoolExecutor(1) as pool:
            await scenario(source, lambda codec: CameraStream("cam_high", codec, source, pictures, pool, 50))

    asyncio.run(main())


async def packets(track: CameraTrack, count: int) -> list[av.Packet]:
    return [await asyncio.wait_for(track.recv(), DEADLINE_S) for _ in range(count)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPEAT_PERIOD_S", 0.02)
    monkeypatch.setattr(module, "KEYFRAME_MIN_GAP_S", 0.0)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_every_track_begins_with_a_key_frame_and_gets_all_that_follows(codec: Codec) -> None:
    async def scenario(source: PictureSource, streams: Streams) -> None:
        stream, tracks = streams(codec), [CameraTrack() for _ in range(3)]
        for track in tracks:
            stream.add(track)
            (first,) = await packets(track, 1)
            assert first.is_keyframe
        first_track, *others = await asyncio.gather(*(packets(track, 20) for track in tracks))
        for got in others:
            shared = [packet for packet in first_track if packet.pts >= got[0].pts]
            assert len(shared) > 5
            assert shared == got[: len(shared)]
        for track in tracks:
            stream.discard(track)

    run(scenario)


def test_key_frames_keep_their_distance_however_many_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYFRAME_MIN_GAP_S", 0.3)

    async def scenario(source: PictureSource, streams: Streams) -> None:
        stream, track = streams("VP8"), CameraTrack()
        stream.add(track)
        times = []
        while len(times) < 4:
            stream.request_keyframe()
            (packet,) = await packets(track, 1)
            if packet.is_keyframe:
                times.append(float(packet.pts * packet.time_base))
        assert all(after - before > 0.29 for before, after in pairwise(times))
        stream.discard(track)

    run(scenario)


def test_two_codecs_share_the_conversion_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []
    convert = LivePictures._convert
    monkeypatch.setattr(
        LivePictures, "_convert", lambda self, frame: (converted.append(frame.number), convert(self, frame))[1]
    )

    async def scenario(source: PictureSource, streams: Streams) -> None:
        both = [(streams("VP8"), CameraTrack()), (streams("H264"), CameraTrack())]
        for stream, track in both:
            stream.add(track)
        for _, track in both:
            await packets(track, 5)
        source.publish(plain((90, 20, 30)))
        for _, track in both:
            await packets(track, 5)
        for stream, track in both:
            stream.discard(track)

    run(scenario)
    assert converted == [1, 2]


def test_nothing_is_encoded_for_nobody() -> None:
    async def scenario(source: PictureSource, streams: Streams) -> None:
        stream, track = streams("VP8"), CameraTrack()
        stream.discard(track)
        stream.add(track)
        await packets(track, 2)
        stream.discard(track)
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await asyncio.sleep(0)
        stream.add(track)
        assert (await packets(track, 3))[-1].pts > 0
        stream.discard(track)

    run(scenario)


def packet(keyframe: bool) -> av.Packet:
    made = av.Packet(b"x")
    made.is_keyframe = keyframe
    return made


def test_a_track_passes_nothing_on_before_a_key_frame() -> None:
    async def scenario() -> None:
        track, key = CameraTrack(), packet(True)
        assert not track.put(packet(False))
        assert track.put(key)
        assert track.put(packet(False))
        assert await track.recv() is key

    asyncio.run(scenario())


def test_a_track_that_is_not_read_drops_its_backlog_and_starts_again_with_a_key_frame() -> None:
    async def scenario() -> None:
        track, key = CameraTrack(), packet(True)
        assert track.put(packet(True))
        assert [track.put(packet(False)) for _ in range(MAX_WAITING)] == [True] * (MAX_WAITING - 1) + [False]
        assert not track.put(packet(False))
        assert track.put(key)
        assert await track.recv() is key

    asyncio.run(scenario())


def test_stopping_a_track_wakes_who_waits_for_it() -> None:
    async def scenario() -> None:
        track = CameraTrack()
        waiting = asyncio.create_task(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await waiting
        with pytest.raises(MediaStreamError):
            await track.recv()

    asyncio.run(scenario())
