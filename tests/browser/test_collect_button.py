"""The example page with its Collect Data button: on an origin of its own, in a real Chromium, on the real service."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser_driver import chromium
from selenium.webdriver.common.by import By
from serving import ROOT, eventually, served

pytestmark = pytest.mark.browser

TOKEN = "s3cret-token"


@contextmanager
def example_page() -> Iterator[str]:
    """Its origin."""
    command = [sys.executable, str(ROOT / "examples/collect_button/serve.py"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
    finally:
        process.terminate()
        process.communicate()


VIDEO = "const video = document.getElementById('video'); return !video.hidden && video.currentTime > 0.5"
PICTURE = "const picture = document.getElementById('picture'); return !picture.hidden && picture.naturalWidth > 0"


@pytest.mark.parametrize(("token", "live"), [("", VIDEO), (TOKEN, PICTURE)], ids=["video", "token-pictures"])
def test_the_button_collects_and_shows_it(tmp_path: Path, token: str, live: str) -> None:
    environment = {"ISAAC_COLLECT_TOKEN": token} if token else {}
    with (
        example_page() as origin,
        served(tmp_path / "root", "--cors-origin", origin, environment=environment) as service,
        chromium(tmp_path) as driver,
    ):

        def text(part: str) -> str:
            return driver.find_element(By.ID, part).text

        if live == PICTURE:
            script = {"source": "delete window.RTCPeerConnection"}
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
        driver.get(f"{origin}/?service={service.url}")
        if token:
            eventually(lambda: "token" in text("state"), what="word of the missing token")
            driver.find_element(By.ID, "token").send_keys(token)
        eventually(lambda: text("state") == "idle", what="the state")
        eventually(lambda: driver.execute_script(live), what="live pictures")
        driver.find_element(By.ID, "start").click()
        eventually(lambda: text("state").startswith("collecting"), what="word of the collection")
        assert not driver.find_element(By.ID, "start").is_enabled()
        eventually(lambda: text("state").startswith("completed, 3 of 3 episodes in button_"), what="the end")
        assert driver.execute_script("return document.getElementById('progress').value") == 1
        assert text("error") == ""
        assert driver.find_element(By.ID, "start").is_enabled()


def test_a_service_that_does_not_know_the_page_is_told(tmp_path: Path) -> None:
    with example_page() as origin, served(tmp_path / "root") as service, chromium(tmp_path) as driver:
        driver.get(f"{origin}/?service={service.url}")
        eventually(lambda: "No connection" in driver.find_element(By.ID, "state").text, what="word of it")


def test_the_scripts_of_the_documentation_for_a_page_of_the_same_origin(tmp_path: Path) -> None:
    page = (ROOT / "docs/frontend.md").read_text()
    scripts = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (events,) = [script for script in scripts if "new EventSource" in script]
    (session,) = [script for script in scripts if '"/session"' in script]
    with (
        served(tmp_path / "root", environment={"ISAAC_COLLECT_TOKEN": TOKEN}) as service,
        chromium(tmp_path) as driver,
    ):
        driver.get(service.url)
        steps = session.replace("await fetch", "const answer = await fetch") + "if (!answer.ok) throw answer;" + events
        status = driver.execute_async_script(
            f"""
            const [token, done] = arguments;
            const show = (status) => done(status);
            const steps = async () => {{ {steps} }};
            steps().catch(done);
            """,
            TOKEN,
        )
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert status.keys() == service.get("/collect/status", headers=bearer).json().keys()
