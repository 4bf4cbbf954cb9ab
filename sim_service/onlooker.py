"""Those who look on while one `collect` runs by itself."""

from __future__ import annotations

from typing import Protocol

from collectors.simulator import Simulator, Tick
from sim_service.collection import Collection


class Onlooker(Protocol):
    """Told of everything by the thread that collects."""

    def watch(self, collection: Collection, simulator: Simulator) -> None:
        """The collection begins."""

    def advanced(self, tick: Tick) -> None:
        """The simulator has advanced by the tick; its pictures are there, if they were asked for."""

    def finish(self, exit_code: int, error: str | None) -> None:
        """The dataset is finalized, the simulator closed, the process about to end with that code. Also where no
        collection could begin."""
