"""Bounds on what is under way at once."""

from __future__ import annotations

import threading

from bridge.slots import Slot, Slots


def test_as_many_are_had_as_there_are() -> None:
    slots = Slots(2)
    taken = [slots.take(), slots.take()]
    assert None not in taken
    assert slots.take() is None
    assert slots.used == 2


def test_a_slot_is_given_back_once() -> None:
    slots = Slots(2)
    first, second = slots.take(), slots.take()
    assert first is not None
    assert second is not None
    first.release()
    first.release()
    assert slots.used == 1
    with second:
        pass
    assert slots.used == 0


def test_threads_never_have_more_than_there_are() -> None:
    slots, most, together = Slots(3), [], threading.Barrier(8)

    def use() -> None:
        together.wait()
        for _ in range(300):
            slot = slots.take()
            if slot is not None:
                most.append(slots.used)
                slot.release()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 3
    assert slots.used == 0
    assert isinstance(slots.take(), Slot)
