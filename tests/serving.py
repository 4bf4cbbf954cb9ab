"""`isaac-collect serve` as a process of its own, on the embedded simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

ROOT = Path(__file__).parent.parent
_Value = TypeVar("_Value")


def eventually(look: Callable[[], _Value | None], timeout_s: float = 120.0, what: str = "it") -> _Value:
    """What `look` returns as soon as that is something."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = look()
        if value:
            return value
        time.sleep(0.05)  # between two looks at another process
    raise AssertionError(f"{what} did not come within {timeout_s:g} s")


class Served:
    """A service that runs. log: what it wrote to standard error."""

    def __init__(self, data_root: Path, *flags: str, environment: dict[str, str] | None = None) -> None:
        self.log = data_root.parent / f"{data_root.name}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "sim_service", "serve", "--port", "0", "--data-root", str(data_root)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--render-preset", "fast", *flags],
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.session = requests.Session()
        self.url = eventually(self._url, what="the address of the service")

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.post(self.url + path, json=body, timeout=60, **options)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get("/collect/status").json()
        return status

    def until_ready(self) -> None:
        eventually(lambda: self.get("/readyz").status_code == 200, what="readiness")

    def start(self, output_dir: str, num_episodes: int, **fields: Any) -> dict[str, Any]:
        reply = self.post(
            "/collect/start",
            {"output_dir": output_dir, "num_episodes": num_episodes, "steps_per_segment": 5, **fields},
        )
        assert reply.status_code == 202, reply.text
        job: dict[str, Any] = reply.json()
        return job

    def until(self, condition: Callable[[dict[str, Any]], object], what: str = "that status") -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            status = self.status()
            return status if condition(status) else None

        return eventually(look, what=what)

    def until_over(self) -> dict[str, Any]:
        return self.until(lambda status: status["state"] == "idle" and status["job_id"], "the end of the job")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(60)
        finally:
            self.session.close()

    def log_records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _url(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("Dashboard and API: ")]
        return lines[0].rpartition(" ")[2].rstrip("/") if lines else None


@contextmanager
def served(data_root: Path, *flags: str, environment: dict[str, str] | None = None) -> Iterator[Served]:
    service = Served(data_root, *flags, environment=environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()
        service.session.close()
