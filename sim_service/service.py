"""The long-running process: takes commands between two control ticks, collects, idles, and tells what it does.

A host calls `tick` from the thread that owns the simulator and does what it returns: either lets the simulator advance
by a control period (`advance`, or the application's own loop), or has nothing to do for a moment (`rest`).
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.cameras import CAMERAS
from collectors.simulator import Tick
from lerobot_writer import DatasetExistsError, WriterError
from sim_service import commands
from sim_service.collection import Collection
from sim_service.commands import CollectRequest, CommandQueue, PendingCommand, StartCollection, StopCollection
from sim_service.config import CollectConfig
from sim_service.data_root import FolderDataRoot
from sim_service.frame_hub import FrameHub
from sim_service.job_monitor import JobMonitor
from sim_service.job_run import JobRun
from sim_service.job_store import JobStore
from sim_service.ledger import LedgerError
from sim_service.ports import Job, OutputDirError, ServiceState, SimulatorState, Status
from sim_service.simulators import SimulatorSettings, SimulatorUnavailable
from sim_service.status_board import StatusBoard
from sim_service.tally import Tally
from sim_service.work_cell import OpenSimulator, WorkCell

REOPEN_PERIOD_S: Final = 10.0  # between two tries to open a simulator that failed
SIMULATOR_STATE_PERIOD_S: Final = 0.2  # between two looks at its clock: an observation is not free
LONGEST_REST_S: Final = 0.5  # the heartbeat goes on

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rest:
    """Nothing to do for so long [s], unless a command comes."""

    seconds: float


class Service:
    """Satisfies `ports.JobHistory`; `board` and `frames` are the other ports. All that the host calls belongs to the
    main thread. The store is the caller's, to be closed when nobody reads the history any more.

    settings: of the simulator to begin with; a job that asks for other objects gets them. live_period_s: the shortest
    time between two pictures that are made for viewers alone.
    """

    def __init__(
        self,
        open_simulator: OpenSimulator,
        settings: SimulatorSettings,
        queue: CommandQueue,
        data_root: FolderDataRoot,
        store: JobStore,
        live_period_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._queue, self._data_root, self._store = settings, queue, data_root, store
        self._live_period_s, self._clock = live_period_s, clock
        self.board = StatusBoard(Status("starting", None, None, clock()))
        self.frames = FrameHub([camera.name for camera in CAMERAS])
        self._cell = WorkCell(open_simulator, settings)
        self._tally = Tally()
        self._run: JobRun | None = None
        self._job: Job | None = None  # the last one
        self._state: ServiceState = "starting"
        self._error: str | None = None  # why the state is "failed"
        self._reopen_at = self._play_at = self._picture_at = self._state_at = clock()
        self._simulator_state: SimulatorState | None = None
        self._advanced: Tick | None = None  # what the host has advanced by since the last tick
        self._owed: Tick | None = None  # what a collection asked for when the advance before it had failed
        self._waiting: PendingCommand | None = None
        self._grace_ends_at: float | None = None  # set once the service is shut down

    @property
    def done(self) -> bool:
        """The service was shut down and nothing is under way."""
        return self._grace_ends_at is not None and self._run is None

    @property
    def current_job_id(self) -> str | None:
        """Of the job under way; for any thread."""
        run = self._run
        return run.job.id if run is not None else None

    def jobs(self, limit: int) -> Sequence[Job]:
        return [self._as_it_is_now(job) for job in self._store.jobs(limit)]

    def job(self, job_id: str) -> Job | None:
        job = self._store.job(job_id)
        return self._as_it_is_now(job) if job is not None else None

    # The host's side

    def tick(self) -> Tick | Rest:
        """One turn of the main loop. The host advances the simulator by a returned Tick before it calls again. Raises
        SimulatorUnavailable where there never was one."""
        began = self._clock()
        self._take_commands()
        work: Tick | Rest
        if self._run is not None:
            work = self._collect(self._run)
            self._tally.ticks += 1
            self._tally.tick_seconds += self._clock() - began
        elif self._grace_ends_at is not None:
            work = Rest(0.0)
        elif self._state in ("starting", "failed"):
            work = self._open()
        else:
            work = self._idle()
        self._advanced = work if isinstance(work, Tick) else None
        self._publish()
        return work

    def advance(self, tick: Tick) -> None:
        """Advance a simulator whose clock is ours; what it raises ends the attempt or the job, not the service."""
        began = self._clock()
        try:
            self._cell.simulator.advance(tick)
        except Exception as error:
            self.advance_failed(error)
        if self._run is not None:
            self._tally.tick_seconds += self._clock() - began

    def advance_failed(self, error: Exception) -> None:
        """The simulator did not advance by the last tick."""
        self._advanced = None
        if self._run is None:
            self._simulator_failed(error)
        else:
            self._owed = self._settle(self._run, self._run.advance_failed(error))

    def rest(self, work: Rest) -> None:
        """Wait as long as the work says, or until a command comes."""
        if self._waiting is None and work.seconds > 0:
            self._waiting = self._queue.take(work.seconds)

    def shut_down(self, grace_s: float) -> None:
        """Take no more commands; give the episode under way so long to end by itself. The job can be resumed."""
        if self._grace_ends_at is None:
            self._grace_ends_at = self._clock() + grace_s
            if self._run is not None:
                _log.info("shutting down: the episode under way has %.0f s to end", grace_s)
                self._run.stop_after_attempt("interrupted")
            self._set_state("stopping")

    def close(self) -> None:
        """Discard the episode under way, finalize the dataset, close the simulator, wake whoever waits for news."""
        self.shut_down(grace_s=0.0)
        if self._run is not None:
            self._run.stop_now("interrupted")
            self._job_is_over(self._run)
        self._queue.close()
        while (pending := self._next_command()) is not None:
            pending.refuse(commands.NotReadyError(commands.ENDING))
        self._cell.close()
        self._publish()
        self.board.events.close()
        self.frames.close()

    # Commands

    def _next_command(self) -> PendingCommand | None:
        pending, self._waiting = self._waiting, None
        return pending or self._queue.take()

    def _take_commands(self) -> None:
        while (pending := self._next_command()) is not None:
            try:
                pending.carry_out(self._carry_out)
            except Exception:  # the sender has it as a reply; the service goes on
                _log.exception("a command failed: %s", pending.command)

    def _carry_out(self, command: commands.Command) -> Job | SimulatorState | None:
        _log.info("%s", command)
        if isinstance(command, StartCollection):
            return self._start(command.request, command.idempotency_key)
        if isinstance(command, StopCollection):
            return self._stop(command)
        return self._interact(command)

    def _start(self, request: CollectRequest, key: str | None) -> Job:
        before = self._store.by_key(key) if key is not None else None
        if before is not None:
            if before.request != request:
                raise commands.KeyReusedError(
                    f"the idempotency key {key!r} began job {before.id} with another request; use a new key"
                )
            return self._as_it_is_now(before)
        self._require_ready()
        try:
            output = self._data_root.resolve(request.output_dir)
        except OutputDirError as error:
            raise commands.OutputRefusedError(str(error)) from error
        self._open_for(dataclasses.replace(self._settings, use_ycb=request.use_ycb))
        job = self._store.add(request, output, key)  # before the folder is touched, so that a crash forgets no key
        try:
            collection = self._open_collection(request, output)
        except BaseException:
            self._store.remove(job)
            raise
        monitor = JobMonitor(job, self.board.tell, self._tally, self._store.save, self._clock)
        self._run, self._advanced = JobRun(collection, monitor), None
        _log.info("job %s begins: %d episodes into %s", job.id, request.num_episodes, output)
        self._set_state("collecting")
        self._publish()
        return self._run.job

    def _open_for(self, settings: SimulatorSettings) -> None:
        try:
            self._cell.open(settings)
        except Exception as error:
            self._simulator_failed(error)
            raise commands.NotReadyError(f"the simulator failed: {error}") from error

    def _open_collection(self, request: CollectRequest, output: Path) -> Collection:
        config = CollectConfig(
            output=output,
            num_episodes=request.num_episodes,
            seed=request.seed,
            steps_per_segment=request.steps_per_segment,
            settings=self._cell.settings,
            resume=request.resume,
        )
        try:
            return Collection(config, self._cell.simulator)
        except DatasetExistsError as error:
            hint = "" if request.resume else '; "resume": true continues a dataset'
            raise commands.OutputRefusedError(f"{error}{hint}") from error
        except (WriterError, LedgerError, OSError) as error:
            if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
                raise commands.StorageError(str(error)) from error
            raise commands.OutputRefusedError(str(error)) from error

    def _stop(self, command: StopCollection) -> Job | None:
        if self._run is not None and command.mode == "now":
            self._run.stop_now("stopped")
            self._job_is_over(self._run)
        elif self._run is not None:
            self._run.stop_after_attempt("stopped")
            self._set_state("stopping")
        self._publish()
        return self._run.job if self._run is not None else self._job

    def _interact(self, command: commands.Command) -> SimulatorState:
        self._require_ready()
        if isinstance(command, commands.ResetScene):
            try:
                self._cell.lay_out(command.seed)
                self.frames.forget()
            except Exception as error:
                self._simulator_failed(error)
                raise commands.NotReadyError(f"the simulator failed: {error}") from error
        else:
            self._cell.playing = isinstance(command, commands.PlayPhysics)
            self._play_at = self._clock()
        self._state_at = self._clock()
        self._advanced = None
        self._publish()
        if self._simulator_state is None:
            raise commands.NotReadyError(f"the simulator failed: {self._error}")
        return self._simulator_state

    def _require_ready(self) -> None:
        if self._grace_ends_at is not None:
            raise commands.NotReadyError(commands.ENDING)
        if self._run is not None:
            job = self._run.job
            raise commands.BusyError(f"job {job.id} is collecting into {job.request.output_dir}", job.id)
        if self._state == "starting":
            raise commands.NotReadyError("the simulator is still starting; try again in a moment")
        if self._state == "failed":
            raise commands.NotReadyError(f"the simulator failed: {self._error}")

    # Collecting

    def _collect(self, run: JobRun) -> Tick | Rest:
        if self._grace_ends_at is not None and self._clock() >= self._grace_ends_at:
            run.stop_now("interrupted")
            self._job_is_over(run)
            return Rest(0.0)
        if self._owed is not None:
            owed, self._owed = self._owed, None
            return owed
        if self._advanced is not None and self._advanced.images and self.frames.wanted:
            try:
                self.frames.publish(self._cell.images())
            except Exception as error:  # the episode sees the same and acts on it
                _log.warning("no picture for the viewers: %s", error)
        return self._settle(run, run.next_tick()) or Rest(0.0)

    def _settle(self, run: JobRun, tick: Tick | None) -> Tick | None:
        if tick is None:
            self._job_is_over(run)
        return tick

    def _job_is_over(self, run: JobRun) -> None:
        _log.info("job %s is %s: %d episodes", run.job.id, run.job.state, run.job.progress.completed)
        self._store.save(run.job)
        self._job, self._run, self._advanced, self._owed = run.job, None, None, None
        if run.simulator_failed:
            self._cell.close()
        if self._grace_ends_at is not None:
            return
        self._set_state("idle")
        self._publish()
        if self._error is not None:  # seen just now
            return
        try:
            self._cell.open(self._cell.settings)  # an open one is laid out anew
        except Exception as error:
            self._simulator_failed(error)

    # Idling

    def _open(self) -> Rest:
        if self._clock() < self._reopen_at:
            return Rest(min(self._reopen_at - self._clock(), LONGEST_REST_S))
        try:
            self._cell.open(self._settings)
        except SimulatorUnavailable as error:
            if self._state == "starting":
                raise
            self._simulator_failed(error)
        except Exception as error:
            self._simulator_failed(error)
        else:
            self._set_state("idle")
        return Rest(0.0)

    def _idle(self) -> Tick | Rest:
        now = self._clock()
        try:
            if self._advanced is not None and self._advanced.images:
                self.frames.publish(self._cell.images())
            period_s = self._cell.simulator.control_period_s
            # Half a turn early is nearer to the live rate than half a turn late.
            drawing = self.frames.wanted and now - self._picture_at >= self._live_period_s - period_s / 2
            if self._cell.playing and now < self._play_at:
                return Rest(self._play_at - now)
            if drawing:
                self._picture_at = now
            if self._cell.playing:
                self._play_at = max(self._play_at + period_s, now)
                return Tick(images=drawing)
            self._cell.simulator.refresh(images=drawing)
            if drawing:
                self.frames.publish(self._cell.images())
        except Exception as error:
            self._simulator_failed(error)
            return Rest(0.0)
        return Rest(period_s)

    # Telling

    def _simulator_failed(self, error: Exception) -> None:
        _log.error("the simulator failed", exc_info=error)
        self._cell.close()
        self._error = f"{type(error).__name__}: {error}"
        self._reopen_at = self._clock() + REOPEN_PERIOD_S
        self._set_state("failed")

    def _set_state(self, state: ServiceState) -> None:
        if state != "failed":
            self._error = None
        if state != self._state:
            self._state = state
            self.board.tell("state", {"state": state, "error": self._error})

    def _publish(self) -> None:
        now = self._clock()
        if now >= self._state_at or self._run is None:
            self._state_at = now + SIMULATOR_STATE_PERIOD_S
            self._look_at_simulator()
        job = self._run.job if self._run is not None else self._job
        counters = self._tally.snapshot()
        self.board.publish(Status(self._state, job, self._simulator_state, now, self._error, counters))

    def _look_at_simulator(self) -> None:
        try:
            self._simulator_state = self._cell.state()
        except Exception as error:
            self._simulator_state = None
            if self._run is None:  # a job sees the same in its next turn, and ends by it
                self._simulator_failed(error)

    def _as_it_is_now(self, job: Job) -> Job:
        now = self.board.status.job
        return now if now is not None and now.id == job.id else job
