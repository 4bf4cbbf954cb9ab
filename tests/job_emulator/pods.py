"""A pod as the Job controller sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]

DISRUPTION_TARGET = "DisruptionTarget"


@dataclass
class ContainerStatus:
    """exit_code: None while the container waits or runs, and for ever where its node was lost."""

    name: str
    init: bool = False
    exit_code: int | None = None
    reason: str = ""


@dataclass(eq=False)
class Pod:
    """attempt: how many pods of the same index came before. failure_count, ignored_failure_count: of this pod's
    predecessors within the index, Kubernetes' annotations `job-index-failure-count` and
    `job-index-ignored-failure-count`. conditions: reason by type, all of status True. deleted_at_s: the deletion
    timestamp. tracked: not yet counted in the Job's status, Kubernetes' finalizer `batch.kubernetes.io/job-tracking`.
    """

    name: str
    namespace: str
    index: int | None
    attempt: int
    created_at_s: float
    containers: list[ContainerStatus]
    failure_count: int = 0
    ignored_failure_count: int = 0
    phase: Phase = "Pending"
    reason: str = ""
    conditions: dict[str, str] = field(default_factory=dict)
    deleted_at_s: float | None = None
    finished_at_s: float | None = None
    tracked: bool = True

    @property
    def is_over(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def is_active(self) -> bool:
        return not self.is_over and self.deleted_at_s is None

    @property
    def is_terminating(self) -> bool:
        return not self.is_over and self.deleted_at_s is not None

    @property
    def exit_code(self) -> int | None:
        """Of the first container that failed, else of the last one that ended."""
        codes = [status.exit_code for status in self.containers if status.exit_code is not None]
        return next((code for code in codes if code), codes[-1] if codes else None)

    def finish(self, now_s: float) -> None:
        """The phase follows from the containers: a failed init container fails the pod, and so does any other
        (Kubernetes documentation, Pod lifecycle, Pod phase)."""
        self.phase = "Succeeded" if all(status.exit_code == 0 for status in self.containers) else "Failed"
        self.finished_at_s = now_s

    def fail(self, now_s: float, reason: str) -> None:
        """By somebody who does not ask the containers."""
        self.phase, self.reason, self.finished_at_s = "Failed", reason, now_s

    def __str__(self) -> str:
        """As in `kubectl get pods`."""
        words = [self.name, self.phase if self.deleted_at_s is None or self.is_over else "Terminating"]
        words += [f"exit code {self.exit_code}"] if self.exit_code is not None else []
        words += [f"{status.name}: {status.reason}" for status in self.containers if status.reason]
        words += [f"{kind}={reason}" for kind, reason in self.conditions.items()]
        return ", ".join(words)
