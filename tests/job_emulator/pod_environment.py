"""The environment variables of a container, as the kubelet makes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from job_emulator.cluster import Cluster
from job_emulator.expansion import expand
from job_emulator.job_spec import ManifestError
from job_emulator.pods import Pod

COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"

_KEYED_FIELD: Final = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")


def pod_environment(
    container: Mapping[str, Any], metadata: Mapping[str, Any], pod: Pod, cluster: Cluster
) -> dict[str, str]:
    """Without what the image sets. metadata: of the pod's template. envFrom first, then env; a value may name variables
    before it. The Job controller adds JOB_COMPLETION_INDEX to every container that has none. Raises ManifestError."""
    variables: dict[str, str] = {"HOSTNAME": host_name(pod)}
    for source in container.get("envFrom", ()):
        kind, sources = _source(source, cluster, "configMapRef", "secretRef")
        data = _data(source[kind], sources, f"{kind} of container {container['name']}")
        variables.update({source.get("prefix", "") + key: value for key, value in data.items()})
    entries = list(container.get("env", ()))
    if pod.index is not None and all(entry["name"] != INDEX_VARIABLE for entry in entries):
        field = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
        entries.append({"name": INDEX_VARIABLE, "valueFrom": field})
    for entry in entries:
        if "valueFrom" not in entry:
            variables[entry["name"]] = expand(entry.get("value", ""), variables)
            continue
        value = _value(entry, metadata, pod, cluster)
        if value is not None:
            variables[entry["name"]] = value
    return variables


def host_name(pod: Pod) -> str:
    """Of an indexed Job's pod it is the Job's name with the index (Kubernetes documentation, Completion mode)."""
    return pod.name.rpartition("-")[0] if pod.index is not None else pod.name


def _value(entry: Mapping[str, Any], metadata: Mapping[str, Any], pod: Pod, cluster: Cluster) -> str | None:
    """None where an optional key is missing."""
    origin = entry["valueFrom"]
    what = f"variable {entry['name']}"
    if "fieldRef" in origin:
        return _field(origin["fieldRef"]["fieldPath"], what, metadata, pod, cluster)
    kind, sources = _source(origin, cluster, "configMapKeyRef", "secretKeyRef")
    reference = origin[kind]
    data = _data(reference, sources, what)
    if reference["key"] not in data and not reference.get("optional", False):
        raise ManifestError(f"{what}: {reference['name']} has no key {reference['key']!r}, only {', '.join(data)}")
    return data.get(reference["key"])


def _field(path: str, what: str, metadata: Mapping[str, Any], pod: Pod, cluster: Cluster) -> str:
    plain = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": f"uid-of-{pod.name}",
        "spec.nodeName": cluster.node_name,
    }
    if path in plain:
        return plain[path]
    keyed = _KEYED_FIELD.fullmatch(path)
    if keyed is None:
        raise ManifestError(f"{what}: the field {path} is not emulated")
    entries = dict(metadata.get(keyed[1], {}))
    if pod.index is not None:  # both an annotation and a label
        entries[COMPLETION_INDEX] = str(pod.index)
    return entries.get(keyed[2], "")  # a missing annotation or label is an empty text


def _source(
    origin: Mapping[str, Any], cluster: Cluster, config_map: str, secret: str
) -> tuple[str, Mapping[str, Mapping[str, str]]]:
    if config_map in origin:
        return config_map, cluster.config_maps
    if secret in origin:
        return secret, cluster.secrets
    raise ManifestError(f"an environment from {', '.join(origin)} is not emulated")


def _data(reference: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]], what: str) -> Mapping[str, str]:
    if reference["name"] in sources:
        return sources[reference["name"]]
    if reference.get("optional", False):
        return {}
    raise ManifestError(f"{what}: there is no {reference['name']!r}, only {', '.join(sources) or 'nothing'}")
