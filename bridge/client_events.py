"""Server-sent events: the wire format, and a stream that survives lost connections without losing an event."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import requests

from bridge.client_errors import BadReplyError, BridgeError, UnreachableError
from bridge.client_records import ServerEvent
from bridge.client_transport import Transport, is_away, root_cause

EVENTS_PATH: Final = "/collect/events"
SILENCE_S: Final = 40.0  # the service breaks its silence after 15 s, so this connection is dead
AWAY_S: Final = 300.0  # a restart is over by then
RECONNECT_S: Final = 2.0  # until the service says otherwise
MAX_RECONNECT_S: Final = 15.0
CHUNK_BYTES: Final = 8192
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One dispatched event of a stream. id: None where it carries none."""

    kind: str
    data: str
    id: str | None


@dataclass
class MessageParser:
    """Bytes to messages, as the HTML standard has it (section 9.2.6, "Interpreting an event stream").

    reconnect_s: pause before a reconnection, as the stream asked for it; None where it did not.
    """

    reconnect_s: float | None = None
    _rest: bytes = b""
    _started: bool = False
    _kind: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str | None = None

    def feed(self, content: bytes) -> Iterator[Message]:
        """The messages that `content` completes; it may begin and end anywhere."""
        content = self._rest + content
        if not self._started:
            if len(content) < 3 and b"\xef\xbb\xbf".startswith(content):
                self._rest = content
                return
            content = content.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        # "\r" at the end may be half of "\r\n": it waits for what follows.
        held = b"\r" if content.endswith(b"\r") else b""
        content = content.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = content.split(b"\n")
        self._rest = rest + held
        for line in lines:
            message = self._take(line.decode("utf-8", errors="replace"))
            if message is not None:
                yield message

    def _take(self, line: str) -> Message | None:
        if not line:
            message = Message(self._kind or "message", "\n".join(self._data), self._id) if self._data else None
            self._kind, self._data, self._id = "", [], None
            return message
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.reconnect_s = int(value) / 1000
        return None


class EventStream:
    """Events over as many connections as it takes. For one thread.

    timeout_s: ends after that time, at the first event or heartbeat from then on; None: never by itself.
    away_s: how long the service may be away before that is an error.
    """

    def __init__(
        self, transport: Transport, last_event_id: str | None, timeout_s: float | None, away_s: float = AWAY_S
    ) -> None:
        self._transport = transport
        self._last_event_id = last_event_id
        self._end = None if timeout_s is None else time.monotonic() + timeout_s
        self._away_s = away_s
        self._reconnect_s = RECONNECT_S
        self._failures = 0
        self._heard = False
        self._away_since: float | None = None

    def __iter__(self) -> Iterator[ServerEvent]:
        """Raises at once where the first connection fails or where no reconnection helps; else after `away_s`."""
        while not self._over():
            try:
                yield from self._connection()
            except BridgeError as error:
                now = time.monotonic()
                self._away_since = now if self._away_since is None else self._away_since
                if not is_away(error) or not self._heard or now - self._away_since > self._away_s:
                    raise
                if self._failures == 1:
                    _log.warning("%s; trying again for %g s", error, self._away_s)
                wait_s = getattr(error, "retry_after_s", None) or 0.0
            else:
                wait_s = 0.0
            wait_s = min(max(wait_s, self._reconnect_s * 2**self._failures), MAX_RECONNECT_S)
            self._failures = min(self._failures + 1, 10)
            time.sleep(max(min(wait_s, self._remaining_s()), 0.0))

    def _connection(self) -> Iterator[ServerEvent]:
        """The events of one connection, until it ends or the time is over."""
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
        if self._last_event_id is not None:
            headers["Last-Event-ID"] = self._last_event_id
        parser = MessageParser()
        with self._transport.open_stream(EVENTS_PATH, headers, min(SILENCE_S, max(self._remaining_s(), 0.1))) as reply:
            self._check_type(reply)
            # A body without chunks is read byte by byte: more would wait until that much is there.
            chunked = reply.headers.get("Transfer-Encoding", "").lower() == "chunked"
            try:
                for content in reply.iter_content(CHUNK_BYTES if chunked else 1):
                    self._heard, self._away_since, self._failures = True, None, 0
                    for message in parser.feed(content):
                        if message.id is not None:
                            self._last_event_id = message.id or None
                        yield self._event(message)
                    self._reconnect_s = self._reconnect_s if parser.reconnect_s is None else parser.reconnect_s
                    if self._over():
                        return
            except requests.RequestException as failure:
                where = self._transport.where("GET", EVENTS_PATH)
                raise UnreachableError(f"{where}: the stream broke: {root_cause(failure)}") from None

    def _check_type(self, reply: requests.Response) -> None:
        found = reply.headers.get("Content-Type", "")
        if found.split(";")[0].strip().lower() != "text/event-stream":
            where = self._transport.where("GET", EVENTS_PATH)
            raise BadReplyError(f"{where} was answered with {found or 'no content type'}, expected text/event-stream")

    def _event(self, message: Message) -> ServerEvent:
        try:
            data = json.loads(message.data)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            where = self._transport.where("GET", EVENTS_PATH)
            raise BadReplyError(f"{where}: the event {message.kind} holds {message.data!r:.80}, expected a JSON object")
        return ServerEvent(message.kind, data, message.id)

    def _remaining_s(self) -> float:
        return float("inf") if self._end is None else self._end - time.monotonic()

    def _over(self) -> bool:
        return self._remaining_s() <= 0
