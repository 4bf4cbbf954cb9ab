"""Log records: readable lines on a terminal, one JSON object a line elsewhere, each with the job under way."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

_OURS: Final = ("collectors", "sim_service", "lerobot_writer", "bridge")
# What every record has; the rest was given as `extra`.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "job_id", "taskName"}


class JsonFormatter(logging.Formatter):
    """time (ISO 8601, UTC), level, logger, message, job_id (while a job runs), whatever `extra` held, exception."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        job_id = getattr(record, "job_id", None)
        if job_id is not None:
            entry["job_id"] = job_id
        entry |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class LineFormatter(logging.Formatter):
    """For people: time, level, logger, the job where one runs, message."""

    def format(self, record: logging.LogRecord) -> str:
        job_id = getattr(record, "job_id", None)
        job = f" [job {job_id}]" if job_id is not None else ""
        text = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname} {record.name}{job}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JobFilter(logging.Filter):
    """Adds `job_id`, the id of the job under way or None, to every record."""

    def __init__(self, job_id: Callable[[], str | None]) -> None:
        super().__init__()
        self._job_id = job_id

    def filter(self, record: logging.LogRecord) -> bool:
        record.job_id = self._job_id()
        return True


def set_up_service_logging(verbose: bool, job_id: Callable[[], str | None], stream: TextIO = sys.stderr) -> None:
    """For a long-running process. Our packages speak from INFO on (DEBUG with `verbose`), libraries from WARNING on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter() if stream.isatty() else JsonFormatter())
    handler.addFilter(JobFilter(job_id))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for package in _OURS:
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.INFO)
