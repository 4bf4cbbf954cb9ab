"""Many clients of the service in one lean process: `python -m bench.service_load`, started by `bench.service`.

Pollers ask for the status at a fixed rate, each on a connection that stays; they are spread over the period. The time
of an answer runs from the instant at which the request was due to the last byte of the answer: one that is late counts
against every request that it holds up. Readers follow the events; each must see every event once, in order. Stalled
clients ask for the events and never read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import select
import socket
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.service_process import Orders

CONNECT_TIMEOUT_S: Final = 20.0
CATCH_UP_TIMEOUT_S: Final = 10.0
STALLED_RECEIVE_BYTES: Final = 4096
LOOK_PERIOD_S: Final = 1.0  # at the stalled clients
DURABLE: Final = (b"state", b"job", b"episode")


@dataclass
class Answers:
    """Of all pollers. due_ms: from when a request was due to the end of its answer. sent_ms: from when it was sent."""

    due_ms: array[float] = field(default_factory=lambda: array("d"))
    sent_ms: array[float] = field(default_factory=lambda: array("d"))
    late_ms: array[float] = field(default_factory=lambda: array("d"))  # sent after it was due
    refused: int = 0
    lost: int = 0  # connections

    def clear(self) -> None:
        del self.due_ms[:], self.sent_ms[:], self.late_ms[:]


class Poller(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, first_s: float, period_s: float, answers: Answers) -> None:
        self._request, self._due, self._period_s, self._answers = request, first_s, period_s, answers
        self._loop = asyncio.get_running_loop()
        self._data, self._sent_at, self._ended = b"", 0.0, False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._timer = self._loop.call_at(self._due, self._send)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, blank, body = self._data.partition(b"\r\n\r\n")
        if not blank or len(body) < _content_length(head):
            return
        now = self._loop.time()
        answers = self._answers
        answers.due_ms.append(1000 * (now - self._due))
        answers.sent_ms.append(1000 * (now - self._sent_at))
        answers.late_ms.append(1000 * (self._sent_at - self._due))
        answers.refused += not head.startswith(b"HTTP/1.1 200 ")
        self._data = b""
        self._due += self._period_s
        self._timer = self._loop.call_at(self._due, self._send)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended:
            self._answers.lost += 1

    def close(self) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = self._loop.time()
        self._transport.write(self._request)


class Reader(asyncio.Protocol):
    """One stream of events. seen: (number, message) as they came; start: the number of the event that the stream began
    after, once known."""

    def __init__(self, on_news: Callable[[], None], start: int | None = None) -> None:
        self._on_news, self.start = on_news, start
        self.seen: list[tuple[int, bytes]] = []
        self.progress = self.resets = 0
        self.ended = False
        self._data, self._text = b"", b""
        self._in_body = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._in_body:
            head, blank, rest = self._data.partition(b"\r\n\r\n")
            if not blank:
                return
            if b"transfer-encoding: chunked" not in head.lower():
                raise ValueError(f"a stream of events is not chunked: {head!r}")
            self._in_body, self._data = True, rest
        while True:  # chunks
            size_line, line_end, rest = self._data.partition(b"\r\n")
            if not line_end or len(rest) < (size := int(size_line, 16)) + 2:
                break
            self._text, self._data = self._text + rest[:size], rest[size + 2 :]
        *messages, self._text = self._text.split(b"\n\n")
        for message in messages:
            self._read(message)
        self._on_news()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def last(self) -> int | None:
        return self.seen[-1][0] if self.seen else self.start

    def _read(self, message: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in message.split(b"\n") if b": " in line[1:])
        kind = fields.get(b"event")
        number = int(fields[b"id"].rpartition(b"-")[2]) if b"id" in fields else None
        if kind in DURABLE and number is not None:
            self.seen.append((number, message))
        elif kind == b"status":
            self.start = number if number is not None else -1
        elif kind == b"reset":
            self.resets += 1
        elif kind == b"progress":
            self.progress += 1


class Stalled:
    """Asks for the events and reads nothing of them; asks again where it was cut off."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self._address, self._request = (host, port), request
        self.cut_off = 0
        self._socket = self._connect()

    def look(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        if poll.poll(0):
            self.cut_off += 1
            self._socket.close()
            self._socket = self._connect()

    def close(self) -> None:
        self._socket.close()

    def _connect(self) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_RECEIVE_BYTES)
        connection.settimeout(CONNECT_TIMEOUT_S)
        connection.connect(self._address)
        connection.sendall(self._request)
        return connection


def judge(readers: Sequence[Reader], witness: Reader) -> dict[str, int]:
    """What the readers missed, saw twice, out of order, or otherwise than the witness, who read the same again."""
    expected = dict(witness.seen)
    end = max(expected, default=-1)
    figures = {"events": len(witness.seen), "lost": 0, "duplicated": 0, "out_of_order": 0, "different": 0}
    for reader in readers:
        assert reader.start is not None
        numbers = [number for number, _ in reader.seen]
        due = set(range(reader.start + 1, end + 1))
        figures["lost"] += len(due - set(numbers))
        figures["duplicated"] += len(numbers) - len(set(numbers))
        figures["out_of_order"] += sum(after < before for before, after in itertools.pairwise(numbers))
        figures["different"] += sum(number in expected and expected[number] != text for number, text in reader.seen)
    return figures


