"""What the service keeps of its jobs: keys, history, disks that refuse."""

import dataclasses
import json
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from failing_disk import FailingDisk
from service_harness import events, harness, lengths

from lerobot_writer.check import check_dataset
from sim_service import commands
from sim_service.commands import (
    CollectRequest,
    StopCollection,
)
from sim_service.job_store import STATE_FOLDER, JobStore, JobStoreError
from sim_service.ledger import Ledger, LedgerError


@contextmanager
def read_only(store: JobStore) -> Iterator[None]:
    """The history takes nothing, as on a full disk."""
    store._connection.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        store._connection.execute("PRAGMA query_only = 0")


def test_a_key_begins_one_job_whenever_it_comes_again(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        first = run.start("ds", key="k1")
        assert run.start("ds", key="k1").id == first.id  # while it runs
        run.until_state("idle")
        assert run.start("ds", key="k1").state == "completed"  # and after
        with pytest.raises(commands.KeyReusedError, match="'k1' began job 1 with another request"):
            run.start("other", key="k1")
        assert [job.id for job in run.service.history.jobs(10)] == [first.id]
    with harness(tmp_path) as again:
        again.until_state("idle")
        assert again.start("ds", key="k1").id == first.id


def test_a_key_whose_start_was_refused_may_be_used_again(tmp_path: Path) -> None:
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds/notes.txt").write_text("not ours")
    with harness(tmp_path) as run:
        run.until_state("idle")
        with pytest.raises(commands.OutputRefusedError):
            run.start("ds", key="k1")
        assert list(run.service.history.jobs(10)) == []
        assert run.start("other", key="k1").state == "collecting"


def test_a_key_is_known_after_a_crash_before_its_job_began(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    request = CollectRequest("ds", num_episodes=2, steps_per_segment=5)
    kept = store.add(request, tmp_path / "ds", "k1")
    store.close()
    with harness(tmp_path) as run:
        run.until_state("idle")
        again = run.start("ds", key="k1")
        assert (again.id, again.state) == (kept.id, "interrupted")


def test_a_history_that_takes_no_job_leaves_the_folder_alone(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        with read_only(run.store), pytest.raises(commands.StorageError):
            run.start("ds", key="k1")
        assert not (tmp_path / "ds").exists()
        assert run.start("ds", key="k1").state == "collecting"


@pytest.mark.parametrize("fail_at", [0, 3, 9])
def test_a_failing_disk_fails_the_job_and_keeps_its_episodes(tmp_path: Path, fail_at: int) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=4)
        run.until(lambda: run.job.progress.completed == 1 and run.job.progress.frame > 10)
        with FailingDisk(tmp_path / "ds", fail_at).mounted() as disk:
            run.until_state("idle")
        assert disk.failed is not None
        assert run.job.state == "failed"
        assert run.job.error
        run.start("ds", num_episodes=4, resume=True)
        run.until_state("idle")
        assert run.job.state == "completed"
    assert check_dataset(tmp_path / "ds").ok


def test_a_folder_that_was_refused_is_free_at_once(tmp_path: Path) -> None:
    """Whoever holds the error holds the frames of whatever raised it, the writer's lock with them."""
    with harness(tmp_path) as run:
        run.until_state("idle")
        refused = []
        for fail_at in range(40):
            with FailingDisk(tmp_path / "ds", fail_at).mounted() as disk:
                try:
                    run.start("ds")
                except commands.StorageError as error:
                    refused.append(error)
                else:
                    run.send(StopCollection("now"))
            run.start("ds", resume=True)
            run.send(StopCollection("now"))
            for path in sorted((tmp_path / "ds").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            if disk.failed is None:
                break
        assert len(refused) > 10
        assert disk.failed is None


def test_an_episode_that_the_ledger_could_not_note_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(ledger: Ledger) -> None:
        raise LedgerError("the disk is full")

    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=3)
        run.until(lambda: run.job.progress.completed == 1)
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "save", refuse)
            run.until_state("idle")
        assert (run.job.state, run.job.error) == ("failed", "LedgerError: the disk is full")
        assert run.job.progress.completed == len(lengths(tmp_path / "ds")) == 2
        assert [data["completed"] for kind, data in events(run) if kind == "episode"] == [1, 2]


def test_a_job_cut_off_by_the_end_of_the_process_is_interrupted_and_resumes(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=4)
        run.until(lambda: run.job.progress.completed == 2)
        run.store.close()  # what a killed process leaves: a job that nobody ended
        run.store = JobStore(run.root)
        [job] = run.store.jobs(10)
        assert (job.state, job.progress.completed) == ("interrupted", 2)
        assert job.error == "the service ended before the job did"
        run.service._store = run.store


@pytest.mark.parametrize(
    ("change", "states"),
    [
        (lambda record: {**record, "colour": 1, "request": {**record["request"], "new": 2}}, ["interrupted"] * 2),
        (lambda record: {key: record[key] for key in record if key != "frames"}, ["interrupted"] * 2),
        (lambda record: {key: record[key] for key in record if key != "request"}, ["interrupted"]),
        (lambda record: [record], ["interrupted"]),
    ],
    ids=["of a later version", "of an earlier version", "without a request", "no record"],
)
def test_a_strange_record_keeps_nothing_from_working(
    tmp_path: Path, change: Callable[[Any], Any], states: list[str]
) -> None:
    store = JobStore(tmp_path)
    for name in ("a", "b"):
        store.add(CollectRequest(name), tmp_path / name, None)
    store.close()
    with sqlite3.connect(tmp_path / STATE_FOLDER / "jobs.sqlite") as database:
        [record] = database.execute("SELECT record FROM jobs WHERE id = 1").fetchone()
        database.execute("UPDATE jobs SET record = ? WHERE id = 1", (json.dumps(change(json.loads(record))),))
    database.close()
    store = JobStore(tmp_path)
    try:
        assert [job.state for job in store.jobs(10)] == states
    finally:
        store.close()


@pytest.mark.parametrize(("content", "message"), [(b"", "of version 7"), (b"garbage" * 1000, "file is not a database")])
def test_a_history_that_is_not_ours_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / STATE_FOLDER / "jobs.sqlite"
    file.parent.mkdir()
    file.write_bytes(content)
    if not content:
        database = sqlite3.connect(file)
        database.execute("PRAGMA user_version = 7")
        database.close()
    with pytest.raises(JobStoreError, match=message):
        JobStore(tmp_path)


def test_what_a_full_disk_kept_out_of_the_history_gets_there_later(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    first = store.add(CollectRequest("a"), tmp_path / "a", None)
    with read_only(store):
        store.save(dataclasses.replace(first, state="completed"))
        assert [job.state for job in store.jobs(10)] == ["completed"]
    second = store.add(CollectRequest("b"), tmp_path / "b", None)
    store.save(dataclasses.replace(second, state="stopped"))
    store.close()
    store = JobStore(tmp_path)
    try:
        assert [job.state for job in store.jobs(10)] == ["stopped", "completed"]
    finally:
        store.close()


def test_a_history_on_a_full_disk_opens(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    store.add(CollectRequest("a"), tmp_path / "a", None)
    store.close()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        store = JobStore(tmp_path)
        states = [job.state for job in store.jobs(10)]
        with pytest.raises(commands.StorageError, match="cannot keep the job in the history"):
            store.add(CollectRequest("b"), tmp_path / "b", None)
        store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert states == ["interrupted"]


def test_a_second_service_on_the_same_data_root_is_refused(tmp_path: Path) -> None:
    with harness(tmp_path), pytest.raises(JobStoreError, match="another service uses this data root"):
        JobStore(tmp_path)


def test_history_shows_the_running_job_as_it_is(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        run.until(lambda: run.job.progress.frame == 20)
        [job] = run.service.history.jobs(10)
        assert job.progress.frame == 20
        assert run.service.history.job("1") == job
        assert run.service.history.job("2") is run.service.history.job("x") is None


def test_a_request_is_kept_whole_in_the_history(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        job = run.start("ds", seed=2**62, num_episodes=1)
        run.until_state("idle")
    store = JobStore(tmp_path)
    try:
        kept = store.job(job.id)
    finally:
        store.close()
    assert kept is not None
    assert kept.request == dataclasses.replace(job.request)
    assert kept.state == "completed"
