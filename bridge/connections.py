"""The HTTP server's side of one connection, where cheroot's own would hold a thread for too long or answer in its own
words. Written against cheroot 10 and 11.

A request must have arrived in whole within `timeout_s` of its first byte, and every piece of an answer must have been
taken within `timeout_s`. What cheroot refuses by itself is answered as a problem.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cheroot.errors import MaxSizeExceeded
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10
from werkzeug.exceptions import RequestEntityTooLarge

from bridge.problems import MEDIA_TYPE, Problem
from bridge.stream_response import CLIENT_GONE

RECEIVE_BYTES: Final = 64 * 1024
DRAIN_BYTES: Final = 4 * 1024 * 1024  # of a body that is too large: read, so that its sender sees the answer
DRAIN_S: Final = 2.0
_SLUGS: Final = {408: "timeout", 413: "too-large", 414: "too-large", 500: "internal"}


class RequestReader:
    """What a client sends; has what cheroot asks of a file. `begin` starts the time that a request may take."""

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        self._socket, self._timeout_s = connection, timeout_s
        self._data = b""
        self._deadline = 0.0
        self.closed = False
        self.bytes_read = 0

    @property
    def late(self) -> bool:
        return time.monotonic() >= self._deadline

    def begin(self) -> None:
        self._deadline = time.monotonic() + self._timeout_s

    def has_data(self) -> bool:
        return bool(self._data)

    def readline(self, size: int = -1) -> bytes:
        """Up to and with a line feed, or `size` bytes, or the end."""
        searched = 0
        while True:
            at = self._data.find(b"\n", searched)
            if at >= 0 or 0 <= size <= len(self._data):
                end = at + 1 if at >= 0 else size
                return self._take(min(end, size) if size >= 0 else end)
            searched = len(self._data)
            if not self._receive():
                return self._take(searched)

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end alone."""
        while len(self._data) < size and self._receive():
            pass
        return self._take(min(size, len(self._data)))

    def drain(self, size: int) -> None:
        """Forget what still comes, but no more than `size` bytes or DRAIN_S."""
        deadline = time.monotonic() + DRAIN_S
        while size > 0 and (left_s := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            data = self._socket.recv(RECEIVE_BYTES)
            if not data:
                return
            size -= len(data)

    def close(self) -> None:
        self.closed = True

    def _take(self, size: int) -> bytes:
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _receive(self) -> bool:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")  # as a socket says it; cheroot compares the text
        self._socket.settimeout(left_s)
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        finally:
            self._socket.settimeout(self._timeout_s)
        self._data += data
        self.bytes_read += len(data)
        return bool(data)


class ResponseWriter:
    """What a client is sent; has what cheroot asks of a file. A write may take as long as the socket's timeout in
    all, however little of it the client takes at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.bytes_written = 0

    def write(self, data: bytes) -> int:
        self._socket.sendall(data)
        self.bytes_written += len(data)
        return len(data)


class Request(HTTPRequest):
    """cheroot's, but strict about lengths, and with problems for errors."""

    def read_request_line(self) -> bool:
        try:
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]  # the stubs lack types
        except ValueError:  # urlsplit: a bracket where no address is
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]  # the stubs lack types
            return False
        length = self.inheaders.get(b"Content-Length")
        if length is not None and not (length.isdigit() and len(length) < 20):
            self.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            return False
        if self.chunked_read:
            # What the application leaves unread of such a body would be taken for the next request
            self.close_connection = True
        return True

    def send_headers(self) -> None:
        if self.conn.rfile.late and getattr(self.rfile, "remaining", 0) > 0:
            self.close_connection = True  # the rest of the body will not come
        if int(self.status[:3]) == 413:
            self.conn.must_drain = True
        super().send_headers()

    def simple_response(self, status: str, msg: str = "") -> None:
        code = int(status[:3])
        path = getattr(self, "path", b"/").decode("latin-1")
        problem = Problem(code, _SLUGS.get(code, "bad-request"), msg or status[4:])
        body = problem.to_json(path)
        self.close_connection = True
        self.conn.must_drain = code in (413, 414)
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        try:
            self.conn.wfile.write(head.encode("latin-1") + body)
        except OSError:
            return  # who sent it is gone


class Connection(HTTPConnection):
    """One client. The server knows it for as long as a thread works on it."""

    RequestHandlerClass = Request

    def __init__(self, server: Any, sock: socket.socket, _makefile: Any) -> None:
        def open_file(connection: socket.socket, mode: str, _size: int) -> RequestReader | ResponseWriter:
            return RequestReader(connection, server.timeout) if "r" in mode else ResponseWriter(connection)

        super().__init__(server, sock, open_file)
        self.must_drain = False

    def communicate(self) -> bool:
        self.rfile.begin()
        self.server.working.add(self)
        try:
            return bool(super().communicate())  # type: ignore[no-untyped-call]  # the stubs lack types
        finally:
            self.server.working.discard(self)

    def close(self) -> None:
        if self.must_drain:
            with suppress(OSError):  # the client is gone, or too slow
                self.socket.shutdown(socket.SHUT_WR)
                self.rfile.drain(DRAIN_BYTES)
        super().close()

    def abort(self) -> None:
        """End what a thread waits for on this connection. From any thread."""
        with suppress(OSError):  # it has ended already
            self.socket.shutdown(socket.SHUT_RDWR)


class Gateway(Gateway_10):
    """From a request to the WSGI application's environment."""

    def get_environ(self) -> Any:
        environ = super().get_environ()  # type: ignore[no-untyped-call]  # the stubs lack types
        path = self.req.uri.partition(b"?")[0]
        if path.startswith(b"/"):
            environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")  # cheroot's keeps %2F
        if self.req.chunked_read:
            environ["wsgi.input"] = _ChunkedBody(environ["wsgi.input"])
        environ[CLIENT_GONE] = self._client_gone
        return environ

    def _client_gone(self) -> bool:
        """Whether the client closed its side, without reading what it may have sent."""
        poll = select.poll()
        try:
            poll.register(self.req.conn.socket, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        except ValueError:  # closed on our side
            return True
        return bool(poll.poll(0))


class _ChunkedBody:
    """A body of unknown length, of which cheroot reads no more than its limit."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._body.read(size)
        except MaxSizeExceeded:
            raise RequestEntityTooLarge from None
        except OSError as error:
            if "Too Large" in str(error):  # cheroot's words
                raise RequestEntityTooLarge from None
            raise
        return data
