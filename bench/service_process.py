"""The processes of the service bench: the service itself, and those that put load on it.

A loading process says READY when it has connected, counts from the line BEGIN on its standard input, and ends when that
input ends: also when the bench that started it is gone.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from bench.measure import MB, ChildError

ROOT: Final = Path(__file__).resolve().parent.parent
READY: Final = "ready"
BEGIN: Final = "begin"
START_TIMEOUT_S: Final = 60.0
END_TIMEOUT_S: Final = 30.0
ADDRESS: Final = "Dashboard and API: "
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Footprint:
    """A process at one instant; cpu_s: since it began."""

    time_s: float
    cpu_s: float
    rss_mb: float
    anonymous_mb: float
    threads: int
    files: int


def footprint(process_id: int) -> Footprint:
    """Raises ChildError where there is no such process."""
    folder = Path("/proc") / str(process_id)
    try:
        fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        lines = (folder / "status").read_text(encoding="utf-8").splitlines()
        files = len(os.listdir(folder / "fd"))  # noqa: PTH208  # as often as cheaply
    except OSError as error:
        raise ChildError(f"process {process_id} is gone: {error.strerror}") from error
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return Footprint(
        time.monotonic(),
        (int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        int(status["VmRSS"][0]) * 1024 / MB,
        int(status["RssAnon"][0]) * 1024 / MB,
        int(status["Threads"][0]),
        files,
    )


def busy_s() -> float:
    """CPU time of all processes of this machine since it began."""
    cells = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = (int(cell) for cell in cells[:8])
    return (user + nice + system + interrupts + soft + stolen) / _TICKS_PER_S


class Served:
    """`serve` on the embedded simulator with its default look, ready when entered. Its log is beside the data root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "service.log"

    def __enter__(self) -> Served:
        command = [sys.executable, "-m", "sim_service", "serve", "--port", "0", "--grace-period", "0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--data-root", str(self._folder / "datasets")],
                stderr=log,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
            )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            self.host, self.port = self._wait_for_address(deadline)
            self._wait_until_ready(deadline)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def footprint(self) -> Footprint:
        return footprint(self._process.pid)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of one answer, on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            if body is None:
                connection.request(method, path)
            else:
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        except OSError as error:
            raise ChildError(f"{method} {path}: {error}; {self._said()}") from error
        finally:
            connection.close()

    def command(self, path: str, body: object = None) -> dict[str, Any]:
        status, data = self.ask("POST", path, body)
        if status >= 300:
            raise ChildError(f"POST {path}: {data.decode('utf-8', 'replace')}")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def counters(self) -> dict[str, float]:
        """What /metrics says, by name and labels."""
        lines = self.ask("GET", "/metrics")[1].decode("utf-8").splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def _wait_for_address(self, deadline: float) -> tuple[str, int]:
        while time.monotonic() < deadline and self._process.poll() is None:
            for line in self._log.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.startswith(ADDRESS) and line.endswith("\n"):
                    host, _, port = line.strip().rstrip("/").rpartition("//")[2].rpartition(":")
                    return host, int(port)
            time.sleep(0.05)
        raise ChildError(f"the service did not start; {self._said()}")

    def _wait_until_ready(self, deadline: float) -> None:
        while self.ask("GET", "/readyz")[0] != 200:
            if time.monotonic() > deadline:
                raise ChildError(f"the service was not ready within {START_TIMEOUT_S:g} s; {self._said()}")
            time.sleep(0.1)

    def _said(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"it said last: {lines[-1]}" if lines else "it said nothing"

    def _end(self) -> None:
        _end(self._process)


class Load:
    """One process that loads the service, connected when entered: `python -m MODULE ... --result FILE`."""

    def __init__(self, module: str, served: Served, *flags: str) -> None:
        self._module, self._served, self._flags = module, served, flags

    def __enter__(self) -> Load:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-load-")
        self._result = Path(self._folder.name) / "result.json"
        self._errors = Path(self._folder.name) / "stderr"
        command = [sys.executable, "-m", self._module, "--host", self._served.host, "--port", str(self._served.port)]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, *self._flags, "--result", str(self._result)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._folder.cleanup()

    def begin(self) -> None:
        """Count from now on."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{BEGIN}\n".encode())
            self._process.stdin.flush()
        except OSError:
            raise ChildError(f"{self._module} ended early; {self._said()}") from None

    @property
    def footprint(self) -> Footprint:
        return footprint(self._process.pid)

    def end(self) -> dict[str, Any]:
        """What it counted."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            code = self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise ChildError(f"{self._module} does not end; {self._said()}") from None
        if code != 0 or not self._result.is_file():
            raise ChildError(f"{self._module}: exit code {code}; {self._said()}")
        counted: dict[str, Any] = json.loads(self._result.read_text(encoding="utf-8"))
        return counted

    def _wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            selector.select(START_TIMEOUT_S)
        if self._process.poll() is not None or self._process.stdout.readline().decode().strip() != READY:
            raise ChildError(f"{self._module} did not connect; {self._said()}")

    def _said(self) -> str:
        lines = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"it said last: {lines[-1]}" if lines else "it said nothing"


class Orders:
    """The loading process's side: says that it is ready, and waits for what it is told."""

    async def open(self) -> None:
        print(READY, flush=True)
        self._lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._lines), sys.stdin)

    async def wait(self) -> bool:
        """True when told to begin, False when told to end."""
        line = await self._lines.readline()
        if not line:
            self._transport.close()
        return bool(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
