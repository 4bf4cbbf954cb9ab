"""One worker: the process that collects a shard, its log and the end of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_TAIL_BYTES: Final = 16_000
_TAIL_LINES: Final = 5


class WorkerProcess:
    """Runs in a session of its own: a Ctrl-C on the terminal reaches us alone, and is passed on once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """The process writes to the end of `log`. Raises OSError."""
        self._log = log
        with log.open("ab") as stream:
            self._log_begin = stream.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self._log

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to finish what it holds and end."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, and whatever it started, now."""
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def last_words(self) -> list[str]:
        """The last lines that this process wrote, log records as plain text."""
        try:
            with self._log.open("rb") as stream:
                end = stream.seek(0, os.SEEK_END)
                stream.seek(max(self._log_begin, end - _TAIL_BYTES))
                lines = stream.read().decode(errors="replace").splitlines()
        except OSError as error:
            return [f"cannot read {self._log}: {error}"]
        return [_plain(line) for line in lines if line.strip()][-_TAIL_LINES:]

    def error(self) -> str | None:
        """What it said was wrong, last: an error's log record, or a line of the command line's."""
        errors = [line.partition(": ")[2] for line in self.last_words() if line.startswith(("error: ", _COMMAND))]
        return errors[-1] if errors else None


_COMMAND: Final = "isaac-collect: "


def _plain(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or not {"level", "message"} <= record.keys():
        return line
    return f"{record['level']}: {record['message']}"
