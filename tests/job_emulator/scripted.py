"""Pods that are no processes: their lives are told. For tests of the controller in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from job_emulator.agenda import Agenda
from job_emulator.pods import Pod


@dataclass(frozen=True)
class Life:
    """It ends with exit_code after_s after its start; on SIGTERM with stop_code, stop_after_s later, if the grace
    period is long enough, else with 137."""

    exit_code: int = 0
    after_s: float = 1.0
    stop_code: int = 143
    stop_after_s: float = 0.0


class ScriptedRunner:
    """A `Runner`."""

    def __init__(self, agenda: Agenda, script: Callable[[Pod], Life], grace_s: float = 30.0) -> None:
        self._agenda, self._script, self._grace_s = agenda, script, grace_s
        self._lives: dict[Pod, Life] = {}

    def start(self, pod: Pod) -> None:
        self._lives[pod] = life = self._script(pod)
        pod.phase = "Running"

        def end() -> None:
            if self._lives.get(pod) is life:  # else it is frozen, or has ended otherwise
                self._end(pod, life.exit_code)

        self._agenda.at(self._agenda.now_s() + life.after_s, end)

    def stop(self, pod: Pod) -> None:
        life = self._lives.get(pod)
        if life is None:
            return
        in_time = life.stop_after_s <= self._grace_s
        after_s = min(life.stop_after_s, self._grace_s)
        self._agenda.at(self._agenda.now_s() + after_s, lambda: self._end(pod, life.stop_code if in_time else 137))

    def kill(self, pod: Pod, reason: str) -> None:
        self._end(pod, 137, reason)

    def freeze(self, pod: Pod) -> None:
        """It ends only when it is stopped, and then by SIGKILL."""
        self._lives[pod] = replace(self._lives[pod], stop_after_s=math.inf)

    def abandon(self, pod: Pod, kill: bool) -> None:
        self._lives.pop(pod, None)

    def close(self) -> None:
        self._lives.clear()

    def log(self, pod: Pod) -> str:
        return ""

    def _end(self, pod: Pod, exit_code: int, reason: str = "") -> None:
        if self._lives.pop(pod, None) is None:  # it has ended otherwise
            return
        for status in pod.containers:
            status.exit_code = 0 if status.init else exit_code
            status.reason = reason or ("Error" if status.exit_code else "Completed")
        pod.finish(self._agenda.now_s())
