"""/collect and /sim, over the fakes."""

from __future__ import annotations

import dataclasses
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bridge_fakes import CONFIG, FakeService, bridge_app
from flask import Flask
from flask.testing import FlaskClient

from bridge.app import backend_of
from sim_service.commands import (
    CommandError,
    KeyReusedError,
    NoReplyError,
    NotReadyError,
    OutputRefusedError,
    StorageError,
)
from sim_service.ports import Job, Status

PREFIXES = ("", "/v1/sim/bridge")
DEADLINE_S = 20.0
REQUEST_FIELDS = {
    "num_episodes": 2,
    "output_dir": "a/b",
    "skill": "pick_place",
    "seed": 7,
    "steps_per_segment": 30,
    "use_ycb": False,
    "randomize": "light",
    "num_objects": 3,
    "resume": False,
}
STATUS_FIELDS = {
    "state",
    "job_id",
    "job_state",
    "skill",
    "progress",
    "attempts",
    "successes",
    "success_rate",
    "failures",
    "frames",
    "frames_per_s",
    "eta_s",
    "output_dir",
    "dataset",
    "started_at",
    "finished_at",
    "error",
    "last_event_id",
    "read_only",
    "data_root",
    "version",
    "viewers",
}


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path)


@pytest.fixture
def app(service: FakeService) -> Flask:
    return bridge_app(service)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def idle_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """For tests that change nothing: nobody takes its commands."""
    return bridge_app(FakeService(tmp_path_factory.mktemp("data")))


@pytest.fixture
def idle(idle_app: Flask) -> FlaskClient:
    return idle_app.test_client()


@pytest.fixture
def turning(service: FakeService) -> Iterator[None]:
    with service.running():
        yield


def slug(response: Any) -> str:
    assert response.content_type == "application/problem+json"
    problem = response.json
    assert problem["status"] == response.status_code
    return str(problem["type"]).removeprefix("urn:isaac-collect:problem:")


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_job_begins_runs_and_is_history(
    client: FlaskClient, service: FakeService, turning: None, prefix: str
) -> None:
    started = client.post(f"{prefix}/collect/start", json=REQUEST_FIELDS)
    assert started.status_code == 202
    job = started.json
    assert started.headers["Location"] == f"{prefix}/collect/jobs/{job['id']}"
    assert job["request"] == REQUEST_FIELDS
    assert job["output_dir"] == str(service.data_root.path / "a/b")
    assert job["progress"]["requested"] == 2
    eventually(lambda: client.get(started.headers["Location"]).json["state"] == "completed")
    status = client.get(f"{prefix}/collect/status").json
    assert set(status) == STATUS_FIELDS
    assert (status["state"], status["job_id"], status["job_state"]) == ("idle", job["id"], "completed")
    assert status["progress"]["fraction"] == 1.0
    assert client.get(f"{prefix}/collect/jobs").json["jobs"] == [client.get(started.headers["Location"]).json]


def test_only_the_output_dir_is_required(client: FlaskClient, turning: None) -> None:
    response = client.post("/collect/start", json={"output_dir": "x"})
    assert response.status_code == 202
    assert response.json["request"]["num_episodes"] == 50
    assert response.json["request"]["seed"] == 12345


def test_a_status_before_any_job_has_nothing_of_one(idle: FlaskClient) -> None:
    status = idle.get("/collect/status").json
    assert set(status) == STATUS_FIELDS
    assert (status["state"], status["job_id"], status["progress"], status["failures"]) == ("idle", None, None, {})


def test_a_second_start_is_refused_and_names_the_job(client: FlaskClient, turning: None) -> None:
    first = client.post("/collect/start", json={"output_dir": "x", "num_episodes": 1000}).json
    second = client.post("/collect/start", json={"output_dir": "y"})
    assert second.status_code == 409
    assert slug(second) == "busy"
    assert second.json["job_id"] == first["id"]


