"""A file whose time of change says that the collection moves: for whoever has to notice that a simulator hangs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collectors.simulator import Simulator, Tick
from sim_service.collection import Collection
from sim_service.config import ConfigError

PERIOD_S: Final = 1.0

_log = logging.getLogger(__name__)


class Heartbeat:
    """An `Onlooker`. The file appears when the simulator is open, is touched about once a second, and stays."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError where the file's folder is none, or not writable."""
        if not os.access(path.parent, os.W_OK | os.X_OK) or not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"--heartbeat-file {path} must be a file in a folder that is there and writable")
        self._path, self._clock = path, clock
        self._beaten_at = float("-inf")
        self._failing = False

    def watch(self, collection: Collection, simulator: Simulator) -> None:
        del collection, simulator
        self.beat()

    def advanced(self, tick: Tick) -> None:
        del tick
        self.beat()

    def finish(self, exit_code: int, error: str | None) -> None:
        del exit_code, error

    def beat(self) -> None:
        """Touch the file, unless that was less than a second ago. Where it cannot be touched the collection goes on:
        whoever watches the file decides."""
        now = self._clock()
        if now - self._beaten_at < PERIOD_S:
            return
        self._beaten_at = now
        try:
            self._path.touch()
        except OSError as error:
            if not self._failing:
                _log.warning("cannot touch the heartbeat file: %s", error)
            self._failing = True
        else:
            self._failing = False
