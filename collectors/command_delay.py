"""The way that a command has to go before the servos follow it."""

from __future__ import annotations

from collections import deque

from collectors.simulator import Action


class CommandDelay:
    """What takes effect in each control period. start: what holds before the first command does."""

    def __init__(self, start: Action, delay_ticks: int) -> None:
        self._waiting = deque([start] * delay_ticks)

    def __call__(self, issued: Action) -> Action:
        """To be called once per control period, with the command issued in it."""
        self._waiting.append(issued)
        return self._waiting.popleft()