def test_of_many_starts_at_once_one_wins(app: Flask, service: FakeService, turning: None) -> None:
    together, statuses = threading.Barrier(6), []

    def ask(name: str) -> None:
        client = app.test_client()
        together.wait()
        statuses.append(client.post("/collect/start", json={"output_dir": name, "num_episodes": 10_000}).status_code)

    threads = [threading.Thread(target=ask, args=(f"d{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202] + 5 * [409]
    assert len(service.all_jobs) == 1


def test_the_same_key_and_request_is_the_same_job(client: FlaskClient, service: FakeService, turning: None) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = client.post("/collect/start", json={"output_dir": "x", "num_episodes": 1}, headers=headers)
    again = client.post("/collect/start", json={"num_episodes": 1, "output_dir": "x"}, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json["id"] == again.json["id"]
    assert first.headers["Location"] == again.headers["Location"]
    other = client.post("/collect/start", json={"output_dir": "y"}, headers=headers)
    assert other.status_code == 422
    assert slug(other) == "key-reused"
    assert len(service.all_jobs) == 1


@pytest.mark.parametrize("key", ["", "k" * 201, "a b", "\xe4"])
def test_a_bad_key_is_refused(client: FlaskClient, service: FakeService, key: str) -> None:
    response = client.post("/collect/start", json={"output_dir": "x"}, headers={"Idempotency-Key": key})
    assert response.status_code == 400
    assert [error["field"] for error in response.json["errors"]] == ["Idempotency-Key"]
    assert service.queue.depth == 0


def test_every_bad_field_is_listed_and_nothing_is_asked_of_the_simulator(
    client: FlaskClient, service: FakeService
) -> None:
    body = {"num_episodes": 0, "output_dir": "../x", "skill": "dance", "seed": True, "extra": 1}
    response = client.post("/v1/sim/bridge/collect/start", json=body)
    assert response.status_code == 400
    assert slug(response) == "bad-request"
    assert sorted(error["field"] for error in response.json["errors"]) == sorted(body)
    assert response.json["instance"] == "/v1/sim/bridge/collect/start"
    assert service.queue.depth == 0


def test_an_absolute_output_dir_inside_the_data_root_is_its_name(
    client: FlaskClient, service: FakeService, turning: None
) -> None:
    response = client.post("/collect/start", json={"output_dir": str(service.data_root.path / "front/end")})
    assert response.status_code == 202
    assert response.json["dataset"] == "front/end"


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"output_dir": NaN}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"seed": ' + b"9" * 60_000 + b"}", "application/json", 400),
        (b'{"output_dir": "a"}', "text/plain", 415),
        (b'{"output_dir": "a"}', "application/x-www-form-urlencoded", 415),
        (b'{"output_dir": "a"}', "application/json+x", 415),
        (b'{"output_dir": "a"}', "", 415),
        (b'{"output_dir": "' + b"a" * 65_536 + b'"}', "application/json", 413),
    ],
)
@pytest.mark.parametrize("path", ["/collect/start", "/collect/stop", "/sim/play", "/sim/reset", "/session"])
def test_a_bad_body_is_the_clients_fault(
    idle: FlaskClient, path: str, data: bytes, content_type: str, status: int
) -> None:
    optional = path not in ("/collect/start", "/session")
    if optional and not data:
        return  # a body is not needed there
    response = idle.post(path, data=data, content_type=content_type)
    assert response.status_code == status
    assert slug(response) in ("bad-request", "unsupported-media-type", "too-large")


def test_a_body_of_unknown_length_is_read_to_the_limit_and_no_further(idle: FlaskClient) -> None:
    for size, status in ((65_536, 400), (65_537, 413), (1_000_000, 413)):
        response = idle.post(
            "/collect/start",
            input_stream=io.BytesIO(b" " * size),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert response.status_code == status


def test_a_body_of_exactly_the_limit_is_read(idle: FlaskClient) -> None:
    body = b'{"output_dir": "' + b"a" * (65_536 - 18) + b'"}'
    assert len(body) == 65_536
    assert idle.post("/collect/start", data=body, content_type="application/json").status_code == 400


def test_json_may_say_its_charset(client: FlaskClient, turning: None) -> None:
    data, content_type = b'{"output_dir": "a"}', "application/json; charset=utf-8"
    assert client.post("/collect/start", data=data, content_type=content_type).status_code == 202


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"mode": "after_episode"}}, {"json": {"mode": "now"}}])
def test_a_stop_is_accepted_also_when_nothing_runs(client: FlaskClient, turning: None, body: dict[str, Any]) -> None:
    for _ in range(2):
        response = client.post("/collect/stop", **body)
        assert response.status_code == 202
        assert set(response.json) == STATUS_FIELDS


