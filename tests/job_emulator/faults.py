"""Failures to be injected: what, into which pod, when."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from job_emulator.pods import Pod


@dataclass(frozen=True)
class Exit:
    """The pod's containers do not run; the first one that is no init container ends with the code."""

    code: int


@dataclass(frozen=True)
class Kill:
    """SIGKILL to every process of the running containers: exit code 137. reason: as for a container that used more
    memory than it may."""

    reason: str = "OOMKilled"


@dataclass(frozen=True)
class Freeze:
    """SIGSTOP to every process of the running containers: they hang, as a program can whose GPU does."""


@dataclass(frozen=True)
class Evict:
    """By the eviction API (kubectl drain) unless the reason says otherwise, such as PreemptionByScheduler: condition
    DisruptionTarget, deletion, SIGTERM, SIGKILL after the grace period (Kubernetes documentation, Disruptions, Pod
    disruption conditions)."""

    reason: str = "EvictionByEvictionAPI"


@dataclass(frozen=True)
class Delete:
    """`kubectl delete pod`: as an eviction, without the condition."""


@dataclass(frozen=True)
class LoseNode:
    """The node dies with all that runs. Its pod is terminating until somebody declares the node out of service; then
    the pod garbage collector fails it, with the condition DisruptionTarget and without an exit code."""

    declared_after_s: float = 0.0


@dataclass(frozen=True)
class Partition:
    """The same as seen by the cluster, but the process lives on beside its replacement until it ends by itself."""

    declared_after_s: float = 0.0


@dataclass(frozen=True)
class LoseResult:
    """The node dies when the pod has just ended, before anybody is told. What the pod did is done; nobody knows it. It
    knows no other moment."""

    declared_after_s: float = 0.0


Action = Exit | Kill | Freeze | Evict | Delete | LoseNode | Partition | LoseResult


@dataclass(frozen=True)
class PodView:
    """What a moment may depend on. log: of the pod until now."""

    pod: Pod
    log: Callable[[], str]


Moment = Callable[[PodView], bool]


def running(view: PodView) -> bool:
    """As soon as its main containers are."""
    return view.pod.phase == "Running"


def logged(text: str) -> Moment:
    return lambda view: text in view.log()


def file_exists(path: Path) -> Moment:
    return lambda view: path.exists()


def json_reaches(path: Path, key: str, least: float) -> Moment:
    """Once the number under the key of the JSON object in the file is at least that."""

    def reached(view: PodView) -> bool:
        try:
            content = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        return bool(content.get(key, 0) >= least)

    return reached


@dataclass(frozen=True)
class Fault:
    """attempt: of which pod of the index, 0 is the first. Exit knows no moment but the pod's start."""

    index: int | None
    action: Action
    attempt: int = 0
    when: Moment = running
