"""Events in order, none twice, none left out, whoever reads from wherever."""

import threading

import pytest

from sim_service.event_log import EventLog
from sim_service.ports import EventsLostError


def test_readers_in_other_threads_get_every_event_once_and_in_order() -> None:
    log = EventLog()
    seen: list[list[str]] = [[] for _ in range(4)]

    def read(ids: list[str]) -> None:
        position = 0
        while position < 500:
            events = log.read(position, 60.0)
            position += len(events)
            ids += [event.id for event in events]

    readers = [threading.Thread(target=read, args=(ids,)) for ids in seen]
    for reader in readers:
        reader.start()
    for number in range(500):
        log.publish("job", {"number": number})
    for reader in readers:
        reader.join()
    assert len(set(seen[0])) == 500
    assert seen == [seen[0]] * 4


def test_reading_goes_on_after_an_id() -> None:
    log = EventLog()
    for number in range(5):
        log.publish("job", {"number": number})
    second = log.read(0, 0.0)[1]
    position = log.position_after(second.id)
    assert position == 2
    assert [event.data["number"] for event in log.read(position, 0.0)] == [2, 3, 4]
    assert log.read(log.end, 0.0) == []


@pytest.mark.parametrize("event_id", ["", "-", "x-1", "x-", "{mark}-5", "{mark}--1", "{mark}-" + "9" * 400, "{mark}-²"])
def test_an_id_of_somebody_else_is_unknown(event_id: str) -> None:
    log = EventLog()
    log.publish("job", {})
    mark = log.read(0, 0.0)[0].id.partition("-")[0]
    assert log.position_after(event_id.format(mark=mark)) is None


def test_what_is_no_longer_kept_is_lost_and_said_so() -> None:
    log = EventLog(capacity=3)
    for _ in range(5):
        log.publish("job", {})
    with pytest.raises(EventsLostError, match="events 1 to 1 are no longer kept"):
        log.read(1, 0.0)
    assert len(log.read(2, 0.0)) == 3
    first_kept = log.read(2, 0.0)[0].id
    assert log.position_after(first_kept) == 3
    mark = first_kept.partition("-")[0]
    assert log.position_after(f"{mark}-1") == 2  # the next one is still there
    assert log.position_after(f"{mark}-0") is None


def test_closing_wakes_whoever_waits() -> None:
    log = EventLog()
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.append(log.read(0, 60.0)))
    reader.start()
    log.close()
    reader.join()
    assert got == [[]]
    assert log.closed
