"""The client's event stream: the wire format, and connections that break, stall or never come."""

import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from bridge_replies import status_json
from scripted_server import ScriptedServer, json_reply, problem, reply, reset, stream

from bridge.client import BridgeClient
from bridge.client_errors import BadReplyError, BridgeError, NotReady, Unauthorized, UnreachableError
from bridge.client_events import EventStream, Message, MessageParser
from bridge.client_records import ServerEvent
from bridge.client_transport import Transport

FAST = b"retry: 10\n\n"


def parse(parts: Iterable[bytes]) -> list[Message]:
    parser = MessageParser()
    return [message for part in parts for message in parser.feed(part)]


def event(number: int) -> bytes:
    return b'id: run-%d\nevent: episode\ndata: {"index": %d}\n\n' % (number, number)


def first(events: Iterator[ServerEvent], count: int) -> list[ServerEvent]:
    return list(itertools.islice(events, count))


STREAM = (
    "\ufeff: hello\nretry: 2000\n\nevent: status\nid: run-1\ndata: {\ndata:  1}\n\n"
    "data: na\u00efve \u2192\n\n: keep-alive\n\nevent: lost\n\nid: a\0b\ndata:x\nunknown: 1\ndata\n\nid\n"
    "data: e\n\ndata: cut"
)
MESSAGES = [
    Message("status", "{\n 1}", "run-1"),
    Message("message", "na\u00efve \u2192", None),
    Message("message", "x\n", None),
    Message("message", "e", ""),
]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_stream_reads_the_same_however_it_is_cut_and_whatever_ends_its_lines(line_end: str, mark: str) -> None:
    content = (mark + STREAM.removeprefix("\ufeff").replace("\n", line_end)).encode()
    assert parse([content]) == MESSAGES
    assert parse(content[i : i + 1] for i in range(len(content))) == MESSAGES
    for cut in range(len(content)):
        assert parse([content[:cut], content[cut:]]) == MESSAGES


def test_the_pause_before_a_reconnection_is_the_streams() -> None:
    parser = MessageParser()
    assert list(parser.feed(b"retry: 1500\nretry: soon\nretry: -1\n")) == []
    assert parser.reconnect_s == 1.5


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("clean", [True, False])
def test_a_broken_stream_goes_on_after_the_last_whole_event(chunked: bool, clean: bool) -> None:
    first_part = [FAST, event(1), event(2), event(3)[:-12]]
    with (
        ScriptedServer(
            stream(first_part, chunked=chunked, clean=clean),
            stream([event(3), event(4)], chunked=chunked, then_silence=True),
        ) as server,
        BridgeClient(server.url) as client,
    ):
        events = first(client.events(timeout_s=20), 4)
        assert [found.data["index"] for found in events] == [1, 2, 3, 4]
        assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "run-2"]


def test_progress_without_an_id_does_not_change_where_to_go_on() -> None:
    progress = b"event: progress\ndata: " + json.dumps(status_json()).encode() + b"\n\n"
    script = (stream([FAST, event(7), progress]), stream([event(8)], then_silence=True))
    with ScriptedServer(*script) as server, BridgeClient(server.url) as client:
        events = first(client.events(timeout_s=20), 3)
        assert [found.id for found in events] == ["run-7", None, "run-8"]
        assert events[1].status is not None
        assert events[1].status.job_id == "job-0001"
        assert events[0].status is None
        assert server.requests[1].headers["Last-Event-ID"] == "run-7"


def test_the_callers_position_is_where_it_begins() -> None:
    with ScriptedServer(stream([event(6)], then_silence=True)) as server, BridgeClient(server.url) as client:
        assert [found.id for found in first(client.events("run-5"), 1)] == ["run-6"]
        assert server.requests[0].headers["Last-Event-ID"] == "run-5"
        assert server.requests[0].headers["Accept"] == "text/event-stream"


@pytest.mark.parametrize("chunked", [True, False])
def test_an_event_arrives_while_the_stream_stays_open(chunked: bool) -> None:
    answer = stream([event(1)], chunked=chunked, then_silence=True)
    with ScriptedServer(answer) as server, BridgeClient(server.url) as client:
        began_s = time.monotonic()
        assert next(client.events(timeout_s=20)).id == "run-1"
        assert time.monotonic() - began_s < 5


