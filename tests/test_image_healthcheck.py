"""docker/healthcheck.py: where it looks for the page, and what it makes of the answer."""

import argparse
import importlib.util
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from sim_service.config import STREAMING_PORT, add_collect_flags, apply_environment
from sim_service.page_config import DEFAULT_PORT
from sim_service.serve_config import add_serve_flags

FILE = Path(__file__).parent.parent / "docker" / "healthcheck.py"
STARTED = ["/opt/isaac-collect/bin/python", "/opt/isaac-collect/bin/isaac-collect"]


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def page(status: int) -> Iterator[int]:
    """The port of a server whose /healthz answers with that status, if it is asked for by a name that is allowed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.path == "/healthz" and self.headers["Host"].partition(":")[0] == "localhost"
            self.send_response(status if asked else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_it_knows_the_ports(healthcheck: ModuleType) -> None:
    assert healthcheck.page_address([*STARTED, "serve"], {}) == ("127.0.0.1", DEFAULT_PORT)
    assert healthcheck.page_address([*STARTED, "collect", "--streaming"], {}) == ("127.0.0.1", STREAMING_PORT)


@pytest.mark.parametrize("words", [[], ["--port", "9000"], ["--port=9001"], ["--port", "9000", "--port", "9002"]])
@pytest.mark.parametrize("host", [[], ["--host", "10.0.0.7"], ["--host=192.168.1.2"]])
@pytest.mark.parametrize(
    "environment",
    [{}, {"ISAAC_COLLECT_PORT": "9003", "ISAAC_COLLECT_HOST": "10.1.1.1"}, {"ISAAC_COLLECT_PORT": "tcp://10.0.0.7:1"}],
)
def test_it_reads_serves_flags_as_serve_does(
    healthcheck: ModuleType, words: list[str], host: list[str], environment: dict[str, str]
) -> None:
    parser = argparse.ArgumentParser()
    add_serve_flags(parser)
    apply_environment(parser, environment)
    parsed = parser.parse_args([*words, *host])
    asked = [*STARTED, "serve", *words, *host]
    assert healthcheck.page_address(asked, environment) == (parsed.host, parsed.port)


@pytest.mark.parametrize("words", [[], ["--streaming"], ["--no-streaming"], ["--streaming", "--no-streaming"]])
@pytest.mark.parametrize("ports", [[], ["--streaming-port", "9000"]])
@pytest.mark.parametrize(
    "environment",
    [{}, {"ISAAC_COLLECT_STREAMING": "yes"}, {"ISAAC_COLLECT_STREAMING": "0", "ISAAC_COLLECT_STREAMING_PORT": "9001"}],
)
def test_it_reads_collects_flags_as_collect_does(
    healthcheck: ModuleType, words: list[str], ports: list[str], environment: dict[str, str]
) -> None:
    parser = argparse.ArgumentParser()
    add_collect_flags(parser)
    apply_environment(parser, environment)
    flags = ["--output", "x", *words, *ports]
    parsed = parser.parse_args(flags)
    expected = (parsed.streaming_host, parsed.streaming_port) if parsed.streaming else None
    assert healthcheck.page_address([*STARTED, "collect", *flags], environment) == expected


@pytest.mark.parametrize(("listening", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("localhost", "localhost")])
def test_it_asks_an_address_that_can_be_asked(healthcheck: ModuleType, listening: str, asked: str) -> None:
    assert healthcheck.page_address([*STARTED, "serve", "--host", listening], {}) == (asked, DEFAULT_PORT)


@pytest.mark.parametrize(
    "words", [["collect", "--output", "x"], ["check", "x"], ["serve", "--port", "0"], ["bash"]], ids=" ".join
)
def test_where_there_is_no_page_nothing_is_asked(healthcheck: ModuleType, words: list[str]) -> None:
    assert healthcheck.page_address([*STARTED, *words], {}) is None


def test_it_sees_the_command_behind_an_init(healthcheck: ModuleType) -> None:
    words = ["/sbin/docker-init", "--", "/opt/isaac-collect/isaac-entrypoint.sh", "serve", "--port", "9000", ""]
    assert healthcheck.page_address(words, {}) == ("127.0.0.1", 9000)


def test_a_page_that_answers_is_well(healthcheck: ModuleType) -> None:
    with page(200) as port:
        assert healthcheck.problem("127.0.0.1", port) is None


def test_a_page_that_answers_otherwise_is_not(healthcheck: ModuleType) -> None:
    with page(503) as port:
        assert "503" in healthcheck.problem("127.0.0.1", port)


def test_a_page_that_does_not_answer_is_not(healthcheck: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert f"127.0.0.1:{port}" in healthcheck.problem("127.0.0.1", port)
