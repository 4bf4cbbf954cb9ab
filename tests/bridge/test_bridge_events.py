"""The stream of events, without a server around it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from bridge_fakes import EVENT_KINDS, FakeEvents

from bridge.events import KEEP_ALIVE, event_stream, latest_event

DEADLINE_S = 20.0


@dataclass
class Message:
    event: str = ""
    data: Any = None
    id: str | None = None
    retry: int | None = None


def messages(chunks: Iterator[bytes]) -> Iterator[Message]:
    """As a browser reads them; keep-alives left out. Fails when none comes for long."""
    deadline = time.monotonic() + DEADLINE_S
    for chunk in chunks:
        assert time.monotonic() < deadline
        assert chunk.endswith(b"\n\n")
        for block in chunk.decode().split("\n\n")[:-1]:
            message = Message()
            for line in block.split("\n"):
                field, _, value = line.partition(": ")
                if field == "event":
                    message.event = value
                elif field == "data":
                    message.data = json.loads(value)
                elif field == "id":
                    message.id = value
                elif field == "retry":
                    message.retry = int(value)
            if message != Message():
                yield message


class Body:
    """A status body that changes when told."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> bytes:
        return b'{"n":%d}' % self.number


def stream(
    events: FakeEvents,
    last_event_id: str | None = None,
    *,
    body: Callable[[], bytes] | None = None,
    ended: Callable[[], bool] = lambda: False,
    progress_period_s: float = 0.01,
    keep_alive_s: float = 60.0,
) -> Iterator[bytes]:
    return event_stream(events, body or Body(), ended, last_event_id, progress_period_s, keep_alive_s)


def publish(events: FakeEvents, count: int) -> list[str]:
    return [events.publish(EVENT_KINDS[n % 3], {"n": n}).id for n in range(count)]


def test_a_new_client_is_told_the_status_and_then_what_happens() -> None:
    events = FakeEvents()
    known = publish(events, 3)
    said = messages(stream(events))
    assert next(said).retry == 2000
    assert next(said) == Message("status", {"n": 0}, known[-1])
    later = [events.publish("job", {"k": n}) for n in range(2)]
    assert [next(said) for _ in later] == [Message("job", event.data, event.id) for event in later]


def test_the_first_status_has_no_id_where_nothing_happened() -> None:
    said = messages(stream(FakeEvents()))
    next(said)
    assert next(said) == Message("status", {"n": 0}, None)


@pytest.mark.parametrize("seen", range(5))
def test_a_client_goes_on_after_the_event_that_it_has(seen: int) -> None:
    events = FakeEvents()
    ids = publish(events, 5)
    events.close()
    said = list(messages(stream(events, ids[seen])))[1:]
    assert [message.id for message in said] == ids[seen + 1 :]


def test_a_client_of_another_process_is_reset_and_goes_on_from_the_end() -> None:
    events = FakeEvents()
    ids = publish(events, 3)
    said = messages(stream(events, "earlier-7"))
    next(said)
    assert next(said) == Message("reset", {"n": 0}, ids[-1])
    event = events.publish("job", {})
    assert next(said).id == event.id


def test_a_client_whose_events_are_no_longer_kept_is_reset() -> None:
    events = FakeEvents(capacity=4)
    ids = publish(events, 10)
    said = messages(stream(events, ids[2]))
    next(said)
    assert next(said).event == "reset"
    assert [message.id for message in itertools.islice(messages(stream(events, ids[6])), 1, 4)] == ids[7:]


def test_a_client_that_falls_behind_is_reset_once_and_loses_nothing_after_that() -> None:
    events = FakeEvents(capacity=4)
    said = messages(stream(events))
    next(said)
    next(said)
    publish(events, 1)
    assert next(said).id == "run-0"
    publish(events, 10)
    reset = next(said)
    assert (reset.event, reset.id) == ("reset", "run-10")
    publish(events, 2)
    assert [next(said).id for _ in range(2)] == ["run-11", "run-12"]


def test_no_event_is_lost_or_told_twice_while_others_publish_and_the_client_comes_and_goes() -> None:
    events = FakeEvents()
    total, writers = 300, 3
    threads = [threading.Thread(target=publish, args=(events, total // writers)) for _ in range(writers)]
    first = events.publish("state", {})
    seen = [first.id]
    for thread in threads:
        thread.start()
    while len(seen) < total + 1:
        said = (message for message in messages(stream(events, seen[-1])) if message.id is not None)
        seen += [message.id or "" for message in itertools.islice(said, min(7, total + 1 - len(seen)))]
    for thread in threads:
        thread.join()
    assert seen == [f"run-{n}" for n in range(total + 1)]


def test_progress_is_told_when_it_changed_and_has_no_id() -> None:
    body = Body()
    said = messages(stream(FakeEvents(), body=body))
    next(said)
    next(said)
    body.number = 1
    assert next(said) == Message("progress", {"n": 1})
    body.number = 2
    assert next(said) == Message("progress", {"n": 2})


def test_progress_is_not_told_more_often_than_its_period() -> None:
    events, numbers = FakeEvents(), itertools.count()
    period_s = 0.05
    said = messages(stream(events, body=lambda: b"%d" % next(numbers), progress_period_s=period_s))
    next(said)
    next(said)
    began = time.monotonic()
    for _ in range(6):
        assert next(said).event == "progress"
        events.publish("job", {})  # what happens in between does not hasten it
        assert next(said).event == "job"
    assert time.monotonic() - began >= 5 * period_s


def test_silence_is_broken_by_a_keep_alive() -> None:
    chunks = stream(FakeEvents(), keep_alive_s=0.05)
    assert [next(chunks) for _ in range(4)][2:] == [KEEP_ALIVE, KEEP_ALIVE]


def test_the_stream_ends_when_it_is_told_to() -> None:
    ended = threading.Event()
    said = messages(stream(FakeEvents(), ended=ended.is_set))
    next(said)
    next(said)
    ended.set()
    assert list(said) == []


def test_the_stream_tells_the_last_events_of_a_process_and_ends() -> None:
    events = FakeEvents()
    said = messages(stream(events))
    next(said)
    next(said)
    event = events.publish("state", {"state": "stopping"})
    events.close()
    assert [message.id for message in said] == [event.id]


def test_the_latest_event_is_found_or_there_is_none() -> None:
    events = FakeEvents(capacity=2)
    assert latest_event(events) == (0, None)
    publish(events, 5)
    assert latest_event(events) == (5, "run-4")
    gone = FakeEvents(capacity=0)
    publish(gone, 2)
    assert latest_event(gone) == (2, None)
