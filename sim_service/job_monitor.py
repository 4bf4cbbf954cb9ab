"""Tells what a collection does as a job: a record to look at, events to follow, totals to count."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from sim_service.collection import Attempt, Collection
from sim_service.ports import EventKind, Job, JobState, Progress
from sim_service.tally import Tally

RATE_WINDOW_S: Final = 30.0
_SAMPLE_PERIOD_S: Final = 0.5


class JobMonitor:
    """The job that one collection is. tell: takes events. on_attempt: called when the counts have changed."""

    def __init__(
        self,
        job: Job,
        tell: Callable[[EventKind, Mapping[str, Any]], None],
        tally: Tally,
        on_attempt: Callable[[Job], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job, self._tell, self._tally, self._on_attempt, self._clock = job, tell, tally, on_attempt, clock
        self._collection: Collection | None = None
        self._settled_before = 0
        self._began = clock()
        self._frames = 0  # made so far, those of discarded attempts too
        self._frame = 0  # of the attempt, at the last update
        self._samples: deque[tuple[float, int]] = deque([(self._began, 0)])  # time, frames made

    @property
    def job(self) -> Job:
        """As of the last `update`."""
        return self._job

    def watch(self, collection: Collection) -> None:
        """From now on the job is that collection."""
        self._collection = collection
        collection.on_attempt = self._saw_attempt
        self._count(collection)
        self._settled_before = self._job.progress.completed + self._job.progress.exhausted
        self.update()
        self._tell_job()

    def update(self) -> Job:
        """The record as it stands now; to be called once per tick."""
        collection = self._collection
        if collection is None:
            return self._job
        episode = collection.progress
        between = collection.current_episode is None
        progress = dataclasses.replace(
            self._job.progress,
            current_episode=collection.current_episode,
            attempt=collection.current_attempt,
            frame=0 if between else episode.frame,
            frames=0 if between else episode.frames,
            phase="" if between else episode.phase,
        )
        self._frames += max(progress.frame - self._frame, 0)
        self._frame = progress.frame
        self._job = dataclasses.replace(
            self._job, progress=progress, frames_per_s=self._rate(), eta_s=self._eta_s(progress)
        )
        return self._job

    def stopping(self) -> None:
        """The job was asked to stop, perhaps again."""
        if self._job.state != "stopping":
            self._change("stopping")

    def finish(self, state: JobState, error: str | None = None) -> Job:
        """The job is over."""
        self.update()
        elapsed_s = self._clock() - self._began
        rate = self._job.frames / elapsed_s if elapsed_s > 0 and self._job.frames else None
        over = dataclasses.replace(self._job.progress, current_episode=None, attempt=0, frame=0, frames=0, phase="")
        finished_at = max(time.time(), self._job.started_at)  # the clock of the day may have been set back
        self._job = dataclasses.replace(
            self._job, progress=over, frames_per_s=rate, eta_s=None, finished_at=finished_at, error=error
        )
        self._collection = None
        self._tally.jobs[state] += 1
        self._change(state)
        return self._job

    def _saw_attempt(self, attempt: Attempt) -> None:
        outcome = attempt.outcome
        self._tally.episodes["success" if outcome.success else outcome.failure_reason] += 1
        self._tally.frames += outcome.frames if attempt.recorded else 0
        if self._collection is not None:
            self._count(self._collection)
        job = self.update()
        data = {
            "job_id": job.id,
            "index": attempt.index,
            "attempt": attempt.attempt,
            "success": outcome.success,
            "recorded": attempt.recorded,
            "exhausted": attempt.exhausted,
            "failure_reason": outcome.failure_reason or None,
            "placement_error_m": outcome.placement_error_m if outcome.success else None,
            "frames": outcome.frames,
            "completed": job.progress.completed,
            "requested": job.progress.requested,
        }
        self._tell("episode", data)
        self._on_attempt(job)

    def _count(self, collection: Collection) -> None:
        """What changes with an attempt alone."""
        ledger, indices = collection.ledger, range(self._job.request.num_episodes)
        completed = ledger.recorded_of(indices)
        progress = dataclasses.replace(
            self._job.progress, completed=completed, exhausted=ledger.settled_of(indices) - completed
        )
        self._job = dataclasses.replace(
            self._job,
            progress=progress,
            attempts=ledger.attempts,
            successes=ledger.successes,
            failures=dict(sorted(ledger.failures.items())),
            frames=collection.frames_recorded,
        )

    def _change(self, state: JobState) -> None:
        self._job = dataclasses.replace(self._job, state=state)
        self._tell_job()

    def _tell_job(self) -> None:
        self._tell("job", {"id": self._job.id, "state": self._job.state, "error": self._job.error})

    def _rate(self) -> float | None:
        """Frames per second over the window."""
        now = self._clock()
        if now - self._samples[-1][0] >= _SAMPLE_PERIOD_S:
            self._samples.append((now, self._frames))
            while now - self._samples[0][0] > RATE_WINDOW_S:
                self._samples.popleft()
        began, frames_then = self._samples[0]
        return (self._frames - frames_then) / (now - began) if now - began > _SAMPLE_PERIOD_S else None

    def _eta_s(self, progress: Progress) -> float | None:
        here = progress.completed + progress.exhausted - self._settled_before
        done = here + (progress.frame / progress.frames if progress.frames else 0.0)
        left = progress.requested - self._settled_before - done
        elapsed_s = self._clock() - self._began
        return max(left, 0.0) * elapsed_s / done if done > 0.05 else None
