"""One log record per request, with what it was in fields of its own."""

from __future__ import annotations

import logging
import time
from typing import Final
from urllib.parse import quote

from flask import Flask, Response, request

from bridge.stream_response import StreamResponse

LOGGER: Final = "bridge.access"
_STARTED_AT: Final = "bridge.started_at"
_log = logging.getLogger(LOGGER)


def install_access_log(app: Flask, polled: frozenset[str]) -> None:
    """polled: endpoints whose successes are logged at DEBUG. A stream is logged when it ends."""

    def begin() -> None:
        request.environ[_STARTED_AT] = time.perf_counter()

    def end(response: Response) -> Response:
        quiet = request.endpoint in polled and response.status_code < 400
        level = logging.DEBUG if quiet else logging.INFO
        if _log.isEnabledFor(level):
            method, path = request.method, quote(request.root_path + request.path)
            remote, status = request.remote_addr, response.status_code
            started_at = request.environ.get(_STARTED_AT, time.perf_counter())

            def write() -> None:
                duration_ms = round(1000 * (time.perf_counter() - started_at), 3)
                fields = {
                    "method": method,
                    "path": path,
                    "status": status,
                    "duration_ms": duration_ms,
                    "remote": remote,
                }
                _log.log(level, "%s %s %d in %.1f ms", method, path, status, duration_ms, extra=fields)

            if isinstance(response, StreamResponse):
                response.call_on_close(write)
            else:
                write()
        return response

    app.before_request(begin)
    app.after_request(end)
