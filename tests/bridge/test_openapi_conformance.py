"""The application does what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from bridge_fakes import FakeService, bridge_app
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bridge.app import backend_of

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OFFER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"
NAMED = {"name": "n/a"}
VIDEO = {**NAMED, "episode": 0, "camera": "cam_high"}
GOOD_REQUESTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/collect/status", {}, 200),
    ("POST", "/collect/start", {"body": {"output_dir": "b", "num_episodes": 1000}}, 202),
    ("POST", "/collect/start", {"body": {"output_dir": "c"}}, 409),
    ("GET", "/collect/status", {}, 200),
    ("GET", "/collect/jobs", {"query": {"limit": 5}}, 200),
    ("GET", "/collect/jobs/{job_id}", {"path_parameters": {"job_id": "job-0001"}}, 200),
    ("POST", "/sim/play", {}, 409),
    ("POST", "/collect/stop", {"body": {"mode": "now"}}, 202),
    ("GET", "/collect/jobs/{job_id}", {"path_parameters": {"job_id": "job-0001"}}, 200),
    ("GET", "/collect/events", {}, 200),
    ("GET", "/collect/events", {"headers": {"Accept": "image/png"}}, 406),
    ("GET", "/sim/state", {}, 200),
    ("POST", "/sim/play", {}, 200),
    ("POST", "/sim/pause", {"body": {}}, 200),
    ("POST", "/sim/reset", {"body": {"seed": 3}}, 200),
    ("GET", "/datasets", {}, 200),
    ("GET", "/datasets/{name}", {"path_parameters": NAMED}, 200),
    ("GET", "/datasets/{name}", {"path_parameters": {"name": "broken"}}, 422),
    ("GET", "/datasets/{name}/episodes/{episode}/{camera}.mp4", {"path_parameters": VIDEO}, 200),
    (
        "GET",
        "/datasets/{name}/episodes/{episode}/{camera}.mp4",
        {"path_parameters": VIDEO, "headers": {"Range": "bytes=1-5"}},
        206,
    ),
    (
        "GET",
        "/datasets/{name}/episodes/{episode}/{camera}.mp4",
        {"path_parameters": VIDEO, "headers": {"Range": "bytes=99999999-"}},
        416,
    ),
    (
        "GET",
        "/datasets/{name}/episodes/{episode}/{camera}.mp4",
        {"path_parameters": VIDEO, "headers": {"If-None-Match": "*"}},
        304,
    ),
    ("GET", "/datasets/{name}/report", {"path_parameters": NAMED}, 200),
    ("GET", "/cameras", {}, 200),
    ("GET", "/cameras/{camera}.jpg", {"path_parameters": {"camera": "cam_high"}}, 200),
    ("GET", "/cameras/{camera}.mjpg", {"path_parameters": {"camera": "cam_high"}}, 200),
    (
        "POST",
        "/cameras/{camera}/whep",
        {"path_parameters": {"camera": "cam_high"}, "body": OFFER, "media_type": "application/sdp"},
        201,
    ),
    (
        "DELETE",
        "/cameras/{camera}/whep/{session_id}",
        {"path_parameters": {"camera": "cam_high", "session_id": "s1"}},
        204,
    ),
    ("GET", "/healthz", {}, 200),
    ("GET", "/readyz", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/session", {}, 200),
    ("POST", "/session", {"body": {"token": "t"}}, 204),
    ("DELETE", "/session", {}, 204),
]


@schemathesis.serializer("application/sdp")
def sdp(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """Its main loop runs, and its streams end after their beginning."""
    service = FakeService(tmp_path)
    report = tmp_path / "report.html"
    report.write_text("<p>Report</p>")
    service.catalogue.reports["n/a"] = report
    service.catalogue.add("n/a")
    service.catalogue.add("broken", error="no info.json")
    app = bridge_app(service)
    backend_of(app).closing.set()
    with service.running():
        yield app


def test_good_requests_are_answered_as_documented(app: Flask) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    asked = set()
    for method, path, parts, status in GOOD_REQUESTS:
        operation = schema[path][method]
        response = operation.Case(**parts).call_and_validate(checks=CHECKS)
        assert response.status_code == status, (method, path)
        asked.add(operation.label)
    assert asked == {result.ok().label for result in schema.get_all_operations()}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_any_request_is_answered_as_documented(app: Flask, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    examples = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=12,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            nonlocal examples
            case.call_and_validate(checks=CHECKS)
            examples += 1

        with contextlib.suppress(Unsatisfiable):  # there is nothing to get wrong
            check()
    assert examples > 100
