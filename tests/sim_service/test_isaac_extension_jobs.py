"""Jobs of the Kit extension: a dataset is the one that a script would have made, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from isaac_standin import Faults, installed
from kit_session import STEPS_PER_SEGMENT, VERSIONS, KitSession, enabled_session

from lerobot_writer.check import check_dataset
from sim_service.collect_command import run_collect
from sim_service.config import CollectConfig
from sim_service.simulators import SimulatorSettings

SEED = 4
SETTINGS = SimulatorSettings(fps=10)


def contents(dataset: Path) -> dict[str, bytes]:
    """Of every file, by its path: rows, pictures and what is told of them."""
    return {str(file.relative_to(dataset)): file.read_bytes() for file in dataset.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """By version: what the script makes of that seed where pictures do not lag."""
    made = {}
    for version in VERSIONS:
        output = tmp_path_factory.mktemp("scripted") / "a"
        with installed(version):
            assert (
                run_collect(CollectConfig(output, 1, SEED, STEPS_PER_SEGMENT, simulator="isaac", settings=SETTINGS))
                == 0
            )
        made[version] = contents(output)
    return made


@pytest.mark.parametrize(
    ("version", "picture_delay", "physics_first"),
    [
        ("4.5.0", 0, True),
        ("6.0.1", 1, False),
        ("4.5.0", 2, False),
        ("6.0.1", 2, True),
    ],
)
def test_a_job_makes_the_dataset_that_a_script_makes(
    version: str, picture_delay: int, physics_first: bool, scripted: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    faults = Faults(picture_delay=picture_delay, physics_first=physics_first)
    with enabled_session(version, tmp_path, faults, {"fps": SETTINGS.fps}) as kit:
        kit.start("a", seed=SEED)
        assert kit.until_over()["job_state"] == "completed"
    report = check_dataset(tmp_path / "a")
    assert report.ok, report
    made = contents(tmp_path / "a")
    assert set(made) == set(scripted[version])
    assert {path for path, data in made.items() if data != scripted[version][path]} == set()


@pytest.fixture(scope="module", params=VERSIONS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KitSession]:
    with enabled_session(request.param, tmp_path_factory.mktemp("jobs"), settings={"fps": SETTINGS.fps}) as session:
        yield session


def test_a_job_is_stopped_now_or_after_its_episode_and_resumed(kit: KitSession) -> None:
    kit.start("stopped", 3, seed=SEED)
    kit.until_frame(5)
    stopped = kit.post("/collect/stop", {"mode": "now"})
    assert stopped.status == 202
    assert (stopped.json()["job_state"], stopped.json()["progress"]["completed"]) == ("stopped", 0)
    kit.until_state("idle")
    kit.start("stopped", 3, seed=SEED, resume=True)
    kit.until_frame(5)
    stopping = kit.post("/collect/stop", {"mode": "after_episode"})
    assert stopping.json()["state"] == "stopping"
    over = kit.until_over()
    assert (over["job_state"], over["progress"]["completed"]) == ("stopped", 1)
    assert check_dataset(kit.root / "stopped").ok


def test_one_job_at_a_time(kit: KitSession) -> None:
    job = kit.start("one", seed=SEED)
    refused = kit.ask_start("two", seed=SEED)
    assert refused.status == 409
    assert job in refused.json()["detail"]
    assert kit.post("/sim/reset", {"seed": 1}).status == 409
    kit.post("/collect/stop", {"mode": "now"})
    kit.until_state("idle")


def test_a_job_with_other_objects_waits_for_their_cell(kit: KitSession) -> None:
    stages = kit.isaac.stages_opened
    refused = kit.ask_start("ycb", seed=SEED, use_ycb=True)
    assert refused.status == 503
    assert "is being built; try again" in refused.json()["detail"]
    assert kit.status()["state"] == "starting"
    kit.until_state("idle")
    kit.start("ycb", seed=SEED, use_ycb=True)
    kit.until_frame(1)
    assert kit.isaac.stages_opened == stages + 1
    assert kit.post("/collect/stop", {"mode": "now"}).json()["job_state"] == "stopped"
    refused = kit.ask_start("cube", seed=SEED)
    assert refused.status == 503
    assert "is being built; try again" in refused.json()["detail"]
