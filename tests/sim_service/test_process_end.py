"""How the process ends: with the code that was meant, and with all that it said."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from sim_service import __main__ as command_line
from sim_service.simulators import end_process

ROOT = Path(__file__).parent.parent.parent


def test_the_process_ends_with_the_code_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in (0, 2, 3, 130):
        monkeypatch.setattr(command_line, "main", lambda code=code: code)
        with pytest.raises(SystemExit) as ended:
            command_line.run()
        assert ended.value.code == code
    assert capsys.readouterr() == ("", "")


def test_a_crash_ends_the_process_as_any_other_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash() -> int:
        raise ZeroDivisionError("nobody saw this coming")

    monkeypatch.setattr(command_line, "main", crash)
    with pytest.raises(SystemExit) as ended:
        command_line.run()
    assert ended.value.code == 1
    assert "ZeroDivisionError: nobody saw this coming" in capsys.readouterr().err


def test_ctrl_c_in_a_command_that_does_not_take_it_ends_the_process_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "main", interrupted)
    with pytest.raises(SystemExit) as ended:
        command_line.run()
    assert ended.value.code == 130


def test_what_was_said_is_written_out_before_an_application_may_end_the_process() -> None:
    """An application in this process may end it from within, and then Python writes nothing out any more."""
    program = """
import os, sys
from sim_service import simulators
sys.exit = lambda code: os._exit(code)
print("standard output", end="")
print("standard error", end="", file=sys.stderr)
simulators.end_process(7)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "standard output", "standard error")


def test_a_reader_that_is_gone_does_not_keep_the_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as ended:
        end_process(3)
    assert ended.value.code == 3
