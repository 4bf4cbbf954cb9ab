"""What is read of an offer, and what is refused. Whatever the text, nothing but two errors comes."""

import random
import time
from contextlib import suppress

import pytest
from aiortc.sdp import SessionDescription
from live_offers import (
    AV1,
    FINGERPRINT,
    H264,
    HIDDEN,
    REACHABLE,
    TRANSPORT,
    VP8,
    VP8_RTX,
    audio,
    data_channel,
    mutated,
    offer,
    video,
)

from bridge.live import BadOfferError, UnsupportedOfferError
from bridge.video.offer import MAX_CANDIDATES, clean_offer
from bridge.video.sdp_section import MAX_OFFER_CHARS

MUX = ("a=rtcp-mux",)


def codec_names(text: str) -> list[str]:
    (media,) = (media for media in SessionDescription.parse(text).media if media.kind == "video")
    return [codec.name for codec in media.rtp.codecs]


def test_keeps_the_order_in_which_the_offer_prefers_its_codecs() -> None:
    assert codec_names(clean_offer(offer(video("96 97 45 102")))) == ["VP8", "H264", "rtx"]
    assert codec_names(clean_offer(offer(video("102 45 97 96")))) == ["H264", "VP8", "rtx"]


def test_keeps_what_an_answer_needs_and_nothing_else() -> None:
    (media,) = SessionDescription.parse(clean_offer(offer(video()))).media
    assert (media.ice.usernameFragment, media.ice.password) == ("krjy", "maPtBSsbTLCecdnrYSvBrQ0F")
    assert (media.rtp.muxId, media.direction, media.rtcp_mux, media.dtls.role) == ("0", "recvonly", True, "auto")
    assert [fingerprint.algorithm for fingerprint in media.dtls.fingerprints] == ["sha-256"]
    assert [(extension.id, extension.uri[-3:]) for extension in media.rtp.headerExtensions] == [(9, "mid")]
    assert {(feedback.type, feedback.parameter) for codec in media.rtp.codecs for feedback in codec.rtcpFeedback} == {
        ("nack", None),
        ("nack", "pli"),
    }


def test_reading_its_own_text_changes_nothing() -> None:
    text = clean_offer(offer(video(more=(*MUX, REACHABLE)), audio()))
    assert clean_offer(text) == text


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_both_line_ends_are_read(line_end: str) -> None:
    assert clean_offer(offer(video()).replace("\r\n", line_end)) == clean_offer(offer(video()))


def test_an_offer_that_may_send_too_is_asked_only_to_receive() -> None:
    assert "a=recvonly" in clean_offer(offer(video(direction="sendrecv")))
    assert "a=recvonly" in clean_offer(offer(video(direction="")))


def test_audio_beside_the_video_is_agreed_on_and_inactive() -> None:
    video_media, audio_media = SessionDescription.parse(clean_offer(offer(video(), audio()))).media
    assert (video_media.direction, audio_media.direction) == ("recvonly", "inactive")


@pytest.mark.parametrize("holder", ["session", "audio"])
def test_a_transport_may_stand_elsewhere_in_the_bundle(holder: str) -> None:
    bare = video(transport=())
    text = offer(bare, session=TRANSPORT) if holder == "session" else offer(audio(), bare)
    assert clean_offer(text).count("a=ice-ufrag:krjy") == text.count("m=")


def test_only_candidates_that_can_be_sent_to_are_kept() -> None:
    lines = [
        HIDDEN,
        REACHABLE,
        REACHABLE,
        "a=candidate:1 2 udp 1 192.0.2.78 1 typ host",
        "a=candidate:1 1 tcp 1 192.0.2.78 9 typ host tcptype active",
        "a=candidate:1 1 udp 1 224.0.0.251 5353 typ host",
        "a=candidate:1 1 udp 1 0.0.0.0 5353 typ host",
        "a=candidate:1 1 udp 1 fe80::1%eth0 5353 typ host",
        "a=candidate:1 1 udp 1 192.0.2.78 70000 typ host",
        "a=candidate:1 1 udp 1 example.org 7000 typ host",
        "a=candidate:1 1 UDP 99999 2001:db8::5 7000 typ srflx raddr 10.0.0.1 rport 9",
        "a=end-of-candidates",
    ]
    text = clean_offer(offer(video(more=(*MUX, *lines))))
    assert [line for line in text.split("\r\n") if "candidate" in line] == [
        "a=candidate:2998471423 1 udp 2113937151 192.0.2.77 54400 typ host",
        "a=candidate:1 1 udp 99999 2001:db8::5 7000 typ srflx",
    ]


def test_candidates_are_bounded() -> None:
    many = [f"a=candidate:1 1 udp 1 192.0.2.{n} {port} typ host" for n in range(1, 200) for port in (1000, 1001)]
    assert clean_offer(offer(video(more=(*MUX, *many)))).count("a=candidate") == MAX_CANDIDATES


