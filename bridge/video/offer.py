"""Reads the session description that a browser offers, and writes it anew with nothing in it but what an answer needs.

So aiortc never sees what a stranger wrote: every value in the new text was matched here. Left out on purpose:
candidates whose address is a name (mDNS: looking it up takes a second and needs multicast, and the browser's own checks
reach us anyway), the mark that no more candidates come (those checks do come), and bandwidth feedback (all viewers of a
camera share one encoder).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.live import BadOfferError, UnsupportedOfferError
from bridge.video.sdp_formats import audio_formats, mid_extension, video_formats
from bridge.video.sdp_section import Section, read_sections

MAX_CANDIDATES: Final = 16
PROFILE: Final = "UDP/TLS/RTP/SAVPF"
DIRECTIONS: Final = ("sendrecv", "recvonly", "sendonly", "inactive")
FINGERPRINT_BYTES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}

_MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}")  # 16: what a one-byte header extension holds
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_SETUP = re.compile(r"actpass|active|passive")
_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16}) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*)")
_CANDIDATE = re.compile(
    r"([A-Za-z0-9+/]{1,32}) 1 (?i:udp) ([0-9]{1,10}) (\S{1,64}) ([0-9]{1,5}) typ (host|srflx|relay)(?: .*)?"
)


def clean_offer(text: str) -> str:
    """The offer for aiortc: the video section and, where it is there, the audio section, inactive.

    The video formats are those of VP8 and H.264, in the order in which the offer prefers them. Raises BadOfferError and
    UnsupportedOfferError, and nothing else, whatever the text.
    """
    session, sections = read_sections(text)
    video = _only_video(sections)
    mids = [_mid(section) for section in sections]
    if len(set(mids)) < len(mids):
        raise BadOfferError(f"two media sections of the offer have the same a=mid: {', '.join(mids)}")
    if len(mids) > 1 and not any(_bundles(group, mids) for group in session.values("group")):
        raise UnsupportedOfferError("the offer does not bundle its media sections; only one transport is served")
    _require_receiving(session, video)
    transport = list(_transport([video, session, *sections]))
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(mids)}"]
    for section, mid in zip(sections, mids, strict=True):
        formats, codec_lines = video_formats(section) if section is video else audio_formats(section)
        lines += [f"m={section.kind} 9 {PROFILE} {' '.join(formats)}", "c=IN IP4 0.0.0.0"]
        lines += [f"a=mid:{mid}", "a=recvonly" if section is video else "a=inactive", "a=rtcp-mux"]
        lines += [*mid_extension(section), *codec_lines, *transport]
    return "\r\n".join(lines) + "\r\n"


def _only_video(sections: list[Section]) -> Section:
    kinds = [section.kind for section in sections]
    if "video" not in kinds:
        raise UnsupportedOfferError(f"the offer asks for no video, only for {', '.join(kinds[:8])}")
    if sorted(kinds) not in (["video"], ["audio", "video"]):
        raise UnsupportedOfferError(
            f"the offer asks for {', '.join(kinds[:8])}; one video section is served, beside at most one of audio"
        )
    return sections[kinds.index("video")]


def _mid(section: Section) -> str:
    values = section.values("mid")
    if len(values) != 1 or not _MID.fullmatch(values[0]):
        raise BadOfferError(f"the {section.kind} section of the offer has no usable a=mid, but {values[:2]!r:.80}")
    return values[0]


def _bundles(group: str, mids: list[str]) -> bool:
    words = group.split()
    return words[:1] == ["BUNDLE"] and set(mids) <= set(words[1:])


def _require_receiving(session: Section, video: Section) -> None:
    if video.profile != PROFILE:
        raise UnsupportedOfferError(f"the offer's video section is {video.profile}; only {PROFILE} is served")
    if video.port == 0 and not video.has("bundle-only"):
        raise UnsupportedOfferError("the offer's video section is switched off: its port is 0")
    if not video.has("rtcp-mux"):
        raise UnsupportedOfferError("the offer's video section has no a=rtcp-mux; RTP and RTCP share one port here")
    named = [name for name, _ in [*video.attributes, *session.attributes] if name in DIRECTIONS]
    if named and named[0] not in ("recvonly", "sendrecv"):
        raise UnsupportedOfferError(f"the offer's video section is {named[0]}; it must be recvonly or sendrecv")


def _transport(places: list[Section]) -> Iterator[str]:
    """Bundled sections share a transport, and its attributes may stand in any of them or before them."""
    yield f"a=ice-ufrag:{_one('ice-ufrag', _UFRAG, places)}"
    yield f"a=ice-pwd:{_one('ice-pwd', _PASSWORD, places)}"
    yield f"a=setup:{_one('setup', _SETUP, places)}"
    found = 0
    for value in next((place.values("fingerprint") for place in places if place.has("fingerprint")), []):
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            raise BadOfferError(f"the offer has a malformed a=fingerprint: {value[:80]!r}")
        algorithm = match[1].lower()
        if algorithm in FINGERPRINT_BYTES:
            if match[2].count(":") + 1 != FINGERPRINT_BYTES[algorithm]:
                raise BadOfferError(f"the offer has an a=fingerprint of a wrong length: {value[:80]!r}")
            yield f"a=fingerprint:{algorithm} {match[2].upper()}"
            found += 1
    if not found:
        raise BadOfferError(f"the offer has no a=fingerprint of {', '.join(FINGERPRINT_BYTES)}")
    yield from _candidates(value for place in places for value in place.values("candidate"))


def _one(name: str, pattern: re.Pattern[str], places: list[Section]) -> str:
    value = next((place.values(name)[0] for place in places if place.has(name)), None)
    if value is None or not pattern.fullmatch(value):
        found = "none" if value is None else repr(value[:40])
        raise BadOfferError(f"the offer needs a usable a={name}; found {found}")
    return value


def _candidates(values: Iterable[str]) -> list[str]:
    """Those that can be sent to: UDP, and an address instead of a name."""
    kept: dict[tuple[str, int], str] = {}
    for value in values:
        match = _CANDIDATE.fullmatch(value)
        if match is None or len(kept) == MAX_CANDIDATES:
            continue
        foundation, priority, host, port, kind = match.groups()
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            continue  # a name
        if "%" in host or address.is_multicast or address.is_unspecified or not 0 < int(port) < 2**16:
            continue
        line = f"a=candidate:{foundation} 1 udp {int(priority) % 2**32} {address} {int(port)} typ {kind}"
        kept.setdefault((str(address), int(port)), line)
    return list(kept.values())
