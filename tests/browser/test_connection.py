"""The dashboard in a real Chromium when not all is well: tokens, a service that goes away, networks without WebRTC."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from browser_audit import assert_accessible
from browser_page import MOVED, Page, difference
from serving import ROOT, Served, eventually

pytestmark = pytest.mark.browser

TOKEN = "a-token-to-test-with"
AWAY = (  # what the console says when there is no service, or no more
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_CONNECTION_RESET",
    "net::ERR_EMPTY_RESPONSE",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
)
NO_WEBRTC = "--webrtc-ip-handling-policy=disable_non_proxied_udp"  # as a strict network would have it


def test_a_token_is_asked_for(serve: Callable[..., Served], page: Page) -> None:
    service = serve("--token", TOKEN)
    service.session.headers["Authorization"] = f"Bearer {TOKEN}"
    service.until_ready()
    service.start("secret", 1)
    service.until_over()
    page.open(service.url)
    page.until_shown("sign-in")
    assert not page.texts("dataset-open")
    assert_accessible(page)
    page.fill("token", "another-token")
    page.click("sign-in-submit")
    page.until_text("token-error", "That is not the token")
    assert page.network_errors() == [("401", "/session")]
    page.fill("token", TOKEN)
    page.click("sign-in-submit")
    page.until_gone("sign-in")
    page.until_text("connection", "Live updates")
    page.until_playing("WebRTC")
    assert TOKEN not in page.run("return document.cookie + JSON.stringify([localStorage, sessionStorage])")
    page.open(service.url)
    page.until_playing("WebRTC")
    page.until(lambda: page.texts("dataset-open") == ["secret"], "the dataset in the list")
    page.click("dataset-open")
    page.until_another_picture("video-cam_high", page.first_picture("video-cam_high"), MOVED)
    page.click("dataset-close")
    page.click("sign-out")
    page.until_shown("sign-in")
    page.until(lambda: service.get("/cameras").json()["viewers"] == 0, "the end of the stream")


def test_a_batch_run_can_be_watched_only(page: Page, tmp_path: Path) -> None:
    with batch_run(tmp_path) as url:
        page.open(url)
        page.until_shown("read-only-note")
        page.until_playing("WebRTC")
        page.until_another_picture("live-video", page.live_picture(), MOVED)
        page.until_text("job-state", "Collecting")
        page.until_text("progress-requested", "50$")
        for name in ("collect", "stop-after", "stop-now-choice", "sim-toggle", "sim-reset"):
            assert not page.shown(name)
        assert_accessible(page)
        page.leave()


@contextmanager
def batch_run(folder: Path) -> Iterator[str]:
    """The address of the page of `collect --streaming`."""
    command = [sys.executable, "-m", "sim_service", "collect", "--output", str(folder / "ds"), "--num-episodes", "50"]
    flags = ["--render-preset", "fast", "--streaming", "--streaming-port", "0"]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen([*command, *flags], stderr=stream, cwd=ROOT)
    try:

        def address() -> str | None:
            lines = [line for line in log.read_text().splitlines() if line.startswith("Dashboard and API: ")]
            return lines[0].rpartition(" ")[2] if lines else None

        url = eventually(address, what="the address of the page").rstrip("/")
        eventually(lambda: requests.get(f"{url}/readyz", timeout=10).ok, what="readiness")
        yield url
    finally:
        process.kill()
        process.wait()


def test_a_killed_service_is_missed_and_found_again(serve: Callable[..., Served], page: Page) -> None:
    """It dies in the middle of a collection; nobody touches the page until everything is back, on the same port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    service = serve("--port", port)
    service.until_ready()
    page.open(service.url)
    page.until_playing("WebRTC")
    service.start("interrupted", 3)
    page.until_text("progress-completed", "1")
    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    page.until_shown("lost-banner")
    page.until_text("lost-banner", "(?s).*What you see is from")
    page.until_text("service-state", "Unreachable")
    assert page.text("connection") == "Offline"
    assert_accessible(page)
    serve("--port", port)
    page.until_gone("lost-banner", 60)
    page.until_text("service-state", "Idle")
    page.until_text("connection", "Live updates")
    page.until_playing("WebRTC")
    page.until_text("job-row-state", "Interrupted")
    for error, path in page.network_errors():
        assert error in AWAY or (error, path) == ("503", "/sim/state") or (error == "404" and "/whep/" in path)
    page.click("job-resume")
    page.until_text("job-row-state", "Completed")
    assert page.text("progress-completed") == "3"


@pytest.mark.parametrize("flags", [(NO_WEBRTC,)], ids=[""])
@pytest.mark.parametrize(("blocked", "transport"), [([], "MJPEG"), (["*.mjpg"], "Snapshots")])
def test_pictures_come_without_webrtc(page: Page, service: Served, blocked: list[str], transport: str) -> None:
    page.block(blocked)
    page.open(service.url)
    page.until_playing(transport)
    still = page.live_picture()
    assert still.std() > 5
    assert difference(still, page.snapshot("cam_high")) < 1
    service.start(f"without_webrtc_{transport}", 50)
    page.until_another_picture("live-canvas", still, MOVED)
    page.click("camera-cam_wrist")
    page.until_playing(transport)
    service.post("/collect/stop", {"mode": "now"})
    service.until_over()
    page.until_showing(page.snapshot("cam_wrist"), 1)
    assert {error for error, _ in page.network_errors()} <= ({"net::ERR_BLOCKED_BY_CLIENT"} if blocked else set())
