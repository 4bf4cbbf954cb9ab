"""A simulator that fails under the service: what ends, what goes on."""

import itertools
import random
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from broken_simulators import Breaking, Chaotic, Unseen
from fake_simulator import FakeSimulator
from service_harness import events, harness, states

from collectors.simulator import SimulatorError, Tick
from lerobot_writer.check import check_dataset
from sim_service import commands
from sim_service.commands import (
    CollectRequest,
    Command,
    CommandError,
    PendingCommand,
    PlayPhysics,
    ResetScene,
    StartCollection,
    StopCollection,
)
from sim_service.ports import RUNNING_STATES
from sim_service.service import REOPEN_PERIOD_S
from sim_service.simulators import SimulatorUnavailable


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
        for job in run.service.history.jobs(100):
            assert not job.running
            story = [data["state"] for kind, data in events(run) if kind == "job" and data["id"] == job.id]
            assert story in (["collecting", job.state], ["collecting", "stopping", job.state])
    for name in "ab":
        if (tmp_path / name / "meta/info.json").exists():
            report = check_dataset(tmp_path / name)
            assert report.ok, report.text()
