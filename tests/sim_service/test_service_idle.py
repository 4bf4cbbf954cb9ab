"""The service while it collects nothing, and for those who watch."""

from pathlib import Path

import pytest
from service_harness import harness, lengths

from sim_service.commands import (
    PausePhysics,
    PlayPhysics,
    ResetScene,
)
from sim_service.host_work import Rest


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
        run.clock.now = run.service._idling._picture_at  # the next picture is not due yet
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
