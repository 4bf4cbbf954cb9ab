"""The media sections of a session description, as they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from bridge.live import BadOfferError

MAX_OFFER_CHARS: Final = 64 * 1024

_MEDIA = re.compile(r"m=([a-z]{1,16}) ([0-9]{1,5}) ([A-Za-z/]{1,32}) (.+)")


@dataclass
class Section:
    """A media section, or what stands before the first one."""

    kind: str = ""
    port: int = 0
    profile: str = ""
    formats: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.attributes)


def read_sections(text: str) -> tuple[Section, list[Section]]:
    """What stands before the first media section, and the media sections: one at least. Raises BadOfferError."""
    if len(text) > MAX_OFFER_CHARS:
        raise BadOfferError(f"the offer has {len(text)} characters; at most {MAX_OFFER_CHARS} are read")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0] != "v=0":
        raise BadOfferError(f"not a session description: it begins with {lines[0][:40]!r} instead of 'v=0'")
    session, sections = Section(), list[Section]()
    current = session
    for line in lines[1:]:
        if line.startswith("m="):
            match = _MEDIA.fullmatch(line)
            if match is None:
                raise BadOfferError(f"the offer has a malformed media line: {line[:80]!r}")
            kind, port, profile, formats = match.groups()
            current = Section(kind, int(port), profile, formats.split())
            sections.append(current)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            current.attributes.append((name, value.strip()))
    if not sections:
        raise BadOfferError("the offer has no media section")
    return session, sections
