"""Live video over real peer connections: what a browser sees, and how sessions end."""

import asyncio
import itertools
import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import aioice.ice
import aioice.mdns
import pytest
from aiortc import RTCPeerConnection
from av import VideoFrame
from live_offers import H264, TRANSPORT, audio, data_channel, mutated, offer, video
from live_pictures import DEADLINE_S, PictureSource, browser, live_video, looks_like, plain

from bridge.config import LiveConfig
from bridge.live import BadOfferError, LiveError, TooManyViewersError, UnsupportedOfferError
from bridge.video import camera_stream as camera_stream_module
from bridge.video import viewer as viewer_module
from bridge.video.encoder import VideoEncoder
from bridge.video.live_video import LiveVideo

RED, GREEN, BLUE, GREY = (200, 40, 40), (40, 180, 60), (50, 60, 210), (120, 120, 120)
CODECS = ("VP8", "H264")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's browser shows a picture only when the next one comes."""
    monkeypatch.setattr(camera_stream_module, "REPEAT_PERIOD_S", 0.1)


@pytest.mark.parametrize("codec", CODECS)
def test_a_browser_sees_the_pictures_change_in_their_colours(codec: str) -> None:
    source = PictureSource()

    async def scenario(live: LiveVideo) -> None:
        source.publish(plain(RED))
        async with browser(codec) as one:
            session = await one.watch(live)
            assert codec in session.answer_sdp
            await one.picture_that(looks_like(RED))
            for colour in (GREEN, BLUE, GREY):
                source.publish(plain(colour))
                assert (await one.picture_that(looks_like(colour))).shape == (64, 64, 3)
        assert one.pts == sorted(set(one.pts))

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_the_codec_is_the_one_that_the_offer_prefers() -> None:
    with live_video(PictureSource()) as live:
        for formats, codec in (("96 97 102", "VP8"), ("102 96 97", "H264")):
            answer = live.answer("cam_high", offer(video(formats))).answer_sdp
            first = answer.partition("SAVPF ")[2].split()[0]
            assert f"a=rtpmap:{first} {codec}/90000" in answer


def test_the_answer_sends_one_video_holds_all_candidates_and_keeps_audio_silent() -> None:
    with live_video(PictureSource()) as live:
        answer = live.answer("cam_high", offer(audio("0"), video(mid="1"))).answer_sdp
    sound, pictures = answer.split("m=audio")[1].split("m=video")
    assert "a=inactive" in sound
    assert "a=sendonly" in pictures
    assert "a=candidate" in pictures
    assert "a=end-of-candidates" in pictures


