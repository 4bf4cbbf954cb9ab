"""Fake simulators that fail, each in its way."""

from __future__ import annotations

import random
from typing import Any

from fake_simulator import FakeSimulator

from collectors.simulator import Observation, SimulatorError, Tick


class Breaking(FakeSimulator):
    """`advance` raises from the `at`-th one on, `times` times."""

    def __init__(self, error: Exception, at: int, times: int = 1) -> None:
        super().__init__()
        self._error, self._at, self._left = error, at, times

    def advance(self, tick: Tick) -> None:
        super().advance(tick)
        if self.advanced >= self._at and self._left:
            self._left -= 1
            raise self._error


class Unseen(FakeSimulator):
    """From `lost` on it cannot be observed, and does not close."""

    lost = False

    def observe(self, images: bool = False) -> Observation:
        if self.lost:
            raise RuntimeError("lost the device")
        return super().observe(images)

    def close(self) -> None:
        super().close()
        if self.lost:
            raise RuntimeError("no device to close")


class Blind(FakeSimulator):
    """While `blind`, it draws nothing: says so at once, or where `silent` only when it is asked for the pictures."""

    blind = False
    silent = False

    def refresh(self, images: bool) -> None:
        if images and self.blind and not self.silent:
            raise SimulatorError("no picture came")
        super().refresh(images)

    def observe(self, images: bool = False) -> Observation:
        if images and self.blind:
            raise SimulatorError("no picture came")
        return super().observe(images)


class Chaotic(FakeSimulator):
    """Any of its calls may fail, in any way."""

    def __init__(self, random_numbers: random.Random) -> None:
        super().__init__()
        self.random = random_numbers
        self.fails = False

    def __getattribute__(self, name: str) -> Any:
        get = super().__getattribute__
        if name in ("advance", "observe", "reset", "refresh", "detach", "attach", "command", "close"):
            numbers = get("random")
            if get("fails") and numbers.random() < 0.01:
                raise numbers.choice([SimulatorError, RuntimeError, MemoryError, TimeoutError])(f"no {name}")
        return get(name)
