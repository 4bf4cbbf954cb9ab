"""The server on a socket: what clients send that is not as it should be, and how it begins and ends."""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bridge_fakes import CONFIG, FakeService, bridge_app, serving
from raw_http import RawClient, RawResponse

from bridge.app import backend_of
from bridge.backend import Backend
from bridge.server import MAX_HEADER_BYTES, BridgeServer

TIMEOUT_S = 1.0
DEADLINE_S = 20.0
START = b'{"output_dir": "a"}'


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path)


@pytest.fixture
def server(service: FakeService) -> Iterator[BridgeServer]:
    with serving(service) as server:
        yield server


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> FakeService:
    return FakeService(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def shared(shared_service: FakeService) -> Iterator[BridgeServer]:
    """For tests that change nothing."""
    with serving(shared_service) as server:
        yield server


@pytest.fixture
def impatient(service: FakeService) -> Iterator[BridgeServer]:
    """Gives clients little time."""
    with serving(service, timeout_s=TIMEOUT_S) as server:
        yield server


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does is worth a warning."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def ask(server: BridgeServer, line: str, *headers: str, body: bytes = b"") -> RawResponse:
    with RawClient(server) as client:
        client.request(line, *headers, body=body)
        return client.response()


def slug(response: RawResponse) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json["status"] == response.status
    return str(response.json["type"]).removeprefix("urn:isaac-collect:problem:")


def eventually(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.01)


def backend(server: BridgeServer) -> Backend:
    return backend_of(server.app)


# Beginning and ending


def test_a_server_listens_at_once_and_leaves_nothing(service: FakeService) -> None:
    before = set(threading.enumerate())
    server = BridgeServer(bridge_app(service), CONFIG)
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
    server.start()
    assert server.url.startswith("http://127.0.0.1:")
    assert ask(server, "GET /healthz").status == 200
    names = {thread.name for thread in set(threading.enumerate()) - before}
    assert {"bridge-http", "bridge-http-0"} <= names
    assert all(name.startswith("bridge-http") for name in names)
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    server.stop()
    server.stop()
    assert set(threading.enumerate()) == before


def test_a_server_that_was_not_started_can_be_stopped(service: FakeService) -> None:
    BridgeServer(bridge_app(service), CONFIG).stop()


def test_a_port_that_is_taken_is_told_and_leaves_nothing(service: FakeService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        before = set(threading.enumerate())
        server = BridgeServer(bridge_app(service), dataclasses.replace(CONFIG, port=port))
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port} .*[Aa]ddress already in use"):
            server.start()
        assert set(threading.enumerate()) == before


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_that_is_not_ours_is_told(service: FakeService, host: str) -> None:
    with pytest.raises(OSError, match="cannot listen on"):
        BridgeServer(bridge_app(service), dataclasses.replace(CONFIG, host=host)).start()


def test_a_port_can_be_used_again_at_once(service: FakeService) -> None:
    with serving(service) as server, RawClient(server) as client:
        client.request("GET /healthz")
        client.response()
        port = int(server.url.rpartition(":")[2])
    with serving(service, dataclasses.replace(CONFIG, port=port)) as server:
        assert ask(server, "GET /healthz").status == 200


@pytest.mark.parametrize(("token", "warned"), [(None, True), ("secret", False)])
def test_an_open_door_is_warned_of(
    service: FakeService, caplog: pytest.LogCaptureFixture, token: str | None, warned: bool
) -> None:
    with serving(service, dataclasses.replace(CONFIG, host="0.0.0.0", token=token)) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert ask(server, "GET /healthz").status == 200
    assert any("no token" in record.getMessage() for record in caplog.records) is warned


def test_streams_end_when_the_server_does(service: FakeService, quiet: None) -> None:
    with serving(service) as server:
        clients = [RawClient(server) for _ in range(3)]
        for client, path in zip(clients, ("/collect/events", "/cameras/cam_high.mjpg", "/collect/events"), strict=True):
            client.request(f"GET {path}")
            assert client.response().status == 200
            client.read_until(b"\n\n" if "events" in path else b"--picture")
        began = time.monotonic()
        server.stop(5.0)
        assert time.monotonic() - began < 4.0
        for client in clients:
            with client:
                while client.socket.recv(65536):
                    pass  # to the end
    assert service.frames.viewers == 0


def test_a_request_under_way_is_finished_before_the_server_ends(service: FakeService) -> None:
    server = BridgeServer(bridge_app(service), CONFIG)
    server.start()
    with RawClient(server) as client:
        client.request("POST /sim/play")
        eventually(lambda: service.queue.depth == 1)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        service.turn()
        assert client.response().status == 200
        stopping.join()


def test_a_request_that_does_not_end_does_not_hold_the_server(
    service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    server = BridgeServer(bridge_app(service), CONFIG)
    server.start()
    with RawClient(server) as client:
        client.request("POST /sim/play")
        eventually(lambda: service.queue.depth == 1)
        began = time.monotonic()
        server.stop(0.5)
        assert time.monotonic() - began < 5.0
        assert "do not end" in caplog.text
        assert client.at_end()
    service.turn()  # now it ends
    eventually(lambda: set(threading.enumerate()) <= before)


def test_a_client_that_does_not_read_does_not_hold_the_server(service: FakeService, monkeypatch: Any) -> None:
    monkeypatch.setattr(service.live, "jpeg", lambda frame: b"a" * 4_000_000)
    with serving(service) as server, RawClient(server) as client:
        client.request("GET /cameras/cam_high.mjpg")
        assert client.response().status == 200
        assert service.frames.wait_for_viewers(1)
        began = time.monotonic()
        server.stop(0.5)
        assert time.monotonic() - began < 5.0
    assert service.frames.viewers == 0


# Connections


def test_a_connection_serves_many_requests(shared: BridgeServer, quiet: None) -> None:
    with RawClient(shared) as client:
        for _ in range(20):
            client.request("GET /collect/status")
            response = client.response()
            assert response.status == 200
            assert "connection" not in response.headers
            assert response.json["state"] == "idle"


def test_requests_may_come_before_their_answers(shared: BridgeServer, quiet: None) -> None:
    with RawClient(shared) as client:
        one = f"GET /healthz HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()
        other = f"HEAD /collect/status HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()
        client.send(one + one[:10])
        assert client.response().status == 200
        client.send(one[10:] + other + one)
        assert client.response().json == {"status": "ok"}
        head = client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert client.response().json == {"status": "ok"}


@pytest.mark.parametrize("header", ["Connection: close", "Connection: keep-alive"])
def test_a_client_may_close(shared: BridgeServer, header: str) -> None:
    with RawClient(shared) as client:
        client.request("GET /healthz", header)
        assert client.response().status == 200
        if "close" in header:
            assert client.at_end()


def test_http_1_0_is_answered_and_closed(shared: BridgeServer) -> None:
    with RawClient(shared) as client:
        client.send(f"GET /healthz HTTP/1.0\r\nHost: {client.host}\r\n\r\n".encode())
        assert client.response().json == {"status": "ok"}
        assert client.at_end()


def test_http_1_0_gets_a_stream_without_chunks(shared: BridgeServer) -> None:
    with RawClient(shared) as client:
        client.send(f"GET /collect/events HTTP/1.0\r\nHost: {client.host}\r\n\r\n".encode())
        response = client.response()
        assert "transfer-encoding" not in response.headers
        assert client.read_until(b"\n\n") == b"retry: 2000\n\n"


def test_a_connection_without_a_request_costs_no_thread(service: FakeService, quiet: None) -> None:
    config = dataclasses.replace(CONFIG, threads=6, max_streams=1)
    with serving(service, config) as server:
        silent = [RawClient(server) for _ in range(40)]
        began = time.monotonic()
        for _ in range(5):
            assert ask(server, "GET /collect/status").status == 200
        assert time.monotonic() - began < 5.0  # the time that a thread would wait for one of them is 10 s
        for client in silent:
            client.request("GET /healthz")
        assert [client.response().status for client in silent] == [200] * 40
        for client in silent:
            client.socket.close()


def test_an_idle_connection_is_closed_after_a_while(impatient: BridgeServer, quiet: None) -> None:
    with RawClient(impatient) as silent, RawClient(impatient) as idle:
        idle.request("GET /healthz")
        idle.response()
        assert silent.at_end()
        assert idle.at_end()


def test_fifty_pollers_and_all_streams_leave_room_for_more(service: FakeService, quiet: None) -> None:
    failures: list[object] = []
    with serving(service) as server:
        streams = [RawClient(server) for _ in range(CONFIG.max_streams)]
        for client in streams:
            client.request("GET /collect/events")
            assert client.response().status == 200
        pollers = [RawClient(server) for _ in range(50)]
        together = threading.Barrier(10)

        def poll(share: list[RawClient]) -> None:
            together.wait()
            for _ in range(4):
                for client in share:
                    client.request("GET /collect/status")
                failures.extend(status for status in (client.response().status for client in share) if status != 200)

        threads = [threading.Thread(target=poll, args=(pollers[n::10],)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ask(server, "GET /collect/events").status == 503
        assert ask(server, "GET /healthz").status == 200
        for client in streams + pollers:
            client.socket.close()
        eventually(lambda: backend(server).streams.used == 0)
    assert failures == []


# Streams


def test_events_arrive_as_they_happen_and_go_on_after_a_break(server: BridgeServer, service: FakeService) -> None:
    with RawClient(server) as client:
        client.request("GET /v1/sim/bridge/collect/events")
        assert client.response().headers["transfer-encoding"] == "chunked"
        client.read_until(b"event: status")
        ids = [service.events.publish("job", {"n": n}).id for n in range(3)]
        client.read_until(f"id: {ids[0]}".encode())
    with RawClient(server) as client:
        client.request("GET /collect/events", f"Last-Event-ID: {ids[0]}")
        client.response()
        said = client.read_until(f"id: {ids[2]}\n".encode())
        assert f"id: {ids[1]}\n".encode() in said
        assert ids[0].encode() not in said
    with RawClient(server) as client:
        client.request(f"GET /collect/events?last_event_id={ids[1]}")
        client.response()
        assert ids[1].encode() not in client.read_until(f"id: {ids[2]}\n".encode())


@pytest.mark.parametrize("path", ["/collect/events", "/cameras/cam_high.mjpg"])
@pytest.mark.parametrize("reset", [False, True])
def test_the_slot_of_a_client_that_went_away_is_free_soon(
    server: BridgeServer, service: FakeService, quiet: None, path: str, reset: bool
) -> None:
    for _ in range(3):
        client = RawClient(server)
        client.request(f"GET {path}")
        assert client.response().status == 200
        assert backend(server).streams.used == 1
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
        eventually(lambda: backend(server).streams.used == 0, 5.0)
    assert service.frames.wait_for_viewers(0)


def test_a_client_that_never_reads_is_dropped(impatient: BridgeServer, service: FakeService, quiet: None) -> None:
    service.live.jpeg = lambda frame: b"a" * 4_000_000  # type: ignore[method-assign]  # more than buffers hold
    with RawClient(impatient) as client:
        client.request("GET /cameras/cam_high.mjpg")
        assert service.frames.wait_for_viewers(1)
        assert ask(impatient, "GET /collect/status").status == 200
        assert service.frames.wait_for_viewers(0)
        eventually(lambda: backend(impatient).streams.used == 0)


def test_pictures_arrive_whole(shared: BridgeServer, shared_service: FakeService) -> None:
    with RawClient(shared) as client:
        client.request("GET /cameras/cam_wrist.mjpg")
        assert client.response().status == 200
        client.read_until(b"Content-Length: ")
        size = int(client.read_until(b"\r\n"))
        client.read_until(b"\r\n")
        jpeg = client.read(size)
        assert jpeg.startswith(b"\xff\xd8")
        assert jpeg.endswith(b"\xff\xd9")


def test_an_error_in_a_stream_ends_it_and_is_logged(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    def broken(frame: Any) -> bytes:
        raise ZeroDivisionError("no picture")

    service.live.jpeg = broken  # type: ignore[method-assign]  # it fails
    with serving(service) as server, RawClient(server) as client:
        client.request("GET /cameras/cam_high.mjpg")
        assert client.response().status == 200
        client.read_until(b"--picture\r\n\r\n")
        assert client.at_end()
        eventually(lambda: backend(server).streams.used == 0)
    assert "ZeroDivisionError" in caplog.text


# Requests that are not as they should be


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"GET /collect/status HTTP/1.1\r\n",
        b"GET /collect/status HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST /collect/start HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"output',
        b"POST /collect/start HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_half_a_request_and_then_gone(
    shared: BridgeServer, shared_service: FakeService, quiet: None, data: bytes, reset: bool
) -> None:
    for _ in range(3):
        client = RawClient(shared)
        client.send(data)
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
    assert ask(shared, "GET /collect/status").status == 200
    assert shared_service.all_jobs == {}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /collect/status HTTP/1.1\r\nHost: 127.0.0.1\r\n", 408),
        (b"GE", 408),
        (
            b"POST /collect/start HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 30\r\n\r\n" + START,
            400,
        ),
        (
            b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30\r\n\r\n" + START,
            404,
        ),
    ],
)
def test_half_a_request_and_then_silence(
    impatient: BridgeServer, service: FakeService, quiet: None, data: bytes, status: int
) -> None:
    with RawClient(impatient) as client:
        client.send(data)
        if status == 404:  # the answer waits for the body, which never comes
            assert client.at_end()
        else:
            assert client.response().status == status
            assert client.at_end()
    assert service.all_jobs == {}


def test_a_request_may_not_take_forever_however_steadily_it_comes(impatient: BridgeServer, quiet: None) -> None:
    with RawClient(impatient) as client:
        client.send(b"GET /healthz HTTP/1.1\r\n")

        def is_cut_off() -> bool:
            try:
                client.send(b"X: 1\r\n")
            except OSError:
                return True
            return False

        eventually(is_cut_off, 10 * TIMEOUT_S)


def test_a_body_that_ends_early_begins_nothing(shared: BridgeServer, shared_service: FakeService) -> None:
    with RawClient(shared) as client:
        client.request(
            "POST /collect/start", "Content-Type: application/json", f"Content-Length: {len(START) + 5}", body=START
        )
        client.socket.shutdown(socket.SHUT_WR)
        assert slug(client.response()) == "bad-request"
    assert shared_service.all_jobs == {}


@pytest.mark.parametrize("size", [65_537, 200_000, 3_000_000])
@pytest.mark.parametrize("path", ["/collect/start", "/nothing"])
def test_a_body_that_is_too_large_is_told_to_who_sends_it(
    shared: BridgeServer, quiet: None, path: str, size: int
) -> None:
    with RawClient(shared) as client:
        client.request(f"POST {path}", "Content-Type: application/json", f"Content-Length: {size}", body=b" " * size)
        response = client.response()
        assert response.status == 413
        assert slug(response) == "too-large"
        assert client.at_end()


def test_who_sends_too_much_may_finish_before_the_connection_ends(shared: BridgeServer) -> None:
    with RawClient(shared) as client:
        client.request("POST /collect/start", "Content-Type: application/json", "Content-Length: 100000")
        assert client.response().status == 413
        for _ in range(10):
            client.send(b" " * 1000)  # a connection that is reset already would refuse the second
            threading.Event().wait(0.02)


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("pieces", [[START], [START[:3], START[3:]], [bytes([byte]) for byte in START]])
def test_a_body_may_come_in_chunks(server: BridgeServer, service: FakeService, pieces: list[bytes]) -> None:
    response = ask(
        server,
        "POST /collect/start",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        body=chunked(pieces),
    )
    assert response.status == 202
    assert response.json["dataset"] == "a"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (chunked([b" " * 1000] * 70), 413),
        (chunked([b" " * 100_000]), 413),
        (b"ffffffffff\r\n" + b" " * 1000, 413),
        (chunked([b" " * 65_536, b" "]), 413),
        (b"xyz\r\nabc\r\n0\r\n\r\n", 400),
        (b"2\r\n{}no end", 400),
        (b"\r\n", 400),
    ],
)
def test_bad_chunks_are_told_and_end_the_connection(
    shared: BridgeServer, quiet: None, body: bytes, status: int
) -> None:
    with RawClient(shared) as client:
        client.request("POST /collect/start", "Content-Type: application/json", "Transfer-Encoding: chunked", body=body)
        response = client.response()
        assert response.status == status
        assert slug(response) in ("too-large", "bad-request")
        assert client.at_end()


