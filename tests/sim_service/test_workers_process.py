"""One worker's process and its log."""

import json
import os
import signal
import sys
from pathlib import Path

from sim_service.worker_process import WorkerProcess


def start(source: str, log: Path) -> WorkerProcess:
    return WorkerProcess([sys.executable, "-c", source], os.environ, log)


def end(worker: WorkerProcess) -> int:
    while worker.exit_code is None:
        os.sched_yield()
    return worker.exit_code


def test_its_last_words_are_its_own_and_the_log_keeps_all(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier process\n")
    assert end(silent := start("pass", log)) == 0
    assert silent.last_words() == []
    record = json.dumps({"level": "error", "message": "no space left"})
    worker = start(f"for n in range(9): print(n)\nprint({record!r})\nprint()", log)
    assert end(worker) == 0
    assert worker.last_words() == ["5", "6", "7", "8", "error: no space left"]
    assert worker.error() == "no space left"
    assert log.read_text().startswith("of an earlier process\n0\n")


def test_a_terminals_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    worker = start("import os, time; print(os.getsid(0), flush=True); time.sleep(600)", tmp_path / "log")
    while not worker.last_words():
        assert worker.exit_code is None
    assert int(worker.last_words()[0]) != os.getsid(0)
    worker.stop()
    assert end(worker) == -signal.SIGTERM
    worker.stop()
    worker.kill()


def test_it_can_be_killed_whatever_it_does(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    worker = start(program, tmp_path / "log")
    while not worker.last_words():
        assert worker.exit_code is None
    worker.stop()
    assert worker.exit_code is None
    worker.kill()
    assert worker.exit_code == -signal.SIGKILL
