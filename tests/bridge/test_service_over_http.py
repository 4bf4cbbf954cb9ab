"""The real service behind the real server, on the fake simulator: what goes wrong in one leaves the other alone."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from failing_disk import FailingDisk
from fake_simulator import FakeSimulator
from serving import eventually

from bridge.config import BridgeConfig
from bridge.launch import running_bridge
from collectors.simulator import Simulator, Tick
from lerobot_writer.check import check_dataset
from sim_service.catalogue import DatasetCatalogue
from sim_service.commands import CommandQueue
from sim_service.data_root import FolderDataRoot
from sim_service.job_store import JobStore
from sim_service.ports import Ports
from sim_service.serve_command import run_service
from sim_service.service import Service
from sim_service.simulators import SimulatorSettings
from sim_service.stop_request import StopRequest

READY_BOUND_S = 0.5


class Stalling(FakeSimulator):
    """`advance` holds the main loop up for as long as `stall` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.stall = threading.Event()
        self.stalled = threading.Event()
        self.go_on = threading.Event()

    def advance(self, tick: Tick) -> None:
        if self.stall.is_set():
            self.stalled.set()
            self.go_on.wait()
        super().advance(tick)


class Api:
    def __init__(self, url: str) -> None:
        self._url = url
        self.session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self.session.get(self._url + path, timeout=20)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.session.post(self._url + path, json=body, timeout=20)

    def start(self, output_dir: str, num_episodes: int = 2, **fields: Any) -> requests.Response:
        body = {"output_dir": output_dir, "num_episodes": num_episodes, "steps_per_segment": 5, **fields}
        return self.post("/collect/start", body)

    def until(self, **wanted: Any) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            status: dict[str, Any] = self.get("/collect/status").json()
            return status if all(status[name] == value for name, value in wanted.items()) else None

        return eventually(look, 60, f"a status with {wanted}")


@contextmanager
def service_over_http(root: Path, make_simulator: Callable[[], Simulator]) -> Iterator[Api]:
    """The main loop runs in a thread here; for the simulator that is its main thread."""
    data_root = FolderDataRoot(root)
    data_root.prepare()
    store, queue, stop = JobStore(data_root.path), CommandQueue(), StopRequest()
    service = Service(
        lambda settings: make_simulator(), SimulatorSettings(), queue, data_root, store, live_period_s=1 / 15
    )
    loop = threading.Thread(target=run_service, args=(service, stop, 5.0))
    config = BridgeConfig("127.0.0.1", 0, ("pick_place",), "0", ready_bound_s=READY_BOUND_S, command_timeout_s=5.0)
    catalogue = DatasetCatalogue(data_root.path)
    board = service.board
    ports = Ports(queue, board, board.events, service.history, service.frames, data_root, catalogue)
    try:
        with running_bridge(ports, config) as server:
            loop.start()
            api = Api(server.url)
            try:
                api.until(state="idle")
                yield api
            finally:
                api.session.close()
                stop.signal = 15  # type: ignore[assignment]  # any number will do
                loop.join()
                service.close()
    finally:
        store.close()


def test_a_stalled_main_loop_is_unready_refuses_at_once_and_stays_alive(tmp_path: Path) -> None:
    simulator = Stalling()
    with service_over_http(tmp_path, lambda: simulator) as api:
        assert api.get("/readyz").status_code == 200
        assert api.start("ds").status_code == 202
        simulator.stall.set()
        assert simulator.stalled.wait(20)
        stalled_at = time.monotonic()
        try:
            eventually(lambda: api.get("/readyz").status_code == 503, READY_BOUND_S + 5)
            assert time.monotonic() - stalled_at < READY_BOUND_S + 1
            assert api.get("/healthz").status_code == 200
            assert api.get("/collect/status").json()["state"] == "collecting"
            asked_at = time.monotonic()
            refused = api.start("other")
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:isaac-collect:problem:not-ready"
            assert "Retry-After" in refused.headers
            assert time.monotonic() - asked_at < 2
        finally:
            simulator.stall.clear()
            simulator.go_on.set()
        eventually(lambda: api.get("/readyz").status_code == 200)
        api.until(state="idle", job_state="completed")
        assert not (tmp_path / "other").exists()


