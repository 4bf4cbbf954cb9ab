"""What Kubernetes' Job controller decides: which pods there are, and when the Job is over.

One `sync` is one pass of syncJob in job_controller.go over the pods as they are. It touches nothing but its own
records: whoever calls it starts and ends the pods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from job_emulator.backoff import backoff_s
from job_emulator.failure_policy import Verdict, judge
from job_emulator.indexes import format_indexes
from job_emulator.job_spec import JobSpec
from job_emulator.pods import ContainerStatus, Pod

_MESSAGES: Final = {
    "BackoffLimitExceeded": "Job has reached the specified backoff limit",
    "DeadlineExceeded": "Job was active longer than specified deadline",
    "MaxFailedIndexesExceeded": "Job has exceeded the specified maximal number of failed indexes",
    "FailedIndexes": "Job has failed indexes",
}


@dataclass(frozen=True)
class Condition:
    """Of status True."""

    type: str
    reason: str = ""
    message: str = ""


@dataclass
class JobStatus:
    """failed_indexes: None without backoffLimitPerIndex, as in Kubernetes."""

    active: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    completed_indexes: str = ""
    failed_indexes: str | None = None
    conditions: list[Condition] = field(default_factory=list)

    def condition(self, kind: str) -> Condition | None:
        return next((each for each in self.conditions if each.type == kind), None)

    @property
    def is_over(self) -> bool:
        return self.condition("Complete") is not None or self.condition("Failed") is not None


@dataclass
class Decision:
    """wake_at_s: sync again by then, even if nothing happens."""

    create: list[Pod] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    wake_at_s: float | None = None


class Controller:
    """backoff_speedup: divides the back-off delays, and nothing else."""

    def __init__(self, spec: JobSpec, backoff_speedup: float = 1.0) -> None:
        self.pods: list[Pod] = []
        self.status = JobStatus(failed_indexes=None if spec.backoff_limit_per_index is None else "")
        self._spec, self._speedup = spec, backoff_speedup
        self._suspended = spec.suspend
        self._started_at_s: float | None = None
        self._succeeded: set[int] = set()
        self._failed: set[int] = set()
        self._failures_in_a_row = 0  # of any index, since the last success
        self._last_failure_s = 0.0
        self._is_done = False  # Kubernetes' SuccessCriteriaMet: from now on nothing can fail the Job

    def suspend(self, suspended: bool) -> None:
        """Of `spec.suspend`. A Job that goes on has its deadline from then."""
        self._suspended = suspended
        if suspended:
            self._started_at_s = None

    def sync(self, now_s: float) -> Decision:
        decision = Decision()
        if self.status.is_over:
            return decision
        if self._started_at_s is None and not self._suspended:
            self._started_at_s = now_s
        tracked = [pod for pod in self.pods if pod.tracked]
        successes = [pod for pod in tracked if pod.phase == "Succeeded"]
        failures = [pod for pod in tracked if self._is_failed(pod)]
        self._note_backoff(successes, failures)
        self._succeeded |= {pod.index for pod in successes if pod.index is not None}
        self._failed |= {pod.index for pod in failures if pod.index is not None and self._fails_its_index(pod)}
        counted = self.status.failed + sum(self._judge(pod).counts for pod in failures)
        target = self.status.condition("FailureTarget")
        if target is None and not self._is_done:
            target = self._failure(now_s, failures, counted)
        if target is not None:
            decision.delete = [pod for pod in self.pods if pod.is_active]
        self._delete(decision.delete, now_s)
        if target is None:
            self._manage(decision, now_s, len(successes))
        self._count(target)
        self._conclude(target)
        return decision

    def _failure(self, now_s: float, failures: list[Pod], counted: int) -> Condition | None:
        """Why the Job fails, if it does."""
        spec = self._spec
        message = next((text for pod in failures if (text := self._judge(pod).message)), None)
        if message is not None:
            return Condition("FailureTarget", "PodFailurePolicy", message)
        reason = None
        if counted > spec.backoff_limit:
            reason = "BackoffLimitExceeded"
        elif self._deadline_s() is not None and now_s >= self._deadline_s():
            reason = "DeadlineExceeded"
        elif spec.max_failed_indexes is not None and len(self._failed) > spec.max_failed_indexes:
            reason = "MaxFailedIndexesExceeded"
        elif self._failed and len(self._failed) + len(self._succeeded) >= (spec.completions or 0):
            reason = "FailedIndexes"
        return None if reason is None else Condition("FailureTarget", reason, _MESSAGES[reason])

    def _manage(self, decision: Decision, now_s: float, new_successes: int) -> None:
        """Create what is missing, lowest index first, when its back-off is over (manageJob)."""
        active = [pod for pod in self.pods if pod.is_active]
        decision.wake_at_s = None if self._is_done else self._deadline_s()
        if self._suspended:
            decision.delete = active
            self._delete(active, now_s)
            for pod in active:
                pod.tracked = False  # such pods count as nothing
            return
        succeeded = len(self._succeeded) if self._spec.indexed else self.status.succeeded + new_successes
        wanted = self._spec.parallelism
        if self._spec.completions is not None:
            wanted = min(wanted, self._spec.completions - succeeded)
        elif succeeded:
            wanted = len(active)
        terminating = [pod for pod in self.pods if pod.is_terminating] if self._spec.replaces_only_failed else []
        missing = wanted - len(active) - len(terminating)
        if missing <= 0:
            return
        pending: list[int | None] = [None] * missing
        if self._spec.indexed:
            # An index that waits for its back-off keeps its place: the next one is not taken instead.
            taken = {pod.index for pod in [*active, *terminating]} | self._succeeded | self._failed
            pending = [index for index in range(self._spec.completions or 0) if index not in taken][:missing]
        for index in pending:
            ready_at_s = self._ready_at_s(index)
            if ready_at_s <= now_s:
                decision.create.append(self._new_pod(index, now_s))
            else:
                decision.wake_at_s = min(ready_at_s, decision.wake_at_s or ready_at_s)
        self.pods += decision.create

    def _new_pod(self, index: int | None, now_s: float) -> Pod:
        attempt = sum(pod.index == index for pod in self.pods)
        before = self._last_failed(index)
        counts, ignored = (0, 0) if before is None else (before.failure_count, before.ignored_failure_count)
        if before is not None:
            counted = self._judge(before).counts
            counts, ignored = counts + counted, ignored + (not counted)
        pod = self._spec.template["spec"]
        containers = [ContainerStatus(each["name"], init=True) for each in pod.get("initContainers", ())]
        containers += [ContainerStatus(each["name"]) for each in pod["containers"]]
        stem = self._spec.name if index is None else f"{self._spec.name}-{index}"
        name = f"{stem}-{attempt:05d}"
        return Pod(name, self._spec.namespace, index, attempt, now_s, containers, counts, ignored)

    def _last_failed(self, index: int | None) -> Pod | None:
        """The failed pod that the next one of the index replaces (getPodsWithDelayedDeletionPerIndex)."""
        if self._spec.backoff_limit_per_index is None or index in self._succeeded | self._failed:
            return None
        if any(pod.is_active and pod.index == index for pod in self.pods):
            return None
        candidates = [pod for pod in self.pods if pod.tracked and pod.index == index and self._is_failed(pod)]
        return max(candidates, key=lambda pod: pod.failure_count + pod.ignored_failure_count, default=None)

    def _ready_at_s(self, index: int | None) -> float:
        """When the next pod of the index may be made; ignored failures delay it too."""
        if self._spec.backoff_limit_per_index is None:
            if not self._failures_in_a_row:
                return 0.0
            return self._last_failure_s + backoff_s(self._failures_in_a_row) / self._speedup
        before = self._last_failed(index)
        if before is None:
            return 0.0
        failures = before.failure_count + before.ignored_failure_count + 1
        return _ended_at_s(before) + backoff_s(failures) / self._speedup

    def _note_backoff(self, successes: list[Pod], failures: list[Pod]) -> None:
        """Of the whole Job: for Jobs without backoffLimitPerIndex (newBackoffRecord)."""
        if self._spec.backoff_limit_per_index is not None:
            return
        if successes:
            self._failures_in_a_row = 0
            last_s = max(_ended_at_s(pod) for pod in successes)
            failures = [pod for pod in failures if _ended_at_s(pod) > last_s]
        if failures:
            self._failures_in_a_row += len(failures)
            self._last_failure_s = max(_ended_at_s(pod) for pod in failures)

    def _count(self, target: Condition | None) -> None:
        """Take up in the status what is over. In a Job that fails, so is every pod: the active ones count as failed,
        however they will end (trackJobStatusAndRemoveFinalizers)."""
        for pod in self.pods:
            if not pod.tracked:
                continue
            if pod.phase == "Succeeded":
                pod.tracked = False
                self.status.succeeded += not self._spec.indexed
            elif target is not None or (self._is_failed(pod) and pod is not self._last_failed(pod.index)):
                pod.tracked = False
                self.status.failed += self._judge(pod).counts

    def _conclude(self, target: Condition | None) -> None:
        status, spec = self.status, self._spec
        status.active = sum(pod.is_active for pod in self.pods)
        status.terminating = sum(pod.is_terminating for pod in self.pods)
        if spec.indexed:
            status.succeeded = len(self._succeeded)
            status.completed_indexes = format_indexes(self._succeeded)
        if spec.backoff_limit_per_index is not None:
            status.failed_indexes = format_indexes(self._failed)
        if self._suspended:
            status.conditions = [Condition("Suspended", "JobSuspended", "Job suspended")]
        elif status.condition("Suspended") is not None:
            status.conditions = []
        if target is not None:
            if status.condition("FailureTarget") is None:
                status.conditions.append(target)
            if not status.terminating:
                status.conditions.append(Condition("Failed", target.reason, target.message))
            return
        done = status.succeeded >= spec.completions if spec.completions is not None else status.succeeded > 0
        self._is_done = done and not status.active
        if self._is_done and not status.terminating:
            status.conditions.append(Condition("Complete"))

    def _is_failed(self, pod: Pod) -> bool:
        """Unless only failed pods are replaced, a deleted pod counts as one before it is gone (isPodFailed)."""
        if pod.phase == "Failed":
            return True
        return not self._spec.replaces_only_failed and pod.is_terminating

    def _fails_its_index(self, pod: Pod) -> bool:
        limit = self._spec.backoff_limit_per_index
        if limit is None:
            return False
        verdict = self._judge(pod)
        return verdict.action == "FailIndex" or (verdict.counts and pod.failure_count >= limit)

    def _judge(self, pod: Pod) -> Verdict:
        return judge(self._spec.rules or (), pod)

    def _deadline_s(self) -> float | None:
        if self._spec.active_deadline_s is None or self._started_at_s is None:
            return None
        return self._started_at_s + self._spec.active_deadline_s

    @staticmethod
    def _delete(pods: list[Pod], now_s: float) -> None:
        for pod in pods:
            pod.deleted_at_s = now_s


def _ended_at_s(pod: Pod) -> float:
    """A deleted pod that is not gone yet: since its deletion (getFinishedTime)."""
    ended_at_s = pod.finished_at_s if pod.finished_at_s is not None else pod.deleted_at_s
    if ended_at_s is None:
        raise AssertionError(f"{pod} has not ended")
    return ended_at_s
