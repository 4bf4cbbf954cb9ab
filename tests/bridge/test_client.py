"""The client against the real application on fakes, over a real port."""

import dataclasses
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from bridge_fakes import CAMERAS, CONFIG, FakeService, add_datasets, bridge_app
from bridge_replies import job_json
from scripted_server import ScriptedServer, json_reply, reset
from serving import eventually

from bridge import client as client_module
from bridge import client_transport
from bridge.client import BridgeClient
from bridge.client_errors import (
    BadRequest,
    Busy,
    Forbidden,
    NotFound,
    NotReady,
    OutputRefused,
    ProblemError,
    StillRunningError,
    Unauthorized,
    UnreachableError,
)
from bridge.client_records import JobInfo, ServerEvent
from bridge.config import BridgeConfig
from bridge.server import BridgeServer
from sim_service.commands import NotReadyError, OutputRefusedError

LONG = 10**6  # frames of an episode that does not end


@contextmanager
def serving(service: FakeService, config: BridgeConfig = CONFIG) -> Iterator[BridgeServer]:
    server = BridgeServer(bridge_app(service, config), config)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def fixed_port() -> int:
    """Free, and for a server that is to be started twice: not of the system's choice each time."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "POLL_S", 0.02)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FakeService]:
    service = FakeService(tmp_path)
    add_datasets(service)
    with service.running():
        yield service
        service.events.close()
        service.frames.close()


@pytest.fixture
def client(service: FakeService) -> Iterator[BridgeClient]:
    with serving(service) as server, BridgeClient(server.url) as client:
        yield client


def test_the_api_under_its_prefix_is_the_same(client: BridgeClient) -> None:
    with BridgeClient(f"{client.url}/v1/sim/bridge") as other:
        job = other.start("a", num_episodes=1)
        ended = other.wait(job.id, timeout_s=10)
        assert client.job(job.id) == ended
        assert [camera.snapshot for camera in other.cameras()] == [
            f"/v1/sim/bridge{camera.snapshot}" for camera in client.cameras()
        ]


def test_a_job_from_start_to_end(client: BridgeClient) -> None:
    assert client.ready()
    assert client.status().job_id is None
    job = client.start("pick_place_001", num_episodes=5, seed=7, steps_per_segment=5)
    assert (job.request.num_episodes, job.request.seed, job.request.steps_per_segment) == (5, 7, 5)
    seen: list[JobInfo] = []
    ended = client.wait(job.id, timeout_s=30, on_progress=seen.append)
    assert (ended.state, ended.running, ended.progress.completed, ended.progress.fraction) == (
        "completed",
        False,
        5,
        1.0,
    )
    assert ended.attempts == ended.successes + sum(ended.failures.values())
    assert seen[-1] == ended
    assert [one.progress.completed for one in seen] == sorted(one.progress.completed for one in seen)
    assert client.job(job.id) == ended
    status = client.status()
    assert (status.state, status.job_id, status.job_state, status.progress) == (
        "idle",
        job.id,
        "completed",
        ended.progress,
    )
    assert client.dataset(ended.dataset).episodes == 5


def test_the_defaults_are_the_services(client: BridgeClient, service: FakeService) -> None:
    """What the client sends without being told is what the service takes where nothing is sent."""
    job = client.start("a")
    client.stop("now")
    bare = client._transport.json("POST", "/collect/start", body={"output_dir": "a"}, repeatable=False)
    assert asdict(job.request) == bare["request"]


def test_stop_ends_the_job_after_its_episode_or_now(service: FakeService) -> None:
    service.frames_per_episode = LONG
    with serving(service) as server, BridgeClient(server.url) as client:
        assert client.stop().state == "idle"
        job = client.start("a", num_episodes=3)
        assert client.stop().job_state == "stopping"
        assert client.status().job_state == "stopping"
        assert client.stop("now").state == "idle"
        assert client.wait(job.id, timeout_s=10).state == "stopped"


def test_only_one_job_at_a_time(service: FakeService) -> None:
    service.frames_per_episode = LONG
    with serving(service) as server, BridgeClient(server.url) as client:
        job = client.start("a")
        with pytest.raises(Busy, match=job.id) as caught:
            client.start("b")
        assert caught.value.job_id == job.id
        with pytest.raises(Busy):
            client.reset()
        client.stop("now")


def test_the_same_key_gets_the_same_job(client: BridgeClient) -> None:
    job = client.start("a", num_episodes=1, idempotency_key="once")
    client.wait(job.id, timeout_s=10)
    assert client.start("a", num_episodes=1, idempotency_key="once").id == job.id
    with pytest.raises(ProblemError) as caught:
        client.start("a", num_episodes=2, idempotency_key="once")
    assert caught.value.slug == "key-reused"
    other = client.start("a", num_episodes=1)
    assert other.id != job.id
    assert [one.id for one in client.jobs()] == [other.id, job.id]
    assert [one.id for one in client.jobs(limit=1)] == [other.id]


def test_a_refusal_lists_every_bad_field_once(client: BridgeClient) -> None:
    with pytest.raises(BadRequest) as caught:
        client.start("../x", num_episodes=0, seed=-1)
    assert [error.field for error in caught.value.errors] == ["output_dir", "num_episodes", "seed"]
    assert str(caught.value).count("1000000") == 1


def test_refusals_of_the_service_are_errors_of_their_kind(client: BridgeClient, service: FakeService) -> None:
    for refusal, kind in ((OutputRefusedError("no room"), OutputRefused), (NotReadyError("starting"), NotReady)):
        service.refusal = refusal
        with pytest.raises(kind, match=str(refusal)):
            client.pause()
    for ask in (lambda: client.job("none"), lambda: client.dataset("none"), lambda: client.snapshot("none")):
        with pytest.raises(NotFound, match="none"):
            ask()


def test_not_ready_while_the_simulator_has_failed(client: BridgeClient, service: FakeService) -> None:
    service.publish("failed", "the renderer died")
    assert not client.ready()


def test_waiting_has_an_end(service: FakeService) -> None:
    service.frames_per_episode = LONG
    with serving(service) as server, BridgeClient(server.url) as client:
        job = client.start("a", num_episodes=1)
        with pytest.raises(StillRunningError, match=r"not over after 0.1 s") as caught:
            client.wait(job.id, timeout_s=0.1)
        assert caught.value.job is not None
        assert caught.value.job.id == job.id
        client.stop("now")


def test_waiting_gives_up_on_a_service_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "AWAY_S", 0.2)
    monkeypatch.setattr(client_transport, "PAUSES_S", (0.01, 0.02))
    with ScriptedServer(json_reply(job_json()), reset) as server, BridgeClient(server.url) as client:
        with pytest.raises(UnreachableError, match="reset"):
            client.wait("job-0001", timeout_s=60)
        assert len(server.requests) > 4


def test_waiting_outlives_a_restart_of_the_server(
    service: FakeService, fixed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    service.frames_per_episode = LONG
    config = dataclasses.replace(CONFIG, port=fixed_port)
    with serving(service, config) as server, BridgeClient(server.url) as client:
        job = client.start("a", num_episodes=1)
        seen = threading.Event()
        ended: list[JobInfo] = []
        waiter = threading.Thread(
            target=lambda: ended.append(client.wait(job.id, timeout_s=60, on_progress=lambda _: seen.set()))
        )
        waiter.start()
        assert seen.wait(10)
        server.stop()
        with pytest.raises(UnreachableError), BridgeClient(client.url) as other:
            other.status()
        eventually(lambda: "trying again for 300 s" in caplog.text, 30, "word of the absence")
        with serving(service, config) as again, BridgeClient(again.url) as other:
            other.stop("now")
            waiter.join(30)
        assert [one.state for one in ended] == ["stopped"]
        assert caplog.text.count("trying again") == 1


def test_the_simulator_is_played_paused_and_reset(client: BridgeClient) -> None:
    assert client.play().playing
    assert not client.pause().playing
    assert client.reset(seed=3).time_s == 0
    state = client.sim_state()
    assert (state.name, state.state, state.playing) == ("fake", "idle", False)


def test_datasets_are_listed_with_the_broken_one(client: BridgeClient, service: FakeService) -> None:
    found = {dataset.name: dataset for dataset in client.datasets()}
    assert set(found) == set(service.catalogue.summaries)
    assert found["broken"].error == "meta/info.json is not JSON"
    with pytest.raises(ProblemError) as caught:
        client.dataset("broken")
    assert caught.value.slug == "dataset-unreadable"
    assert client.dataset("nightly/pick_place_001") == found["nightly/pick_place_001"]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 20])
def test_episodes_come_in_pages_but_once_each(
    client: BridgeClient, service: FakeService, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE", 4)
    service.catalogue.add("odd names/50% \u00fc?#", count)
    episodes = list(client.episodes("odd names/50% \u00fc?#"))
    assert [episode.episode for episode in episodes] == list(range(count))
    assert all(set(episode.videos) == set(CAMERAS) for episode in episodes)


def test_videos_and_snapshots_are_bytes(client: BridgeClient, service: FakeService) -> None:
    assert client.video("nightly/pick_place_001", 2, "cam_high") == service.catalogue.video_content
    assert [camera.name for camera in client.cameras()] == list(CAMERAS)
    assert client.snapshot("cam_wrist").startswith(b"\xff\xd8")


def test_without_the_token_nothing_but_readiness(service: FakeService) -> None:
    with serving(service, dataclasses.replace(CONFIG, token="sesame")) as server:
        for wrong in (None, "sesam"):
            with BridgeClient(server.url, wrong) as client:
                assert client.ready()
                with pytest.raises(Unauthorized):
                    client.status()
                with pytest.raises(Unauthorized):
                    next(client.events())
        with BridgeClient(server.url, "sesame") as client:
            assert client.status().state == "idle"
            assert next(client.events()).kind == "status"


def test_a_read_only_service_says_so(service: FakeService) -> None:
    with serving(service, dataclasses.replace(CONFIG, read_only=True)) as server, BridgeClient(server.url) as client:
        assert client.status().read_only
        with pytest.raises(Forbidden) as caught:
            client.start("a")
        assert caught.value.slug == "read-only"


def durable(events: Iterator[ServerEvent], until: str) -> list[tuple[str | None, str, object]]:
    """Those with an id of their own, up to that id."""
    found: list[tuple[str | None, str, object]] = []
    for event in events:
        if event.kind in ("state", "job", "episode"):
            found.append((event.id, event.kind, event.data))
        if event.id == until:
            break
    return found


def test_events_are_the_services_own_whatever_is_interrupted(client: BridgeClient, service: FakeService) -> None:
    anchor = service.events.publish("state", {"state": "idle", "error": None}).id
    job = client.start("a", num_episodes=8)
    client.wait(job.id, timeout_s=30)
    expected = [(event.id, event.kind, event.data) for event in service.events.events]
    expected = expected[[event[0] for event in expected].index(anchor) + 1 :]
    assert len(expected) > 10
    assert durable(client.events(anchor), expected[-1][0]) == expected
    for step in (1, 3):  # leave after so many events and come back, again and again
        found: list[tuple[str | None, str, object]] = []
        last = anchor
        while last != expected[-1][0]:
            events = client.events(last)
            part = [(event.id, event.kind, event.data) for event in itertools.islice(events, step)]
            found += part
            last = str(part[-1][0])
            del events
            if len(expected) - len(found) < step:
                step = 1
        assert found == expected


def test_the_first_event_is_the_status_and_leads_on(client: BridgeClient, service: FakeService) -> None:
    service.events.publish("state", {"state": "idle", "error": None})
    first = next(client.events())
    assert (first.kind, first.id) == ("status", service.events.events[-1].id)
    assert first.status is not None
    assert first.status.last_event_id == first.id
    assert first.status.state == "idle"


def test_a_position_that_is_lost_gets_a_reset(client: BridgeClient) -> None:
    first = next(client.events("of-another-process-7"))
    assert first.kind == "reset"
    assert first.status is not None


def test_events_go_on_after_a_restart_of_the_server(service: FakeService, fixed_port: int) -> None:
    service.events.publish("state", {"state": "idle", "error": None})
    config = dataclasses.replace(CONFIG, port=fixed_port)
    with serving(service, config) as server, BridgeClient(server.url) as client:
        events = client.events(timeout_s=60)
        assert next(events).kind == "status"
        server.stop()
        missed = [service.events.publish("job", {"id": str(n), "state": "completed"}) for n in range(5)]
        with serving(service, config):
            kinds = [(event.id, event.kind) for event in itertools.islice(events, 5)]
            assert kinds == [(event.id, "job") for event in missed]
            del events
