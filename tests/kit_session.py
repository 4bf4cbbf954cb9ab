"""The Kit extension in the stand-in's application: enabled and turned by a test, with HTTP to it meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import patch

from isaac_standin import Faults, Isaac, installed

VERSIONS = ("4.5.0", "6.0.1")
EXTENSION_ID = "isaac_collect-0.1.0"
SECTION = "/exts/isaac_collect/"
TIME_PASSES = "/app/player/playSimulations"
REOPEN_PERIOD_S = 0.2  # in place of the service's ten seconds
STEPS_PER_SEGMENT = 5
_DEADLINE_S = 60.0
_LOOK_EVERY = 25  # updates of the application between two looks over HTTP


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ErrorLog(logging.Handler):
    """What was logged as an error, tracebacks as text alone: pytest keeps records, their frames keep subscriptions."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        self._formatter = logging.Formatter("%(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self._formatter.format(record))
        record.exc_info = None


class KitSession:
    """isaac: the application. root: the data root. port: what the extension listens on. errors: what it logged."""

    def __init__(self, isaac: Isaac, root: Path, port: int, errors: ErrorLog) -> None:
        self.isaac, self.root, self.port, self.errors = isaac, root, port, errors
        self.extension: Any = None
        self._disabled: Any = None

    # Enabling and disabling

    def enable(self) -> None:
        """As the extension manager does it. Raises what on_startup raises, which Kit would log."""
        from sim_service.extension import IsaacCollectExtension

        extension = IsaacCollectExtension()
        extension.on_startup(EXTENSION_ID)
        self.extension = extension

    def disable(self) -> None:
        """Somebody may hold the extension on, as Kit does for a while: it must let go by itself."""
        extension, self.extension = self.extension, None
        if extension is not None:
            extension.on_shutdown()
            self._disabled = extension

    def left_behind(self) -> dict[str, Any]:
        """What is there of an extension that is not enabled; empty where it left nothing. Turns the application once:
        that is when a cancelled task ends."""
        self.isaac.app_update()
        found = {
            "subscriptions": self.isaac.subscriptions,
            "physics callbacks": self.isaac.physics_callbacks,
            "threads": self.isaac.threads,
            "tasks": [task for task in asyncio.all_tasks(self.isaac.kit.loop) if not task.done()],
            "errors of PhysX": self.isaac.errors,
            "a port": [self.port] if self.listens else [],
            "held time": [] if self.isaac.settings[TIME_PASSES] is True else [TIME_PASSES],
        }
        return {what: those for what, those in found.items() if those}

    @property
    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    # The application

    def update(self, n: int = 1) -> None:
        self.isaac.app_update(n)

    def until(self, condition: Callable[[], Any], what: str, every: int = 1) -> Any:
        """Turn the application until the condition gives something, and return that. every: updates between looks."""
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            self.isaac.app_update(every)
        raise AssertionError(f"{what} did not come within {_DEADLINE_S:g} s; status: {self.status()}")

    def until_status(
        self, condition: Callable[[dict[str, Any]], object], what: str, every: int = _LOOK_EVERY
    ) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            status = self.status()
            return status if condition(status) else None

        found: dict[str, Any] = self.until(look, what, every)
        return found

    def until_state(self, state: str) -> dict[str, Any]:
        return self.until_status(lambda status: status["state"] == state, f"state {state}")

    def until_over(self) -> dict[str, Any]:
        """The end of the job under way, and the service idle again."""
        return self.until_status(
            lambda status: status["state"] == "idle" and status["job_state"] != "collecting", "the end of the job"
        )

    # HTTP

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        """Answered while the application turns, as its main thread has to."""
        answer: list[Reply | Exception] = []
        client = threading.Thread(target=lambda: answer.append(self._asked(method, path, body)))
        client.start()
        while client.is_alive():
            self.isaac.app_update()
            client.join(0.001)  # the threads of the server have their turn
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None) -> Reply:
        return self.ask("POST", path, body)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get("/collect/status").json()
        return status

    def start(self, output_dir: str, num_episodes: int = 1, **fields: Any) -> str:
        """The id of a job that was accepted."""
        reply = self.ask_start(output_dir, num_episodes, **fields)
        assert reply.status == 202, reply.body
        return str(reply.json()["id"])

    def ask_start(self, output_dir: str, num_episodes: int = 1, **fields: Any) -> Reply:
        asked = {"output_dir": output_dir, "num_episodes": num_episodes, "steps_per_segment": STEPS_PER_SEGMENT}
        return self.post("/collect/start", {**asked, **fields})

    def until_frame(self, frame: int) -> dict[str, Any]:
        """A frame of the episode under way was recorded."""
        return self.until_status(lambda status: status["progress"]["frame"] >= frame, f"frame {frame}", every=5)

    def _asked(self, method: str, path: str, body: Any) -> Reply | Exception:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_DEADLINE_S)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", "Connection": "close"})
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        except Exception as error:
            return error
        finally:
            connection.close()


@contextmanager
def kit_session(
    version: str, root: Path, faults: Faults | None = None, settings: Mapping[str, Any] | None = None
) -> Iterator[KitSession]:
    """An application in which the extension can be enabled. settings: of the extension, beside its port and data root.

    Raises AssertionError at the end where anything of ours was left, or something turned the application from inside
    one of its own callbacks.
    """
    errors = ErrorLog()
    logging.getLogger().addHandler(errors)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ISAAC_COLLECT_")}
    try:
        with (
            patch.dict(os.environ, environment, clear=True),
            patch("sim_service.service.REOPEN_PERIOD_S", REOPEN_PERIOD_S),
            installed(version, host="extension", faults=faults) as isaac,
        ):
            session = KitSession(isaac, root, free_port(), errors)
            for name, value in {"port": session.port, "data_root": str(root), **(settings or {})}.items():
                isaac.kit.settings.set(SECTION + name, value)
            try:
                yield session
            finally:
                session.disable()
                left = session.left_behind() if isaac.kit.running else {}
            assert not left, f"left behind: {left}"
            assert not [text for text in errors.texts if "re-entrant" in text], errors.texts
    finally:
        logging.getLogger().removeHandler(errors)


@contextmanager
def enabled_session(
    version: str, root: Path, faults: Faults | None = None, settings: Mapping[str, Any] | None = None
) -> Iterator[KitSession]:
    """With the extension enabled and its work cell built."""
    with kit_session(version, root, faults, settings) as session:
        session.enable()
        session.until_state("idle")
        yield session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
