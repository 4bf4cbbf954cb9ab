"""The main loop of `isaac-collect serve` on a simulator whose clock is ours."""

from __future__ import annotations

from collectors.simulator import Tick
from sim_service.service import Service
from sim_service.stop_request import StopRequest


def run_service(service: Service, stop: StopRequest, grace_s: float) -> None:
    """Until a signal asks to stop, and the episode under way has ended or had its grace time. Raises
    SimulatorUnavailable where the simulator cannot run here at all."""
    while not service.done:
        if stop.signal is not None:
            service.shut_down(grace_s)
        work = service.tick()
        if isinstance(work, Tick):
            service.advance(work)
        else:
            service.rest(work)
