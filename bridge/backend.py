"""What every route works with: the ports of the simulator process, and what bounds the use of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from flask import request

from bridge.config import BridgeConfig
from bridge.live import Live
from bridge.problems import Problem
from bridge.slots import Slots
from bridge.status_body import StatusBody
from sim_service.commands import CommandQueue, NotReadyError, QueueFullError
from sim_service.ports import Ports, Status

QUICK_THREADS: Final = 4  # that neither streams nor waiting requests may take: for status, health and files


class Backend:
    """streams: for responses that last. waits: for requests that wait for the main loop or for a picture. closing: set
    when the server ends; streams end then."""

    def __init__(self, ports: Ports, live: Live, config: BridgeConfig) -> None:
        waits = config.threads - config.max_streams - QUICK_THREADS
        if waits < 1:
            raise ValueError(
                f"{config.threads} threads are too few for {config.max_streams} streams; "
                f"at least {config.max_streams + QUICK_THREADS + 1} are needed"
            )
        self.commands, self.status_source = ports.commands, ports.status
        self.events, self.jobs, self.frames = ports.events, ports.jobs, ports.frames
        self.data_root, self.catalogue, self.live, self.config = ports.data_root, ports.catalogue, live, config
        self.read_only = config.read_only or ports.commands is None
        self.streams = Slots(config.max_streams)
        self.waits = Slots(waits)
        self.closing = threading.Event()
        self.status_body = StatusBody(
            ports.status, ports.events, ports.frames, str(ports.data_root.path), config.version, self.read_only
        )

    @property
    def status(self) -> Status:
        return self.status_source.status

    def heartbeat_age_s(self) -> float:
        return max(0.0, time.monotonic() - self.status.heartbeat)

    def require_ready(self) -> None:
        """Raises NotReadyError where the main loop is stuck, or there is no simulator."""
        age_s, status = self.heartbeat_age_s(), self.status
        if age_s > self.config.ready_bound_s:
            raise NotReadyError(
                f"the simulator's main loop turned last {age_s:.1f} s ago; at most {self.config.ready_bound_s:g} s "
                "are allowed"
            )
        if status.state == "starting":
            raise NotReadyError("the simulator is starting; try again in a moment")
        if status.state == "failed":
            raise NotReadyError(f"the simulator failed: {status.error or 'the log says why'}")

    @contextmanager
    def commanding(self) -> Iterator[CommandQueue]:
        """The queue, if a command has a chance. Raises NotReadyError, QueueFullError; Problem where none is taken."""
        if self.commands is None:
            raise Problem(403, "read-only", "this page is for watching; it takes no commands")
        self.require_ready()
        with self.waiting():
            yield self.commands

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Holds one of the threads that may wait. Raises QueueFullError."""
        slot = self.waits.take()
        if slot is None:
            raise QueueFullError(f"{self.waits.limit} requests wait already; try again in a moment")
        with slot:
            yield

    def require_camera(self, camera: str) -> None:
        if camera not in self.frames.cameras:
            there_are = ", ".join(self.frames.cameras)
            raise Problem(404, "not-found", f"there is no camera {camera!r}; there are {there_are}")


def root_path() -> str:
    """The path that the request at hand found the API under, without a slash at its end."""
    return request.root_path
