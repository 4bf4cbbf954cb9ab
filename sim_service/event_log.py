"""The last few thousand events of this process, for readers that come and go in other threads."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sim_service.ports import Event, EventKind, EventsLostError

CAPACITY: Final = 4096


class EventLog:
    """Satisfies `ports.EventSource`. An event's id is the process's own mark and the event's position."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._mark = uuid.uuid4().hex[:12]
        self._events: deque[Event] = deque(maxlen=capacity)
        self._end = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def end(self) -> int:
        return self._end

    @property
    def closed(self) -> bool:
        return self._closed

    def publish(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        """Never waits for a reader."""
        with self._changed:
            self._events.append(Event(f"{self._mark}-{self._end}", kind, data))
            self._end += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Wake every reader: nothing will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def position_after(self, event_id: str) -> int | None:
        mark, _, number = event_id.rpartition("-")
        if mark != self._mark or not (number.isascii() and number.isdecimal() and len(number) < 20):
            return None
        position = int(number) + 1
        with self._changed:
            return position if self._first <= position <= self._end else None

    def read(self, position: int, timeout_s: float) -> Sequence[Event]:
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while position >= self._end and not self._closed:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            if position < self._first:
                raise EventsLostError(f"events {position} to {self._first - 1} are no longer kept")
            return [self._events[n - self._first] for n in range(position, self._end)]

    @property
    def _first(self) -> int:
        """Position of the oldest event that is kept."""
        return self._end - len(self._events)
