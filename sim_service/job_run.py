"""A job under way: its collection opened, and driven tick by tick to one of its ends."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from collectors.randomization import Randomization, from_mapping
from collectors.simulator import Simulator, Tick
from lerobot_writer import DatasetExistsError, WriterError
from sim_service import commands
from sim_service.collection import Collection
from sim_service.config import CollectConfig
from sim_service.job_monitor import JobMonitor
from sim_service.ledger import COLLECTION_FILE, LedgerError
from sim_service.ports import Job, JobState
from sim_service.randomization_file import randomization_word
from sim_service.randomization_request import request_fields, requested_randomization
from sim_service.simulators import SimulatorSettings

_log = logging.getLogger(__name__)


def open_collection(
    request: commands.CollectRequest, output: Path, settings: SimulatorSettings, simulator: Simulator
) -> Collection:
    """What the request asks for, into the folder `output`. settings: of the simulator. Raises OutputRefusedError,
    StorageError."""
    config = CollectConfig(
        output=output,
        num_episodes=request.num_episodes,
        seed=request.seed,
        steps_per_segment=request.steps_per_segment,
        settings=settings,
        resume=request.resume,
        randomization=requested_randomization(request),
    )
    try:
        return Collection(config, simulator)
    except DatasetExistsError as error:
        hint = "" if request.resume else '; "resume": true continues a dataset'
        raise commands.OutputRefusedError(f"{error}{hint}") from error
    except (WriterError, LedgerError, OSError) as error:
        if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
            raise commands.StorageError(str(error)) from error
        raise commands.OutputRefusedError(_other_randomization(config) or str(error)) from error


def _other_randomization(config: CollectConfig) -> str | None:
    """What to say where the dataset that cannot be continued varies other things: its ranges, two dozen, tell little.
    None where it varies the same, or none of ours is there."""
    try:
        stored = json.loads((config.output / COLLECTION_FILE).read_bytes())
        begun = from_mapping(stored["configuration"]["randomization"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not config.resume or begun == config.randomization:
        return None
    return (
        f"cannot continue {config.output} with another randomization: the dataset has {_words(begun)}, asked for "
        f"{_words(config.randomization)}"
    )


def _words(randomization: Randomization) -> str:
    """The fields of a request for it."""
    preset, num_objects = request_fields(randomization)
    if preset is None:
        return f"ranges of its own, {randomization_word(randomization)}"
    return f'"randomize": "{preset}"' + ("" if num_objects is None else f' and "num_objects": {num_objects}')


class JobRun:
    """Drives the collection that the monitor tells of. Each step gives the next Tick, or None when the job is over;
    nothing that the collection raises gets out."""

    def __init__(self, collection: Collection, monitor: JobMonitor) -> None:
        self._collection, self._monitor = collection, monitor
        self._ticks = collection.run()
        self.simulator_failed = False  # something else than the dataset ended the job: trust the simulator no more
        self._early: JobState | None = None  # the state that the job ends in, once it was asked to end early
        monitor.watch(collection)

    @property
    def job(self) -> Job:
        return self._monitor.job

    def next_tick(self) -> Tick | None:
        """To be called when the simulator has advanced by the last one."""
        return self._step(lambda: next(self._ticks))

    def advance_failed(self, error: Exception) -> Tick | None:
        """The simulator raised instead of advancing by the last tick."""
        return self._step(lambda: self._ticks.throw(error))

    def draw_failed(self, error: Exception) -> None:
        """The simulator cannot show the scene before the first tick. The job is over then, and no episode was tried."""
        _log.error("job %s failed", self.job.id, exc_info=error)
        try:
            self._ticks.close()
            self._collection.close()
        except Exception:  # the first error is the one to tell
            _log.exception("job %s could not be stopped cleanly", self.job.id)
        self._fail(error)

    def stop_after_attempt(self, state: JobState) -> None:
        """End early, in that state, when the attempt under way is over; the first such state counts."""
        self._early = self._early or state
        self._collection.stop_after_attempt()
        self._monitor.stopping()

    def stop_now(self, state: JobState) -> None:
        """Discard the attempt under way and finalize the dataset. The job is over then."""
        try:
            self._ticks.close()
            self._collection.close()
        except Exception as error:
            _log.exception("job %s could not be stopped cleanly", self.job.id)
            self._fail(error)
        else:
            self._finish_early(self._early or state)

    def _step(self, action: Callable[[], Tick]) -> Tick | None:
        try:
            tick = action()
        except StopIteration:
            progress = self._monitor.update().progress
            if progress.completed >= progress.requested:
                self._monitor.finish("completed")
            elif progress.completed + progress.exhausted >= progress.requested:
                self._monitor.finish("incomplete", f"{progress.exhausted} episodes failed in every attempt")
            else:
                self._finish_early(self._early or "stopped")
            return None
        except Exception as error:
            _log.exception("job %s failed", self.job.id)
            self._fail(error)
            return None
        self._monitor.update()
        return tick

    def _fail(self, error: Exception) -> None:
        self.simulator_failed = not isinstance(error, WriterError | LedgerError)
        self._monitor.finish("failed", f"{type(error).__name__}: {error}")

    def _finish_early(self, state: JobState) -> None:
        self._monitor.finish(state, "the service was shut down" if state == "interrupted" else None)
