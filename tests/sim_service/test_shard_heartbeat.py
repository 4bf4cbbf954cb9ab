"""The file that says that a collection moves."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collectors.simulator import Tick
from sim_service.config import ConfigError
from sim_service.heartbeat import PERIOD_S, Heartbeat

NOBODY: Any = SimpleNamespace()
LONG_AGO_S = 1000.0


def test_it_is_touched_at_the_begin_and_then_once_a_period(tmp_path: Path) -> None:
    now = 0.0
    file = tmp_path / "heartbeat"
    heartbeat = Heartbeat(file, lambda: now)
    assert not file.exists()
    heartbeat.watch(NOBODY, NOBODY)
    assert file.exists()
    touched = 0
    for step in range(1, 101):
        now = step * PERIOD_S / 10
        os.utime(file, (LONG_AGO_S, LONG_AGO_S))
        heartbeat.advanced(Tick(images=False))
        touched += file.stat().st_mtime != LONG_AGO_S
    assert touched == 10
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    heartbeat.finish(0, None)
    assert file.stat().st_mtime == LONG_AGO_S


def test_a_file_that_can_no_longer_be_touched_is_told_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter((0.0, 10.0, 20.0, 30.0, 40.0))
    folder = tmp_path / "run"
    folder.mkdir()
    heartbeat = Heartbeat(folder / "heartbeat", lambda: next(times))
    heartbeat.beat()
    (folder / "heartbeat").unlink()
    folder.rmdir()
    for _ in range(3):
        heartbeat.beat()
    assert [line.levelname for line in caplog.records] == ["WARNING"]
    assert "heartbeat" in caplog.text
    folder.mkdir()
    heartbeat.beat()
    assert (folder / "heartbeat").exists()


@pytest.mark.parametrize("name", ["nowhere/heartbeat", "file/heartbeat", "folder"])
def test_a_file_that_cannot_be_is_refused_at_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=rf"--heartbeat-file .*{name} must be a file in a folder"):
        Heartbeat(tmp_path / name)