def test_it_ends_after_its_time_though_nothing_comes() -> None:
    with ScriptedServer(stream([FAST], then_silence=True)) as server, BridgeClient(server.url) as client:
        began_s = time.monotonic()
        assert list(client.events(timeout_s=0.3)) == []
        assert 0.25 < time.monotonic() - began_s < 3


def test_it_ends_after_its_time_though_heartbeats_keep_coming() -> None:
    ended = threading.Event()

    def heartbeats() -> Iterator[bytes]:
        while not ended.wait(0.02):
            yield b":\n\n"

    with ScriptedServer(stream(heartbeats())) as server, BridgeClient(server.url) as client:
        assert list(client.events(timeout_s=0.3)) == []
        ended.set()


def test_it_ends_after_its_time_though_the_service_is_away() -> None:
    with ScriptedServer(stream([FAST, event(1)]), reset) as server, BridgeClient(server.url) as client:
        assert [found.id for found in client.events(timeout_s=0.5)] == ["run-1"]
        assert len(server.requests) > 2


def test_leaving_the_loop_ends_the_connection() -> None:
    endless = stream(event(number) for number in itertools.count(1))
    with ScriptedServer(endless) as server, BridgeClient(server.url) as client:
        for found in client.events():
            if found.id == "run-3":
                break
        assert server.left.wait(10)
        assert len(server.requests) == 1


@pytest.mark.parametrize("away", [reset, problem(503, "too-many-streams"), reply(502, b"<html>")])
def test_an_absence_is_outlived(away: Any) -> None:
    script = (stream([FAST, event(1)]), away, away, stream([event(2)], then_silence=True))
    with ScriptedServer(*script) as server, BridgeClient(server.url) as client:
        assert [found.id for found in first(client.events(timeout_s=20), 2)] == ["run-1", "run-2"]
        assert [request.headers.get("Last-Event-ID") for request in server.requests[1:]] == ["run-1"] * 3


def test_pauses_between_reconnections_grow() -> None:
    with ScriptedServer(stream([FAST, event(1)]), reset) as server, BridgeClient(server.url) as client:
        list(client.events(timeout_s=1.0))
        assert 4 <= len(server.requests) <= 8  # after 10, 20, 40, ... ms


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reset, UnreachableError),
        (problem(503, "too-many-streams"), NotReady),
        (problem(401, "unauthorized"), Unauthorized),
        (json_reply(status_json()), BadReplyError),
        (stream([b"data: no JSON\n\n"]), BadReplyError),
        (stream([b"data: [1]\n\n"]), BadReplyError),
    ],
)
def test_what_fails_at_first_is_told_at_once(answer: Any, kind: type[BridgeError]) -> None:
    with ScriptedServer(answer) as server, BridgeClient(server.url) as client:
        with pytest.raises(kind, match=r"/collect/events|it is "):
            list(client.events(timeout_s=20))
        assert len(server.requests) == 1


def test_what_no_reconnection_helps_against_ends_it() -> None:
    script = (stream([FAST]), problem(401, "unauthorized"))
    with ScriptedServer(*script) as server, BridgeClient(server.url) as client, pytest.raises(Unauthorized):
        list(client.events(timeout_s=20))


def test_a_slow_reader_is_no_absence_of_the_service() -> None:
    script = (stream([FAST, event(1)], clean=False), reset, stream([event(2)], then_silence=True))
    with ScriptedServer(*script) as server:
        transport = Transport(server.url, None, 5.0)
        found = []
        for one in EventStream(transport, None, None, away_s=0.2):
            found.append(one.id)
            if len(found) == 2:
                break
            time.sleep(0.4)  # longer than the service may be away
        assert found == ["run-1", "run-2"]
        transport.close()


def test_a_service_that_stays_away_is_an_error() -> None:
    with ScriptedServer(stream([FAST, event(1)]), reset) as server:
        transport = Transport(server.url, None, 5.0)
        events = iter(EventStream(transport, None, None, away_s=0.2))
        assert next(events).id == "run-1"
        with pytest.raises(UnreachableError):
            next(events)
        transport.close()
