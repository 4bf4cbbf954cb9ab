"""What the routes need of live video; `bridge.video` provides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sim_service.ports import Frame


class LiveError(RuntimeError):
    """An offer that gets no answer; the message says why."""


class BadOfferError(LiveError):
    """Not a session description."""


class UnsupportedOfferError(LiveError):
    """A session description that asks for no video, or for none that we can send."""


class TooManyViewersError(LiveError):
    """As many watch as may."""


@dataclass(frozen=True)
class WhepSession:
    """id: unique, fit for a path. answer_sdp: holds all candidates."""

    id: str
    answer_sdp: str


class Live(Protocol):
    """Live pictures for browsers. Every method may be called from any thread."""

    @property
    def viewers(self) -> int:
        """Sessions that are open."""

    def answer(self, camera: str, offer_sdp: str) -> WhepSession:
        """Open a session that shows a camera. Raises LiveError; KeyError for a camera that does not exist."""

    def end(self, session_id: str) -> bool:
        """Close a session. False where there is none of that name."""

    def jpeg(self, frame: Frame) -> bytes:
        """The picture as JPEG, no longer than the configured side."""