def test_a_simulator_that_raises_in_mid_episode_fails_the_job_alone(tmp_path: Path) -> None:
    class Breaking(FakeSimulator):
        def advance(self, tick: Tick) -> None:
            super().advance(tick)
            if self.advanced == 30:
                raise RuntimeError("the cable fell out")

    made: list[FakeSimulator] = []

    def make() -> FakeSimulator:
        made.append(FakeSimulator() if made else Breaking())
        return made[-1]

    with service_over_http(tmp_path, make) as api:
        assert api.start("ds").status_code == 202
        status = api.until(state="idle", job_state="failed")
        assert status["error"] == "RuntimeError: the cable fell out"
        assert api.get("/healthz").status_code == 200
        assert api.start("ds", resume=True).status_code == 202
        api.until(state="idle", job_state="completed")
    assert check_dataset(tmp_path / "ds").ok


def test_a_failing_disk_fails_the_job_alone(tmp_path: Path) -> None:
    with service_over_http(tmp_path, FakeSimulator) as api:
        with FailingDisk(tmp_path / "ds", fail_at=0).mounted():
            refused = api.start("ds", 20)
            assert (refused.status_code, refused.json()["type"]) == (507, "urn:isaac-collect:problem:storage")
        assert api.start("ds", 500, resume=True).status_code == 202
        with FailingDisk(tmp_path / "ds", fail_at=12).mounted() as disk:
            status = api.until(state="idle", job_state="failed")
            assert disk.failed is not None
            assert status["error"]
        assert api.start("ds", 3, resume=True).status_code == 202
        api.until(state="idle", job_state="completed")
    assert check_dataset(tmp_path / "ds").ok


def test_of_two_starts_at_once_exactly_one_wins(tmp_path: Path) -> None:
    with service_over_http(tmp_path, FakeSimulator) as api:
        replies: list[requests.Response] = []
        barrier = threading.Barrier(4)

        def ask(name: str) -> None:
            barrier.wait()
            body = {"output_dir": name, "num_episodes": 3, "steps_per_segment": 5}
            replies.append(requests.post(f"{api._url}/collect/start", json=body, timeout=20))

        threads = [threading.Thread(target=ask, args=(f"ds{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(reply.status_code for reply in replies) == [202, 409, 409, 409]
        [won] = [reply for reply in replies if reply.status_code == 202]
        assert {reply.json()["job_id"] for reply in replies if reply.status_code == 409} == {won.json()["id"]}
        api.until(state="idle", job_state="completed")
        assert len(list(tmp_path.glob("ds*"))) == 1


@pytest.mark.parametrize("mode", ["after_episode", "now"])
def test_stop_keeps_what_is_finished(tmp_path: Path, mode: str) -> None:
    with service_over_http(tmp_path, FakeSimulator) as api:
        assert api.start("ds", 500).status_code == 202
        eventually(lambda: api.get("/collect/status").json()["progress"]["completed"] >= 2)
        assert api.post("/collect/stop", {"mode": mode}).status_code == 202
        status = api.until(state="idle", job_state="stopped")
        assert api.post("/collect/stop").status_code == 202  # again, when idle
        [dataset] = api.get("/datasets").json()["datasets"]
        assert dataset["episodes"] == status["progress"]["completed"] >= 2
    assert check_dataset(tmp_path / "ds").ok


def test_the_event_stream_tells_the_whole_job(tmp_path: Path) -> None:
    with service_over_http(tmp_path, FakeSimulator) as api:
        kinds: list[str] = []
        ids: list[str] = []
        with requests.get(f"{api._url}/collect/events", stream=True, timeout=20) as stream:
            assert api.start("ds", 3).status_code == 202
            for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
                name, _, value = line.partition(": ")
                if name == "event":
                    kinds.append(value)
                elif name == "id":
                    ids.append(value)
                elif name == "data" and kinds[-1] == "job" and json.loads(value)["state"] == "completed":
                    break
        assert kinds[0] == "status"
        assert kinds.count("episode") == 3
        assert kinds.count("job") == 2
        durable = [kind for kind in kinds if kind in ("state", "job", "episode")]
        assert len(ids) == len(set(ids)) >= len(durable)
