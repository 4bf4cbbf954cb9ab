"""The main loop of `isaac-collect serve` on a simulator whose clock is ours."""

from __future__ import annotations

import sys
from typing import Final

from collectors.simulator import Tick
from sim_service.host_work import Draw
from sim_service.service import Service
from sim_service.stop_request import StopRequest

# A request gives the interpreter lock up about ten times, and may wait so long each time for a main thread in the midst
# of plain Python. Python's own 5 ms make that tens of milliseconds; bench/service.py shows the difference.
SWITCH_INTERVAL_S: Final = 0.001


def run_service(service: Service, stop: StopRequest, grace_s: float) -> None:
    """Until a signal asks to stop, and the episode under way has ended or had its grace time. Raises
    SimulatorUnavailable where the simulator cannot run here at all."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        while not service.done:
            if stop.signal is not None:
                service.shut_down(grace_s)
            work = service.tick()
            if isinstance(work, Tick):
                service.advance(work)
            elif isinstance(work, Draw):
                service.draw()
            else:
                service.rest(work)
    finally:
        sys.setswitchinterval(before)
