"""Who may call: token, cookie, Host, Origin, CORS, read-only pages, security headers."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from bridge_fakes import CONFIG, FakeService, bridge_app
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import create_environ, run_wsgi_app

from bridge.app import create_app
from bridge.config import BridgeConfig
from bridge.security import COOKIE, COOKIE_AGE_S, is_loopback

TOKEN = "päss-w0rd"
BEARER = {"Authorization": "Bearer " + TOKEN.encode().decode("latin-1")}
GUARDED = [
    ("GET", "/collect/status"),
    ("POST", "/collect/start"),
    ("POST", "/collect/stop"),
    ("GET", "/collect/jobs"),
    ("GET", "/collect/jobs/a"),
    ("GET", "/collect/events"),
    ("GET", "/sim/state"),
    ("POST", "/sim/play"),
    ("POST", "/sim/pause"),
    ("POST", "/sim/reset"),
    ("GET", "/datasets"),
    ("GET", "/datasets/a"),
    ("GET", "/datasets/a/episodes/0/cam_high.mp4"),
    ("GET", "/datasets/a/report"),
    ("GET", "/cameras"),
    ("GET", "/cameras/cam_high.jpg"),
    ("GET", "/cameras/cam_high.mjpg"),
    ("POST", "/cameras/cam_high/whep"),
    ("DELETE", "/cameras/cam_high/whep/s1"),
    ("GET", "/metrics"),
    ("GET", "/nothing-here"),
]
OPEN = ["/healthz", "/readyz", "/openapi.json", "/", "/session"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> FakeService:
    service = FakeService(tmp_path_factory.mktemp("data"))
    report = service.data_root.path / "report.html"
    report.write_text("<p>a</p>")
    service.catalogue.reports["a"] = report
    service.catalogue.add("a")
    return service


def app_with(service: FakeService, **changes: Any) -> Flask:
    config: BridgeConfig = dataclasses.replace(CONFIG, **changes)
    return bridge_app(service, config)


@pytest.fixture(scope="module")
def locked_app(service: FakeService) -> Flask:
    return app_with(service, token=TOKEN)


@pytest.fixture
def locked(locked_app: Flask) -> FlaskClient:
    return locked_app.test_client()


@pytest.fixture(scope="module")
def named_app(service: FakeService) -> Flask:
    return app_with(service, allowed_hosts=("lab.example",))


def slug(response: Any) -> str:
    assert response.content_type == "application/problem+json"
    return str(response.json["type"]).removeprefix("urn:isaac-collect:problem:")


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer wrong",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        "Bearer " + TOKEN.encode().decode("latin-1") + "x",
        "Bearer \xff",
    ],
)
def test_without_the_token_nothing_is_had(locked: FlaskClient, method: str, path: str, header: str | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    response = locked.open(path, method=method, headers=headers)
    assert response.status_code == 401
    assert slug(response) == "unauthorized"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), [pair for pair in GUARDED if "events" not in pair[1]])
def test_the_token_opens_every_route(locked: FlaskClient, method: str, path: str) -> None:
    if path.endswith((".mjpg", ".jpg")):
        method = "HEAD" if path.endswith(".mjpg") else "OPTIONS"  # nobody publishes pictures here
    if "/collect/st" in path or path.startswith("/sim/"):
        method = "GET"  # nobody takes commands here
    assert locked.open(path, method=method, headers=BEARER, buffered=True).status_code not in (401, 403)


@pytest.mark.parametrize("path", OPEN)
def test_what_is_public_needs_no_token(locked: FlaskClient, path: str) -> None:
    assert locked.get(path, buffered=True).status_code == 200
    assert locked.get("/v1/sim/bridge" + path, buffered=True).status_code == 200


def test_without_a_configured_token_everybody_may(service: FakeService) -> None:
    client = app_with(service).test_client()
    assert client.get("/collect/status").status_code == 200
    assert client.get("/session").json == {"token_required": False, "authenticated": True, "read_only": False}
    response = client.post("/session", json={"token": "anything"})
    assert response.status_code == 204
    assert "Set-Cookie" not in response.headers


def test_the_token_is_exchanged_for_a_cookie_that_opens_until_it_is_forgotten(locked: FlaskClient) -> None:
    assert locked.get("/session").json == {"token_required": True, "authenticated": False, "read_only": False}
    response = locked.post("/session", json={"token": TOKEN})
    assert response.status_code == 204
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={COOKIE_AGE_S}"):
        assert attribute in cookie
    assert TOKEN not in cookie
    assert locked.get("/session").json["authenticated"] is True
    assert locked.get("/collect/status").status_code == 200
    assert locked.get("/v1/sim/bridge/collect/status").status_code == 200
    assert locked.delete("/session").status_code == 204
    assert locked.get("/collect/status").status_code == 401


@pytest.mark.parametrize("token", ["wrong", TOKEN + " ", "\ud800", "päss-w0re"])
def test_a_wrong_token_gets_no_cookie(locked: FlaskClient, token: str) -> None:
    response = locked.post("/session", json={"token": token})
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("body", [{}, {"token": 5}, []])
def test_a_bad_body_gets_no_cookie(locked: FlaskClient, body: Any) -> None:
    assert locked.post("/session", json=body).status_code == 400


def test_a_cookie_that_was_tampered_with_or_is_of_another_token_opens_nothing(
    service: FakeService, locked_app: Flask
) -> None:
    other = app_with(service, token="other").test_client()
    other.post("/session", json={"token": "other"})
    cookie = other.get_cookie(COOKIE)
    assert cookie is not None
    for value in (cookie.value, cookie.value[:-1], "session", "", "a.b.c", "\xe4"):
        client = locked_app.test_client()
        client.set_cookie(COOKIE, value)
        assert client.get("/collect/status").status_code == 401


def test_a_cookie_ages(locked: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    locked.post("/session", json={"token": TOKEN})
    import itsdangerous.timed

    now = itsdangerous.timed.time.time()
    for age_s, status in ((COOKIE_AGE_S - 60, 200), (COOKIE_AGE_S + 60, 401)):
        monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda self, age_s=age_s: int(now) + age_s)
        assert locked.get("/collect/status").status_code == status


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "192.168.1.20:8000",
        "[::1]",
        "[fe80::1]:8000",
        "lab.example",
        "Lab.Example:443",
    ],
)
def test_we_answer_to_addresses_and_to_our_names(named_app: Flask, host: str) -> None:
    client = named_app.test_client()
    assert client.get("/collect/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "lab.example.evil.example",
        "localhost.evil.example",
        "",
        "127.0.0.1.evil.example",
        "127.0.0.1:80@evil.example",
        "[::1]evil.example",
        "[::1",
        "256.1.1.1",
        "lab.example:port",
        "2130706433x",
    ],
)
def test_we_do_not_answer_to_other_names(named_app: Flask, host: str) -> None:
    for path in ("/collect/status", "/", "/metrics", "/session"):
        environ = {**create_environ(path), "HTTP_HOST": host}  # a test client would read the host first
        chunks, status, headers = run_wsgi_app(named_app, environ)
        assert status.startswith("403 ")
        assert headers["Content-Type"] == "application/problem+json"
        assert b"urn:isaac-collect:problem:host-refused" in b"".join(chunks)


def test_probes_may_use_any_name(service: FakeService) -> None:
    client = app_with(service).test_client()
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "pod-7"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost"),
        ("localhost", "http://localhost:80"),
        ("lab.example", "https://lab.example"),
        ("lab.example:443", "https://lab.example"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("LAB.example", "https://lab.EXAMPLE"),
    ],
)
def test_pages_of_ours_may_call(service: FakeService, named_app: Flask, host: str, origin: str) -> None:
    client = named_app.test_client()
    headers = {"Host": host, "Origin": origin}
    assert client.get("/collect/status", headers=headers).status_code == 200
    with service.running():
        assert client.post("/sim/play", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1:8001",
        "http://127.0.0.1",
        "http://127.0.0.1:8000.evil.example",
        "file://127.0.0.1:8000",
        "http://[127.0.0.1:8000",
        "127.0.0.1:8000",
    ],
)
def test_pages_of_others_may_not_call(named_app: Flask, origin: str) -> None:
    client = named_app.test_client()
    headers = {"Host": "127.0.0.1:8000", "Origin": origin}
    for method, path in (
        ("POST", "/sim/play"),
        ("GET", "/collect/status"),
        ("POST", "/session"),
        ("OPTIONS", "/sim/play"),
    ):
        response = client.open(path, method=method, headers=headers)
        assert response.status_code == 403
        assert slug(response) == "origin-refused"
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_listed_page_may_call_and_read(service: FakeService) -> None:
    client = app_with(service, token=TOKEN, cors_origins=("https://lab.example",)).test_client()
    headers = {"Origin": "https://lab.example"}
    preflight = client.options(
        "/collect/start",
        headers={
            **headers,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://lab.example"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key", "last-event-id"))
    for credentials, status in ((BEARER, 200), ({}, 401)):
        response = client.get("/collect/status", headers={**headers, **credentials})
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == "https://lab.example"
        assert "Location" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Origin" in response.headers["Vary"]


def test_a_read_only_page_takes_no_command(service: FakeService) -> None:
    client = app_with(service, read_only=True, token=TOKEN).test_client()
    for path in ("/collect/start", "/collect/stop", "/sim/play", "/sim/pause", "/sim/reset"):
        response = client.post(path, json={}, headers=BEARER)
        assert response.status_code == 403
        assert slug(response) == "read-only"
    assert client.get("/collect/status", headers=BEARER).json["read_only"] is True
    assert client.get("/session").json["read_only"] is True
    assert client.post("/session", json={"token": TOKEN}).status_code == 204
    offer = "v=0\r\nm=video VP8"
    response = client.post("/cameras/cam_high/whep", data=offer, content_type="application/sdp")
    assert response.status_code == 201
    assert client.delete(response.headers["Location"]).status_code == 204


def test_without_a_command_queue_the_page_is_read_only(service: FakeService) -> None:
    app = create_app(dataclasses.replace(service.ports, commands=None), service.live, CONFIG)
    client = app.test_client()
    assert client.get("/collect/status").json["read_only"] is True
    assert slug(client.post("/collect/stop")) == "read-only"
    assert "isaac_collect_command_queue_depth 0.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    "path", ["/collect/status", "/", "/openapi.json", "/nothing", "/datasets/a/report", "/healthz"]
)
def test_every_answer_tells_browsers_to_be_careful(named_app: Flask, path: str) -> None:
    response = named_app.test_client().get(path, buffered=True)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors" in response.headers["Content-Security-Policy"]
    assert "Cache-Control" in response.headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "lab.example", ""])
def test_what_others_can_reach_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_checks_from_many_threads_agree(locked: FlaskClient) -> None:
    statuses: list[int] = []

    def ask() -> None:
        client = locked.application.test_client()
        for _ in range(20):
            answers = [client.get("/collect/status", headers=h) for h in (BEARER, {"Host": "evil.example"})]
            statuses.extend(answer.status_code for answer in answers)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(statuses)) == [200, 403]
    assert statuses.count(200) == 80
