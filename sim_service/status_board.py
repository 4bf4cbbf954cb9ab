"""What the main thread tells the others: the latest status, and the events that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim_service.event_log import EventLog
from sim_service.ports import EventKind, Status


class StatusBoard:
    """Satisfies `ports.StatusSource`. An event is never seen before the status that it speaks of: it waits for the next
    `publish`."""

    def __init__(self, status: Status) -> None:
        self.events = EventLog()
        self._status = status
        self._outbox: list[tuple[EventKind, Mapping[str, Any]]] = []

    @property
    def status(self) -> Status:
        return self._status

    def tell(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        self._outbox.append((kind, data))

    def publish(self, status: Status) -> None:
        self._status = status
        told, self._outbox = self._outbox, []
        for kind, data in told:
            self.events.publish(kind, data)
