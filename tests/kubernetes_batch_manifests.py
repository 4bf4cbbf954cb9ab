"""The batch manifests as kustomize renders them, in every variant, and what is wrong with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes_batch_job import job_problems, order_problems
from kubernetes_batch_pod import pod_problems

Manifest = dict[str, Any]

ROOT: Final = Path(__file__).parent.parent
K8S: Final = ROOT / "k8s"

# Overlay and components: every component, alone and together with what it is used with.
VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {
    "mujoco": ("overlays/mujoco/batch",),
    "mujoco-hostpath": ("overlays/mujoco/batch", "components/hostpath"),
    "mujoco-kueue": ("overlays/mujoco/batch", "components/kueue"),
    "mujoco-merge-missing": ("overlays/mujoco/batch", "components/merge-missing"),
    "mujoco-hostpath-merge-missing": ("overlays/mujoco/batch", "components/hostpath", "components/merge-missing"),
    "isaac": ("overlays/isaac/batch",),
    "isaac-nvidia-runtime": ("overlays/isaac/batch", "components/nvidia-runtime"),
    "isaac-uid-1234": ("overlays/isaac/batch", "components/isaac-uid-1234"),
    "isaac-assets": ("overlays/isaac/batch", "components/isaac-assets"),
    "isaac-node-cache": ("overlays/isaac/batch", "components/isaac-node-cache"),
    "isaac-everything": (
        "overlays/isaac/batch",
        *("components/hostpath", "components/kueue", "components/nvidia-runtime"),
        *("components/isaac-uid-1234", "components/isaac-assets", "components/isaac-node-cache"),
    ),
}
ALONE: Final = ("base/batch/claim", "base/batch/reader")

# What the documentation tells the user to make, and what Kubernetes sets.
CONFIG_MAPS: Final[Mapping[str, Mapping[str, str]]] = {"isaac-sim-licence": {"ACCEPT_EULA": "Y"}}
CLAIMS: Final = ("isaac-collect-shared", "isaac-sim-assets")


def kustomize(folder: Path) -> list[Manifest]:
    """Raises AssertionError with what kubectl says, warnings included."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def kustomize_variant(parts: Sequence[str], folder: Path) -> list[Manifest]:
    """The first part with the others as components, from an overlay that is written into `folder`."""
    paths = [os.path.relpath(K8S / part, folder.resolve()) for part in parts]
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": paths[:1],
        "components": paths[1:],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return kustomize(folder)


def problems(manifests: Sequence[Manifest]) -> list[str]:
    """One line for each rule that a manifest breaks, beyond schemas."""
    config_maps = dict(CONFIG_MAPS)
    config_maps.update({each["metadata"]["name"]: each["data"] for each in manifests if each["kind"] == "ConfigMap"})
    found: list[str] = []
    for each in manifests:
        if each["kind"] == "Job":
            indexed = each["spec"].get("completionMode") == "Indexed"
            wrong = job_problems(each) + order_problems(each)
            given = ("JOB_COMPLETION_INDEX",) if indexed else ()
            wrong += pod_problems(each["spec"]["template"], config_maps, CLAIMS, given)
        elif each["kind"] == "Pod":
            wrong = pod_problems(each, config_maps, CLAIMS)
        else:
            wrong = []
        found += [f"{each['kind']} {each['metadata']['name']}: {line}" for line in wrong]
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    return found + [f"{kind} {name} is there twice" for kind, name in set(names) if names.count((kind, name)) > 1]


def job(manifests: Sequence[Manifest], component: str) -> Manifest:
    """The run's Job of that component, collect or merge."""
    (found,) = [
        each
        for each in manifests
        if each["kind"] == "Job" and each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return found


def container(manifest: Manifest, name: str) -> Manifest:
    """Of a Job, also an init container."""
    pod = manifest["spec"]["template"]["spec"]
    (found,) = [each for each in [*pod["containers"], *pod.get("initContainers", ())] if each["name"] == name]
    return found
