"""The jobs that a data root has seen, the one under way as it is now."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sim_service.commands import CollectRequest, KeyReusedError
from sim_service.job_store import JobStore
from sim_service.ports import Job, StatusSource


class JobBook:
    """Satisfies `ports.JobHistory`: the store has each job as of its last attempt, the status as of the last turn."""

    def __init__(self, store: JobStore, status: StatusSource) -> None:
        self._store, self._status = store, status

    def jobs(self, limit: int) -> Sequence[Job]:
        return [self._as_it_is_now(job) for job in self._store.jobs(limit)]

    def job(self, job_id: str) -> Job | None:
        job = self._store.job(job_id)
        return self._as_it_is_now(job) if job is not None else None

    def begun_by(self, key: str | None, request: CollectRequest) -> Job | None:
        """The job that this idempotency key began; None without a key. Raises KeyReusedError where it began one with
        another request."""
        job = self._store.by_key(key) if key is not None else None
        if job is None:
            return None
        if _plain(job.request) != _plain(request):
            raise KeyReusedError(f"the idempotency key {key!r} began job {job.id} with another request; use a new key")
        return self._as_it_is_now(job)

    def _as_it_is_now(self, job: Job) -> Job:
        now = self._status.status.job
        return now if now is not None and now.id == job.id else job


def _plain(request: CollectRequest) -> CollectRequest:
    """Of two ways to ask for the same, the shorter: the default was one object before there were distractors."""
    if (request.randomize, request.num_objects) == ("none", 1):
        return dataclasses.replace(request, num_objects=None)
    return request
