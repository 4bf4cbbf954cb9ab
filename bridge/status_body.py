"""The body of GET /collect/status, which is polled hard and streamed."""

from __future__ import annotations

from bridge.events import latest_event
from bridge.rendering import status_json, to_json
from sim_service.ports import EventSource, FrameSource, Status, StatusSource


class StatusBody:
    """Renders once for everybody who asks about the same instant."""

    def __init__(
        self,
        status: StatusSource,
        events: EventSource,
        frames: FrameSource,
        data_root: str,
        version: str,
        read_only: bool,
    ) -> None:
        self._status, self._events, self._frames = status, events, frames
        self._data_root, self._version, self._read_only = data_root, version, read_only
        self._rendered: tuple[Status, int, int, bytes] | None = None

    def render(self) -> bytes:
        """JSON. An event after its `last_event_id` may be in it already; none before it is left out."""
        end, viewers = self._events.end, self._frames.viewers
        status = self._status.status
        known = self._rendered
        if known is not None and known[0] is status and known[1] == end and known[2] == viewers:
            return known[3]
        _, last_event_id = latest_event(self._events)
        status = self._status.status
        body = to_json(status_json(status, last_event_id, viewers, self._data_root, self._version, self._read_only))
        self._rendered = (status, end, viewers, body)
        return body
