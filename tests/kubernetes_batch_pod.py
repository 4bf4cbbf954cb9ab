"""What the API server and the kubelet refuse of a pod beyond its schema.

The rules of ValidatePodTemplateSpec (Kubernetes' pkg/apis/core/validation) that we know of, not all of them; for
references to ConfigMaps and claims, what makes a container wait for ever (CreateContainerConfigError, FailedMount).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kubernetes_batch_job import DNS_LABEL

Manifest = Mapping[str, Any]

ENVIRONMENT_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
REFERENCE: Final = re.compile(r"\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
UNITS: Final = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def pod_problems(
    template: Manifest,
    config_maps: Mapping[str, Mapping[str, str]],
    claims: Sequence[str],
    given: Sequence[str] = (),
) -> list[str]:
    """One line for each rule that the pod breaks. config_maps, claims: those that there are. given: variables that the
    cluster sets."""
    spec = template["spec"]
    labels = template.get("metadata", {}).get("labels", {})
    problems = [f"label {key}: {value!r} is no label value" for key, value in labels.items() if not _is_label(value)]
    volumes = spec.get("volumes", [])
    problems += _twice("volume", [each["name"] for each in volumes])
    for volume in volumes:
        sources = [key for key in volume if key != "name"]
        if len(sources) != 1:
            problems.append(f"volume {volume['name']} has {len(sources)} sources")
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            problems.append(f"volume {volume['name']}: there is no claim {claim}")
    init = spec.get("initContainers", [])
    containers = [*init, *spec["containers"]]
    problems += _twice("container", [each["name"] for each in containers])
    for container in containers:
        found = [*_mounts(container, [each["name"] for each in volumes]), *_probes(container, container in init)]
        found += [*_environment(container, config_maps, given), *_resources(container.get("resources", {}))]
        if not DNS_LABEL.fullmatch(container["name"]):
            found.append("its name is no DNS label")
        problems += [f"container {container['name']}: {problem}" for problem in found]
    return problems


def _is_label(value: object) -> bool:
    return isinstance(value, str) and LABEL_VALUE.fullmatch(value) is not None


def _twice(kind: str, names: Sequence[str]) -> list[str]:
    return [f"{kind} {name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]


def _mounts(container: Manifest, volumes: Sequence[str]) -> Iterator[str]:
    mounts = container.get("volumeMounts", [])
    yield from _twice("mount path", [each["mountPath"] for each in mounts])
    for mount in mounts:
        if mount["name"] not in volumes:
            yield f"there is no volume {mount['name']}"
        below = mount.get("subPath", "")
        if below.startswith("/") or ".." in below.split("/"):
            yield f"the sub-path {below} leaves the volume"


def _probes(container: Manifest, is_init: bool) -> Iterator[str]:
    for name in PROBES:
        probe = container.get(name)
        if probe is None:
            continue
        if is_init:
            yield f"an init container has no {name}"
        handlers = [handler for handler in HANDLERS if handler in probe]
        if len(handlers) != 1:
            yield f"{name} has {len(handlers)} handlers"
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield f"{name} must have successThreshold 1"
        grace_s = probe.get("terminationGracePeriodSeconds")
        if grace_s is not None and (name == "readinessProbe" or grace_s <= 0):
            yield f"{name} cannot have terminationGracePeriodSeconds {grace_s}"


def _environment(
    container: Manifest, config_maps: Mapping[str, Mapping[str, str]], given: Sequence[str]
) -> Iterator[str]:
    variables = set(given)
    for source in container.get("envFrom", ()):
        name = source["configMapRef"]["name"]
        if name not in config_maps:
            yield f"there is no ConfigMap {name}"
        variables.update(config_maps.get(name, ()))
    entries = container.get("env", [])
    yield from _twice("variable", [each["name"] for each in entries])
    for entry in entries:
        variables.add(entry["name"])
        origin = entry.get("valueFrom")
        if origin is None:
            continue
        if "value" in entry:
            yield f"variable {entry['name']} has value and valueFrom"
        if len(origin) != 1:
            yield f"variable {entry['name']} has {len(origin)} origins"
        reference = origin.get("configMapKeyRef")
        if reference is not None and reference["key"] not in config_maps.get(reference["name"], ()):
            yield f"variable {entry['name']}: there is no key {reference['key']} in {reference['name']}"
    yield from (f"{name!r} is no name of a variable" for name in variables if not ENVIRONMENT_NAME.fullmatch(name))
    for word in [*container.get("command", ()), *container.get("args", ())]:
        yield from (f"$({name}) is no variable: it stays as it is" for name in set(REFERENCE.findall(word)) - variables)


def _resources(resources: Manifest) -> Iterator[str]:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, request in requests.items():
        if name in limits and quantity(request) > quantity(limits[name]):
            yield f"it requests more {name} than its limit"
    for name in {*requests, *limits}:
        if "/" in name and requests.get(name, limits.get(name)) != limits.get(name):
            yield f"request and limit of {name} must be equal"


def quantity(text: object) -> float:
    """Of a resource: 1.5, 500m, 2Gi."""
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    assert found is not None, f"{text!r} is no quantity"
    return float(found[1]) * UNITS[found[2]]