@pytest.mark.parametrize(("mode", "state"), [("after_episode", "stopping"), ("now", "idle")])
def test_a_stop_ends_the_job(client: FlaskClient, service: FakeService, mode: str, state: str) -> None:
    service.frames_per_episode = 10**9
    with service.running():
        job_id = client.post("/collect/start", json={"output_dir": "x"}).json["id"]
        status = client.post("/collect/stop", json={"mode": mode}).json
        assert (status["state"], status["job_id"]) == (state, job_id)
        assert status["job_state"] == ("stopping" if mode == "after_episode" else "stopped")


def test_jobs_are_listed_newest_first_and_no_more_than_asked(client: FlaskClient, service: FakeService) -> None:
    with service.running():
        for n in range(3):
            client.post("/collect/start", json={"output_dir": f"d{n}"})
            client.post("/collect/stop", json={"mode": "now"})
    listed = client.get("/collect/jobs").json["jobs"]
    assert [job["dataset"] for job in listed] == ["d2", "d1", "d0"]
    assert client.get("/collect/jobs?limit=2").json["jobs"] == listed[:2]
    for job in listed:
        assert client.get(f"/collect/jobs/{job['id']}").json == job


@pytest.mark.parametrize("limit", ["0", "501", "abc", "", "-1", "1e2"])
def test_a_bad_limit_is_refused(idle: FlaskClient, limit: str) -> None:
    response = idle.get(f"/collect/jobs?limit={limit}")
    assert response.status_code == 400
    assert [error["field"] for error in response.json["errors"]] == ["limit"]


@pytest.mark.parametrize("job_id", ["nobody", "..", "%00", "a%20b", "\u2603"])
def test_an_unknown_job_is_not_found(idle: FlaskClient, job_id: str) -> None:
    response = idle.get(f"/collect/jobs/{job_id}")
    assert response.status_code == 404
    assert slug(response) == "not-found"


@pytest.mark.parametrize(
    ("error", "status", "expected", "retry"),
    [
        (OutputRefusedError("there is a dataset"), 409, "output-refused", False),
        (StorageError("disk full"), 507, "storage", False),
        (NotReadyError("starting"), 503, "not-ready", True),
        (NoReplyError("slow"), 503, "no-reply", True),
        (KeyReusedError("key"), 422, "key-reused", False),
    ],
)
def test_each_refusal_has_its_problem(
    client: FlaskClient,
    service: FakeService,
    turning: None,
    error: CommandError,
    status: int,
    expected: str,
    retry: bool,
) -> None:
    service.refusal = error
    response = client.post("/collect/start", json={"output_dir": "x"})
    assert response.status_code == status
    assert slug(response) == expected
    assert response.json["detail"] == str(error)
    assert ("Retry-After" in response.headers) is retry
    if retry:
        assert response.json["retry_after_s"] == int(response.headers["Retry-After"])


class _Unforeseen(CommandError):
    pass


@pytest.mark.parametrize("error", [_Unforeseen("secret /path")])
def test_an_unforeseen_error_tells_nothing_and_is_logged(
    client: FlaskClient, service: FakeService, turning: None, caplog: pytest.LogCaptureFixture, error: CommandError
) -> None:
    service.refusal = error
    with caplog.at_level(logging.ERROR):
        response = client.post("/collect/start", json={"output_dir": "x"})
    assert response.status_code == 500
    assert slug(response) == "internal"
    assert "secret" not in response.text
    assert "secret" in caplog.text


