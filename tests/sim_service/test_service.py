"""The service turn by turn, on the fake simulator and a clock of the test's."""

import dataclasses
import itertools
import json
import random
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from failing_disk import FailingDisk
from fake_simulator import FakeSimulator
from service_harness import Harness, harness

from collectors.simulator import Observation, SimulatorError, Tick
from lerobot_writer.check import check_dataset
from sim_service import commands
from sim_service.commands import (
    CollectRequest,
    Command,
    CommandError,
    CommandQueue,
    PausePhysics,
    PendingCommand,
    PlayPhysics,
    ResetScene,
    StartCollection,
    StopCollection,
)
from sim_service.job_store import STATE_FOLDER, JobStore, JobStoreError
from sim_service.ledger import Ledger, LedgerError
from sim_service.ports import RUNNING_STATES
from sim_service.recorded import open_dataset
from sim_service.service import REOPEN_PERIOD_S, Rest
from sim_service.simulators import SimulatorUnavailable


class Breaking(FakeSimulator):
    """`advance` raises from the `at`-th one on, `times` times."""

    def __init__(self, error: Exception, at: int, times: int = 1) -> None:
        super().__init__()
        self._error, self._at, self._left = error, at, times

    def advance(self, tick: Tick) -> None:
        super().advance(tick)
        if self.advanced >= self._at and self._left:
            self._left -= 1
            raise self._error


class Unseen(FakeSimulator):
    """From `lost` on it cannot be observed, and does not close."""

    lost = False

    def observe(self, images: bool = False) -> Observation:
        if self.lost:
            raise RuntimeError("lost the device")
        return super().observe(images)

    def close(self) -> None:
        super().close()
        if self.lost:
            raise RuntimeError("no device to close")


@contextmanager
def read_only(store: JobStore) -> Iterator[None]:
    """The history takes nothing, as on a full disk."""
    store._connection.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        store._connection.execute("PRAGMA query_only = 0")


def events(run: Harness) -> list[tuple[str, Any]]:
    log = run.service.board.events
    return [(event.kind, event.data) for event in log.read(0, 0)] if log.end else []


def states(run: Harness) -> list[str]:
    return [data["state"] for kind, data in events(run) if kind == "state"]


def lengths(dataset: Path) -> list[int]:
    return [row["length"] for row in open_dataset(dataset).rows]


