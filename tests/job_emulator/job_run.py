"""One Job from its creation to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from job_emulator.agenda import Agenda
from job_emulator.clock import RealClock
from job_emulator.cluster import Cluster
from job_emulator.controller import Controller, JobStatus
from job_emulator.faults import Delete, Evict, Exit, Fault, Freeze, Kill, LoseNode, LoseResult, Partition, PodView
from job_emulator.job_spec import JobSpec, parse_job
from job_emulator.pods import DISRUPTION_TARGET, Pod
from job_emulator.process_runner import ProcessRunner

POLL_S: Final = 0.02  # how often moments of faults are looked for


class JobTimeout(AssertionError):
    """The Job was not over in time; the message shows how it stood."""


class UnusedFaults(AssertionError):
    """The Job is over, and faults that were planned did not happen."""


class Runner(Protocol):
    """Gives pods their lives, by changing them while the agenda turns."""

    def start(self, pod: Pod) -> None: ...

    def stop(self, pod: Pod) -> None: ...

    def kill(self, pod: Pod, reason: str) -> None: ...

    def freeze(self, pod: Pod) -> None: ...

    def abandon(self, pod: Pod, kill: bool) -> None: ...

    def close(self) -> None: ...

    def log(self, pod: Pod) -> str: ...


class JobRun:
    """`history`: what happened, line by line, each with its time."""

    def __init__(
        self,
        spec: JobSpec,
        runner: Runner,
        agenda: Agenda,
        faults: Sequence[Fault] = (),
        backoff_speedup: float = 1.0,
    ) -> None:
        self.controller = Controller(spec, backoff_speedup)
        self.history: list[str] = []
        self._runner, self._agenda = runner, agenda
        self._faults = list(faults)

    @property
    def pods(self) -> list[Pod]:
        """All that ever were, in the order of their creation."""
        return self.controller.pods

    @property
    def status(self) -> JobStatus:
        return self.controller.status

    def pods_of(self, index: int | None) -> list[Pod]:
        return [pod for pod in self.pods if pod.index == index]

    def log(self, pod: Pod) -> str:
        return self._runner.log(pod)

    def run(self, timeout_s: float = 60.0) -> JobStatus:
        """Until the Job is over, or is suspended and has no pod. Raises JobTimeout, UnusedFaults."""
        ends_at_s = self._agenda.now_s() + timeout_s
        seen: dict[Pod, str] = {}
        try:
            while True:
                wake_at_s = self._settle()
                self._tell(seen)
                idle = not any(pod.is_active or pod.is_terminating for pod in self.pods)
                if self.status.is_over:
                    break
                if idle and self.status.condition("Suspended") is not None:
                    return self.status
                if self._agenda.now_s() >= ends_at_s:
                    raise JobTimeout(f"not over after {timeout_s} s\n{self}")
                self._agenda.turn(min(ends_at_s, wake_at_s or ends_at_s, self._polls_at_s() or ends_at_s))
                self._inject()
        finally:
            if self.status.condition("Suspended") is None:
                self._runner.close()
        if self._faults:
            raise UnusedFaults(f"{self._faults}\n{self}")
        return self.status

    def _settle(self) -> float | None:
        """Let the controller decide until it has nothing more to do; returns when it wants to be asked again."""
        self._lose_results()
        while True:
            decision = self.controller.sync(self._agenda.now_s())
            for pod in decision.delete:
                self._runner.stop(pod)
            for pod in decision.create:
                self._start(pod)
            if not decision.create and not decision.delete:
                return decision.wake_at_s

    def _start(self, pod: Pod) -> None:
        fault = next((each for each in self._due(pod) if isinstance(each.action, Exit)), None)
        if fault is None or not isinstance(fault.action, Exit):
            self._runner.start(pod)
            return
        self._faults.remove(fault)
        for status in pod.containers:
            status.exit_code = 0
        main = next(status for status in pod.containers if not status.init)
        main.exit_code, main.reason = fault.action.code, "injected"
        pod.finish(self._agenda.now_s())

    def _lose_results(self) -> None:
        """Of pods that have ended since the controller last looked."""
        for pod in self.pods:
            if not (pod.is_over and pod.tracked):
                continue
            for fault in self._due(pod):
                if isinstance(fault.action, LoseResult):
                    self._faults.remove(fault)
                    pod.phase, pod.finished_at_s = "Running", None
                    for status in pod.containers:
                        status.exit_code, status.reason = None, ""
                    self._do(fault, pod)

    def _due(self, pod: Pod) -> list[Fault]:
        return [fault for fault in self._faults if (fault.index, fault.attempt) == (pod.index, pod.attempt)]

    def _polls_at_s(self) -> float | None:
        due = [fault for pod in self.pods if pod.is_active for fault in self._due(pod)]
        if any(not isinstance(fault.action, LoseResult) for fault in due):
            return self._agenda.now_s() + POLL_S
        return None

    def _inject(self) -> None:
        for pod in self.pods:
            if not pod.is_active:
                continue
            view = PodView(pod, lambda pod=pod: self._runner.log(pod))
            for fault in self._due(pod):
                if not isinstance(fault.action, LoseResult) and fault.when(view):
                    self._faults.remove(fault)
                    self._do(fault, pod)

    def _do(self, fault: Fault, pod: Pod) -> None:
        action, now_s = fault.action, self._agenda.now_s()
        self.history.append(f"{now_s:8.2f} s  {pod.name}: {action}")
        if isinstance(action, Kill):
            self._runner.kill(pod, action.reason)
            return
        if isinstance(action, Freeze):
            self._runner.freeze(pod)
            return
        pod.deleted_at_s = now_s
        if isinstance(action, Delete):
            self._runner.stop(pod)
        elif isinstance(action, Evict):
            pod.conditions[DISRUPTION_TARGET] = action.reason
            self._runner.stop(pod)
        elif isinstance(action, LoseNode | Partition | LoseResult):
            pod.conditions[DISRUPTION_TARGET] = "DeletionByTaintManager"
            self._runner.abandon(pod, kill=not isinstance(action, Partition))
            self._agenda.at(now_s + action.declared_after_s, lambda: self._collect_garbage(pod))

    def _collect_garbage(self, pod: Pod) -> None:
        pod.conditions[DISRUPTION_TARGET] = "DeletionByPodGC"
        pod.fail(self._agenda.now_s(), "NodeLost")

    def _tell(self, seen: dict[Pod, str]) -> None:
        for pod in self.pods:
            if seen.get(pod) != str(pod):
                seen[pod] = str(pod)
                self.history.append(f"{self._agenda.now_s():8.2f} s  {pod}")

    def __str__(self) -> str:
        """All there is to know when a test fails."""
        logs = [f"--- {pod}\n{self._runner.log(pod)}" for pod in self.pods]
        return "\n".join([str(self.status), *self.history, *logs])


def run_job(
    manifest: Mapping[str, Any],
    cluster: Cluster,
    faults: Sequence[Fault] = (),
    backoff_speedup: float = 1000.0,
    timeout_s: float = 60.0,
) -> JobRun:
    """Run a rendered Job with local processes until it is over. Raises ManifestError, JobTimeout, UnusedFaults."""
    spec = parse_job(manifest)
    agenda = Agenda(RealClock())
    runner = ProcessRunner(spec.template, cluster, agenda)
    run = JobRun(spec, runner, agenda, faults, backoff_speedup)
    run.run(timeout_s)
    return run
