"""A container's volume mounts as local folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from job_emulator.cluster import Cluster
from job_emulator.expansion import expand, names_in
from job_emulator.job_spec import ManifestError


def mounts(
    container: Mapping[str, Any], volumes: Mapping[str, Path], environment: Mapping[str, str]
) -> dict[str, Path]:
    """The local folder of each mount path. volumes: the folder of each volume of the pod. A sub-path is made where it
    is missing, as the kubelet does. Raises ManifestError."""
    found: dict[str, Path] = {}
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in volumes:
            raise ManifestError(f"container {container['name']} mounts {mount['name']!r}, no volume of the pod")
        expression = mount.get("subPathExpr", "")
        missing = [name for name in names_in(expression) if not environment.get(name)]
        if missing:
            raise ManifestError(f"subPathExpr {expression}: {', '.join(missing)} has no value")
        below = mount.get("subPath") or expand(expression, environment)
        if below.startswith("/") or ".." in Path(below).parts:
            raise ManifestError(f"the sub-path {below!r} leaves the volume {mount['name']}")
        local = volumes[mount["name"]] / below
        if not local.is_file():
            local.mkdir(parents=True, exist_ok=True)
        found[mount["mountPath"].rstrip("/")] = local
    return found


def pod_volumes(pod_spec: Mapping[str, Any], scratch: Path, cluster: Cluster) -> dict[str, Path]:
    """The folder of each volume of a pod; scratch holds those that live as long as the pod. Raises ManifestError."""
    return {volume["name"]: _volume(volume, scratch, cluster) for volume in pod_spec.get("volumes", ())}


def _volume(volume: Mapping[str, Any], scratch: Path, cluster: Cluster) -> Path:
    name = volume["name"]
    folder = scratch / name
    if "persistentVolumeClaim" in volume:
        claim = volume["persistentVolumeClaim"]["claimName"]
        if claim not in cluster.claims:
            raise ManifestError(f"volume {name}: there is no claim {claim!r}, only {', '.join(cluster.claims)}")
        return cluster.claims[claim]
    if "hostPath" in volume:
        path = volume["hostPath"]["path"]
        if path not in cluster.host_paths:
            raise ManifestError(f"volume {name}: the host path {path} is not mapped")
        return cluster.host_paths[path]
    if "emptyDir" in volume:
        folder.mkdir(parents=True)
        return folder
    if "configMap" in volume:
        source = volume["configMap"]
        if source["name"] not in cluster.config_maps:
            raise ManifestError(f"volume {name}: there is no ConfigMap {source['name']!r}")
        folder.mkdir(parents=True)
        for key, text in cluster.config_maps[source["name"]].items():
            file = folder / key
            file.write_text(text, encoding="utf-8")
            file.chmod(source.get("defaultMode", 0o644))
        return folder
    raise ManifestError(f"volume {name}: {', '.join(set(volume) - {'name'})} is not emulated")


def localized(text: str, paths: Mapping[str, Path]) -> str:
    """The text with every path inside the container that starts with one of paths made local, the longest one first.
    A path starts where nothing of a path is before it, and the replaced part ends at a slash or at the path's end."""
    if not paths:
        return text
    longest_first = sorted(paths, key=len, reverse=True)
    inner = "|".join(re.escape(path) for path in longest_first)
    return re.sub(rf"(?<![\w.\-/}})])(?:{inner})(?![\w.\-])", lambda found: str(paths[found[0]]), text)
