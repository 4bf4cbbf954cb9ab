"""Which of the offered formats can be sent, written anew."""

from __future__ import annotations

import re
from typing import Final

from bridge.live import UnsupportedOfferError
from bridge.video.sdp_section import Section

MID_EXTENSION: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_CODECS: Final = ("opus/48000/2", "G722/8000", "PCMU/8000", "PCMA/8000")  # agreed on, never sent
DYNAMIC_PAYLOAD_TYPES: Final = range(96, 128)  # the only ones that aiortc takes over
STATIC_AUDIO_PAYLOAD_TYPES: Final = (0, 8, 9)  # PCMU, PCMA, G722 (RFC 3551)
VIDEO_FEEDBACK: Final = ("nack", "nack pli")

_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}")
_RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9/.-]{1,64})")
_FMTP = re.compile(r"([0-9]{1,3}) (.{1,512})")
_EXTMAP = re.compile(r"([0-9]{1,2})(?:/[a-z]{1,8})? (\S{1,256})(?: .*)?")


def mid_extension(section: Section) -> list[str]:
    """The header extension that names the section in each packet, where the offer has it."""
    for value in section.values("extmap"):
        match = _EXTMAP.fullmatch(value)
        if match is not None and match[2] == MID_EXTENSION and 1 <= int(match[1]) <= 14:
            return [f"a=extmap:{int(match[1])} {MID_EXTENSION}"]
    return []


def _codecs(section: Section) -> dict[int, str]:
    """Payload type to encoding name and clock rate, in the order of preference."""
    names = {int(match[1]): match[2] for match in map(_RTPMAP.fullmatch, section.values("rtpmap")) if match}
    order = [int(value) for value in section.formats if _PAYLOAD_TYPE.fullmatch(value)]
    return {payload_type: names[payload_type] for payload_type in order if payload_type in names}


def _parameters(section: Section) -> dict[int, dict[str, str]]:
    parameters: dict[int, dict[str, str]] = {}
    for match in map(_FMTP.fullmatch, section.values("fmtp")):
        if match is not None:
            pairs = (pair.strip().partition("=") for pair in match[2].split(";"))
            parameters.setdefault(int(match[1]), {}).update({key.lower(): value for key, _, value in pairs})
    return parameters


def video_formats(section: Section) -> tuple[list[str], list[str]]:
    """Payload types, and the lines that describe them."""
    codecs, parameters = _codecs(section), _parameters(section)
    kept: list[int] = []
    lines: list[str] = []
    for payload_type, name in codecs.items():
        given = parameters.get(payload_type, {})
        if payload_type not in DYNAMIC_PAYLOAD_TYPES:
            continue
        if name.upper() == "VP8/90000":
            lines.append(f"a=rtpmap:{payload_type} VP8/90000")
        elif name.upper() == "H264/90000" and _is_baseline(given):
            profile = given["profile-level-id"].lower()
            lines.append(f"a=rtpmap:{payload_type} H264/90000")
            lines.append(f"a=fmtp:{payload_type} packetization-mode=1;profile-level-id={profile}")
        else:
            continue
        lines += [f"a=rtcp-fb:{payload_type} {feedback}" for feedback in _feedback(section, payload_type)]
        kept.append(payload_type)
    if not kept:
        offered = ", ".join(dict.fromkeys(name.split("/")[0] for name in codecs.values())) or "none"
        raise UnsupportedOfferError(
            f"the offer's video codecs are {offered[:200]}; VP8 and H.264 (baseline, packetization mode 1) are served"
        )
    for payload_type, name in codecs.items():  # retransmission of one of them
        repaired = parameters.get(payload_type, {}).get("apt", "")
        if payload_type not in DYNAMIC_PAYLOAD_TYPES or name.lower() != "rtx/90000":
            continue
        if _PAYLOAD_TYPE.fullmatch(repaired) and int(repaired) in kept:
            lines += [f"a=rtpmap:{payload_type} rtx/90000", f"a=fmtp:{payload_type} apt={int(repaired)}"]
            kept.append(payload_type)
    return [str(payload_type) for payload_type in kept], lines


def _is_baseline(parameters: dict[str, str]) -> bool:
    """Whether it is H.264 as aiortc packs it, of the profile that every browser decodes."""
    level = parameters.get("profile-level-id", "")
    return parameters.get("packetization-mode") == "1" and bool(re.fullmatch(r"42[0-9A-Fa-f]0[0-9A-Fa-f]{2}", level))


def _feedback(section: Section, payload_type: int) -> list[str]:
    asked = {
        value.partition(" ")[2]
        for value in section.values("rtcp-fb")
        if value.split(" ")[0] in ("*", str(payload_type))
    }
    return [feedback for feedback in VIDEO_FEEDBACK if feedback in asked]


def audio_formats(section: Section) -> tuple[list[str], list[str]]:
    """As `video_formats`."""
    known = {name.lower(): name for name in AUDIO_CODECS}
    allowed = (*STATIC_AUDIO_PAYLOAD_TYPES, *DYNAMIC_PAYLOAD_TYPES)
    codecs = {
        payload_type: known[name.lower()]
        for payload_type, name in _codecs(section).items()
        if payload_type in allowed and name.lower() in known
    }
    if not codecs:
        raise UnsupportedOfferError(f"the offer's audio section has none of {', '.join(AUDIO_CODECS)}")
    return [str(kind) for kind in codecs], [f"a=rtpmap:{kind} {name}" for kind, name in codecs.items()]
