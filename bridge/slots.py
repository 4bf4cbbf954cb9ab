"""How many requests may hold a thread of the server for long."""

from __future__ import annotations

import threading


class Slots:
    """A bound on what is under way at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        return self._used

    def take(self) -> Slot | None:
        """None when all are taken."""
        with self._lock:
            if self._used >= self.limit:
                return None
            self._used += 1
            return Slot(self)

    def _give_back(self) -> None:
        with self._lock:
            self._used -= 1


class Slot:
    """One of the slots, until it is released; a second release does nothing."""

    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots
        self._lock = threading.Lock()

    def release(self) -> None:
        with self._lock:
            slots, self._slots = self._slots, None
        if slots is not None:
            slots._give_back()

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
