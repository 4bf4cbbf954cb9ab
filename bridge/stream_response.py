"""A response that lasts: it holds one of the slots for streams until its client is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response, request

from bridge.problems import Problem
from bridge.slots import Slots

CLIENT_GONE = "bridge.client_gone"
"""Key of the WSGI environment: a function that says whether the client has closed its connection."""


class StreamResponse(Response):
    """Chunks of bytes, sent as they come."""


def stream(chunks: Callable[[Callable[[], bool]], Iterator[bytes]], content_type: str, slots: Slots) -> StreamResponse:
    """chunks: from a function that says whether the client is gone, to what is sent to it. Raises Problem when no slot
    is free."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return StreamResponse(headers=headers, content_type=content_type)
    slot = slots.take()
    if slot is None:
        raise Problem(503, "too-many-streams", f"{slots.limit} streams are open already", retry_after_s=5)
    gone: Callable[[], bool] = request.environ.get(CLIENT_GONE, lambda: False)
    response = StreamResponse(chunks(gone), headers=headers, content_type=content_type)
    response.call_on_close(slot.release)
    return response
