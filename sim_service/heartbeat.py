"""A file whose time of change says that the collection moves: for whoever has to notice that a simulator hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collectors.simulator import Simulator, Tick
from sim_service.collection import Collection

PERIOD_S: Final = 1.0


class Heartbeat:
    """An `Onlooker`. The file appears when the simulator is open, is touched about once a second, and stays."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._beaten_at = float("-inf")

    def watch(self, collection: Collection, simulator: Simulator) -> None:
        del collection, simulator
        self._beat()

    def advanced(self, tick: Tick) -> None:
        del tick
        self._beat()

    def finish(self, exit_code: int, error: str | None) -> None:
        del exit_code, error

    def _beat(self) -> None:
        now = self._clock()
        if now - self._beaten_at >= PERIOD_S:
            self._beaten_at = now
            self._path.touch()
