"""Session descriptions as browsers offer them, and broken ones, for the tests of `bridge.video`."""

from __future__ import annotations

import random
from collections.abc import Sequence

VP8 = ("a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli")
VP8_RTX = ("a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")
H264 = (
    "a=rtpmap:102 H264/90000",
    "a=rtcp-fb:102 nack pli",
    "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
)
AV1 = ("a=rtpmap:45 AV1/90000", "a=fmtp:45 level-idx=5;profile=0;tier=0")
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["0B"] * 32)
TRANSPORT = ("a=ice-ufrag:krjy", "a=ice-pwd:maPtBSsbTLCecdnrYSvBrQ0F", FINGERPRINT, "a=setup:actpass")
HIDDEN = (
    "a=candidate:1510613869 1 udp 2113939711 0e3f3dc4-5b0c-41f2-8bd7-3f3c7a1d9a55.local 40123 typ host generation 0"
)
REACHABLE = "a=candidate:2998471423 1 udp 2113937151 192.0.2.77 54400 typ host generation 0"
MID_EXTENSION = "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid"


def video(
    formats: str = "96 97 45 102",
    codecs: Sequence[str] = (*VP8, *VP8_RTX, *AV1, *H264),
    mid: str = "0",
    direction: str = "recvonly",
    transport: Sequence[str] = TRANSPORT,
    port: int = 9,
    profile: str = "UDP/TLS/RTP/SAVPF",
    more: Sequence[str] = ("a=rtcp-mux", MID_EXTENSION, HIDDEN),
) -> list[str]:
    section = [f"m=video {port} {profile} {formats}", "c=IN IP4 0.0.0.0", *transport, f"a=mid:{mid}"]
    return [*section, *([f"a={direction}"] if direction else []), *more, *codecs]


def audio(mid: str = "1", codecs: Sequence[str] = ("a=rtpmap:111 opus/48000/2",), formats: str = "111") -> list[str]:
    section = [f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0", *TRANSPORT, f"a=mid:{mid}"]
    return [*section, "a=sendrecv", "a=rtcp-mux", *codecs]


def data_channel(mid: str = "2") -> list[str]:
    section = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", *TRANSPORT, f"a=mid:{mid}"]
    return [*section, "a=sctp-port:5000"]


def offer(*sections: Sequence[str], bundle: str = "0 1 2", session: Sequence[str] = ()) -> str:
    first = ["v=0", "o=- 7364683269309852384 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {bundle}", *session]
    return "\r\n".join([*first, *(line for section in sections for line in section)]) + "\r\n"


def mutated(text: str, rng: random.Random) -> str:
    """The text with a few characters or lines changed, doubled, moved or gone."""
    for _ in range(rng.randint(1, 6)):
        lines = text.split("\r\n")
        place = rng.randrange(len(lines))
        kind = rng.randrange(8)
        if kind == 0:
            del lines[place]
        elif kind == 1:
            lines.insert(rng.randrange(len(lines)), lines[place])
        elif kind == 2:
            rng.shuffle(lines)
        elif kind == 3:
            lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
        elif kind == 4:
            lines[place] = lines[place].replace(
                rng.choice("0123456789:= ;"), rng.choice(["", " ", "99999999999", "\0", "é", "-1", "²"])
            )
        elif kind == 5:
            lines[place] += rng.choice([" ", ":", ";", "=", "/", " x" * 5000, "\r", "\u2028", "\ud800", "\n"])
        elif kind == 6:
            lines[place] = lines[place].partition(":")[0]
        else:
            lines[place] = "".join(chr(rng.randrange(256)) for _ in range(rng.randrange(80)))
        text = "\r\n".join(lines)
    return text
