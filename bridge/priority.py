"""Who gets the processor first: the simulator."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Final

NICENESS: Final = 10

_log = logging.getLogger(__name__)


def step_back() -> None:
    """Let the calling thread, and the threads that it will start, run when the others leave a core free. A software
    renderer draws one picture on all cores at once; whoever takes one of them away for a moment holds all of it up.
    Linux alone has priorities of threads; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
    except OSError as error:
        _log.warning("a thread of the bridge keeps its priority: %s", error)
