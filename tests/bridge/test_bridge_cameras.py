"""/cameras, over the fakes."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from bridge_fakes import CAMERAS, FakeService, bridge_app, picture
from flask import Flask
from flask.testing import FlaskClient

from bridge.app import backend_of
from bridge.live import BadOfferError, LiveError, WhepSession
from bridge.routes import cameras

PREFIXES = ("", "/v1/sim/bridge")
OFFER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path)


@pytest.fixture(scope="module")
def idle_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """For tests that change nothing."""
    return bridge_app(FakeService(tmp_path_factory.mktemp("data")))


@pytest.fixture
def app(service: FakeService) -> Flask:
    return bridge_app(service)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def slug(response: Any) -> str:
    assert response.content_type == "application/problem+json"
    return str(response.json["type"]).removeprefix("urn:isaac-collect:problem:")


def publish(service: FakeService, age_s: float = 0.0, tick: int = 0) -> None:
    pictures = {camera: picture(n, tick) for n, camera in enumerate(CAMERAS)}
    service.frames.publish(pictures, time.monotonic() - age_s)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_cameras_are_listed_with_their_paths(idle_app: Flask, prefix: str) -> None:
    listed = idle_app.test_client().get(f"{prefix}/cameras").json
    assert [camera["name"] for camera in listed["cameras"]] == list(CAMERAS)
    assert listed["cameras"][0] == {
        "name": "cam_high",
        "snapshot": f"{prefix}/cameras/cam_high.jpg",
        "mjpeg": f"{prefix}/cameras/cam_high.mjpg",
        "whep": f"{prefix}/cameras/cam_high/whep",
    }
    assert listed["viewers"] == 0
    assert listed["live"] == {"max_fps": 15, "max_size_px": 512}


def test_a_snapshot_is_a_picture_of_now(client: FlaskClient, service: FakeService) -> None:
    publish(service)
    response = client.get("/cameras/cam_wrist.jpg")
    assert (response.status_code, response.content_type) == (200, "image/jpeg")
    assert response.headers["Cache-Control"] == "no-store"
    decoded = iio.imread(io.BytesIO(response.data), extension=".jpg")
    assert np.abs(decoded.astype(int) - picture(1, 0)).mean() < 8
    assert service.frames.viewers == 0


def test_a_snapshot_waits_for_a_picture_where_the_last_is_old(client: FlaskClient, service: FakeService) -> None:
    publish(service, age_s=1.0)
    shown: list[bytes] = []
    asking = threading.Thread(target=lambda: shown.append(client.get("/cameras/cam_high.jpg").data))
    asking.start()
    assert service.frames.wait_for_viewers(1)  # it watches: so pictures are made
    publish(service, tick=30)
    asking.join()
    decoded = iio.imread(io.BytesIO(shown[0]), extension=".jpg").astype(int)
    assert np.abs(decoded - picture(0, 30)).mean() < np.abs(decoded - picture(0, 0)).mean()


@pytest.mark.parametrize("old", [True, False])
def test_without_a_new_picture_there_is_no_snapshot(
    client: FlaskClient, service: FakeService, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    monkeypatch.setattr(cameras, "SNAPSHOT_TIMEOUT_S", 0.05)
    if old:
        publish(service, age_s=10.0)
    response = client.get("/cameras/cam_high.jpg")
    assert response.status_code == 503
    assert slug(response) == "not-ready"
    assert "Retry-After" in response.headers
    assert service.frames.viewers == 0


@pytest.mark.parametrize("prefix", PREFIXES)
def test_pictures_are_streamed_for_as_long_as_somebody_looks(
    client: FlaskClient, app: Flask, service: FakeService, prefix: str
) -> None:
    publish(service)
    with client.get(f"{prefix}/cameras/cam_high.mjpg") as response:
        assert response.content_type == "multipart/x-mixed-replace; boundary=picture"
        chunks = iter(response.response)
        assert next(chunks) == b"--picture\r\n"
        part = next(chunks)
        assert part.startswith(b"Content-Type: image/jpeg\r\n")
        assert part.endswith(b"\r\n--picture\r\n")
        assert service.frames.viewers == 1
        assert backend_of(app).streams.used == 1
    assert service.frames.viewers == 0
    assert backend_of(app).streams.used == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cameras/cam_low.jpg"),
        ("GET", "/cameras/cam_low.mjpg"),
        ("HEAD", "/cameras/cam_low.mjpg"),
        ("POST", "/cameras/cam_low/whep"),
        ("DELETE", "/cameras/cam_low/whep/s1"),
        ("DELETE", "/cameras/cam_high/whep/nobody"),
        ("GET", "/cameras/cam_high.png"),
        ("GET", "/cameras/cam_high"),
    ],
)
def test_a_camera_that_is_not_there_is_not_found(idle_app: Flask, method: str, path: str) -> None:
    response = idle_app.test_client().open(path, method=method)
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert backend_of(idle_app).frames.viewers == 0
    assert backend_of(idle_app).streams.used == 0


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_offer_is_answered_and_the_session_ended_once(
    client: FlaskClient, service: FakeService, prefix: str
) -> None:
    response = client.post(f"{prefix}/cameras/cam_wrist/whep", data=OFFER, content_type="application/sdp")
    assert response.status_code == 201
    assert response.content_type == "application/sdp"
    assert "answer for cam_wrist" in response.text
    location = response.headers["Location"]
    assert location.startswith(f"{prefix}/cameras/cam_wrist/whep/")
    assert list(service.live.sessions.values()) == ["cam_wrist"]
    assert (client.patch(location).status_code, client.get(location).status_code) == (405, 405)
    ended = client.delete(location)
    assert (ended.status_code, ended.data) == (204, b"")
    assert service.live.sessions == {}
    assert client.delete(location).status_code == 404


@pytest.mark.parametrize(
    ("data", "content_type", "status", "expected"),
    [
        (b"", "application/sdp", 400, "bad-request"),
        (b"hello", "application/sdp", 400, "bad-request"),
        (b"\xff\xfe", "application/sdp", 400, "bad-request"),
        (b"v=0\r\nm=audio 9", "application/sdp", 422, "unsupported-offer"),
        (b"v=0\r\nm=video VP9", "application/sdp", 422, "unsupported-offer"),
        (OFFER.encode(), "application/json", 415, "unsupported-media-type"),
        (OFFER.encode(), "", 415, "unsupported-media-type"),
        (OFFER.encode() + b"a" * 65_536, "application/sdp", 413, "too-large"),
    ],
)
def test_a_bad_offer_is_refused(idle_app: Flask, data: bytes, content_type: str, status: int, expected: str) -> None:
    response = idle_app.test_client().post("/cameras/cam_high/whep", data=data, content_type=content_type)
    assert response.status_code == status
    assert slug(response) == expected


def test_no_more_sessions_than_may(client: FlaskClient, service: FakeService) -> None:
    service.live.max_viewers = 1
    assert client.post("/cameras/cam_high/whep", data=OFFER, content_type="application/sdp").status_code == 201
    response = client.post("/cameras/cam_high/whep", data=OFFER, content_type="application/sdp")
    assert response.status_code == 503
    assert slug(response) == "too-many-streams"
    assert "Retry-After" in response.headers


@pytest.mark.parametrize(("error", "status"), [(LiveError("it ended"), 503), (BadOfferError("no fingerprint"), 400)])
def test_an_error_of_live_video_is_a_problem(
    client: FlaskClient, service: FakeService, monkeypatch: pytest.MonkeyPatch, error: LiveError, status: int
) -> None:
    def answer(camera: str, offer_sdp: str) -> WhepSession:
        raise error

    monkeypatch.setattr(service.live, "answer", answer)
    response = client.post("/cameras/cam_high/whep", data=OFFER, content_type="application/sdp")
    assert response.status_code == status
    assert response.json["detail"] == str(error)
