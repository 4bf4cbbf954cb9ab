"""Jobs of the service, turn by turn, on the fake simulator and a clock of the test's."""

import threading
from pathlib import Path

import pytest
from service_harness import events, harness, lengths, states

from lerobot_writer.check import check_dataset
from sim_service import commands
from sim_service.commands import (
    CollectRequest,
    CommandError,
    CommandQueue,
    StartCollection,
    StopCollection,
)
from sim_service.recorded import open_dataset


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
        assert len(run.service.history.jobs(10)) == 1


def test_stop_asked_twice_is_told_once(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds")
        run.until(lambda: run.job.progress.frame > 10)
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
        assert len(run.service.history.jobs(10)) == 1


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
        assert again.service.history.jobs(1)[0].state == "interrupted"
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


def test_the_heartbeat_follows_the_turns(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.clock.now += 5
        stale = run.service.board.status.heartbeat
        run.turn()
        assert run.service.board.status.heartbeat >= stale + 5
