"""Health, metrics, access log, dashboard and the OpenAPI document, over the fakes."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import pytest
from bridge_fakes import FakeService, bridge_app
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from bridge.problems import install_problems
from bridge.routes.dashboard import FOLDER, MEDIA_TYPES, dashboard_blueprint
from sim_service.ports import Counters

PREFIXES = ("", "/v1/sim/bridge")


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path)


@pytest.fixture
def client(service: FakeService) -> FlaskClient:
    return bridge_app(service).test_client()


@pytest.fixture(scope="module")
def idle_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """For tests that change nothing."""
    service = FakeService(tmp_path_factory.mktemp("data"))
    service.status = dataclasses.replace(service.status, heartbeat=time.monotonic() + 600.0)
    return bridge_app(service)


@pytest.fixture
def idle(idle_app: Flask) -> FlaskClient:
    return idle_app.test_client()


def samples(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """From name and labels, "name=value" in order, to the value."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    return {
        (sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


# Health


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_process_that_answers_is_alive_and_ready_while_its_main_loop_turns(
    client: FlaskClient, service: FakeService, prefix: str
) -> None:
    assert client.get(f"{prefix}/healthz").json == {"status": "ok"}
    assert client.get(f"{prefix}/readyz").json == {"status": "ready"}
    service.status = dataclasses.replace(service.status, heartbeat=time.monotonic() - 5.5)
    assert client.get(f"{prefix}/healthz").json == {"status": "ok"}
    response = client.get(f"{prefix}/readyz")
    assert response.status_code == 503
    assert response.json["type"] == "urn:isaac-collect:problem:not-ready"
    service.turn()
    assert client.get(f"{prefix}/readyz").status_code == 200


# Metrics


def test_totals_of_the_process_are_told(client: FlaskClient, service: FakeService) -> None:
    counters = Counters(7, 0.25, 5, {"success": 2, "grasp_missed": 1}, {"completed": 1})
    service.status = dataclasses.replace(service.status, counters=counters, heartbeat=time.monotonic() - 2)
    with service.frames.watch():
        told = samples(client)
    expected = {
        ("isaac_collect_frames_total",): 5,
        ("isaac_collect_ticks_total",): 7,
        ("isaac_collect_tick_seconds_total",): 0.25,
        ("isaac_collect_episodes_total", "outcome=success"): 2,
        ("isaac_collect_episodes_total", "outcome=grasp_missed"): 1,
        ("isaac_collect_jobs_total", "state=completed"): 1,
        ("isaac_collect_service_state", "state=idle"): 1,
        ("isaac_collect_service_state", "state=failed"): 0,
        ("isaac_collect_command_queue_depth",): 0,
        ("isaac_collect_viewers",): 1,
        ("isaac_collect_webrtc_sessions",): 0,
        ("isaac_collect_streams",): 0,
        ("isaac_collect_waiting_requests",): 0,
    }
    assert {name: told[name] for name in expected} == expected
    assert 2.0 <= told["isaac_collect_heartbeat_age_seconds",] < 30.0


def test_requests_are_counted_by_route_and_not_by_path(client: FlaskClient) -> None:
    for job_id in ("a", "b", "c"):
        client.get(f"/collect/jobs/{job_id}")
    client.get("/v1/sim/bridge/collect/jobs/d")
    client.get("/collect/jobs?limit=x")
    for path in ("/x", "/y"):
        client.open(path, method="PROPFIND")
    told = samples(client)
    name = "isaac_collect_http_request_duration_seconds_count"
    assert told[name, "method=GET", "route=/collect/jobs/<job_id>", "status=404"] == 4
    assert told[name, "method=GET", "route=/collect/jobs", "status=400"] == 1
    assert told[name, "method=any", "route=unmatched", "status=404"] == 2


def test_two_applications_do_not_share_their_metrics(service: FakeService) -> None:
    first, second = bridge_app(service).test_client(), bridge_app(service).test_client()
    first.get("/healthz")
    name = "isaac_collect_http_request_duration_seconds_count"
    assert any(key[0] == name for key in samples(first))
    assert not any(key[0] == name for key in samples(second))


# Access log


def record_of(caplog: pytest.LogCaptureFixture) -> Any:
    (record,) = [record for record in caplog.records if record.name == "bridge.access"]
    return record


@pytest.mark.parametrize(
    ("path", "status", "level"),
    [
        ("/sim/state", 200, logging.INFO),
        ("/collect/jobs?limit=x", 400, logging.INFO),
        ("/nothing", 404, logging.INFO),
        ("/collect/status", 200, logging.DEBUG),
        ("/healthz", 200, logging.DEBUG),
        ("/readyz", 200, logging.DEBUG),
        ("/metrics", 200, logging.DEBUG),
    ],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_request_is_one_record(
    idle: FlaskClient, caplog: pytest.LogCaptureFixture, prefix: str, path: str, status: int, level: int
) -> None:
    with caplog.at_level(logging.DEBUG, "bridge.access"):
        idle.get(prefix + path)
    record = record_of(caplog)
    assert record.levelno == level
    assert (record.method, record.path, record.status) == ("GET", prefix + path.partition("?")[0], status)
    assert record.remote == "127.0.0.1"
    assert record.duration_ms >= 0


def test_a_probe_that_fails_is_not_quiet(
    client: FlaskClient, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.status = dataclasses.replace(service.status, heartbeat=0.0)
    with caplog.at_level(logging.DEBUG, "bridge.access"):
        client.get("/readyz")
    assert record_of(caplog).levelno == logging.INFO


def test_a_stream_is_logged_when_it_ends(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bridge.access"):
        response = client.get("/collect/events")
        assert caplog.records == []
        response.close()
    assert record_of(caplog).path == "/collect/events"


def test_a_path_cannot_forge_a_record(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bridge.access"):
        client.get("/a%0AGET%20/b%20200")
    assert "\n" not in record_of(caplog).getMessage()
    assert record_of(caplog).path == "/a%0AGET%20/b%20200"


# Dashboard


@pytest.fixture
def page(tmp_path: Path) -> FlaskClient:
    """The dashboard's routes alone, over a folder of our own."""
    folder = tmp_path / "static"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "js" / "main.js").write_text("1")
    (folder / "notes.txt").write_text("not for the web")
    (tmp_path / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    app = Flask("test", static_folder=None)
    app.url_map.merge_slashes = False
    app.register_blueprint(dashboard_blueprint(b"{}", folder))
    install_problems(app)
    return app.test_client()


@pytest.mark.parametrize(("path", "media_type"), [("/", "text/html"), ("/static/js/main.js", "text/javascript")])
def test_the_page_is_served_with_a_strict_policy_and_revalidated(page: FlaskClient, path: str, media_type: str) -> None:
    response = page.get(path, buffered=True)
    assert (response.status_code, response.mimetype) == (200, media_type)
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    for directive in ("default-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "connect-src 'self'"):
        assert directive in policy.split("; ")
    assert response.headers["Cache-Control"] == "no-cache"
    again = page.get(path, headers={"If-None-Match": response.headers["ETag"]}, buffered=True)
    assert again.status_code == 304
    assert "Content-Security-Policy" in again.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.js",
        "/static/%2e%2e/secret.js",
        "/static/..%2Fsecret.js",
        "/static//etc/passwd",
        "/static/link.js",
        "/static/notes.txt",
        "/static/js",
        "/static/",
        "/static/a%00.js",
        "/static/" + "a" * 5000 + ".js",
    ],
)
def test_nothing_else_is_served(page: FlaskClient, path: str) -> None:
    assert page.get(path).status_code == 404


def test_the_page_below_the_prefix_is_a_folder(client: FlaskClient) -> None:
    response = client.get("/v1/sim/bridge")
    assert response.status_code == 308
    assert response.headers["Location"] == "/v1/sim/bridge/"


def test_every_file_of_the_page_has_a_media_type() -> None:
    suffixes = {path.suffix for path in FOLDER.rglob("*") if path.is_file()}
    assert suffixes <= set(MEDIA_TYPES)


# OpenAPI


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_document_lists_every_path_once(client: FlaskClient, prefix: str) -> None:
    response = client.get(f"{prefix}/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    document = response.json
    assert document["openapi"] == "3.1.0"
    assert [server["url"] for server in document["servers"]] == ["/", "/v1/sim/bridge"]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "cookie"}
    served = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in client.application.url_map.iter_rules()
        if not rule.endpoint.startswith("dashboard.")
    }
    assert set(document["paths"]) == served
    assert not any("bridge" in path for path in document["paths"])


def test_every_operation_documents_the_guards_answers_and_names_its_problem_shape(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            responses = operation["responses"]
            assert {"401", "403", "500"} <= set(responses), path
            for status, response in responses.items():
                if int(status) >= 400:
                    content = response["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "errors" in document["components"]["schemas"]["Problem"]["properties"]
    assert json.dumps(document)
