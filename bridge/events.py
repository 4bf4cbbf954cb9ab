"""Server-sent events: what happens in the simulator process, as text that a browser's EventSource reads.

Knows nothing of Flask. Events have ids, so that a client that lost its connection goes on where it was; what is sent
between them to show progress has none.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Final

from sim_service.ports import Event, EventsLostError, EventSource

RETRY_MS: Final = 2000
PROGRESS_PERIOD_S: Final = 0.25
KEEP_ALIVE_S: Final = 15.0
KEEP_ALIVE: Final = b": keep-alive\n\n"


def latest_event(events: EventSource) -> tuple[int, str | None]:
    """The position after the last event, and that event's id; None where there is none to be had."""
    end = events.end
    try:
        tail = events.read(end - 1, 0.0)
    except EventsLostError:
        return end, None
    return (end - 1 + len(tail), tail[-1].id) if tail else (end, None)


def event_stream(
    events: EventSource,
    status_body: Callable[[], bytes],
    ended: Callable[[], bool],
    last_event_id: str | None,
    progress_period_s: float = PROGRESS_PERIOD_S,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> Iterator[bytes]:
    """Messages until `ended`, or until no event will come any more.

    last_event_id: of the last event that the client has; the stream goes on after it. Where that is not known, or the
    client falls so far behind that events are lost, a "reset" tells it the whole status.
    """
    yield b"retry: %d\n\n" % RETRY_MS
    found = events.position_after(last_event_id) if last_event_id is not None else None
    sent_body = b""
    if found is None:
        position, latest_id = latest_event(events)
        sent_body = status_body()
        yield _message("status" if last_event_id is None else "reset", sent_body, latest_id)
    else:
        position = found
    sent_at = progress_at = time.monotonic()
    while not ended():
        try:
            happened = events.read(position, progress_period_s)
        except EventsLostError:
            position, latest_id = latest_event(events)
            sent_body = status_body()
            yield _message("reset", sent_body, latest_id)
            sent_at = time.monotonic()
            continue
        if happened:
            position += len(happened)
            yield b"".join(_event_message(event) for event in happened)
            sent_at = time.monotonic()
        elif events.closed:
            return
        now = time.monotonic()
        if now - progress_at >= progress_period_s:
            body = status_body()
            if body != sent_body:
                yield _message("progress", body, None)
                sent_body, sent_at, progress_at = body, now, now
        if now - sent_at >= keep_alive_s:
            yield KEEP_ALIVE
            sent_at = now


def _event_message(event: Event) -> bytes:
    return _message(event.kind, json.dumps(dict(event.data), separators=(",", ":")).encode("ascii"), event.id)


def _message(kind: str, data: bytes, event_id: str | None) -> bytes:
    id_line = f"id: {event_id}\n".encode() if event_id is not None else b""
    return b"%sevent: %s\ndata: %s\n\n" % (id_line, kind.encode("ascii"), data)
