"""The emulator's time, and waiting for what other threads post."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Protocol

Callback = Callable[[], None]


class Clock(Protocol):
    def now_s(self) -> float: ...

    def wait(self, posted: queue.SimpleQueue[Callback], until_s: float) -> Callback | None:
        """The next posted callback, or None once it is until_s."""
        ...


class RealClock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def now_s(self) -> float:
        return time.monotonic() - self._began_s

    def wait(self, posted: queue.SimpleQueue[Callback], until_s: float) -> Callback | None:
        try:
            return posted.get(timeout=max(0.0, until_s - self.now_s()))
        except queue.Empty:
            return None


class VirtualClock:
    """Goes straight to whatever is due next: for pods that are no processes."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def wait(self, posted: queue.SimpleQueue[Callback], until_s: float) -> Callback | None:
        if not posted.empty():
            return posted.get()
        self._now_s = max(self._now_s, until_s)
        return None
