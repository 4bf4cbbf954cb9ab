"""An exec probe of a container."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Any

from job_emulator.agenda import Agenda
from job_emulator.job_spec import ManifestError
from job_emulator.launch import Launch


class Probe:
    """Runs its command every period until it is stopped. on_healthy: after each success. on_failed: once
    failureThreshold in a row have failed; a probe that fails is stopped. Defaults: API reference, Probe."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        launch: Launch,
        agenda: Agenda,
        speedup: float,
        on_healthy: Callable[[], None],
        on_failed: Callable[[], None],
    ) -> None:
        if "exec" not in manifest:
            raise ManifestError(f"a probe by {', '.join(manifest)} is not emulated, only exec")
        self._command = launch.local(manifest["exec"]["command"])
        self._launch, self._agenda = launch, agenda
        self._period_s = manifest.get("periodSeconds", 10) / speedup
        self._timeout_s = float(manifest.get("timeoutSeconds", 1))  # the command itself is not sped up
        self._allowed = manifest.get("failureThreshold", 3)
        self._on_healthy, self._on_failed = on_healthy, on_failed
        self._failures = 0
        self._stopped = False
        self._process: Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        agenda.at(agenda.now_s() + manifest.get("initialDelaySeconds", 0) / speedup, self._ask)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """Nothing that it started outlives this."""
        self.stop()
        if self._process is not None:
            self._process.kill()
        if self._thread is not None:
            self._thread.join()

    def _ask(self) -> None:
        if self._stopped:
            return
        self._process = Popen(
            self._command,
            env=dict(self._launch.environment),
            cwd=self._launch.working_dir,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        self._thread = threading.Thread(target=self._await, args=(self._process,))
        self._thread.start()

    def _await(self, process: Popen[bytes]) -> None:
        try:
            healthy = process.wait(self._timeout_s) == 0
        except TimeoutExpired:
            process.kill()
            process.wait()
            healthy = False
        self._agenda.post(lambda: self._told(healthy))

    def _told(self, healthy: bool) -> None:
        if self._stopped:
            return
        self._failures = 0 if healthy else self._failures + 1
        if healthy:
            self._on_healthy()
        elif self._failures >= self._allowed:
            self.stop()
            self._on_failed()
        self._agenda.at(self._agenda.now_s() + self._period_s, self._ask)
