"""Ctrl-C and SIGTERM as a request that the main loop sees between two ticks."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Final

EXIT_CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopRequest:
    """While entered, the first signal is kept in `signal`; a second one ends the process at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells count; 0 without a request."""
        return 0 if self.signal is None else EXIT_CODES[self.signal]

    def __enter__(self) -> StopRequest:
        self._before = {number: signal.signal(number, self._handle) for number in EXIT_CODES}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is not None:
            os._exit(EXIT_CODES[signal.Signals(number)])
        self.signal = signal.Signals(number)
