"""HTTP by hand: what no well-behaved client library sends."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bridge.server import BridgeServer

DEADLINE_S = 15.0


@dataclass
class RawResponse:
    """headers: by name in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection."""

    def __init__(self, server: BridgeServer) -> None:
        parts = urlsplit(server.url)
        assert parts.hostname is not None
        self.host = f"{parts.hostname}:{parts.port}"
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), DEADLINE_S)
        self._data = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, line: str, *headers: str, body: bytes = b"") -> None:
        """line: method and path. Host is added."""
        head = "\r\n".join([f"{line} HTTP/1.1", f"Host: {self.host}", *headers])
        self.send(head.encode("latin-1") + b"\r\n\r\n" + body)

    def post_json(self, path: str, value: Any, *headers: str) -> None:
        body = json.dumps(value).encode()
        self.request(
            f"POST {path}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, body=body
        )

    def response(self) -> RawResponse:
        """The next one, with the body that its Content-Length announces; of a chunked one, the head alone."""
        head = self.read_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        response = RawResponse(int(lines[0].split(" ")[1]))
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                response.headers[name.lower()] = value.strip()
        response.body = self.read(int(response.headers.get("content-length", "0")))
        return response

    def read_until(self, end: bytes) -> bytes:
        """Up to and with `end`."""
        while end not in self._data:
            self._receive()
        found, _, self._data = self._data.partition(end)
        return found + end

    def read(self, size: int) -> bytes:
        while len(self._data) < size:
            self._receive()
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def at_end(self) -> bool:
        """Whether the server closes the connection without another byte."""
        if self._data:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the server closed the connection after {self._data!r}")
        self._data += data
