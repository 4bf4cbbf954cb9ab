"""Work that another thread does meanwhile, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

_MOST_WAITING: Final = 8  # more block, so that memory stays bounded


class BackgroundTasks:
    """One thread. What a task raises is raised by a later `run`, or by `finish`; then nothing else should be run."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()

    def run(self, task: Callable[[], None]) -> None:
        while self._waiting and (len(self._waiting) >= _MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._executor.submit(task))

    def finish(self) -> None:
        """Wait for all of them."""
        while self._waiting:
            self._waiting.popleft().result()
        self._executor.shutdown()

    def cancel(self) -> None:
        """Wait for the one that is under way, leave the others; after `finish` it does nothing."""
        self._executor.shutdown(cancel_futures=True)
