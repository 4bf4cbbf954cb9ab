"""Rendered manifests: what `kubectl kustomize` prints."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]


def render(overlay: Path) -> list[Manifest]:
    """Raises subprocess.CalledProcessError where kubectl finds a mistake, FileNotFoundError without kubectl."""
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, check=True, text=True)
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def one(manifests: Sequence[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The only one of the kind, or of the kind and the name."""
    found = [each for each in manifests if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    if len(found) != 1:
        names = ", ".join(f"{each['kind']}/{each['metadata']['name']}" for each in manifests)
        raise ValueError(f"{len(found)} of kind {kind} and name {name}, out of {names}")
    return found[0]


def config_maps(manifests: Sequence[Manifest]) -> Mapping[str, Mapping[str, str]]:
    return {each["metadata"]["name"]: each.get("data", {}) for each in manifests if each["kind"] == "ConfigMap"}
