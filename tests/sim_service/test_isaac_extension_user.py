"""The Kit extension under a user who works in the same application: an attempt or a job ends by it, never the data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kit_session import TIME_PASSES, VERSIONS, KitSession, enabled_session

from lerobot_writer.check import check_dataset
from sim_service.isaac_sim.usd.paths import CAMERAS

SEED = 4


@pytest.fixture(scope="module", params=VERSIONS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KitSession]:
    with enabled_session(request.param, tmp_path_factory.mktemp("user"), settings={"fps": 10}) as session:
        yield session


def collects(kit: KitSession, output_dir: str) -> None:
    """A new job records, undisturbed."""
    kit.start(output_dir, seed=SEED)
    assert kit.until_frame(5)["failures"] == {}
    assert kit.post("/collect/stop", {"mode": "now"}).json()["job_state"] == "stopped"
    kit.until_state("idle")


def pause(kit: KitSession) -> None:
    kit.isaac.user_pauses()


def miss_a_picture(kit: KitSession) -> None:
    kit.isaac.faults.empty_frame_at = kit.isaac.updates + 1


def let_time_pass(kit: KitSession) -> None:
    """As any extension does that pauses, renders or resets a world."""
    kit.isaac.kit.settings.set(TIME_PASSES, True)


def test_what_spoils_an_attempt_costs_that_attempt_alone(kit: KitSession) -> None:
    kit.isaac.faults.physics_first = True  # else that setting is false again before it matters
    kit.start("attempts", seed=SEED)
    for number, spoil in enumerate((pause, miss_a_picture, let_time_pass)):
        kit.until_frame(5)
        spoil(kit)
        kit.until_status(lambda status, next_=number + 1: status["progress"]["attempt"] == next_, spoil.__name__)
    over = kit.until_over()
    kit.isaac.faults.physics_first = False
    assert (over["job_state"], over["failures"]) == ("completed", {"simulator_error": 3})
    assert check_dataset(kit.root / "attempts").ok


def stop(kit: KitSession) -> None:
    kit.isaac.user_stops()


def stop_and_play(kit: KitSession) -> None:
    kit.isaac.user_stops()
    kit.isaac.user_plays()


def open_another_stage(kit: KitSession) -> None:
    kit.isaac.kit.usd_context.new_stage()


def delete_a_camera(kit: KitSession) -> None:
    kit.isaac.stage.RemovePrim(CAMERAS["cam_high"])


def lose_the_handles(kit: KitSession) -> None:
    """Physics is parsed anew."""
    kit.isaac.faults.views_stale_after = kit.isaac.physics_steps + 2


IN_A_JOB = {
    "4.5.0": (stop, open_another_stage, lose_the_handles),
    "6.0.1": (stop_and_play, open_another_stage, delete_a_camera),
}
BETWEEN_JOBS = {"4.5.0": open_another_stage, "6.0.1": stop}


def test_what_spoils_the_cell_ends_the_job_which_goes_on_in_the_next_one(kit: KitSession) -> None:
    for number, spoil in enumerate(IN_A_JOB[kit.isaac.kit.version]):
        stages = kit.isaac.stages_opened
        kit.start("cells", seed=SEED, resume=number > 0)
        kit.until_frame(5)
        spoil(kit)
        over = kit.until_over()
        assert over["job_state"] == "failed", spoil.__name__
        assert over["error"].startswith("Simulator"), over["error"]
        assert over["progress"]["exhausted"] == 0, f"{spoil.__name__}: no index may be given up"
        assert kit.isaac.stages_opened == stages + 1 + (spoil is open_another_stage)
        assert kit.isaac.stage.GetPrimAtPath(CAMERAS["cam_high"])
    collects(kit, "other")
    kit.start("cells", seed=SEED, resume=True)
    over = kit.until_over()
    assert (over["job_state"], over["progress"]["completed"]) == ("completed", 1)
    assert check_dataset(kit.root / "cells").ok


def test_what_spoils_the_cell_between_two_jobs_is_mended_before_the_next(kit: KitSession) -> None:
    BETWEEN_JOBS[kit.isaac.kit.version](kit)
    assert "physics was stopped" in kit.until_state("failed")["error"]
    assert kit.ask_start("between").status == 503
    kit.until_state("idle")
    collects(kit, "between")


def test_a_spoilt_cell_that_nobody_noticed_is_found_by_the_next_job(kit: KitSession) -> None:
    delete_a_camera(kit)
    refused = kit.ask_start("unnoticed", seed=SEED)
    assert refused.status == 503
    assert "is being built; try again" in refused.json()["detail"]
    kit.until_state("idle")
    collects(kit, "unnoticed")


def test_a_user_who_pauses_between_two_jobs_is_overruled_by_the_next(kit: KitSession) -> None:
    pause(kit)
    kit.update(50)
    assert kit.status()["state"] == "idle"
    collects(kit, "paused")
