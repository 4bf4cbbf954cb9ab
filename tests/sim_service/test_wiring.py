"""A whole service in this process, ticked by the test as an application would from its main loop."""

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from fake_simulator import FakeSimulator

from collectors.simulator import Tick
from lerobot_writer.check import check_dataset
from sim_service.config import ConfigError
from sim_service.host_work import Draw
from sim_service.job_store import JobStore, JobStoreError
from sim_service.page_config import PageConfig
from sim_service.serve_config import ServeConfig
from sim_service.service import Service
from sim_service.simulators import ApplicationSettings, SimulatorSettings
from sim_service.wiring import open_service

MANY_TURNS = 20_000
PACKAGES = ("collectors", "sim_service", "lerobot_writer", "bridge")


def config(root: Path, port: int = 0) -> ServeConfig:
    return ServeConfig(root, PageConfig("127.0.0.1", port), "auto", SimulatorSettings(), ApplicationSettings(), 5.0)


@contextmanager
def levels_kept() -> Iterator[None]:
    """Of our loggers, which `open_service` sets."""
    before = {name: logging.getLogger(name).level for name in PACKAGES}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


class Extension:
    """Enters the service when it is started, and leaves it when it is shut down. simulators: that were opened."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.simulators: list[FakeSimulator] = []
        self._stack = ExitStack()
        self._stack.enter_context(levels_kept())
        self.service: Service = self._stack.enter_context(open_service(config(root), self._open, verbose=False))
        said = capsys.readouterr().err
        [line] = [line for line in said.splitlines() if line.startswith("Dashboard and API: ")]
        self.url = line.rpartition(" ")[2]

    def _open(self, settings: SimulatorSettings) -> FakeSimulator:
        self.simulators.append(FakeSimulator(settings.fps))
        return self.simulators[-1]

    def update(self) -> None:
        work = self.service.tick()
        if isinstance(work, Tick):
            self.simulators[-1].advance(work)
        elif isinstance(work, Draw):
            self.simulators[-1].refresh(images=True)

    def updates_until(self, condition: Any) -> None:
        for _ in range(MANY_TURNS):
            if condition():
                return
            self.update()
        raise AssertionError(f"not within {MANY_TURNS} turns; status: {self.service.board.status}")

    def until_idle(self) -> None:
        self.updates_until(lambda: self.service.board.status.state == "idle")

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """The answer, while the application's main loop turns."""
        answer: Future[requests.Response] = Future()

        def send() -> None:
            try:
                answer.set_result(requests.request(method, self.url + path, json=body, timeout=20))
            except Exception as error:
                answer.set_exception(error)

        asking = threading.Thread(target=send)
        asking.start()
        while asking.is_alive():
            self.update()
        return answer.result(0)

    def shut_down(self) -> None:
        self._stack.close()


def test_an_extension_serves_collects_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(threading.enumerate())
    extension = Extension(tmp_path, capsys)
    try:
        assert len(set(threading.enumerate()) - before) > 2
        extension.until_idle()
        assert extension.ask("GET", "/readyz").status_code == 200
        assert extension.ask("GET", "/cameras/cam_high.jpg").content[:2] == b"\xff\xd8"
        body = {"output_dir": "ds", "num_episodes": 50, "steps_per_segment": 5}
        assert extension.ask("POST", "/collect/start", body).status_code == 202
        extension.updates_until(lambda: extension.service.board.status.job.progress.completed == 2)
        extension.updates_until(lambda: extension.service.board.status.job.progress.frame > 10)
    finally:
        extension.shut_down()
    assert [thread.name for thread in set(threading.enumerate()) - before] == []
    assert [simulator.closed for simulator in extension.simulators] == [True]
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{extension.url}/healthz", timeout=5)
    assert check_dataset(tmp_path / "ds").ok
    store = JobStore(tmp_path)  # nobody holds it any more
    try:
        [job] = store.jobs(10)
    finally:
        store.close()
    assert (job.state, job.progress.completed) == ("interrupted", 2)


def test_an_extension_can_be_started_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for num_episodes in (1, 2):
        extension = Extension(tmp_path, capsys)
        try:
            extension.until_idle()
            body = {"output_dir": "ds", "num_episodes": num_episodes, "steps_per_segment": 5, "resume": True}
            assert extension.ask("POST", "/collect/start", body).status_code == 202
            extension.until_idle()
            assert extension.service.board.status.job.state == "completed"
        finally:
            extension.shut_down()
    assert check_dataset(tmp_path / "ds").ok


def test_a_page_that_cannot_listen_leaves_the_data_root_free(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with levels_kept(), socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot serve the page: .*{port}"), ExitStack() as stack:
            stack.enter_context(open_service(config(tmp_path, port), FakeSimulator, verbose=False))
    assert set(threading.enumerate()) == before
    JobStore(tmp_path).close()


def test_one_data_root_has_one_service(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(levels_kept())
        stack.enter_context(open_service(config(tmp_path), FakeSimulator, verbose=False))
        with pytest.raises(JobStoreError, match="another service uses this data root"):
            stack.enter_context(open_service(config(tmp_path), FakeSimulator, verbose=False))


def test_an_application_that_logs_goes_on_to(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    assert before  # the test runner's
    with levels_kept(), open_service(config(tmp_path), FakeSimulator, verbose=True):
        assert root.handlers == before
        assert {logging.getLogger(name).level for name in PACKAGES} == {logging.DEBUG}
    assert root.handlers == before
