"""An HTTP server that answers as a test tells it to: well, badly, or not at all."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What came. path: with the query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedServer:
    """Answers the n-th request with the n-th reply, and every further one with the last. A context manager.

    A reply gets the handler and writes to it; see `reply` and below. requests: what came so far. left: set when a
    client went away before the end of its reply.
    """

    def __init__(self, *replies: Reply) -> None:
        self.requests: list[Request] = []
        self.released = threading.Event()
        self.left = threading.Event()
        self._replies = replies
        self._changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_GET(self) -> None:
                outer._answer(self)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing joins them
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="scripted-server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for_requests(self, count: int, timeout_s: float = 10.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, timeout_s)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(handler.command, handler.path, dict(handler.headers), handler.rfile.read(length))
        with self._changed:
            number = len(self.requests)
            self.requests.append(request)
            self._changed.notify_all()
        try:
            self._replies[min(number, len(self._replies) - 1)](handler, self.released)
        except OSError:
            handler.close_connection = True
            self.left.set()


Reply = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def reply(status: int, content: bytes, headers: Mapping[str, str] | None = None, length: int | None = None) -> Reply:
    """length: as promised, where that is not what comes."""

    def write(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = length is not None

    return write


def json_reply(value: Any, status: int = 200) -> Reply:
    return reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def problem(status: int, slug: str, retry_after_s: int | None = None, **extensions: Any) -> Reply:
    body = {"type": f"urn:isaac-collect:problem:{slug}", "title": slug, "status": status, "detail": f"it is {slug}"}
    headers = {"Content-Type": "application/problem+json"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return reply(status, json.dumps(body | extensions).encode(), headers)


def silence(handler: BaseHTTPRequestHandler, released: threading.Event) -> None:
    """Nothing, until the server closes."""
    released.wait(30)
    handler.close_connection = True


def reset(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    """The connection is reset without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.rfile.close()
    handler.connection.close()
    raise ConnectionAbortedError


def stream(parts: Iterable[bytes], *, chunked: bool = True, then_silence: bool = False, clean: bool = True) -> Reply:
    """An event stream of these parts, each sent by itself. clean: whether its end is told from a broken connection."""

    def write(handler: BaseHTTPRequestHandler, released: threading.Event) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        handler.end_headers()
        for part in parts:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            handler.wfile.flush()
        if then_silence:
            released.wait(30)
        elif chunked and clean:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return write