def test_an_error_of_a_port_is_a_problem_too(client: FlaskClient, service: FakeService, caplog: Any) -> None:
    def broken(limit: int) -> list[Job]:
        raise ZeroDivisionError("secret")

    service.jobs = broken  # type: ignore[method-assign]  # a port that fails
    response = client.get("/collect/jobs")
    assert response.status_code == 500
    assert slug(response) == "internal"
    assert "secret" not in response.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("path", ["/collect/start", "/collect/stop", "/sim/play", "/sim/pause", "/sim/reset"])
def test_a_stuck_main_loop_is_told_at_once(client: FlaskClient, service: FakeService, path: str) -> None:
    service.status = dataclasses.replace(service.status, heartbeat=time.monotonic() - 5.5)
    began = time.monotonic()
    response = client.post(path, json={"output_dir": "x"} if path == "/collect/start" else {})
    assert time.monotonic() - began < 2.0
    assert response.status_code == 503
    assert slug(response) == "not-ready"
    assert "Retry-After" in response.headers
    assert service.queue.depth == 0


@pytest.mark.parametrize("state", ["starting", "failed"])
def test_a_simulator_that_is_not_there_is_told(client: FlaskClient, service: FakeService, state: Any) -> None:
    service.status = Status(state, None, None, time.monotonic(), "no GPU")
    response = client.post("/collect/start", json={"output_dir": "x"})
    assert slug(response) == "not-ready"
    assert ("no GPU" in response.json["detail"]) is (state == "failed")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert slug(client.get("/sim/state")) == "not-ready"
    assert client.get("/collect/status").json["error"] == ("no GPU" if state == "failed" else None)


def test_a_full_queue_is_told(tmp_path: Path) -> None:
    service = FakeService(tmp_path, capacity=1)
    config = dataclasses.replace(CONFIG, command_timeout_s=0.05)
    client = bridge_app(service, config).test_client()
    assert slug(client.post("/sim/play")) == "no-reply"  # stays in the queue: nobody takes it
    response = client.post("/sim/play")
    assert response.status_code == 503
    assert slug(response) == "queue-full"
    assert response.headers["Retry-After"] == "1"


def test_a_command_that_was_given_up_is_never_carried_out(tmp_path: Path) -> None:
    service = FakeService(tmp_path)
    client = bridge_app(service, dataclasses.replace(CONFIG, start_timeout_s=0.05)).test_client()
    assert slug(client.post("/collect/start", json={"output_dir": "x"})) == "no-reply"
    service.turn()
    assert service.all_jobs == {}


def test_no_more_requests_wait_than_may(tmp_path: Path) -> None:
    service = FakeService(tmp_path)
    app = bridge_app(service, dataclasses.replace(CONFIG, threads=CONFIG.max_streams + 6))
    backend, client = backend_of(app), app.test_client()
    assert backend.waits.limit == 2
    slots = [backend.waits.take(), backend.waits.take()]
    assert slug(client.post("/sim/play")) == "queue-full"
    assert client.get("/collect/status").status_code == 200
    for slot in slots:
        assert slot is not None
        slot.release()
    with service.running():
        assert client.post("/sim/play").status_code == 200
    assert backend.waits.used == 0


def test_too_few_threads_are_refused(service: FakeService) -> None:
    with pytest.raises(ValueError, match="threads are too few"):
        bridge_app(service, dataclasses.replace(CONFIG, threads=CONFIG.max_streams + 4))


# /sim


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_simulator_plays_pauses_and_is_reset(
    client: FlaskClient, service: FakeService, turning: None, prefix: str
) -> None:
    assert client.post(f"{prefix}/sim/play").json["playing"] is True
    eventually(lambda: client.get(f"{prefix}/sim/state").json["time_s"] > 0)
    assert client.post(f"{prefix}/sim/pause", json={}).json["playing"] is False
    state = client.post(f"{prefix}/sim/reset", json={"seed": 4}).json
    assert state["time_s"] == 0.0
    assert set(state) == {"name", "playing", "time_s", "control_period_s", "versions", "state"}
    assert client.get(f"{prefix}/sim/state").json == state