def test_a_job_from_start_to_end(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        assert run.service.board.status.state == "starting"
        run.until_state("idle")
        began = run.start("a/b", num_episodes=3)
        assert (began.state, began.id, began.output) == ("collecting", "1", tmp_path / "a/b")
        assert run.service.board.status.state == "collecting"
        run.until_state("idle")
        assert run.job.state == "completed"
        assert run.job.progress.completed == 3
        assert run.job.success_rate == 1.0
        assert run.service.board.status.counters.episodes == {"success": 3}
        assert run.service.board.status.counters.frames == run.job.frames == sum(lengths(tmp_path / "a/b"))
        assert states(run) == ["idle", "collecting", "idle"]
        assert [data["index"] for kind, data in events(run) if kind == "episode"] == [0, 1, 2]
        assert [data["state"] for kind, data in events(run) if kind == "job"] == ["collecting", "completed"]
    report = check_dataset(tmp_path / "a/b")
    assert report.ok, report.text()


def test_progress_only_goes_forward(tmp_path: Path) -> None:
    seen = []
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        while run.service.board.status.state == "collecting":
            progress = run.job.progress
            if progress.frames:
                seen.append((progress.completed, progress.frame / progress.frames))
                assert progress.current_episode in (progress.completed, progress.completed - 1)
            run.turn()
    fractions = [min(done + share, 2) for done, share in seen if share < 1]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 80


def test_frames_per_second_and_time_left_follow_the_clock(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=20)
        run.until(lambda: run.job.progress.completed == 10)
        # A turn takes 0.01 s on the test's clock; an episode has ticks that are not recorded, too.
        seconds = run.service.board.status.counters.ticks * 0.01
        assert run.job.frames_per_s == pytest.approx(sum(lengths(tmp_path / "ds")) / seconds, rel=0.05)
        assert run.job.eta_s == pytest.approx(seconds, rel=0.05)


def test_a_second_start_is_busy_and_names_the_job(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        job = run.start("ds")
        with pytest.raises(commands.BusyError, match="job 1 is collecting into ds") as refused:
            run.start("other")
        assert refused.value.job_id == job.id
        assert not (tmp_path / "other").exists()


def test_of_two_starts_at_once_exactly_one_wins(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def ask(queue: CommandQueue, name: str) -> None:
        try:
            queue.submit(StartCollection(CollectRequest(name, num_episodes=1, steps_per_segment=5)), 60.0)
            outcomes.append("won")
        except commands.BusyError:
            outcomes.append("busy")

    with harness(tmp_path) as run:
        run.until_state("idle")
        threads = [threading.Thread(target=ask, args=(run.queue, name)) for name in ("one", "two", "three")]
        for thread in threads:
            thread.start()
        run.until(lambda: len(outcomes) == 3)
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["busy", "busy", "won"]
        assert len(run.service.jobs(10)) == 1


def test_a_key_begins_one_job_whenever_it_comes_again(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        first = run.start("ds", key="k1")
        assert run.start("ds", key="k1").id == first.id  # while it runs
        run.until_state("idle")
        assert run.start("ds", key="k1").state == "completed"  # and after
        with pytest.raises(commands.KeyReusedError, match="'k1' began job 1 with another request"):
            run.start("other", key="k1")
        assert [job.id for job in run.service.jobs(10)] == [first.id]
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
        assert list(run.service.jobs(10)) == []
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


def test_stop_asked_twice_is_told_once(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        for _ in range(3):
            run.send(StopCollection())
        assert [data["state"] for kind, data in events(run) if kind == "job"] == ["collecting", "stopping"]


def test_stop_after_the_episode_keeps_it_and_resume_completes(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=5)
        run.until(lambda: run.job.progress.completed == 1 and run.job.progress.frame > 10)
        assert run.send(StopCollection()).state == "stopping"
        assert run.service.board.status.state == "stopping"
        run.until_state("idle")
        assert (run.job.state, run.job.progress.completed, run.job.error) == ("stopped", 2, None)
        run.start("ds", num_episodes=5, resume=True)
        run.until_state("idle")
        assert (run.job.state, run.job.progress.completed) == ("completed", 5)
        assert run.job.frames == sum(lengths(tmp_path / "ds")[2:])
    assert [row["collection/index"] for row in open_dataset(tmp_path / "ds").rows] == list(range(5))


def test_stop_now_discards_the_episode(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=5)
        run.until(lambda: run.job.progress.completed == 1 and run.job.progress.frame > 10)
        job = run.send(StopCollection("now"))
        assert (job.state, job.progress.completed) == ("stopped", 1)
        assert run.service.board.status.state == "idle"
    assert check_dataset(tmp_path / "ds").ok


def test_stop_now_before_the_first_tick_leaves_the_folder_usable(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        sender = threading.Thread(target=lambda: run.queue.submit(StopCollection("now"), 60.0))
        sender.start()
        run.until(lambda: not sender.is_alive())
        run.start("ds")
        run.send(StopCollection("now"))
        assert run.job.state == "stopped"
        run.start("ds", resume=True)
        run.until_state("idle")
        assert run.job.state == "completed"


def test_stop_when_idle_does_nothing(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        assert run.send(StopCollection()) is None
        assert states(run) == ["idle"]


@pytest.mark.parametrize("at", [3, 20, 40])
def test_a_simulator_that_raises_fails_the_job_and_the_next_one_works(tmp_path: Path, at: int) -> None:
    made: list[FakeSimulator] = []

    def make() -> FakeSimulator:
        made.append(Breaking(RuntimeError("the cable fell out"), at) if not made else FakeSimulator())
        return made[-1]

    with harness(tmp_path, make) as run:
        run.until_state("idle")
        run.start("ds")
        run.until_state("idle")
        assert (run.job.state, run.job.error) == ("failed", "RuntimeError: the cable fell out")
        run.start("ds", resume=True)
        run.until_state("idle")
        assert run.job.state == "completed"
    assert check_dataset(tmp_path / "ds").ok


def test_a_simulator_error_costs_an_attempt_not_the_job(tmp_path: Path) -> None:
    with harness(tmp_path, lambda: Breaking(SimulatorError("a stale handle"), at=30)) as run:
        run.until_state("idle")
        run.start("ds")
        run.until_state("idle")
        assert run.job.state == "completed"
        assert run.job.failures == {"simulator_error": 1}
        assert run.service.board.status.counters.episodes == {"simulator_error": 1, "success": 2}


def test_an_episode_that_the_simulator_cannot_carry_out_is_given_up_alone(tmp_path: Path) -> None:
    with harness(tmp_path, lambda: Breaking(SimulatorError("it diverged"), at=30, times=5)) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=3)
        run.until_state("idle")
        assert (run.job.state, run.job.progress.completed, run.job.progress.exhausted) == ("incomplete", 2, 1)


def test_a_simulator_that_fails_at_two_episodes_in_a_row_fails_the_job(tmp_path: Path) -> None:
    made: list[FakeSimulator] = []

    def make() -> FakeSimulator:
        made.append(Breaking(SimulatorError("no time passed"), 60, times=1000) if not made else FakeSimulator())
        return made[-1]

    with harness(tmp_path, make) as run:
        run.until_state("idle")
        run.start("ds")
        run.until_state("idle")
        assert run.job.state == "failed"
        assert "in every attempt at episode 1 and at the one before: no time passed" in str(run.job.error)
        run.start("ds", resume=True)  # the second one is still open
        run.until_state("idle")
        assert (run.job.state, run.job.progress.completed, run.job.progress.exhausted) == ("incomplete", 1, 1)


def test_a_dead_simulator_is_opened_anew(tmp_path: Path) -> None:
    made: list[FakeSimulator] = []

    class Dying(FakeSimulator):
        def advance(self, tick: Tick) -> None:
            super().advance(tick)
            if self.advanced > 30:
                raise RuntimeError("lost the device")

        def reset(self, scene: Any) -> None:
            if self.advanced > 30:
                raise RuntimeError("no device")
            super().reset(scene)

    def make() -> FakeSimulator:
        made.append(Dying() if not made else FakeSimulator())
        return made[-1]

    with harness(tmp_path, make) as run:
        run.until_state("idle")
        run.start("ds")
        run.until_state("idle")
        assert run.job.state == "failed"
        assert len(made) == 2
        assert made[0].closed


@pytest.mark.parametrize("watched", [False, True])
def test_a_simulator_that_is_lost_in_mid_job_fails_the_job_and_is_replaced(tmp_path: Path, watched: bool) -> None:
    with harness(tmp_path, Unseen) as run:
        run.until_state("idle")
        run.start("ds")
        run.until(lambda: run.job.progress.frame > 10)
        if watched:
            with run.service.frames.watch():
                run.simulator.lost = True
                run.until_state("idle")
        else:
            run.simulator.lost = True
            run.until_state("idle")
        assert (run.job.state, run.job.error) == ("failed", "RuntimeError: lost the device")
        assert [simulator.closed for simulator in run.opened] == [True, False]
        run.start("ds", resume=True)
        run.until_state("idle")
        assert run.job.state == "completed"


def test_a_simulator_that_is_lost_when_idle_is_reported_and_opened_again(tmp_path: Path) -> None:
    with harness(tmp_path, Unseen) as run:
        run.until_state("idle")
        run.simulator.lost = True
        with pytest.raises(commands.NotReadyError, match="lost the device"):
            run.send(PlayPhysics())
        assert run.service.board.status.state == "failed"
        run.until_state("idle")
        assert len(run.opened) == 2
        run.simulator.lost = True  # and at the end: closing it must not keep the others waiting for news
    assert run.service.board.events.closed


def test_a_main_loop_that_breaks_leaves_the_simulator_alone(tmp_path: Path) -> None:
    """What a host does after an error of its own: it closes the service without having shut it down."""
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        run.until(lambda: run.job.progress.frame > 10)
        resets = run.simulator.calls.count("reset")
        run.service.close()
        assert run.simulator.calls.count("reset") == resets
        assert run.job.state == "interrupted"
        assert states(run) == ["idle", "collecting", "stopping"]


def test_a_simulator_that_cannot_be_opened_again_is_reported_and_tried_later(tmp_path: Path) -> None:
    works = True

    class Dying(FakeSimulator):
        def reset(self, scene: Any) -> None:
            if not works:
                raise RuntimeError("no device")
            super().reset(scene)

    with harness(tmp_path, Dying) as run:
        run.until_state("idle")
        works = False
        with pytest.raises(commands.NotReadyError, match="no device"):
            run.send(ResetScene())
        assert run.service.board.status.state == "failed"
        assert run.service.board.status.error == "RuntimeError: no device"
        assert run.service.board.status.simulator is None
        with pytest.raises(commands.NotReadyError, match="the simulator failed"):
            run.start("ds")
        opened = len(run.opened)
        failed_at = run.clock.now
        run.until(lambda: len(run.opened) > opened)
        assert run.clock.now - failed_at >= REOPEN_PERIOD_S - 1
        works = True
        run.until_state("idle")
        run.start("ds")
        run.until_state("idle")
        assert run.job.state == "completed"


def test_a_simulator_that_cannot_run_here_is_told_to_the_host(tmp_path: Path) -> None:
    def make() -> FakeSimulator:
        raise SimulatorUnavailable("no such thing here")

    with harness(tmp_path, make) as run, pytest.raises(SimulatorUnavailable, match="no such thing here"):
        run.turn()


def test_a_job_with_other_objects_gets_another_simulator(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("one")
        run.until_state("idle")
        assert len(run.opened) == 1
        run.start("two", use_ycb=True)
        run.send(StopCollection("now"))
        assert [settings.use_ycb for settings in run.settings] == [False, True]
        assert run.opened[0].closed


def test_an_existing_dataset_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        run.until_state("idle")
        with pytest.raises(commands.OutputRefusedError, match=r'"resume": true continues a dataset'):
            run.start("ds")
        with pytest.raises(commands.OutputRefusedError, match="seed: the dataset has 12345, asked for 1"):
            run.start("ds", resume=True, seed=1)
        assert run.service.board.status.state == "idle"
        assert len(run.service.jobs(10)) == 1


@pytest.mark.parametrize("output_dir", ["../x", "/elsewhere/x", "link/x"])
def test_a_folder_outside_the_data_root_is_refused_here_too(tmp_path: Path, output_dir: str) -> None:
    (tmp_path / "outside").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    with harness(root) as run:
        run.until_state("idle")
        with pytest.raises(commands.OutputRefusedError):
            run.start(output_dir)
        assert list((tmp_path / "outside").iterdir()) == []


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
            patch.setattr(Ledger, "_save", refuse)
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


def test_a_command_that_comes_after_the_end_is_refused_at_once(tmp_path: Path) -> None:
    refused: list[BaseException] = []

    def ask(queue: CommandQueue) -> None:
        while True:
            try:
                queue.submit(StopCollection(), 60.0)
            except commands.QueueFullError:
                pass
            except CommandError as error:
                refused.append(error)
                return

    with harness(tmp_path) as run:
        run.until_state("idle")
        threads = [threading.Thread(target=ask, args=(run.queue,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            run.turn()
        run.service.close()
        for thread in threads:
            thread.join(10)
        assert [str(error) for error in refused] == [commands.ENDING] * 8


def test_a_shutdown_lets_the_episode_end(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=4)
        run.until(lambda: run.job.progress.frame > 10)
        run.service.shut_down(grace_s=30.0)
        with pytest.raises(commands.NotReadyError, match="shutting down"):
            run.start("other")
        run.until(lambda: run.service.done)
        assert (run.job.state, run.job.progress.completed) == ("interrupted", 1)
    with harness(tmp_path) as again:
        again.until_state("idle")
        assert again.service.jobs(1)[0].state == "interrupted"
        again.start("ds", num_episodes=4, resume=True)
        again.until_state("idle")
        assert again.job.progress.completed == 4


def test_a_shutdown_ends_at_the_end_of_its_grace(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=4)
        run.until(lambda: run.job.progress.completed == 1 and run.job.progress.frame == 3)
        run.service.shut_down(grace_s=0.1)
        for _ in range(12):
            run.turn()
        assert run.service.done
        assert (run.job.state, run.job.progress.completed) == ("interrupted", 1)
    assert check_dataset(tmp_path / "ds").ok


def test_simulated_time_passes_only_while_playing(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        for _ in range(20):
            assert isinstance(run.turn(), Rest)
        assert run.simulator.advanced == 0
        assert run.send(PlayPhysics()).playing
        before = run.clock.now
        run.until(lambda: run.simulator.advanced == 60)
        assert run.clock.now - before == pytest.approx(60 / 30, rel=0.1)  # in real time
        assert run.service.board.status.simulator is not None
        assert run.service.board.status.simulator.time_s == pytest.approx(60 / 30, abs=0.1)
        assert not run.send(PausePhysics()).playing
        advanced = run.simulator.advanced
        for _ in range(20):
            run.turn()
        assert run.simulator.advanced == advanced
        assert run.send(ResetScene(3)).time_s == 0.0


def test_no_picture_is_made_for_nobody(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.send(PlayPhysics())
        for _ in range(20):
            work = run.turn()
            assert isinstance(work, Rest) or not work.images
        assert run.service.frames.latest("cam_high") is None
        with run.service.frames.watch():
            for _ in range(100):
                run.turn()
            frame = run.service.frames.latest("cam_high")
            assert frame is not None
            made = frame.number
        assert made <= 100 * (1 / 30) * 15 + 1  # at most the live rate
        for _ in range(20):
            run.turn()
        frame = run.service.frames.latest("cam_high")
        assert frame is not None
        assert frame.number == made


def test_a_viewer_of_a_paused_simulator_sees_it(tmp_path: Path) -> None:
    with harness(tmp_path) as run, run.service.frames.watch():
        run.until_state("idle")
        run.until(lambda: run.service.frames.latest("cam_wrist"))


def test_a_reset_leaves_no_picture_of_the_scene_before(tmp_path: Path) -> None:
    with harness(tmp_path) as run, run.service.frames.watch():
        run.until_state("idle")
        run.until(lambda: run.service.frames.latest("cam_high"))
        before = run.service.frames.latest("cam_high")
        run.clock.now = run.service._picture_at  # the next picture is not due yet
        run.send(ResetScene(3))
        assert run.service.frames.latest("cam_high") is None
        run.until(lambda: run.service.frames.latest("cam_high"))
        after = run.service.frames.latest("cam_high")
        assert before is not None
        assert after is not None
        assert after.number > before.number


def test_viewers_see_the_recorded_pictures_by_reference(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", num_episodes=1)
        numbers = set()
        with run.service.frames.watch():
            while run.service.board.status.state == "collecting":
                run.turn()
                frame = run.service.frames.latest("cam_high")
                if frame is not None:
                    numbers.add(frame.number)
    assert len(numbers) == lengths(tmp_path / "ds")[0]


def test_watching_changes_no_byte(tmp_path: Path) -> None:
    for name, watched in (("alone", False), ("watched", True)):
        with harness(tmp_path / name) as run:
            run.until_state("idle")
            run.send(PlayPhysics())
            for _ in range(17 * watched):
                run.turn()
            run.start("ds")
            if watched:
                with run.service.frames.watch():
                    run.until_state("idle")
            run.until_state("idle")
    files = [path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone/ds").rglob("*.parquet")]
    assert len(files) >= 4
    for file in files:
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "watched" / file).read_bytes(), file


def test_a_second_service_on_the_same_data_root_is_refused(tmp_path: Path) -> None:
    with harness(tmp_path), pytest.raises(JobStoreError, match="another service uses this data root"):
        JobStore(tmp_path)


def test_the_heartbeat_follows_the_turns(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.clock.now += 5
        stale = run.service.board.status.heartbeat
        run.turn()
        assert run.service.board.status.heartbeat >= stale + 5


def test_history_shows_the_running_job_as_it_is(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        run.until(lambda: run.job.progress.frame == 20)
        [job] = run.service.jobs(10)
        assert job.progress.frame == 20
        assert run.service.job("1") == job
        assert run.service.job("2") is run.service.job("x") is None


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


class Chaotic(FakeSimulator):
    """Any of its calls may fail, in any way."""

    def __init__(self, random_numbers: random.Random) -> None:
        super().__init__()
        self.random = random_numbers
        self.fails = False

    def __getattribute__(self, name: str) -> Any:
        get = super().__getattribute__
        if name in ("advance", "observe", "reset", "refresh", "detach", "attach", "command", "close"):
            numbers = get("random")
            if get("fails") and numbers.random() < 0.01:
                raise numbers.choice([SimulatorError, RuntimeError, MemoryError, TimeoutError])(f"no {name}")
        return get(name)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_the_service_goes_on_and_tells_a_straight_story(tmp_path: Path, seed: int) -> None:
    numbers = random.Random(seed)
    replies: list[Future[Any]] = []

    def some_command() -> Command:
        request = CollectRequest(numbers.choice("ab"), num_episodes=2, steps_per_segment=5, resume=True)
        choice = numbers.randrange(6)
        if choice < 3:
            return StartCollection(request, numbers.choice([None, "k1", "k2"]))
        return (StopCollection(numbers.choice(["now", "after_episode"])), PlayPhysics(), ResetScene(seed))[choice - 3]

    with harness(tmp_path, lambda: Chaotic(numbers)) as run:
        run.until_state("idle")
        with run.service.frames.watch():
            for _ in range(600):
                run.simulator.fails = numbers.random() < 0.3
                if numbers.random() < 0.05 and run.queue.depth < run.queue.capacity:
                    replies.append(Future())
                    run.queue._queue.put_nowait(PendingCommand(some_command(), replies[-1]))
                run.turn()
                status = run.service.board.status
                running = status.job is not None and status.job.running
                assert running == (status.state in RUNNING_STATES)
                assert (status.error is not None) == (status.state == "failed")
        run.simulator.fails = False
        run.service.close()
        assert len(replies) > 10
        assert all(isinstance(reply.exception(0), CommandError | None) for reply in replies)
        told = states(run)
        assert all(state != following for state, following in itertools.pairwise(told))
        for job in run.service.jobs(100):
            assert not job.running
            story = [data["state"] for kind, data in events(run) if kind == "job" and data["id"] == job.id]
            assert story in (["collecting", job.state], ["collecting", "stopping", job.state])
    for name in "ab":
        if (tmp_path / name / "meta/info.json").exists():
            report = check_dataset(tmp_path / name)
            assert report.ok, report.text()
