"""The writer stands alone: numpy, pyarrow and PyAV, loaded in well under a second."""

from __future__ import annotations

import json
import subprocess
import sys

FORBIDDEN = ("mujoco", "torch", "flask", "pandas", "imageio", "tqdm", "isaacsim", "omni", "lerobot", "datasets")
OURS = ("collectors", "sim_service", "bridge")

LIST_MODULES = """
import json, sys, time
sys.path[:0] = {path!r}
before = set(sys.modules)
start = time.process_time()
import {package}
seconds = time.process_time() - start
import threading
print(json.dumps([sorted(set(sys.modules) - before), seconds, threading.active_count()]))
"""


def imported_by(package: str) -> tuple[set[str], float, int]:
    """Top-level names of what it imports, the CPU seconds that took, and the threads afterwards."""
    script = LIST_MODULES.format(path=[path for path in sys.path if path], package=package)
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    modules, seconds, threads = json.loads(done.stdout)
    return {module.partition(".")[0] for module in modules}, seconds, threads


def test_importing_the_writer_imports_nothing_heavy() -> None:
    modules, _, threads = imported_by("lerobot_writer")
    assert {"numpy", "pyarrow", "av"} <= modules
    assert not modules.intersection(FORBIDDEN + OURS)
    assert threads == 1, "importing starts no thread"


def test_importing_the_writer_is_quick() -> None:
    """In CPU time, the best of three, with room for slow machines: 0.3 s on a small one."""
    assert min(imported_by("lerobot_writer")[1] for _ in range(3)) < 1.0
