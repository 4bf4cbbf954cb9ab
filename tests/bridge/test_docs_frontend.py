"""docs/frontend.md is true: its commands and programs run, its bodies and tables are the application's own."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from bridge_fakes import CONFIG, FakeService, bridge_app

from bridge import problems
from bridge.server import BridgeServer
from sim_service.commands import BusyError, CollectRequest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/frontend.md").read_text()
EXAMPLE = (ROOT / "examples/collect_button/button.js").read_text()
URL = "http://127.0.0.1:8600"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(header: str) -> list[list[str]]:
    """The cells of the table under that line, without code quotes."""
    table = PAGE.split(f"{header}\n")[1].split("\n\n")[0]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FakeService]:
    service = FakeService(tmp_path)
    with service.running():
        yield service
        service.events.close()
        service.frames.close()


@pytest.fixture
def url(service: FakeService) -> Iterator[str]:
    server = BridgeServer(bridge_app(service), CONFIG)
    server.start()
    yield server.url
    server.stop()


def start(url: str, body: Any) -> requests.Response:
    return requests.post(f"{url}/collect/start", json=body, timeout=10)


@pytest.mark.parametrize("number", range(len(blocks("sh"))))
def test_every_command_succeeds(url: str, number: int) -> None:
    assert shutil.which("curl"), "curl is not installed"
    script = blocks("sh")[number]
    assert URL in script
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(URL, url)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    decoder, text = json.JSONDecoder(), done.stdout
    for _ in range(script.count("curl ")):
        value, end = decoder.raw_decode(text)
        assert isinstance(value, dict)
        text = text[end:].lstrip()
    assert text == ""


def test_every_body_of_a_start_is_accepted(url: str, service: FakeService) -> None:
    bodies = [body for body in map(json.loads, blocks("json")) if "output_dir" in body]
    assert len(bodies) == 2
    for body in bodies:
        below = body | {"output_dir": body["output_dir"].replace("/data/datasets", str(service.data_root.path))}
        reply = start(url, below)
        assert reply.status_code == 202, reply.text
        asked = {key: value for key, value in reply.json()["request"].items() if key in body}
        assert asked == body | {"output_dir": "pick_place_001"}
        requests.post(f"{url}/collect/stop", json={"mode": "now"}, timeout=10)


def test_the_defaults_are_the_requests_own() -> None:
    (full,) = [body for body in map(json.loads, blocks("json")) if "seed" in body]
    assert full == vars(CollectRequest("pick_place_001"))


def test_the_example_of_a_problem_has_the_fields_of_a_real_one(url: str, service: FakeService) -> None:
    (shown,) = [body for body in map(json.loads, blocks("json")) if "type" in body]
    service.refusal = BusyError(shown["detail"], shown["job_id"])
    reply = start(url, {"output_dir": "a"})
    assert reply.json() == shown
    assert reply.headers["Content-Type"] == "application/problem+json"


def slugs_in_the_code() -> set[tuple[str, int]]:
    found = {(slug, status) for status, slug in problems._SLUG_OF_STATUS.items()}
    found |= {(slug, status) for status, slug, _ in problems._OF_COMMAND.values()}
    found |= {(slug, status) for status, slug, _ in problems._OF_LIVE.values()}
    for path in (ROOT / "bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                status, slug = node.args[:2]
                if isinstance(status, ast.Constant) and isinstance(slug, ast.Constant):
                    found.add((str(slug.value), int(str(status.value))))
    return found


def test_the_table_of_problems_has_every_slug_and_no_other() -> None:
    told = [(row[0], int(row[1])) for row in rows("| slug | status | meaning |")]
    assert len(told) == len(set(told))
    assert set(told) == slugs_in_the_code()


def test_the_table_of_routes_is_that_of_the_openapi_document(url: str) -> None:
    document = requests.get(f"{url}/openapi.json", timeout=10).json()
    methods = {"get", "put", "post", "delete", "patch"}
    known = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method in methods
    }
    assert {(row[0], row[1]) for row in rows("| method | path | |")} == known


def test_the_table_of_events_has_what_a_stream_sends(url: str, service: FakeService) -> None:
    told = {row[0]: (row[1], row[2]) for row in rows("| event | id | data |")}
    assert set(told) == {"status", "reset", "progress", "state", "job", "episode"}
    anchor = service.events.publish("state", {"state": "idle", "error": None}).id
    assert start(url, {"output_dir": "a", "num_episodes": 1}).status_code == 202
    with requests.get(f"{url}/collect/events", headers={"Last-Event-ID": anchor}, stream=True, timeout=10) as reply:
        lines = reply.iter_lines(chunk_size=1, decode_unicode=True)
        seen: dict[str, dict[str, Any]] = {}
        while not {"state", "job", "episode"} <= set(seen):
            name, _, value = next(lines).partition(": ")
            if name == "event":
                seen[value] = json.loads(next(lines).partition(": ")[2])
    for kind in ("state", "job", "episode"):
        assert set(re.findall(r"`(\w+)`?", told[kind][1])) == set(seen[kind]), kind


def test_the_scripts_are_those_of_the_example_page() -> None:
    """What is not there is tried in a browser, in tests/browser."""
    own = [block for block in blocks("js") if block not in EXAMPLE]
    assert [block.splitlines()[0] for block in own] == [
        'const source = new EventSource("/collect/events");',
        'await fetch("/session", {',
    ]
    assert len(blocks("js")) == 5


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_every_program_runs(url: str, service: FakeService, number: int) -> None:
    program = blocks("python")[number]
    assert URL in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace(URL, url)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "completed [0.004, 0.005]" in done.stdout


def test_the_example_program_runs(url: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/remote_collect.py"), "--url", url],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "completed: 2 of 2 attempts" in done.stdout
    assert "episode 1: 4 frames, placed 5.00 mm off" in done.stdout


def test_the_proxy_keeps_streams_and_names(url: str) -> None:
    (configuration,) = blocks("nginx")
    path = configuration.split()[1]
    assert requests.get(f"{url}{path}collect/status", timeout=10).status_code == 200
    for needed in ("proxy_buffering off;", "proxy_set_header Host $http_host;", "proxy_http_version 1.1;"):
        assert needed in configuration


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