class Crowd:
    """All clients. `connect`, then `begin`, then `finish`."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._asked = arguments
        self._address = arguments.host, arguments.port
        self._name = f"Host: {arguments.host}:{arguments.port}\r\n".encode()
        self._answers = Answers()
        self._news = asyncio.Event()
        self._pollers: list[Poller] = []
        self._readers: list[Reader] = []
        self._stalled: list[Stalled] = []

    async def connect(self) -> None:
        events = self._request("/collect/events")
        self._readers = [await self._read(events) for _ in range(self._asked.readers)]
        self._stalled = [Stalled(*self._address, events) for _ in range(self._asked.stalled)]
        await self._until(lambda: all(reader.start is not None for reader in self._readers), CONNECT_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        count, period_s = self._asked.pollers, 1 / self._asked.rate_hz
        request, first = self._request("/collect/status"), loop.time() + 0.5
        for number in range(count):
            due = first + period_s * number / count
            make = partial(Poller, request, due, period_s, self._answers)
            self._pollers.append((await loop.create_connection(make, *self._address))[1])

    def begin(self) -> None:
        self._answers.clear()
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()

    async def look_on(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_PERIOD_S)
            for client in self._stalled:
                client.look()

    async def finish(self) -> dict[str, Any]:
        answers, wall_s = self._answers, time.monotonic() - self._began_s
        cpu_share = (time.process_time() - self._cpu_s) / wall_s
        for poller in self._pollers:
            poller.close()
        events = await self._judge()
        for reader in self._readers:
            reader.close()
        for client in self._stalled:
            client.close()
        return {
            "due_ms": [round(value, 3) for value in answers.due_ms],
            "sent_ms": [round(value, 3) for value in answers.sent_ms],
            "late_ms": [round(value, 3) for value in answers.late_ms],
            "refused": answers.refused,
            "lost_connections": answers.lost,
            "events": events,
            "progress_per_s": sum(reader.progress for reader in self._readers) / max(1, len(self._readers)) / wall_s,
            "cut_off": sum(client.cut_off for client in self._stalled),
            "cpu_share": cpu_share,
        }

    async def _judge(self) -> dict[str, int]:
        """Lets the readers catch up with a client that comes late and asks for everything since the first of them
        began."""
        if not self._readers:
            return {}
        start = min(reader.start for reader in self._readers if reader.start is not None)
        mark = await self._mark()
        witness = await self._read(self._request("/collect/events", f"Last-Event-ID: {mark}-{start}\r\n"), start)
        ends = [reader.last for reader in self._readers if reader.last is not None]
        await self._until(lambda: (witness.last or 0) >= max(ends), CATCH_UP_TIMEOUT_S)
        end = witness.last or 0
        await self._until(lambda: all((reader.last or 0) >= end for reader in self._readers), CATCH_UP_TIMEOUT_S)
        witness.close()
        witness.seen = [event for event in witness.seen if event[0] <= end]
        figures = judge(self._readers, witness)
        figures["witness_lost"] = end - start - len(witness.seen) + 100 * witness.resets
        figures["resets"] = sum(reader.resets for reader in self._readers)
        figures["streams_ended"] = sum(reader.ended for reader in self._readers)
        return figures

    async def _mark(self) -> str:
        """The part of the events' ids that all of this process have in common."""
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(self._request("/collect/status", "Connection: close\r\n"))
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        last_id: str = json.loads(body)["last_event_id"]
        return last_id.rpartition("-")[0]

    async def _read(self, request: bytes, start: int | None = None) -> Reader:
        loop = asyncio.get_running_loop()
        transport, reader = await loop.create_connection(lambda: Reader(self._news.set, start), *self._address)
        transport.write(request)
        return reader

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Or until the time is up: what is missing then, `judge` finds."""
        deadline = time.monotonic() + timeout_s
        while not condition() and (left_s := deadline - time.monotonic()) > 0:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left_s)
            except asyncio.TimeoutError:
                return

    def _request(self, path: str, further: str = "") -> bytes:
        return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), self._name, further.encode())


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at:].split(b"\r\n", 1)[0])


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    crowd, orders = Crowd(arguments), Orders()
    await crowd.connect()
    looking = asyncio.create_task(crowd.look_on())
    await orders.open()
    crowd.begin()
    while await orders.wait():
        crowd.begin()
    looking.cancel()
    return await crowd.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pollers", type=int, default=50)
    parser.add_argument("--rate-hz", type=float, default=2.0, help="of each poller")
    parser.add_argument("--readers", type=int, default=6)
    parser.add_argument("--stalled", type=int, default=2)
    parser.add_argument("--result", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.result.write_text(json.dumps(asyncio.run(run(arguments))), encoding="utf-8")


if __name__ == "__main__":
    main()
