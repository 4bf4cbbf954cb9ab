"""The history of jobs: a SQLite file below the data root, so that it survives the process."""

from __future__ import annotations

import dataclasses
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from sim_service.commands import CollectRequest, StorageError
from sim_service.ports import RUNNING_STATES, Job, Progress

STATE_FOLDER: Final = ".isaac-collect"
_FILE: Final = "jobs.sqlite"
_SCHEMA_VERSION: Final = 1
_ENDED_WITH_PROCESS: Final = "the service ended before the job did"

_log = logging.getLogger(__name__)


class JobStoreError(RuntimeError):
    """The history cannot be opened: another service uses the data root, or the file is not one of ours."""


class JobStore:
    """Satisfies `ports.JobHistory`. The simulator's thread writes, any thread reads. A job that was running when an
    earlier process ended is interrupted from the opening on."""

    def __init__(self, data_root: Path) -> None:
        """Raises JobStoreError."""
        folder = data_root / STATE_FOLDER
        self._lock = threading.Lock()
        self._unsaved: dict[str, Job] = {}  # what the disk would not take
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # One connection, used under the lock; exclusive, so that a second service on this data root is refused.
            self._connection = sqlite3.connect(
                folder / _FILE, isolation_level=None, check_same_thread=False, timeout=1.0
            )
        except (OSError, sqlite3.Error) as error:
            raise JobStoreError(f"cannot keep the history of jobs in {folder}: {error}") from error
        try:
            cut_off = self._prepare(folder / _FILE)
        except (OSError, sqlite3.Error) as error:
            self._connection.close()
            raise JobStoreError(_reason(folder / _FILE, error)) from error
        except JobStoreError:
            self._connection.close()
            raise
        for job in cut_off:
            self.save(_interrupted(job))

    def close(self) -> None:
        with self._lock:
            self._write_unsaved()
            self._connection.close()

    def add(self, request: CollectRequest, output: Path, idempotency_key: str | None) -> Job:
        """A new job, collecting. Raises commands.StorageError."""
        job = Job("", "collecting", request, output, Progress(request.num_episodes), time.time())
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    cursor = self._connection.execute(
                        "INSERT INTO jobs (idempotency_key, state, record) VALUES (?, ?, '')",
                        (idempotency_key, job.state),
                    )
                    job = dataclasses.replace(job, id=str(cursor.lastrowid))
                    self._connection.execute("UPDATE jobs SET record = ? WHERE id = ?", (_to_json(job), job.id))
                    self._connection.execute("COMMIT")
                except sqlite3.Error:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StorageError(f"cannot keep the job in the history: {error}") from error
        return job

    def save(self, job: Job) -> None:
        """Keep the job as it is now. A disk that refuses is logged; the job is then kept in memory, to be written with
        the next one."""
        with self._lock:
            self._unsaved[job.id] = job
            self._write_unsaved()

    def remove(self, job: Job) -> None:
        """As if it had never been added: its start was refused. Where the disk refuses that, the job failed."""
        try:
            with self._lock:
                self._connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
        except sqlite3.Error as error:
            _log.error("job %s, which never began, stays in the history: %s", job.id, error)
            self.save(dataclasses.replace(job, state="failed", error="its start was refused"))

    def by_key(self, idempotency_key: str) -> Job | None:
        """The job that was begun with that key. Raises commands.StorageError, as the other readings do."""
        return next(iter(self._read("WHERE idempotency_key = ?", (idempotency_key,))), None)

    def jobs(self, limit: int) -> Sequence[Job]:
        return self._read("ORDER BY id DESC LIMIT ?", (limit,))

    def job(self, job_id: str) -> Job | None:
        if not (job_id.isascii() and job_id.isdecimal() and len(job_id) < 19):
            return None
        return next(iter(self._read("WHERE id = ?", (int(job_id),))), None)

    def _read(self, clause: str, values: tuple[Any, ...]) -> list[Job]:
        try:
            with self._lock:
                records = self._connection.execute(f"SELECT record FROM jobs {clause}", values).fetchall()
                unsaved = dict(self._unsaved)
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the history of jobs: {error}") from error
        return [unsaved.get(job.id, job) for job in _readable(records)]

    def _write_unsaved(self) -> None:
        for job in list(self._unsaved.values()):
            try:
                self._connection.execute(
                    "UPDATE jobs SET state = ?, record = ? WHERE id = ?", (job.state, _to_json(job), job.id)
                )
            except sqlite3.Error as error:
                _log.error("job %s is not in the history on the disk as it is now: %s", job.id, error)
                return
            del self._unsaved[job.id]

    def _prepare(self, file: Path) -> list[Job]:
        """The jobs that were running when the last process ended. Writes nothing to a history that is there: a full
        disk keeps no service from starting."""
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("BEGIN EXCLUSIVE")
        version = run("PRAGMA user_version").fetchone()[0]
        if version not in (0, _SCHEMA_VERSION):
            raise JobStoreError(f"{file} is of version {version}; this program knows {_SCHEMA_VERSION}")
        if version == 0:
            run(
                "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT UNIQUE, "
                "state TEXT NOT NULL, record TEXT NOT NULL)"
            )
            run(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        marks = ", ".join("?" * len(RUNNING_STATES))
        records = run(f"SELECT record FROM jobs WHERE state IN ({marks})", RUNNING_STATES).fetchall()
        run("COMMIT")
        return _readable(records)


def _interrupted(job: Job) -> Job:
    over = dataclasses.replace(job.progress, current_episode=None, attempt=0, frame=0, frames=0, phase="")
    return dataclasses.replace(job, state="interrupted", progress=over, eta_s=None, error=_ENDED_WITH_PROCESS)


def _to_json(job: Job) -> str:
    return json.dumps({**dataclasses.asdict(job), "output": str(job.output)})


def _readable(records: Iterable[tuple[str]]) -> list[Job]:
    """One record that cannot be read must not hide the others."""
    jobs = []
    for (record,) in records:
        try:
            jobs.append(_from_json(record))
        except (ValueError, TypeError, KeyError) as error:
            _log.warning("left out of the history: a job that cannot be read (%s): %.200s", error, record)
    return jobs


def _from_json(record: str) -> Job:
    """What another version of the program added is left out; what it had not yet is at its default."""
    values = json.loads(record)
    request = CollectRequest(**_known(CollectRequest, values["request"]))
    progress = Progress(**_known(Progress, values["progress"]))
    output = Path(values["output"])
    return Job(**{**_known(Job, values), "request": request, "progress": progress, "output": output})


def _known(record_type: type[CollectRequest | Progress | Job], values: dict[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in dataclasses.fields(record_type) if field.name in values}


def _reason(file: Path, error: Exception) -> str:
    if "locked" in str(error):
        return f"another service uses this data root: {file} is locked"
    return f"cannot keep the history of jobs in {file}: {error}"