def test_what_is_left_of_a_chunked_body_is_no_request(shared: BridgeServer) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with RawClient(shared) as client:
        client.request("POST /nothing", "Transfer-Encoding: chunked", body=chunked([hidden]))
        assert client.response().status == 404
        assert client.at_end()


@pytest.mark.parametrize("length", ["-1", "-5", "x", "", "+19", "1_9", "9" * 5000, "19, 19", "0x13"])
def test_a_length_that_is_no_length_is_refused(shared: BridgeServer, quiet: None, length: str) -> None:
    with RawClient(shared) as client:
        client.request("GET /healthz", f"Content-Length: {length}", body=START)
        response = client.response()
        assert response.status in (400, 413)
        assert slug(response) in ("bad-request", "too-large")
        assert client.at_end()  # what follows is no request


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: " + b"a" * MAX_HEADER_BYTES + b"\r\n\r\n", 413),
        (b"GET /healthz HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 10_000 + b"\r\n", 413),
        (b"GET /" + b"a" * MAX_HEADER_BYTES + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"get /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET http://h/healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET //[ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET /\xff\xfe[ HTTP/1.1\r\nHost: h\r\n\r\n", None),
        (b"GET /healthz HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /healthz HTTP/1.1\nHost: h\n\n", 400),
        (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
        (b"POST /sim/play HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_is_a_problem(shared: BridgeServer, quiet: None, head: bytes, status: int | None) -> None:
    with RawClient(shared) as client:
        client.send(head)
        response = client.response()
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json["status"] == response.status
        if status is not None:
            assert response.status == status
            assert client.at_end()
    assert ask(shared, "GET /healthz").status == 200


def test_a_request_needs_a_host(shared: BridgeServer) -> None:
    with RawClient(shared) as client:
        client.send(b"GET /collect/status HTTP/1.1\r\n\r\n")
        assert slug(client.response()) == "host-refused"


@pytest.mark.parametrize(
    ("path", "found"),
    [("n/a", True), ("n%2Fa", True), ("n%2fa", True), ("n%252Fa", False), ("n%20a", False), ("n%C3%BCa", False)],
)
def test_paths_are_decoded_once(shared: BridgeServer, shared_service: FakeService, path: str, found: bool) -> None:
    shared_service.catalogue.add("n/a")
    assert (ask(shared, f"GET /datasets/{path}").status == 200) is found


def test_a_video_is_sent_in_part_and_the_connection_goes_on(server: BridgeServer, service: FakeService) -> None:
    service.catalogue.add("a")
    service.catalogue.video_content = bytes(range(256)) * 4000
    with RawClient(server) as client:
        for part in (slice(0, 10), slice(100_000, 300_000), slice(1_023_999, 1_024_000)):
            client.request("GET /datasets/a/episodes/0/cam_high.mp4", f"Range: bytes={part.start}-{part.stop - 1}")
            response = client.response()
            assert response.status == 206
            assert response.body == service.catalogue.video_content[part]


def test_a_file_that_is_cut_short_ends_the_connection_and_is_logged(
    server: BridgeServer, service: FakeService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a" * 20_000_000)
    service.catalogue.add("a")
    service.catalogue.video_content = path
    with RawClient(server) as client:
        client.request("GET /datasets/a/episodes/0/cam_high.mp4")
        client.read_until(b"\r\n\r\n")
        with path.open("r+b") as file:
            file.truncate(10)
        received = 0
        while data := client.socket.recv(1 << 20):
            received += len(data)
        assert received < 20_000_000
    assert "bytes before its end" in caplog.text


def test_a_job_over_a_socket(server: BridgeServer) -> None:
    with RawClient(server) as client:
        client.post_json("/v1/sim/bridge/collect/start", {"output_dir": "x", "num_episodes": 1})
        started = client.response()
        assert started.status == 202
        location = started.headers["location"]
        assert location.startswith("/v1/sim/bridge/collect/jobs/")

        def state() -> Any:
            client.request(f"GET {location}")
            return client.response().json["state"]

        eventually(lambda: state() == "completed")
        client.request("GET /datasets/x")
        assert client.response().json["episodes"] == 1
