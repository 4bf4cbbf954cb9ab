"""Small Job manifests for tests of the emulator."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

IMAGE = "example:1"


def indexed_job(completions: int = 3, **spec: Any) -> Manifest:
    """Every further word goes into the Job's spec; `containers`, `initContainers`, `volumes` and
    `terminationGracePeriodSeconds` into the pod's."""
    pod: Manifest = {"restartPolicy": "Never", "containers": [{"name": "main", "image": IMAGE}]}
    for name in ("containers", "initContainers", "volumes", "terminationGracePeriodSeconds", "restartPolicy"):
        if name in spec:
            pod[name] = spec.pop(name)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "example"},
        "spec": {
            "completions": completions,
            "parallelism": completions,
            "completionMode": "Indexed",
            **spec,
            "template": {"spec": pod},
        },
    }


def shell_job(script: str, completions: int = 1, **spec: Any) -> Manifest:
    """Its pods run the script by `sh -c`."""
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", script], **spec.pop("container", {})}
    return indexed_job(completions, containers=[container], **spec)


def exit_rule(action: str, *codes: int, operator: str = "In", container: str | None = None) -> Manifest:
    requirement: Manifest = {"operator": operator, "values": list(codes)}
    if container is not None:
        requirement["containerName"] = container
    return {"action": action, "onExitCodes": requirement}


def disruption_rule(action: str = "Ignore") -> Manifest:
    return {"action": action, "onPodConditions": [{"type": "DisruptionTarget"}]}


def policy(*rules: Manifest) -> Manifest:
    return {"rules": list(rules)}
