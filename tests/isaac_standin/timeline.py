"""Kit's timeline: playing, paused or stopped; a request lands at the next update or commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Timeline:
    """`_on_play` and `_on_stop` hear of a change when it lands."""

    _kit: Any

    def _start(self, on_play: Callable[[], None], on_stop: Callable[[], None]) -> Timeline:
        self._state, self._wanted = "stopped", "stopped"
        self._on_play, self._on_stop = on_play, on_stop
        return self

    def play(self) -> None:
        if self._state != "playing" and self._kit.faults.plays_lost > 0:
            self._kit.faults.plays_lost -= 1
            return
        self._wanted = "playing"

    def pause(self) -> None:
        if self._state == "playing":
            self._wanted = "paused"

    def stop(self) -> None:
        self._wanted = "stopped"

    def set_end_time(self, end_time: float, /) -> None:
        """The stand-in's timeline has no end."""

    def is_playing(self) -> bool:
        return self._state == "playing"

    def is_stopped(self) -> bool:
        return self._state == "stopped"

    def commit(self) -> None:
        before, self._state = self._state, self._wanted
        if before == self._state:
            return
        if self._state == "stopped":
            self._on_stop()
        elif self._state == "playing":
            self._on_play()
