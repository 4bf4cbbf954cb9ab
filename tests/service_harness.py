"""A service on the fake simulator, driven turn by turn from the test's own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_simulator import FakeSimulator

from collectors.simulator import Simulator, Tick
from sim_service.commands import CollectRequest, Command, CommandQueue, StartCollection
from sim_service.data_root import FolderDataRoot
from sim_service.host_work import Draw, Work
from sim_service.job_store import JobStore
from sim_service.ports import Job
from sim_service.recorded import open_dataset
from sim_service.service import Service
from sim_service.simulators import SimulatorSettings

MANY_TURNS = 20_000


class Clock:
    """Time that passes when the test says so, and by what the service rests."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Harness:
    """service: as `serve` would have it. opened: every simulator that it has opened, in order. settings: of every one
    that it asked for."""

    def __init__(self, root: Path, make_simulator: Callable[[], Simulator] = FakeSimulator) -> None:
        self.clock = Clock()
        self.queue = CommandQueue(4)
        self.opened: list[Any] = []
        self.settings: list[SimulatorSettings] = []

        def open_simulator(settings: SimulatorSettings) -> Simulator:
            self.settings.append(settings)
            simulator = make_simulator()
            self.opened.append(simulator)
            return simulator

        data_root = FolderDataRoot(root)
        data_root.prepare()
        self.root = data_root.path
        self.store = JobStore(self.root)
        self.service = Service(
            open_simulator, SimulatorSettings(), self.queue, data_root, self.store, 1 / 15, self.clock
        )

    @property
    def simulator(self) -> Any:
        return self.opened[-1]

    @property
    def job(self) -> Job:
        job = self.service.board.status.job
        assert job is not None
        return job

    def turn(self) -> Work:
        """One turn of the main loop, as the host would do it, but without waiting."""
        work = self.service.tick()
        if isinstance(work, Tick):
            self.service.advance(work)
            self.clock.now += 0.01
        elif isinstance(work, Draw):
            self.service.draw()
            self.clock.now += 0.01
        else:
            self.clock.now += work.seconds
        return work

    def until(self, condition: Callable[[], object]) -> None:
        for _ in range(MANY_TURNS):
            if condition():
                return
            self.turn()
        raise AssertionError(f"not within {MANY_TURNS} turns; status: {self.service.board.status}")

    def until_state(self, state: str) -> None:
        self.until(lambda: self.service.board.status.state == state)

    def send(self, command: Command) -> Any:
        """What the sender gets when the command is there at the next turn."""
        reply: Future[Any] = Future()
        sender = threading.Thread(target=self._submit, args=(command, reply))
        sender.start()
        while self.queue.depth == 0 and not reply.done():
            sender.join(0.001)
        self.turn()
        sender.join()
        return reply.result(timeout=0)

    def start(self, output_dir: str, num_episodes: int = 2, key: str | None = None, **request: Any) -> Job:
        job = self.send(
            StartCollection(CollectRequest(output_dir, num_episodes=num_episodes, steps_per_segment=5, **request), key)
        )
        assert isinstance(job, Job)
        return job

    def close(self) -> None:
        self.service.close()
        self.store.close()

    def _submit(self, command: Command, reply: Future[Any]) -> None:
        try:
            reply.set_result(self.queue.submit(command, 60.0))
        except BaseException as error:
            reply.set_exception(error)


@contextmanager
def harness(root: Path, make_simulator: Callable[[], Simulator] = FakeSimulator) -> Iterator[Harness]:
    """Closed at the end, as `serve` would."""
    running = Harness(root, make_simulator)
    try:
        yield running
    finally:
        running.close()


def events(run: Harness) -> list[tuple[str, Any]]:
    log = run.service.board.events
    return [(event.kind, event.data) for event in log.read(0, 0)] if log.end else []


def states(run: Harness) -> list[str]:
    return [data["state"] for kind, data in events(run) if kind == "state"]


def lengths(dataset: Path) -> list[int]:
    return [row["length"] for row in open_dataset(dataset).rows]
