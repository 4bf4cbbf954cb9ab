"""The long-running process: takes commands between two control ticks, collects, idles, and tells what it does.

A host calls `tick` from the thread that owns the simulator and carries out what it returns before it calls again: lets
the simulator advance by a control period (`advance`, or the application's own loop), has it draw the present instant
(`draw`, or likewise), or has nothing to do for a moment (`rest`). Within `tick` the simulator does neither.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from collectors.cameras import CAMERAS
from collectors.simulator import Tick
from sim_service import commands
from sim_service.commands import CollectRequest, CommandQueue, PendingCommand, StartCollection, StopCollection
from sim_service.data_root import FolderDataRoot
from sim_service.frame_hub import FrameHub
from sim_service.host_work import Draw, Rest, Work
from sim_service.idling import Idling
from sim_service.job_book import JobBook
from sim_service.job_monitor import JobMonitor
from sim_service.job_run import JobRun, open_collection
from sim_service.job_store import JobStore
from sim_service.ports import Job, OutputDirError, ServiceState, SimulatorState, Status
from sim_service.randomization_request import requested_randomization
from sim_service.simulators import SimulatorSettings, SimulatorStarting, SimulatorUnavailable
from sim_service.status_board import StatusBoard
from sim_service.tally import Tally
from sim_service.work_cell import OpenSimulator, WorkCell

REOPEN_PERIOD_S: Final = 10.0  # between two tries to open a simulator that failed
STARTING_PERIOD_S: Final = 0.05  # between two looks whether a simulator that is starting is open
SIMULATOR_STATE_PERIOD_S: Final = 0.2  # between two looks at its clock: an observation is not free
LONGEST_REST_S: Final = 0.5  # the heartbeat goes on

_log = logging.getLogger(__name__)


class Service:
    """`board`, `history` and `frames` are ports for others. All that the host calls belongs to the main thread. The
    store is the caller's, to be closed when nobody reads the history any more.

    open_simulator: may raise SimulatorStarting, and is asked again a moment later then. settings: of the simulator to
    begin with; a job that asks for other objects, distractors or textured tables gets them. live_period_s: the shortest
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
        self._clock = clock
        self.board = StatusBoard(Status("starting", None, None, clock()))
        self.history = JobBook(store, self.board)
        self.frames = FrameHub([camera.name for camera in CAMERAS])
        self._cell = WorkCell(open_simulator, settings)
        self._idling = Idling(self._cell, self.frames, live_period_s, clock)
        self._tally = Tally()
        self._run: JobRun | None = None
        self._job: Job | None = None  # the last one
        self._state: ServiceState = "starting"
        self._error: str | None = None  # why the state is "failed"
        self._was_ready = False
        self._reopen_at = self._state_at = self._handed_over_at = clock()
        self._simulator_state: SimulatorState | None = None
        self._carried_out: Work | None = None  # what the host has done since the last tick
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

    # The host's side

    def tick(self) -> Work:
        """One turn of the main loop. Raises SimulatorUnavailable where there never was a simulator."""
        began = self._clock()
        if self._run is not None and isinstance(self._carried_out, Tick):
            self._tally.tick_seconds += began - self._handed_over_at
        self._take_commands()
        work: Work
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
        self._publish()
        if not self._cell.is_open and not isinstance(work, Rest):  # the look at it for the status found it dead
            work = Rest(0.0)
        self._carried_out, self._handed_over_at = work, self._clock()
        return work

    def advance(self, tick: Tick) -> None:
        """Advance a simulator whose clock is ours; what it raises ends the attempt or the job, not the service."""
        try:
            self._cell.simulator.advance(tick)
        except Exception as error:
            self.advance_failed(error)

    def draw(self) -> None:
        """Have a simulator whose clock is ours draw the present instant; what it raises does not end the service."""
        try:
            self._cell.simulator.refresh(images=True)
        except Exception as error:
            self.draw_failed(error)

    def advance_failed(self, error: Exception) -> None:
        """The simulator did not advance by the last tick."""
        self._carried_out = None
        if self._run is None:
            self._simulator_failed(error)
        else:
            self._owed = self._settle(self._run, self._run.advance_failed(error))

    def draw_failed(self, error: Exception) -> None:
        """The simulator did not draw."""
        self._carried_out = None
        if self._run is None:
            self._simulator_failed(error)
        else:
            self._run.draw_failed(error)
            self._job_is_over(self._run)

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
        before = self.history.begun_by(key, request)
        if before is not None:
            return before
        self._require_ready()
        try:
            output = self._data_root.resolve(request.output_dir)
        except OutputDirError as error:
            raise commands.OutputRefusedError(str(error)) from error
        self._open_for(self._settings_of(request))
        job = self._store.add(request, output, key)  # before the folder is touched, so that a crash forgets no key
        try:
            collection = open_collection(request, output, self._cell.settings, self._cell.simulator)
        except BaseException:
            self._store.remove(job)
            raise
        monitor = JobMonitor(job, self.board.tell, self._tally, self._store.save, self._clock)
        self._run, self._carried_out = JobRun(collection, monitor), None
        _log.info("job %s begins: %d episodes into %s", job.id, request.num_episodes, output)
        self._set_state("collecting")
        self._publish()
        return self._run.job

    def _settings_of(self, request: CollectRequest) -> SimulatorSettings:
        own = self._settings
        return SimulatorSettings.of(own.fps, request.use_ycb, own.render_preset, requested_randomization(request))

    def _open_for(self, settings: SimulatorSettings) -> None:
        try:
            self._cell.open(settings)
        except SimulatorStarting as error:
            self._set_state("starting")
            self._publish()
            raise commands.NotReadyError("a simulator for this job is being built; try again in a moment") from error
        except Exception as error:
            self._simulator_failed(error)
            raise commands.NotReadyError(f"the simulator failed: {error}") from error

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
            self._idling.play(isinstance(command, commands.PlayPhysics))
        self._state_at = self._clock()
        self._carried_out = None
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

    def _collect(self, run: JobRun) -> Work:
        if self._grace_ends_at is not None and self._clock() >= self._grace_ends_at:
            run.stop_now("interrupted")
            self._job_is_over(run)
            return Rest(0.0)
        if self._owed is not None:
            owed, self._owed = self._owed, None
            return owed
        if not self._cell.proven:  # no episode is given up to a simulator that cannot draw
            if not isinstance(self._carried_out, Draw):
                return Draw()
            try:
                self._cell.images()
            except Exception as error:
                self.draw_failed(error)
                return Rest(0.0)
        if isinstance(self._carried_out, Tick) and self._carried_out.images and self.frames.wanted:
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
        self._job, self._run, self._carried_out, self._owed = run.job, None, None, None
        if run.simulator_failed:
            self._cell.close()
        if self._grace_ends_at is not None:
            return
        works = self._cell.is_open and self._cell.lay_out_anew()
        self._set_state("idle" if works else "starting")
        self._publish()

    # Without a job

    def _open(self) -> Work:
        """A simulator is open when it was laid out, and works when the pictures that it drew then were read."""
        try:
            if self._cell.is_open and isinstance(self._carried_out, Draw):
                images = self._cell.images()
                if self.frames.wanted:
                    self.frames.publish(images)
                self._was_ready = True
                self._set_state("idle")
                return Rest(0.0)
            if self._clock() < self._reopen_at:
                return Rest(min(self._reopen_at - self._clock(), LONGEST_REST_S))
            self._cell.open(self._cell.settings)
        except SimulatorStarting:
            return Rest(STARTING_PERIOD_S)
        except Exception as error:
            if isinstance(error, SimulatorUnavailable) and self._state == "starting" and not self._was_ready:
                raise
            self._simulator_failed(error)
            return Rest(0.0)
        return Draw()

    def _idle(self) -> Work:
        try:
            return self._idling.turn(self._carried_out)
        except Exception as error:
            self._simulator_failed(error)
            return Rest(0.0)

    # Telling

    def _simulator_failed(self, error: Exception) -> None:
        _log.error("the simulator failed", exc_info=error)
        self._cell.give_up()
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
            self._simulator_state = self._cell.state(self._idling.playing)
        except Exception as error:
            self._simulator_state = None
            if self._run is None:  # a job sees the same in its next turn, and ends by it
                self._simulator_failed(error)
