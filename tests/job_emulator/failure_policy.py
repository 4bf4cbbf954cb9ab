"""What a Job's pod failure policy says of a failed pod (pod_failure_policy.go)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from job_emulator.pods import ContainerStatus, Pod

Action = Literal["FailJob", "FailIndex", "Ignore", "Count"]


@dataclass(frozen=True)
class Rule:
    """Either on exit codes, with operator In or NotIn and of one container or any, or on pod conditions, as
    (type, status)."""

    action: Action
    operator: Literal["In", "NotIn"] | None = None
    exit_codes: tuple[int, ...] = ()
    container: str | None = None
    conditions: tuple[tuple[str, str], ...] = ()

    def matched(self, pod: Pod) -> ContainerStatus | str | None:
        """The container or the condition's type that meets the rule; None where nothing does."""
        if self.operator is None:
            # Every condition of an emulated pod has the status True.
            return next((kind for kind in pod.conditions if (kind, "True") in self.conditions), None)
        for init in (False, True):  # the containers first, then the init containers
            for status in pod.containers:
                if status.init is init and self.container in (None, status.name) and self._matches(status.exit_code):
                    return status
        return None

    def _matches(self, exit_code: int | None) -> bool:
        """0 never does, nor does a container without an exit code."""
        return bool(exit_code) and (exit_code in self.exit_codes) is (self.operator == "In")


@dataclass(frozen=True)
class Verdict:
    """counts: towards the backoff limits and the Job's failed pods. action: None where no rule matched."""

    counts: bool
    action: Action | None = None
    message: str = ""


def judge(rules: Sequence[Rule], pod: Pod) -> Verdict:
    """The first rule that matches decides; without one the failure counts."""
    for number, rule in enumerate(rules):
        matched = rule.matched(pod)
        if matched is not None:
            message = ""
            if rule.action == "FailJob" and isinstance(matched, ContainerStatus):
                message = (
                    f"Container {matched.name} for pod {pod.namespace}/{pod.name} failed with exit code "
                    f"{matched.exit_code} matching {rule.action} rule at index {number}"
                )
            elif rule.action == "FailJob":
                whose = f"Pod {pod.namespace}/{pod.name}"
                message = f"{whose} has condition {matched} matching {rule.action} rule at index {number}"
            return Verdict(rule.action != "Ignore", rule.action, message)
    return Verdict(True)
