"""The main loop of the service as a guest of a Kit application: a step at each of the application's updates."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from collectors.simulator import Tick
from sim_service.host_work import Draw, Rest
from sim_service.isaac_sim.kit_cell import KitCell
from sim_service.isaac_sim.kit_turns import TurnsUnderWay, let_time_pass
from sim_service.isaac_sim.turns import Turn
from sim_service.service import Service
from sim_service.simulators import SimulatorUnavailable

LONGEST_REST_S: Final = 0.05  # a command that comes meanwhile waits so long

_log = logging.getLogger(__name__)


class KitHost:
    """Belongs to the application's main thread. on_end: called once, when the service cannot go on."""

    def __init__(
        self,
        service: Service,
        cell: KitCell,
        on_end: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service, self._cell, self._on_end, self._clock = service, cell, on_end, clock
        self._turns: TurnsUnderWay | None = None
        self._failed: Callable[[Exception], None] = service.advance_failed
        self._rest_until = clock()

    def on_update(self, event: object) -> None:
        """Of the application's update event: whatever happens, the application goes on."""
        del event
        try:
            self._update()
        except Exception:
            _log.exception("isaac-collect ends")
            self.close()
            let_time_pass()
            self._on_end()

    def _update(self) -> None:
        self._cell.update()
        if self._turns is not None:
            self._go_on()
        if self._turns is not None or self._clock() < self._rest_until:
            return
        work = self._service.tick()
        simulator = self._cell.simulator
        if isinstance(work, Rest) or simulator is None:
            rest_s = min(work.seconds, LONGEST_REST_S) if isinstance(work, Rest) else LONGEST_REST_S
            self._rest_until = self._clock() + rest_s
        elif isinstance(work, Tick):
            self._begin(simulator.advancing(work), self._service.advance_failed)
        elif isinstance(work, Draw):
            self._begin(simulator.drawing(), self._service.draw_failed)

    def _begin(self, turns: Iterator[Turn], failed: Callable[[Exception], None]) -> None:
        simulator = self._cell.simulator
        assert simulator is not None
        self._turns, self._failed = TurnsUnderWay(turns, simulator), failed
        self._go_on()

    def _go_on(self) -> None:
        turns = self._turns
        assert turns is not None
        try:
            if not turns.done():
                return
        except Exception as error:  # whatever a simulator raises: the attempt or the job ends by it
            turns.cancel()
            self._failed(self._attributed(error))
        self._turns = None

    def _attributed(self, error: Exception) -> Exception:
        """To the attempt under way, or to the simulator. One that can neither be observed nor drawn any more, because
        somebody stopped physics, opened another stage or deleted a part of this one, would fail every further attempt,
        and each would count: the job ends instead, to be resumed in the next cell."""
        simulator = self._cell.simulator
        assert simulator is not None
        try:
            simulator.observe()
            next(simulator.drawing(), None)
        except Exception:  # whatever a lost one raises: the error before is the one to tell
            lost = SimulatorUnavailable(str(error))
            lost.__cause__ = error
            return lost
        return error

    def close(self) -> None:
        """Before the service is closed: nothing is under way afterwards."""
        if self._turns is not None:
            self._turns.cancel()
            self._turns = None
