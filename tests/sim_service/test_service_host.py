"""What the service promises to a host whose application may not be turned from within: it asks for a drawing, waits for
a simulator that starts, and trusts one that it has seen pictures of."""

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from broken_simulators import Blind, Breaking, Unseen
from fake_simulator import FakeSimulator
from service_harness import Harness, events, harness, lengths, states

from collectors.simulator import Simulator, Tick
from lerobot_writer.check import check_dataset
from sim_service import commands
from sim_service.commands import CollectRequest, PlayPhysics, ResetScene, StopCollection
from sim_service.host_work import Draw, Rest, Work
from sim_service.ports import Status
from sim_service.recorded import open_dataset
from sim_service.service import REOPEN_PERIOD_S
from sim_service.simulators import SimulatorStarting, SimulatorUnavailable


class Application:
    """Carries the work out as an application with a main loop of its own does: the service never touches the clock.
    `turn` stands in for the harness's. turned: how often a simulator has advanced or drawn."""

    def __init__(self, run: Harness) -> None:
        self.run, self.turned = run, 0

    def turn(self) -> Work:
        before = self.turned
        work = self.run.service.tick()
        assert self.turned == before, "the simulator was turned from within"
        self.run.clock.now += 0.01
        if isinstance(work, Tick):
            try:
                self.run.simulator.advance(work)
            except Exception as error:
                self.run.service.advance_failed(error)
        elif isinstance(work, Draw):
            try:
                self.run.simulator.refresh(images=True)
            except Exception as error:
                self.run.service.draw_failed(error)
        return work


def counting(application: Application, make: Callable[[], FakeSimulator]) -> FakeSimulator:
    """That simulator, with every turn of it counted."""
    simulator = make()
    advance, refresh = simulator.advance, simulator.refresh

    def counted_advance(tick: Tick) -> None:
        application.turned += 1
        advance(tick)

    def counted_refresh(images: bool) -> None:
        application.turned += images
        refresh(images)

    simulator.advance = counted_advance  # type: ignore[method-assign]  # of this one alone
    simulator.refresh = counted_refresh  # type: ignore[method-assign]
    return simulator


def test_an_application_that_carries_the_work_out_is_never_turned_from_within(tmp_path: Path) -> None:
    kinds = iter([FakeSimulator, lambda: Breaking(RuntimeError("the cable fell out"), 40), Unseen])
    applications: list[Application] = []
    with harness(tmp_path / "kit", lambda: counting(applications[0], next(kinds))) as run:
        applications.append(Application(run))
        run.turn = applications[0].turn  # type: ignore[method-assign]  # a harness with this host
        run.until_state("idle")
        with run.service.frames.watch():
            run.until(lambda: run.service.frames.latest("cam_high"))
            run.send(ResetScene(4))
            run.until(lambda: run.service.frames.latest("cam_high"))
            run.send(PlayPhysics())
            run.until(lambda: run.simulator.advanced > 10)
            run.start("ds", num_episodes=2)
            run.until_state("idle")
        assert run.job.state == "completed"
        run.start("other", use_ycb=True)  # another simulator, that breaks
        run.until(lambda: run.job.state == "failed")
        run.until_state("idle")
        run.simulator.lost = True
        run.until_state("failed")
        run.simulator.lost = False
        assert applications[0].turned > 200
    with harness(tmp_path / "own") as own:
        own.until_state("idle")
        own.start("ds", num_episodes=2)
        own.until_state("idle")
    files = [path.relative_to(tmp_path / "own") for path in (tmp_path / "own/ds").rglob("*.parquet")]
    assert len(files) >= 4
    for file in files:
        assert (tmp_path / "own" / file).read_bytes() == (tmp_path / "kit" / file).read_bytes(), file


