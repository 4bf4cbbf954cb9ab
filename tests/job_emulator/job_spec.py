"""What a Job's manifest asks of the controller, with Kubernetes' defaults and what its API server refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from job_emulator.failure_policy import Rule

# API reference, JobSpec: backoffLimit defaults to 6, with backoffLimitPerIndex to the largest int32.
DEFAULT_BACKOFF_LIMIT: Final = 6
UNLIMITED: Final = 2147483647
MAX_RULES: Final = 20
MAX_EXIT_CODES: Final = 255
MAX_HOST_NAME: Final = 63

_NOT_EMULATED: Final = ("successPolicy", "managedBy", "manualSelector", "selector")


class ManifestError(ValueError):
    """The API server would refuse it, or this emulator cannot do it; the message lists everything."""


@dataclass(frozen=True)
class JobSpec:
    """completions None: a work queue. max_failed_indexes None: no limit. template: the pod's, as in the manifest."""

    name: str
    namespace: str
    indexed: bool
    completions: int | None
    parallelism: int
    backoff_limit: int
    backoff_limit_per_index: int | None
    max_failed_indexes: int | None
    rules: tuple[Rule, ...] | None
    replaces_only_failed: bool
    active_deadline_s: float | None
    suspend: bool
    template: Mapping[str, Any]


def parse_job(manifest: Mapping[str, Any]) -> JobSpec:
    """Raises ManifestError."""
    problems: list[str] = []
    if (manifest.get("apiVersion"), manifest.get("kind")) != ("batch/v1", "Job"):
        raise ManifestError(f"a batch/v1 Job is needed, got {manifest.get('apiVersion')} {manifest.get('kind')}")
    spec: Mapping[str, Any] = manifest["spec"]
    problems += [f"spec.{name} is not emulated" for name in _NOT_EMULATED if name in spec]
    for name in ("parallelism", "completions", "backoffLimit", "backoffLimitPerIndex", "maxFailedIndexes"):
        if name in spec and (type(spec[name]) is not int or spec[name] < 0):
            problems.append(f"spec.{name} must be a number of 0 or more, got {spec[name]!r}")
    indexed = spec.get("completionMode", "NonIndexed") == "Indexed"
    rules = _rules(spec, problems) if "podFailurePolicy" in spec else None
    replacement = spec.get("podReplacementPolicy", "TerminatingOrFailed" if rules is None else "Failed")
    problems += _mode_problems(manifest, indexed)
    if replacement not in (("TerminatingOrFailed", "Failed") if rules is None else ("Failed",)):
        problems.append(f"spec.podReplacementPolicy cannot be {replacement!r} here")
    restart = spec["template"]["spec"].get("restartPolicy")
    if restart != "Never":
        problems.append(f"the pod's restartPolicy is {restart!r}: Never is emulated, and a failure policy needs it")
    if problems:
        raise ManifestError("; ".join(problems))
    per_index = spec.get("backoffLimitPerIndex")
    return JobSpec(
        name=manifest["metadata"]["name"],
        namespace=manifest["metadata"].get("namespace", "default"),
        indexed=indexed,
        # Without completions and parallelism both are 1; completions alone absent is a work queue.
        completions=spec.get("completions", None if "parallelism" in spec else 1),
        parallelism=spec.get("parallelism", 1),
        backoff_limit=spec.get("backoffLimit", DEFAULT_BACKOFF_LIMIT if per_index is None else UNLIMITED),
        backoff_limit_per_index=per_index,
        max_failed_indexes=spec.get("maxFailedIndexes"),
        rules=rules,
        replaces_only_failed=replacement == "Failed",
        active_deadline_s=spec.get("activeDeadlineSeconds"),
        suspend=spec.get("suspend", False),
        template=spec["template"],
    )


def _mode_problems(manifest: Mapping[str, Any], indexed: bool) -> list[str]:
    """What does not go together in validateJobSpec and ValidateJob."""
    spec, problems = manifest["spec"], []
    per_index, most = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    if not indexed:
        needing = [name for name in ("backoffLimitPerIndex", "maxFailedIndexes") if name in spec]
        problems += [f"spec.{name} needs completionMode Indexed" for name in needing]
    elif "completions" not in spec:
        problems.append("spec.completions is needed with completionMode Indexed")
    else:
        longest = f"{manifest['metadata']['name']}-{spec['completions'] - 1}"
        if len(longest) > MAX_HOST_NAME:
            problems.append(f"the last pod's host name {longest!r} is longer than {MAX_HOST_NAME} characters")
        if most is not None and most > spec["completions"]:
            problems.append(f"spec.maxFailedIndexes {most} is more than the {spec['completions']} completions")
    if most is not None and per_index is None:
        problems.append("spec.maxFailedIndexes needs backoffLimitPerIndex")
    return problems


def _rules(spec: Mapping[str, Any], problems: list[str]) -> tuple[Rule, ...]:
    entries = spec["podFailurePolicy"].get("rules", [])
    if len(entries) > MAX_RULES:
        problems.append(f"{len(entries)} rules of the pod failure policy; at most {MAX_RULES} are allowed")
    pod = spec["template"]["spec"]
    names = [container["name"] for container in [*pod.get("initContainers", ()), *pod["containers"]]]
    return tuple(_rule(number, entry, names, spec, problems) for number, entry in enumerate(entries))


def _rule(
    number: int, entry: Mapping[str, Any], containers: Sequence[str], spec: Mapping[str, Any], problems: list[str]
) -> Rule:
    path = f"podFailurePolicy.rules[{number}]"
    action = entry.get("action")
    if action not in ("FailJob", "FailIndex", "Ignore", "Count"):
        problems.append(f"{path}.action cannot be {action!r}")
    if action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        problems.append(f"{path}.action FailIndex needs backoffLimitPerIndex")
    exits, conditions = entry.get("onExitCodes"), entry.get("onPodConditions")
    if bool(exits) == bool(conditions):
        problems.append(f"{path} needs one of onExitCodes and onPodConditions")
        return Rule("Count")
    if not exits:
        pairs = tuple((each["type"], each.get("status", "True")) for each in conditions)
        if any(status not in ("True", "False", "Unknown") for _, status in pairs):
            problems.append(f"{path}.onPodConditions: a status is 'True', 'False' or 'Unknown', as text")
        return Rule(action, conditions=pairs)
    operator, values, container = exits.get("operator"), exits.get("values", []), exits.get("containerName")
    if operator not in ("In", "NotIn"):
        problems.append(f"{path}.onExitCodes.operator cannot be {operator!r}")
    if not 1 <= len(values) <= MAX_EXIT_CODES:
        problems.append(f"{path}.onExitCodes needs 1 to {MAX_EXIT_CODES} values")
    if values != sorted(set(values)):
        problems.append(f"{path}.onExitCodes.values must be in order and different, got {values}")
    if operator == "In" and 0 in values:
        problems.append(f"{path}.onExitCodes: 0 is no value for the operator In")
    if container is not None and container not in containers:
        problems.append(f"{path}.onExitCodes.containerName {container!r} is none of {', '.join(containers)}")
    return Rule(action, operator, tuple(values), container)