def test_every_camera_has_its_own_pictures() -> None:
    source = PictureSource()

    async def scenario(live: LiveVideo) -> None:
        async with browser() as high, browser() as wrist:
            await high.watch(live, "cam_high")
            await wrist.watch(live, "cam_wrist")
            await asyncio.gather(high.picture_that(looks_like(RED)), wrist.picture_that(looks_like(BLUE)))

    source.publish(plain(RED), "cam_high")
    source.publish(plain(BLUE), "cam_wrist")
    with live_video(source) as live:
        asyncio.run(scenario(live))


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_that_stays_is_sent_again_now_and_then(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    source = PictureSource()
    source.publish(plain(GREEN))

    async def scenario(live: LiveVideo) -> None:
        async with browser(codec) as one:
            await one.watch(live)
            for _ in range(4):
                await one.picture()
        assert all(0.4 < (after - before) / 90_000 < 2 for before, after in pairwise(one.pts))

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_a_picture_that_stays_is_seen_by_those_who_come_late() -> None:
    """Two of one codec share an encoder that began long before the second of them came."""
    source = PictureSource()
    source.publish(plain(GREEN))

    async def scenario(live: LiveVideo) -> None:
        async with browser() as first, browser() as second, browser("H264") as third:
            for viewer in (first, second, third):
                await viewer.watch(live)
                await viewer.picture_that(looks_like(GREEN))

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_a_viewer_that_comes_before_the_first_picture_sees_it_when_it_comes() -> None:
    source = PictureSource()

    async def scenario(live: LiveVideo) -> None:
        async with browser() as one:
            await one.watch(live)
            await asyncio.wait_for(connected(one.connection), DEADLINE_S)
            source.publish(plain(BLUE))
            await one.picture_that(looks_like(BLUE))

    with live_video(source) as live:
        asyncio.run(scenario(live))


async def connected(connection: RTCPeerConnection) -> None:
    while connection.connectionState != "connected":
        await asyncio.sleep(0.01)


def test_pictures_are_shrunk_to_the_configured_size_and_rate() -> None:
    source, config, ended = PictureSource(), LiveConfig(max_fps=10, max_size_px=101), threading.Event()

    def publish() -> None:
        for n in itertools.count():
            source.publish(plain((n % 256, 128, 128), width=300, height=200))
            if ended.wait(0.01):
                break

    async def scenario(live: LiveVideo) -> None:
        async with browser() as one:
            await one.watch(live)
            for _ in range(16):
                assert (await one.picture()).shape == (66, 100, 3)
        steps_s = [(after - before) / 90_000 for before, after in pairwise(one.pts)]
        assert sum(steps_s) >= 0.1 * (len(steps_s) - 1)  # the last of them may catch up
        assert sum(steps_s) < 0.1 * len(steps_s) * 3

    feeder = threading.Thread(target=publish)
    with live_video(source, config) as live:
        feeder.start()
        try:
            asyncio.run(scenario(live))
        finally:
            ended.set()
            feeder.join()


def test_a_camera_may_change_its_resolution() -> None:
    source = PictureSource()

    async def scenario(live: LiveVideo) -> None:
        async with browser("H264") as one:
            await one.watch(live)
            for width, height in ((64, 48), (96, 64)):
                source.publish(plain(RED, width, height))
                await one.picture_that(lambda picture, shape=(height, width, 3): picture.shape == shape)

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_a_viewer_that_cannot_decode_gets_a_key_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this aiortc's hook is gone: it would ask an encoder of its own."""
    keyframes = []
    encode = VideoEncoder.encode

    def recording(self: VideoEncoder, picture: VideoFrame, pts: int, keyframe: bool) -> object:
        keyframes.append(keyframe)
        return encode(self, picture, pts, keyframe)

    monkeypatch.setattr(VideoEncoder, "encode", recording)
    source = PictureSource()
    source.publish(plain(RED))

    async def scenario(live: LiveVideo) -> None:
        async with browser() as one:
            await one.watch(live)
            await one.picture()
            before = keyframes.count(True)
            receiver = one.transceiver.receiver
            (stream,) = receiver.getSynchronizationSources()
            await receiver._send_rtcp_pli(stream.source)
            end = time.monotonic() + DEADLINE_S
            while keyframes.count(True) == before:
                await asyncio.sleep(0.01)
                assert time.monotonic() < end

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_somebody_watches_the_source_for_as_long_as_there_is_a_session() -> None:
    source = PictureSource()
    with live_video(source) as live:
        assert (live.viewers, source.viewers) == (0, 0)
        sessions = [live.answer("cam_high", offer(video())) for _ in range(3)]
        assert (live.viewers, source.viewers) == (3, 3)
        assert len({session.id for session in sessions}) == 3
        assert live.end(sessions[1].id)
        assert (live.viewers, source.viewers) == (2, 2)
        assert not live.end(sessions[1].id)
        assert not live.end("never given out")
    assert (live.viewers, source.viewers, source.entered) == (0, 0, 3)


def test_ending_one_viewer_leaves_the_others() -> None:
    source = PictureSource()

    async def scenario(live: LiveVideo) -> None:
        source.publish(plain(RED))
        async with browser() as ended, browser() as other:
            session = await ended.watch(live)
            await other.watch(live)
            await asyncio.gather(ended.picture(), other.picture())
            assert await asyncio.to_thread(live.end, session.id)
            source.publish(plain(GREEN))
            await other.picture_that(looks_like(GREEN))
            assert source.viewers == live.viewers == 1

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_a_browser_that_leaves_frees_its_place() -> None:
    source = PictureSource()
    source.publish(plain(RED))

    async def scenario(live: LiveVideo) -> None:
        async with browser() as one:
            await one.watch(live)
            await one.picture()
        assert await asyncio.to_thread(source.wait_for_viewers, 0, 5.0)

    with live_video(source, LiveConfig(max_viewers=1)) as live:
        asyncio.run(scenario(live))
        asyncio.run(scenario(live))


def test_a_browser_that_vanishes_is_noticed_by_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "SILENCE_TIMEOUT_S", 2.5)  # reports come every 0.5 to 1.5 s
    monkeypatch.setattr(viewer_module, "CHECK_PERIOD_S", 0.1)
    source = PictureSource()
    source.publish(plain(RED))

    async def scenario(live: LiveVideo) -> None:
        async with browser() as staying, browser() as vanishing:
            await staying.watch(live)
            await vanishing.watch(live)
            await asyncio.gather(staying.picture(), vanishing.picture())
            await vanishing.transceiver.receiver.transport.transport.stop()  # closes the socket, says nothing
            assert await asyncio.to_thread(source.wait_for_viewers, 1)
            for _ in range(4):
                await staying.picture()
            assert live.viewers == 1

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_a_viewer_that_never_connects_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(viewer_module, "CHECK_PERIOD_S", 0.05)
    source = PictureSource()
    with live_video(source) as live:
        live.answer("cam_high", offer(video()))
        assert source.wait_for_viewers(0, 5.0)


