"""What the API server refuses of a Job beyond its schema.

From Kubernetes' pkg/apis/batch/validation/validation.go (validateJobSpec, validatePodFailurePolicy and what they call,
ValidateJob for the length of names), in the wording of the fields of the API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Manifest = Mapping[str, Any]

MAX_RULES: Final = 20
MAX_EXIT_CODES: Final = 255
MAX_PATTERNS: Final = 20
MAX_INDEXES: Final = 100_000  # parallelism and maxFailedIndexes; above as many completions both are below 10,000
MAX_ABOVE_SOFT_LIMIT: Final = 10_000
DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
COUNTS: Final = (
    *("parallelism", "completions", "backoffLimit", "backoffLimitPerIndex", "maxFailedIndexes"),
    *("activeDeadlineSeconds", "ttlSecondsAfterFinished"),
)


def job_problems(job: Manifest) -> list[str]:
    """One line for each rule that the Job breaks."""
    spec = job["spec"]
    problems = [f"{name} is negative" for name in COUNTS if spec.get(name, 0) < 0]
    problems += _indexes(job["metadata"]["name"], spec)
    policy = spec.get("podFailurePolicy")
    restart = spec["template"]["spec"].get("restartPolicy", "Always")
    if restart not in ("Never", "OnFailure"):
        problems.append(f"restartPolicy must be Never or OnFailure, is {restart}")
    elif policy is not None and restart != "Never":
        problems.append(f"restartPolicy must be Never beside a podFailurePolicy, is {restart}")
    replacement = spec.get("podReplacementPolicy", "Failed")
    if replacement not in (("Failed",) if policy is not None else ("Failed", "TerminatingOrFailed")):
        problems.append(f"podReplacementPolicy cannot be {replacement} here")
    if policy is not None:
        problems += _policy(spec, policy["rules"])
    return problems


def _indexes(name: str, spec: Manifest) -> Iterator[str]:
    completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
    per_index, parallelism = spec.get("backoffLimitPerIndex"), spec.get("parallelism", 1)
    if failed is not None and per_index is None:
        yield "maxFailedIndexes needs backoffLimitPerIndex"
    mode = spec.get("completionMode", "NonIndexed")
    if mode == "NonIndexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if field in spec:
                yield f"{field} needs completionMode Indexed"
    elif mode != "Indexed":
        yield f"completionMode cannot be {mode}"
    elif completions is None:
        yield "completionMode Indexed needs completions"
    else:
        if failed is not None and failed > completions:
            yield f"maxFailedIndexes {failed} is more than completions {completions}"
        if parallelism > MAX_INDEXES or (failed or 0) > MAX_INDEXES:
            yield f"parallelism and maxFailedIndexes are {MAX_INDEXES} at most"
        if completions > MAX_INDEXES and per_index is not None:
            if failed is None:
                yield f"more than {MAX_INDEXES} completions need maxFailedIndexes"
            elif max(parallelism, failed) > MAX_ABOVE_SOFT_LIMIT:
                yield f"with more than {MAX_INDEXES} completions they are {MAX_ABOVE_SOFT_LIMIT} at most"
        if not DNS_LABEL.fullmatch(f"{name}-{completions - 1}"):
            yield f"the last pod's host name {name}-{completions - 1} is no DNS label of 63 characters at most"


def _policy(spec: Manifest, rules: list[Manifest]) -> Iterator[str]:
    if len(rules) > MAX_RULES:
        yield f"{len(rules)} rules are more than {MAX_RULES}"
    pod = spec["template"]["spec"]
    names = {each["name"] for each in [*pod["containers"], *pod.get("initContainers", ())]}
    for number, rule in enumerate(rules):
        where = f"rule {number}"
        if rule.get("action") not in ("Count", "FailIndex", "FailJob", "Ignore"):
            yield f"{where}: there is no action {rule.get('action')}"
        if rule.get("action") == "FailIndex" and "backoffLimitPerIndex" not in spec:
            yield f"{where}: FailIndex needs backoffLimitPerIndex"
        if ("onExitCodes" in rule) == bool(rule.get("onPodConditions")):
            yield f"{where}: either onExitCodes or onPodConditions"
        yield from (f"{where}: {problem}" for problem in _exit_codes(rule.get("onExitCodes"), names))
        patterns = rule.get("onPodConditions", ())
        if len(patterns) > MAX_PATTERNS:
            yield f"{where}: {len(patterns)} conditions are more than {MAX_PATTERNS}"
        for pattern in patterns:
            if pattern.get("status", "True") not in ("True", "False", "Unknown"):
                yield f"{where}: a condition's status cannot be {pattern['status']!r}"


def _exit_codes(requirement: Manifest | None, names: set[str]) -> Iterator[str]:
    if requirement is None:
        return
    values = list(requirement.get("values", ()))
    if requirement.get("operator") not in ("In", "NotIn"):
        yield f"there is no operator {requirement.get('operator')}"
    if requirement.get("containerName", next(iter(names))) not in names:
        yield f"there is no container {requirement['containerName']}"
    if not 1 <= len(values) <= MAX_EXIT_CODES:
        yield f"1 to {MAX_EXIT_CODES} exit codes, not {len(values)}"
    if requirement.get("operator") == "In" and 0 in values:
        yield "0 cannot be In the exit codes"
    if len(set(values)) < len(values):
        yield "an exit code is there twice"
    if values != sorted(values):
        yield "the exit codes are not sorted"


def order_problems(job: Manifest) -> list[str]:
    """Ours: a pod that is drained may end with any exit code, so that rule comes before those on exit codes."""
    seen_codes = False
    for rule in job["spec"].get("podFailurePolicy", {}).get("rules", ()):
        conditions = [each["type"] for each in rule.get("onPodConditions", ())]
        if "DisruptionTarget" in conditions and rule["action"] == "Ignore":
            return ["DisruptionTarget comes after a rule on exit codes"] if seen_codes else []
        seen_codes = seen_codes or "onExitCodes" in rule
    return ["no rule ignores DisruptionTarget"]