def without(lines: tuple[str, ...], word: str) -> list[str]:
    return [line for line in lines if word not in line]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "v=0"),
        ("GET / HTTP/1.1", "v=0"),
        ("v=0\r\n", "no media section"),
        (offer(["m=video 9"]), "malformed media line"),
        (offer(["m=video 99999999 UDP/TLS/RTP/SAVPF 96"]), "malformed media line"),
        (offer(video(mid="")), "a=mid"),
        (offer(video(mid="a b")), "a=mid"),
        (offer(video(mid="0" * 17)), "a=mid"),
        (offer(video(), audio(mid="0")), "same a=mid"),
        (offer(video(transport=without(TRANSPORT, "fingerprint"))), "a=fingerprint"),
        (offer(video(transport=without(TRANSPORT, "ufrag"))), "a=ice-ufrag"),
        (offer(video(transport=without(TRANSPORT, "pwd"))), "a=ice-pwd"),
        (offer(video(transport=without(TRANSPORT, "setup"))), "a=setup"),
        (offer(video(transport=[*without(TRANSPORT, "fingerprint"), "a=fingerprint:sha-1 00:11"])), "sha-256"),
        (offer(video(transport=[*without(TRANSPORT, "fingerprint"), "a=fingerprint:sha-256 00:11"])), "length"),
        (offer(video(transport=[*without(TRANSPORT, "fingerprint"), "a=fingerprint:sha-256"])), "malformed"),
        (offer(video(transport=[*without(TRANSPORT, "setup"), "a=setup:holdconn"])), "holdconn"),
        (offer(video()) + "a=x:" + "y" * MAX_OFFER_CHARS, str(MAX_OFFER_CHARS)),
        (offer(*(["m=video 9 UDP/TLS/RTP/SAVPF 96"] for _ in range(200))).replace("m=video", "m=video\0"), "malformed"),
    ],
)
def test_broken_offers_are_bad(text: str, word: str) -> None:
    with pytest.raises(BadOfferError) as caught:
        clean_offer(text)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (offer(audio()), "no video, only for audio"),
        (offer(data_channel()), "no video, only for application"),
        (offer(video(), data_channel()), "video, application"),
        (offer(video(), video(mid="1")), "video, video"),
        (offer(video(), audio(), audio(mid="2")), "audio, audio"),
        (offer(video(), audio(codecs=("a=rtpmap:111 L16/44100",))), "opus"),
        (offer(video(), audio(codecs=("a=rtpmap:72 opus/48000/2",), formats="72")), "opus"),
        (offer(video(), audio(), bundle="0"), "bundle"),
        (offer(video(direction="sendonly")), "sendonly"),
        (offer(video(direction="inactive")), "inactive"),
        (offer(video(direction=""), session=("a=sendonly",)), "sendonly"),
        (offer(video(port=0)), "port is 0"),
        (offer(video(profile="RTP/AVP")), "RTP/AVP"),
        (offer(video(more=())), "a=rtcp-mux"),
        (offer(video("45", AV1)), "AV1"),
        (offer(video("97", VP8_RTX)), "rtx"),
        (offer(video("96", ())), "none"),
        (offer(video("33", ("a=rtpmap:33 VP8/90000",))), "VP8"),
        (offer(video("102", [line.replace("mode=1", "mode=0") for line in H264])), "packetization mode 1"),
        (offer(video("102", [line.replace("42e01f", "640c1f") for line in H264])), "baseline"),
    ],
)
def test_offers_that_cannot_be_served_say_why(text: str, word: str) -> None:
    with pytest.raises(UnsupportedOfferError) as caught:
        clean_offer(text)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 400


def test_bundled_video_with_port_0_is_not_switched_off() -> None:
    assert codec_names(clean_offer(offer(audio(), video("96", VP8, port=0, more=("a=rtcp-mux", "a=bundle-only")))))


def test_no_text_raises_anything_else() -> None:
    rng = random.Random(1)
    whole = [
        offer(video()),
        offer(video(), audio()),
        offer(audio(), video("102", H264)),
        offer(video(), data_channel()),
    ]
    read = 0
    for _ in range(3000):
        try:
            SessionDescription.parse(clean_offer(mutated(rng.choice(whole), rng)))
            read += 1
        except (BadOfferError, UnsupportedOfferError):
            pass
    assert 300 < read < 2700  # the mutations reach what is kept, and what is refused


@pytest.mark.parametrize(
    "filling",
    [
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=fmtp:96 ;",
        "a=mid:0",
        "a=rtcp-fb:96 nack",
        "a=rtpmap:96 VP8/90000",
        "a=extmap:9 x",
        HIDDEN,
        REACHABLE,
        FINGERPRINT,
        "",
    ],
)
def test_the_longest_offer_is_read_in_no_time(filling: str) -> None:
    start = offer(video())
    text = start + f"{filling}\r\n" * ((MAX_OFFER_CHARS - len(start)) // (len(filling) + 2))
    before = time.process_time()
    with suppress(BadOfferError, UnsupportedOfferError):
        clean_offer(text)
    assert time.process_time() - before < 0.5  # it takes 0.03
