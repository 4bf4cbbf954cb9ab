"""Jobs of the service that vary the scene, on the fake simulator."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from service_harness import Harness, harness

from collectors.randomization import PRESETS
from lerobot_writer.check import check_dataset
from sim_service import commands
from sim_service.commands import CollectRequest, StopCollection
from sim_service.job_store import STATE_FOLDER, JobStore
from sim_service.randomization_request import requested_randomization, with_num_objects
from sim_service.recorded import open_dataset
from sim_service.simulators import SimulatorSettings


def collected(run: Harness, name: str, **request: Any) -> None:
    run.start(name, **request)
    run.until_state("idle")
    assert run.job.state == "completed"


def test_a_dataset_has_what_was_asked_for(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        for request in (
            CollectRequest("plain"),
            CollectRequest("light", randomize="light"),
            CollectRequest("three", randomize="full", num_objects=3),
        ):
            name = request.output_dir
            collected(run, name, randomize=request.randomize, num_objects=request.num_objects)
            dataset = open_dataset(tmp_path / name)
            assert dataset.configuration["randomization"] == requested_randomization(request).as_json()
            masses = {row["collection/object_mass_kg"] for row in dataset.rows}
            assert len(masses) == (1 if name == "plain" else 2)
            assert {row["collection/num_distractors"] for row in dataset.rows} == {2 if name == "three" else 0}
            assert check_dataset(tmp_path / name).ok


def test_a_job_gets_a_simulator_that_its_scenes_fit_into(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        asked: tuple[tuple[dict[str, Any], int, bool, int], ...] = (
            ({"randomize": "light"}, 0, False, 1),  # nothing that the first one could not show
            ({"randomize": "full"}, 5, True, 2),
            ({"randomize": "full", "num_objects": 3}, 5, True, 2),
            ({"randomize": "full", "num_objects": 1}, 0, True, 3),
            ({"randomize": "none", "num_objects": 3}, 5, False, 4),
            ({"randomize": "none", "num_objects": 1}, 0, False, 5),
            ({}, 0, False, 5),
        )
        for number, (request, num_distractors, textured, opened) in enumerate(asked):
            run.start(str(number), **request)
            run.send(StopCollection("now"))
            wanted = SimulatorSettings(num_distractors=num_distractors, textured_table=textured)
            assert (run.settings[-1], len(run.opened)) == (wanted, opened), request
            assert all(simulator.closed for simulator in run.opened[:-1])


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"randomize": "full"}, {}, 'the dataset has "randomize": "full", asked for "randomize": "none"$'),
        ({}, {"randomize": "light"}, 'has "randomize": "none", asked for "randomize": "light"$'),
        (
            {"randomize": "full", "num_objects": 3},
            {"randomize": "full"},
            'has "randomize": "full" and "num_objects": 3, asked for "randomize": "full"$',
        ),
    ],
)
def test_a_dataset_is_not_continued_with_another_randomization(
    tmp_path: Path, first: dict[str, Any], then: dict[str, Any], message: str
) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        collected(run, "ds", num_episodes=1, **first)
        with pytest.raises(commands.OutputRefusedError, match=f"cannot continue .*ds with another.*{message}"):
            run.start("ds", num_episodes=2, resume=True, **then)
        collected(run, "ds", num_episodes=2, resume=True, **first)
        with pytest.raises(commands.OutputRefusedError, match='"resume": true continues a dataset'):
            run.start("ds", num_episodes=2, **then)
    assert len(open_dataset(tmp_path / "ds").rows) == 2


def test_another_difference_is_told_as_it_is(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        collected(run, "ds", num_episodes=1, randomize="full")
        with pytest.raises(commands.OutputRefusedError, match=r"seed: the dataset has 12345, asked for 1$"):
            run.start("ds", resume=True, seed=1, randomize="full")


def test_a_dataset_of_a_command_with_ranges_of_its_own_is_told_from_a_requests(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        collected(run, "ds", num_episodes=1)
        file = tmp_path / "ds/meta/collection.json"
        content = json.loads(file.read_text())
        content["configuration"]["randomization"] |= {"delay_ticks": [2, 2]}
        file.write_text(json.dumps(content))
        message = r'has ranges of its own, {"delay_ticks": \[2, 2\]}, asked for "randomize": "none"$'
        with pytest.raises(commands.OutputRefusedError, match=message):
            run.start("ds", resume=True)


def test_asking_for_the_same_in_other_words_is_no_other_randomization(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        job = run.start("ds", num_episodes=1, key="k1")
        run.until_state("idle")
        assert run.start("ds", num_episodes=1, key="k1", num_objects=1).id == job.id
        for other in ({"num_objects": 2}, {"randomize": "full"}, {"randomize": "full", "num_objects": 1}):
            with pytest.raises(commands.KeyReusedError):
                run.start("ds", num_episodes=1, key="k1", **other)
        collected(run, "ds", num_episodes=2, resume=True, num_objects=1)


def test_a_job_of_an_earlier_version_loads_and_resumes(tmp_path: Path) -> None:
    """It had one object, whose number was said, and nothing to randomize."""
    with harness(tmp_path) as run:
        run.until_state("idle")
        collected(run, "ds", num_episodes=1, key="k1")
    with sqlite3.connect(tmp_path / STATE_FOLDER / "jobs.sqlite") as database:
        [record] = database.execute("SELECT record FROM jobs").fetchone()
        content = json.loads(record)
        del content["request"]["randomize"]
        content["request"]["num_objects"] = 1
        database.execute("UPDATE jobs SET record = ?", (json.dumps(content),))
    database.close()
    with harness(tmp_path) as again:
        again.until_state("idle")
        [job] = again.store.jobs(10)
        assert requested_randomization(job.request) == PRESETS["none"]
        assert again.start("ds", num_episodes=1, key="k1").id == job.id
        collected(again, "ds", num_episodes=2, resume=True, num_objects=job.request.num_objects)


def test_a_request_that_varies_is_kept_in_the_history(tmp_path: Path) -> None:
    with harness(tmp_path) as run:
        run.until_state("idle")
        run.start("ds", randomize="full", num_objects=4)
        run.send(StopCollection("now"))
    store = JobStore(tmp_path)
    try:
        [job] = store.jobs(10)
    finally:
        store.close()
    assert requested_randomization(job.request) == with_num_objects(PRESETS["full"], 4)
