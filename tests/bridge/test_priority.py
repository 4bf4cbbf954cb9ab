"""The bridge's threads give way to the simulator's."""

import os
import sys
import threading
from pathlib import Path

import pytest
from bridge_fakes import CONFIG, FakeService

from bridge.launch import running_bridge
from bridge.priority import NICENESS, step_back


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_a_thread_and_its_children_step_back_and_nobody_else() -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def back() -> None:
        step_back()
        look()
        child = threading.Thread(target=look)
        child.start()
        child.join()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=back)
    thread.start()
    thread.join()
    look()
    assert seen == [max(NICENESS, before)] * 2 + [before]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_every_thread_of_a_running_bridge_steps_back(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    fakes = FakeService(tmp_path)
    with running_bridge(fakes.ports, CONFIG):
        ours = {thread for thread in set(threading.enumerate()) - before if thread.native_id is not None}
        names = {thread.name.rstrip("0123456789-") for thread in ours}
        assert {"bridge-http", "live-video"} <= names
        for thread in ours:
            assert os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) >= NICENESS, thread.name
