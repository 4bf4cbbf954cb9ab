"""From records to JSON values."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime, timezone
from pathlib import Path

import pytest
from bridge_fakes import FakeEvents, FakeFrames

from bridge.messages import Page
from bridge.rendering import (
    dataset_json,
    dataset_page_json,
    job_json,
    progress_json,
    simulator_json,
    status_json,
    time_json,
    to_json,
)
from bridge.status_body import StatusBody
from sim_service.commands import CollectRequest
from sim_service.ports import DatasetSummary, EpisodeSummary, Job, Progress, SimulatorState, Status

JOB = Job("j1", "collecting", CollectRequest("a/b", num_episodes=4), Path("/data/a/b"), Progress(4), 1_700_000_000.1234)


def test_times_are_utc_to_the_millisecond_and_read_back() -> None:
    text = time_json(1_700_000_000.1234)
    assert text == "2023-11-14T22:13:20.123Z"
    assert datetime.fromisoformat(text.replace("Z", "+00:00")) == datetime(
        2023, 11, 14, 22, 13, 20, 123000, timezone.utc
    )
    assert time_json(None) is None


def test_the_fraction_rises_with_every_frame_and_ends_at_one() -> None:
    steps = [
        Progress(2),
        Progress(2, current_episode=0, frame=1, frames=4),
        Progress(2, current_episode=0, frame=4, frames=4),
        Progress(2, completed=1, current_episode=1, frame=2, frames=4),
        Progress(2, completed=1, exhausted=1),
    ]
    fractions = [progress_json(step)["fraction"] for step in steps]
    assert fractions == [0.0, 0.125, 0.5, 0.75, 1.0]


def test_a_fraction_never_leaves_its_range() -> None:
    assert progress_json(Progress(0))["fraction"] == 0.0
    assert progress_json(Progress(1, completed=1, current_episode=1, frame=9, frames=3))["fraction"] == 1.0


def test_a_job_carries_its_request_whole() -> None:
    rendered = job_json(JOB)
    assert rendered["request"] == dataclasses.asdict(JOB.request)
    assert (rendered["output_dir"], rendered["dataset"]) == ("/data/a/b", "a/b")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null(value: float) -> None:
    job = dataclasses.replace(JOB, frames_per_s=value, eta_s=value)
    rendered = json.loads(to_json(job_json(job)))
    assert rendered["frames_per_s"] is None
    assert rendered["eta_s"] is None
    episode = EpisodeSummary(0, 1, 0.1, "t", placement_error_m=value)
    page = dataset_page_json(DatasetSummary("a"), [episode], Page(0, 1), "")
    assert json.loads(to_json(page))["episode_list"][0]["placement_error_m"] is None


def test_any_text_survives() -> None:
    job = dataclasses.replace(JOB, error='line\n"quote" ü \ud800')
    assert json.loads(to_json(job_json(job)))["error"] == 'line\n"quote" ü \ud800'


def test_a_status_without_a_job_is_empty() -> None:
    rendered = status_json(Status("idle", None, None, 0.0), None, 2, "/data", "1.0", True)
    empty = {"attempts": 0, "successes": 0, "frames": 0, "failures": {}}
    said = {"state": "idle", "viewers": 2, "data_root": "/data", "version": "1.0", "read_only": True}
    assert {key: value for key, value in rendered.items() if value is not None} == {**empty, **said}


def test_the_error_is_the_simulators_where_it_failed_and_else_the_jobs() -> None:
    job = dataclasses.replace(JOB, state="failed", error="disk")
    for state, expected in (("failed", "gpu"), ("idle", "disk")):
        status = Status(state, job, None, 0.0, "gpu")  # type: ignore[arg-type]  # a Literal from a tuple
        assert status_json(status, None, 0, "", "", False)["error"] == expected


def test_a_broken_dataset_has_no_time_and_no_rate() -> None:
    rendered = dataset_json(DatasetSummary("a", error="broken"))
    assert (rendered["modified_at"], rendered["success_rate"], rendered["error"]) == (None, None, "broken")


def test_links_are_paths_below_the_root_that_was_asked() -> None:
    summary = DatasetSummary("n/a b#1", cameras=("cam 1",))
    page = dataset_page_json(summary, [EpisodeSummary(3, 1, 0.1, "t")], Page(0, 1), "/v1/x")
    assert page["episode_list"][0]["videos"] == {"cam 1": "/v1/x/datasets/n/a%20b%231/episodes/3/cam%201.mp4"}


def test_the_simulator_says_the_state_of_the_service() -> None:
    rendered = simulator_json(SimulatorState("m", True, 1.5, 0.1, {"mujoco": "3"}), "idle")
    assert rendered["versions"] == {"mujoco": "3"}
    assert (rendered["playing"], rendered["time_s"], rendered["state"]) == (True, 1.5, "idle")


class _Source:
    def __init__(self) -> None:
        self.status = Status("idle", JOB, None, 0.0)


def _body(source: _Source, events: FakeEvents, frames: FakeFrames) -> StatusBody:
    return StatusBody(source, events, frames, "/data", "1.0", False)


def test_a_status_is_rendered_once_until_something_changes() -> None:
    source, events, frames = _Source(), FakeEvents(), FakeFrames()
    body = _body(source, events, frames)
    first = body.render()
    assert body.render() is first
    with frames.watch():
        watched = body.render()
        assert json.loads(watched)["viewers"] == 1
    event = events.publish("state", {})
    told = body.render()
    assert json.loads(told)["last_event_id"] == event.id
    source.status = dataclasses.replace(source.status, state="stopping")
    assert json.loads(body.render())["state"] == "stopping"
    assert body.render() is body.render()


def test_a_status_whose_last_event_is_gone_has_none() -> None:
    events = FakeEvents(capacity=0)
    events.publish("state", {})
    assert json.loads(_body(_Source(), events, FakeFrames()).render())["last_event_id"] is None