def test_no_more_than_the_allowed_number_watch() -> None:
    source = PictureSource()
    with live_video(source, LiveConfig(max_viewers=3)) as live:
        refused = []

        def ask(_: int) -> str | None:
            try:
                return live.answer("cam_high", offer(video())).id
            except TooManyViewersError as error:
                refused.append(str(error))
                return None

        with ThreadPoolExecutor(12) as pool:
            ids = [session for session in pool.map(ask, range(12)) if session is not None]
        assert (len(ids), len(refused), live.viewers) == (3, 9, 3)
        assert "at most 3" in refused[0]
        assert live.end(ids[0])
        assert ask(0) is not None


def test_a_refused_offer_takes_nobodys_place() -> None:
    source = PictureSource()
    profile_of_no_one = [line.replace("42e01f", "42e0ff") for line in H264]
    refusals = [
        (KeyError, "cam_low", offer(video())),
        (BadOfferError, "cam_high", "nonsense"),
        (UnsupportedOfferError, "cam_high", offer(data_channel())),
        (UnsupportedOfferError, "cam_high", offer(video("102", profile_of_no_one))),  # aiortc finds that out
    ]
    with live_video(source, LiveConfig(max_viewers=1)) as live:
        for error, camera, text in refusals:
            with pytest.raises(error):
                live.answer(camera, text)
            assert source.wait_for_viewers(0, 5.0)
        live.answer("cam_high", offer(video()))


def test_whatever_is_offered_there_is_an_answer_or_a_refusal() -> None:
    rng, answered = random.Random(2), 0
    with live_video(PictureSource(), LiveConfig(max_viewers=1)) as live:
        for _ in range(150):
            with suppress(BadOfferError, UnsupportedOfferError):
                session = live.answer("cam_high", mutated(offer(video(), audio()), rng))
                answered += live.end(session.id)
    assert 15 < answered < 135


def test_names_for_addresses_do_not_hold_up_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def create_mdns_protocol() -> None:
        asked.append(True)
        raise OSError("no multicast here")

    monkeypatch.setattr(aioice.mdns, "create_mdns_protocol", create_mdns_protocol)
    with live_video(PictureSource()) as live:
        before = time.monotonic()
        live.answer("cam_high", offer(video()))
        assert time.monotonic() - before < 1.0
    assert asked == []


def test_a_machine_with_no_address_but_loopback_serves_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    source = PictureSource()
    source.publish(plain(RED))

    async def scenario(live: LiveVideo) -> None:
        async with browser() as one:
            session = await one.watch(live)
            assert " 127.0.0.1 " in session.answer_sdp
            await one.picture_that(looks_like(RED))

    with live_video(source) as live:
        asyncio.run(scenario(live))


def test_an_encoder_that_fails_ends_its_viewers_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = PictureSource()
    source.publish(plain(RED))

    def fail(*_: object) -> None:
        raise OSError("out of memory")

    async def scenario(live: LiveVideo) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(VideoEncoder, "encode", fail)
            async with browser() as unlucky:
                await unlucky.watch(live)
                assert await asyncio.to_thread(source.wait_for_viewers, 0)
        async with browser() as lucky:
            await lucky.watch(live)
            await lucky.picture_that(looks_like(RED))

    with live_video(source) as live, caplog.at_level(logging.ERROR):
        asyncio.run(scenario(live))
    assert "out of memory" in caplog.text


def test_closing_ends_everything_and_leaves_no_thread() -> None:
    source = PictureSource()
    source.publish(plain(RED))
    before = set(threading.enumerate())

    async def scenario() -> LiveVideo:
        async with browser() as one:
            with live_video(source) as live:
                await one.watch(live)
                await one.picture()
                live.answer("cam_high", offer(video(transport=TRANSPORT)))
                assert {thread.name for thread in set(threading.enumerate()) - before} >= {
                    "live-video",
                    "live-encoder_0",
                }
                await asyncio.to_thread(live.close)
            return live

    live = asyncio.run(scenario())
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()
    assert (live.viewers, source.viewers) == (0, 0)
    with pytest.raises(LiveError, match="not running"):
        live.answer("cam_high", offer(video()))
    assert not live.end("any")
    live.close()