@pytest.mark.parametrize("path", ["/sim/play", "/sim/pause", "/sim/reset"])
def test_the_simulator_is_not_to_be_had_while_it_collects(client: FlaskClient, turning: None, path: str) -> None:
    job_id = client.post("/collect/start", json={"output_dir": "x", "num_episodes": 10_000}).json["id"]
    response = client.post(path)
    assert response.status_code == 409
    assert slug(response) == "busy"
    assert response.json["job_id"] == job_id


@pytest.mark.parametrize(("path", "body"), [("/sim/play", {"a": 1}), ("/sim/reset", {"seed": -1}), ("/sim/reset", [])])
def test_bad_bodies_of_the_simulator_are_refused(idle: FlaskClient, path: str, body: Any) -> None:
    assert idle.post(path, json=body).status_code == 400


# Methods and paths


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/collect/start", "OPTIONS, POST"),
        ("DELETE", "/collect/status", "GET, HEAD, OPTIONS"),
        ("PUT", "/session", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/cameras/cam_high/whep/s1", "DELETE, OPTIONS"),
        ("PATCH", "/cameras/cam_high/whep", "OPTIONS, POST"),
        ("TRACE", "/", "GET, HEAD, OPTIONS"),
    ],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_method_that_is_not_allowed_is_told_which_are(
    idle: FlaskClient, prefix: str, method: str, path: str, allowed: str
) -> None:
    response = idle.open(prefix + path, method=method)
    assert response.status_code == 405
    assert slug(response) == "method-not-allowed"
    assert response.headers["Allow"] == allowed
    options = idle.options(prefix + path)
    assert options.status_code == 200
    assert sorted(options.headers["Allow"].split(", ")) == allowed.split(", ")


@pytest.mark.parametrize(
    "path", ["/nothing", "/collect", "/collect/status/", "/collect//status", "/v1/sim", "/v1/sim/bridges", "/static/x"]
)
def test_an_unknown_path_is_not_found(idle: FlaskClient, path: str) -> None:
    response = idle.get("/v1/sim/bridge" + path)
    assert response.status_code == 404
    assert slug(response) == "not-found"


@pytest.mark.parametrize("path", ["/collect/status", "/collect/jobs", "/sim/state", "/healthz", "/metrics"])
def test_head_is_get_without_its_body(idle: FlaskClient, path: str) -> None:
    head = idle.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0
    assert head.content_type == idle.get(path).content_type


def test_an_event_stream_is_not_to_be_had_as_json(idle: FlaskClient) -> None:
    response = idle.get("/collect/events", headers={"Accept": "application/json"})
    assert response.status_code == 406
    assert slug(response) == "not-acceptable"


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "text/*", "application/json, text/event-stream;q=0.5"])
def test_an_event_stream_is_had_by_whom_it_suits(idle: FlaskClient, idle_app: Flask, accept: str) -> None:
    with idle.get("/collect/events", headers={"Accept": accept}) as response:
        assert response.status_code == 200
        assert response.mimetype == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert next(response.response) == b"retry: 2000\n\n"
        assert backend_of(idle_app).streams.used == 1
    assert backend_of(idle_app).streams.used == 0


def test_head_of_a_stream_takes_no_slot(client: FlaskClient, app: Flask) -> None:
    for path in ("/collect/events", "/cameras/cam_high.mjpg"):
        assert client.head(path).status_code == 200
        assert backend_of(app).streams.used == 0


def test_a_stream_that_is_closed_before_it_began_gives_its_slot_back(client: FlaskClient, app: Flask) -> None:
    client.get("/collect/events").close()
    assert backend_of(app).streams.used == 0


def test_streams_are_bounded_and_status_is_not(service: FakeService) -> None:
    app = bridge_app(service, dataclasses.replace(CONFIG, max_streams=2))
    client = app.test_client()
    streams = [client.get("/collect/events"), client.get("/cameras/cam_high.mjpg")]
    refused = client.get("/collect/events")
    assert refused.status_code == 503
    assert slug(refused) == "too-many-streams"
    assert "Retry-After" in refused.headers
    assert client.get("/collect/status").status_code == 200
    streams.pop().close()
    streams.append(client.get("/collect/events"))
    assert streams[-1].status_code == 200
    for stream in streams:
        stream.close()
    assert backend_of(app).streams.used == 0