def test_a_service_is_ready_when_pictures_of_its_simulator_were_read(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        assert run.service.tick() == Draw()
        assert run.service.board.status.state == "starting"
        with pytest.raises(commands.NotReadyError, match="still starting"):
            run.service._carry_out(PlayPhysics())
        run.service.draw()
        assert run.service.board.status.state == "starting"
        run.service.tick()
        assert run.service.board.status.state == "idle"


@pytest.mark.parametrize("silent", [False, True])
def test_a_simulator_that_cannot_draw_is_never_ready(tmp_path: Path, silent: bool) -> None:
    blind = True

    def make() -> Blind:
        simulator = Blind()
        simulator.blind, simulator.silent = blind, silent
        return simulator

    with harness(tmp_path, make) as run:
        run.until_state("failed")
        assert run.service.board.status.error == "SimulatorError: no picture came"
        failed_at = run.clock.now
        run.until(lambda: len(run.opened) == 2)
        assert run.clock.now - failed_at >= REOPEN_PERIOD_S - 1
        run.until(lambda: run.opened[1].closed)
        blind = False
        run.until_state("idle")
        assert states(run) == ["failed", "idle"]
        assert [simulator.closed for simulator in run.opened] == [True, True, False]


@pytest.mark.parametrize("silent", [False, True])
def test_a_simulator_that_does_not_draw_for_a_viewer_is_replaced(tmp_path: Path, silent: bool) -> None:
    with harness(tmp_path, Blind) as run:
        run.until_state("idle")
        run.simulator.blind, run.simulator.silent = True, silent
        for _ in range(20):
            run.turn()
        assert run.service.board.status.state == "idle"  # nobody looked
        with run.service.frames.watch():
            run.until_state("failed")
            assert run.service.board.status.error == "SimulatorError: no picture came"
            run.until(lambda: run.service.frames.latest("cam_high"))
        assert len(run.opened) == 2


@pytest.mark.parametrize("silent", [False, True])
def test_a_job_on_a_simulator_that_cannot_draw_gives_no_episode_up(tmp_path: Path, silent: bool) -> None:
    with harness(tmp_path, Blind) as run:
        run.until_state("idle")
        run.simulator.blind, run.simulator.silent = True, silent
        run.start("ds", num_episodes=2)
        run.until_state("idle")
        assert (run.job.state, run.job.error) == ("failed", "SimulatorError: no picture came")
        assert (run.job.attempts, run.job.progress.exhausted) == (0, 0)
        assert [simulator.closed for simulator in run.opened] == [True, False]
        assert states(run) == ["idle", "collecting", "starting", "idle"]
        run.start("ds", num_episodes=2, resume=True)
        run.until_state("idle")
        assert (run.job.state, run.job.progress.completed) == ("completed", 2)
    assert [row["collection/index"] for row in open_dataset(tmp_path / "ds").rows] == [0, 1]
    assert check_dataset(tmp_path / "ds").ok


def test_a_simulator_found_dead_is_not_asked_to_draw(tmp_path: Path) -> None:
    with harness(tmp_path, Unseen) as run, run.service.frames.watch():
        run.until_state("idle")
        run.clock.now += 1  # a picture is due
        run.simulator.lost = True
        assert isinstance(run.turn(), Rest)
        assert run.service.board.status.state == "failed"
        assert run.service.board.status.error == "RuntimeError: lost the device"


def test_pictures_that_were_drawn_before_a_reset_are_shown_to_nobody(tmp_path: Path) -> None:
    with harness(tmp_path) as run, run.service.frames.watch():
        run.until_state("idle")
        run.until(lambda: run.turn() == Draw())
        run.send(ResetScene(3))
        assert run.service.frames.latest("cam_high") is None
        run.until(lambda: run.service.frames.latest("cam_high"))
        assert states(run) == ["idle"]


# A simulator that takes turns of the application to start


class Workshop:
    """Makes simulators: each is there when it was asked for so many times."""

    def __init__(self, times: int, make: Callable[[], Simulator] = FakeSimulator) -> None:
        self.times, self._make = times, make
        self._asked = itertools.count(1)

    def __call__(self) -> Simulator:
        if next(self._asked) < self.times:
            raise SimulatorStarting
        self._asked = itertools.count(1)
        return self._make()


def test_a_simulator_that_starts_is_waited_for_in_peace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with harness(tmp_path, Workshop(40)) as run:
        for _ in range(39):
            work = run.turn()
            assert isinstance(work, Rest)
            assert 0 < work.seconds < 0.2
            assert run.service.board.status.state == "starting"
        run.until_state("idle")
        assert states(run) == ["idle"]
        assert len(run.settings) == 40
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_service_that_failed_stays_so_while_its_next_simulator_starts(tmp_path: Path) -> None:
    workshop = Workshop(1, Unseen)
    with harness(tmp_path, workshop) as run:
        run.until_state("idle")
        run.simulator.lost = True
        run.until_state("failed")
        workshop.times = 30
        seen: list[Status] = []
        while run.service.board.status.state == "failed":
            run.turn()
            seen.append(run.service.board.status)
        assert len(run.settings) == 1 + 30
        assert {status.error for status in seen[:-1]} == {"RuntimeError: lost the device"}
        assert states(run) == ["idle", "failed", "idle"]


def test_a_start_that_needs_another_simulator_is_refused_until_that_one_is_built(tmp_path: Path) -> None:
    workshop = Workshop(1)
    with harness(tmp_path, workshop) as run:
        run.until_state("idle")
        workshop.times = 10
        with pytest.raises(commands.NotReadyError, match="is being built; try again in a moment"):
            run.start("ds", use_ycb=True)
        assert run.service.board.status.state == "starting"
        assert run.opened[0].closed
        assert not (tmp_path / "ds").exists()
        assert list(run.service.history.jobs(10)) == []
        with pytest.raises(commands.NotReadyError, match="still starting"):
            run.start("ds", use_ycb=True)
        run.until_state("idle")
        asked = [settings.use_ycb for settings in run.settings]
        assert asked == [False] + [True] * 10
        run.start("ds", use_ycb=True)
        assert len(run.settings) == 11  # the one that was built
        run.send(StopCollection("now"))
        assert states(run) == ["idle", "starting", "idle", "collecting", "idle"]


def test_a_service_whose_other_simulator_cannot_be_built_goes_back_to_its_own(tmp_path: Path) -> None:
    built: list[FakeSimulator] = []

    def make() -> FakeSimulator:
        if len(built) == 1 and run.settings[-1].use_ycb:
            raise RuntimeError("no such objects here")
        built.append(FakeSimulator())
        return built[-1]

    with harness(tmp_path, make) as run:
        run.until_state("idle")
        with pytest.raises(commands.NotReadyError, match="no such objects here"):
            run.start("ds", use_ycb=True)
        run.until_state("idle")
        assert [settings.use_ycb for settings in run.settings] == [False, True, False]
        run.start("ds")
        run.until_state("idle")
        assert run.job.state == "completed"
    assert len(lengths(tmp_path / "ds")) == 2


def test_after_a_job_a_simulator_that_cannot_run_any_more_does_not_end_the_service(tmp_path: Path) -> None:
    made: list[FakeSimulator] = []

    def make() -> FakeSimulator:
        if made:
            raise SimulatorUnavailable("the application is gone")
        made.append(Breaking(RuntimeError("the cable fell out"), 30))
        return made[-1]

    with harness(tmp_path, make) as run:
        run.until_state("idle")
        run.start("ds")
        run.until_state("failed")
        assert run.service.board.status.error == "SimulatorUnavailable: the application is gone"
        assert states(run) == ["idle", "collecting", "starting", "failed"]


def test_a_simulator_that_cannot_run_here_is_told_to_the_host_when_it_is_known(tmp_path: Path) -> None:
    def make() -> Simulator:
        raise SimulatorUnavailable("no such thing here")

    with harness(tmp_path, Workshop(5, make)) as run, pytest.raises(SimulatorUnavailable, match="no such thing here"):
        run.until(lambda: False)


def test_a_stop_before_the_first_tick_ends_the_job_without_an_episode(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.service._carry_out(commands.StartCollection(CollectRequest("ds", num_episodes=3, steps_per_segment=5)))
        assert run.turn() == Draw()
        run.send(StopCollection())
        run.until_state("idle")
        assert (run.job.state, run.job.attempts) == ("stopped", 0)
        assert [data["state"] for kind, data in events(run) if kind == "job"] == ["collecting", "stopping", "stopped"]
