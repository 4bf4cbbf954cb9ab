"""Remembers what was used last, within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class BoundedCache(Generic[_Key, _Value]):
    """Values up to a total cost; the one not used for longest goes first. Any thread may use it.

    capacity: total cost. A value that costs more than that is not kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[_Key, tuple[_Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._total = 0

    @property
    def total(self) -> int:
        """Cost of what is kept."""
        return self._total

    def get(self, key: _Key) -> _Value | None:
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: _Key, value: _Value, cost: int = 1) -> None:
        with self._lock:
            before = self._values.pop(key, None)
            self._total -= before[1] if before else 0
            if cost > self._capacity:
                return
            self._values[key] = (value, cost)
            self._total += cost
            while self._total > self._capacity:
                self._total -= self._values.popitem(last=False)[1][1]
