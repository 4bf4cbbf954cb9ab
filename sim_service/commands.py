"""What the outside may ask of the simulator process, and the bounded queue by which it asks.

Any thread submits a frozen command and waits for its reply; the one thread that owns the simulator takes commands
between two ticks. A command whose sender gave up waiting is never carried out.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

if TYPE_CHECKING:
    from sim_service.ports import Job, SimulatorState

DEFAULT_CAPACITY: Final = 16
ENDING: Final = "the service is shutting down"
StopMode = Literal["after_episode", "now"]
Preset = Literal["none", "light", "full"]  # of the randomization
_Reply = TypeVar("_Reply")


@dataclass(frozen=True)
class CollectRequest:
    """What one job is to collect.

    output_dir: path of the dataset below the data root, "/" between its parts. randomize: None where a batch run, which
    can only be looked at, has ranges of its own. num_objects: on the table, 1 to 6, the target among them; None: what
    `randomize` says.
    """

    output_dir: str
    skill: str = "pick_place"
    num_episodes: int = 50
    seed: int = 12345
    steps_per_segment: int = 30
    use_ycb: bool = False
    randomize: Preset | None = "none"
    num_objects: int | None = None
    resume: bool = False


@dataclass(frozen=True)
class StartCollection:
    """Begin a job. idempotency_key: the same key with the same request gets the job that it began, at any time."""

    request: CollectRequest
    idempotency_key: str | None = None


@dataclass(frozen=True)
class StopCollection:
    """End the running job; does nothing where none runs. "now" discards the episode under way."""

    mode: StopMode = "after_episode"


@dataclass(frozen=True)
class PlayPhysics:
    """Let simulated time pass while nothing is collected."""


@dataclass(frozen=True)
class PausePhysics:
    """Stop simulated time while nothing is collected."""


@dataclass(frozen=True)
class ResetScene:
    """Put the arm at HOME and lay the scene out anew. seed: of the layout."""

    seed: int = 0


Command = StartCollection | StopCollection | PlayPhysics | PausePhysics | ResetScene


class CommandError(RuntimeError):
    """A command that was not carried out; the message says why and what would help."""


class QueueFullError(CommandError):
    """Too many commands wait already."""


class NoReplyError(CommandError):
    """The main loop did not answer in time; the command was withdrawn."""


class NotReadyError(CommandError):
    """The simulator is starting, shutting down or has failed."""


class BusyError(CommandError):
    """A job is running. job_id: which."""

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class OutputRefusedError(CommandError):
    """The dataset cannot be started or continued in that folder, for the reason of the message."""


class StorageError(CommandError):
    """The disk refused to hold the dataset."""


class KeyReusedError(CommandError):
    """The idempotency key came before, with another request."""


class PendingCommand:
    """A command that waits for its reply. Only the main loop calls its methods."""

    def __init__(self, command: Command, reply: Future[Any]) -> None:
        self.command = command
        self._reply = reply

    def carry_out(self, handler: Callable[[Command], Any]) -> None:
        """Reply with what `handler` returns, or with the CommandError that it raises; any other error is the sender's
        reply too, and then raised. Does nothing where the sender gave up."""
        if not self._reply.set_running_or_notify_cancel():
            return
        try:
            self._reply.set_result(handler(self.command))
        except CommandError as error:
            self._reply.set_exception(error)
        except BaseException as error:
            self._reply.set_exception(error)
            raise

    def refuse(self, error: CommandError) -> None:
        """Reply with the error."""
        if self._reply.set_running_or_notify_cancel():
            self._reply.set_exception(error)


class CommandQueue:
    """Bounded, first in first out. capacity: commands that may wait."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._queue: queue.Queue[PendingCommand] = queue.Queue(capacity)
        self._closed = False

    @property
    def capacity(self) -> int:
        return self._queue.maxsize

    @property
    def depth(self) -> int:
        """Commands that wait."""
        return self._queue.qsize()

    @overload
    def submit(self, command: StartCollection, timeout_s: float) -> Job: ...
    @overload
    def submit(self, command: StopCollection, timeout_s: float) -> Job | None: ...
    @overload
    def submit(self, command: PlayPhysics | PausePhysics | ResetScene, timeout_s: float) -> SimulatorState: ...
    def submit(self, command: Command, timeout_s: float) -> Any:
        """The main loop's reply. Raises QueueFullError, NoReplyError, or the CommandError it refuses with."""
        if self._closed:
            raise NotReadyError(ENDING)
        reply: Future[Any] = Future()
        try:
            self._queue.put_nowait(PendingCommand(command, reply))
        except queue.Full:
            raise QueueFullError(f"{self.capacity} commands wait already; try again in a moment") from None
        if self._closed and reply.cancel():  # closed just now, and the main loop may have taken its last look before
            raise NotReadyError(ENDING)
        try:
            return reply.result(timeout_s)
        except (FutureTimeoutError, TimeoutError):
            if reply.cancel():
                raise NoReplyError(f"the simulator's main loop did not answer within {timeout_s:g} s") from None
            return reply.result()  # it was being carried out just then
        except CancelledError:
            raise NoReplyError("the command was withdrawn") from None

    def close(self) -> None:
        """Refuse whatever is submitted from now on. What waits already is the main loop's to take and refuse."""
        self._closed = True

    def take(self, timeout_s: float = 0.0) -> PendingCommand | None:
        """The next command; waits for one at most `timeout_s`. For the main loop alone."""
        try:
            return self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
