"""The Kubernetes objects of one instance of the service, as plain dicts: its Service and its Deployment.

With the defaults they are those of k8s/overlays/mujoco/interactive, with a GPU those of k8s/overlays/isaac/interactive,
with a stream those of the component k8s/components/nvidia-stream on top. The comments are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sim_service.isaac_sim.livestream import MEDIA_PORT, SIGNAL_PORT
from sim_service.page_config import DEFAULT_PORT

_CONTAINER: Final = "isaac-collect"

# mountPath, subPath
_CACHES: Final = (
    ("/isaac-sim/kit/cache", "kit"),
    ("/root/.cache/ov", "ov"),
    ("/root/.cache/nvidia/GLCache", "glcache"),
    ("/root/.nv/ComputeCache", "computecache"),
    ("/root/.nvidia-omniverse/logs", "logs"),
    ("/root/.local/share/ov/data", "data"),
    ("/isaac-sim/.cache", "main"),
    ("/isaac-sim/.nv/ComputeCache", "computecache"),
    ("/isaac-sim/.nvidia-omniverse/logs", "logs"),
    ("/isaac-sim/.nvidia-omniverse/config", "config"),
    ("/isaac-sim/.local/share/ov/data", "data"),
    ("/isaac-sim/.local/share/ov/pkg", "pkg"),
)


@dataclass(frozen=True)
class StreamPorts:
    """Of NVIDIA's own stream, on the host's network. signal: TCP. media: UDP."""

    signal: int = SIGNAL_PORT
    media: int = MEDIA_PORT


@dataclass(frozen=True)
class Instance:
    """name: of the Deployment and the Service. port: of the page and the API, in the pod and of the Service. gpus: 0 is
    the embedded simulator, more are Isaac Sim. image: None is isaac-collect:mujoco or isaac-collect:isaac.
    data_claim: a PersistentVolumeClaim, None is NAME-data; a service shares its data root with no other one.
    token_secret: a Secret with the key `token`. namespace: None leaves it to whoever applies. stream: NVIDIA's own,
    None without."""

    name: str = "isaac-collect"
    port: int = DEFAULT_PORT
    gpus: int = 0
    image: str | None = None
    data_claim: str | None = None
    token_secret: str = "isaac-collect-token"
    namespace: str | None = None
    stream: StreamPorts | None = None


def instance_manifests(instance: Instance) -> list[dict[str, Any]]:
    """A Service and a Deployment, new dicts at every call. The instance is not checked."""
    return [_service(instance), _deployment(instance)]


def _labels(instance: Instance) -> dict[str, Any]:
    return {
        "app.kubernetes.io/name": "isaac-collect",
        "app.kubernetes.io/instance": instance.name,
        "app.kubernetes.io/component": "interactive",
    }


def _metadata(instance: Instance) -> dict[str, Any]:
    namespace = {} if instance.namespace is None else {"namespace": instance.namespace}
    return {"name": instance.name, **namespace, "labels": _labels(instance)}


def _service(instance: Instance) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(instance),
        "spec": {
            "selector": _labels(instance),
            "publishNotReadyAddresses": True,
            "ports": [{"name": "http", "port": instance.port, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _deployment(instance: Instance) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(instance),
        "spec": {
            "replicas": 1,
            **({"progressDeadlineSeconds": 1800} if instance.gpus else {}),
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _labels(instance)},
            "template": {"metadata": {"labels": _labels(instance)}, "spec": _pod(instance)},
        },
    }


def _pod(instance: Instance) -> dict[str, Any]:
    user = {"fsGroup": 1234} if instance.gpus else _user(1000)
    return {
        **({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"} if instance.stream else {}),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120,
        "securityContext": {
            **user,
            "seccompProfile": {"type": "RuntimeDefault"},
            "fsGroupChangePolicy": "OnRootMismatch",
        },
        **({"tolerations": [_gpu_toleration()]} if instance.gpus else {}),
        "containers": [_container(instance)],
        "volumes": [
            _scratch("cache", "30Gi") if instance.gpus else _scratch("tmp", "1Gi"),
            {"name": "data", "persistentVolumeClaim": {"claimName": instance.data_claim or f"{instance.name}-data"}},
        ],
    }


def _container(instance: Instance) -> dict[str, Any]:
    isaac = instance.gpus > 0
    return {
        "name": _CONTAINER,
        "image": instance.image or f"isaac-collect:{'isaac' if isaac else 'mujoco'}",
        "args": ["serve"],
        "env": _environment(instance),
        "ports": _ports(instance),
        "startupProbe": _probe("/readyz", 10, 5, 180) if isaac else _probe("/readyz", 5, 5, 60),
        "readinessProbe": _probe("/readyz", 5, 5, 3),
        "livenessProbe": _probe("/healthz", 10, 10, 30 if isaac else 6),
        "resources": _isaac_resources(instance.gpus) if isaac else _mujoco_resources(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            **({} if isaac else {"readOnlyRootFilesystem": True}),
            "capabilities": {**({"add": ["DAC_OVERRIDE"]} if isaac else {}), "drop": ["ALL"]},
        },
        "volumeMounts": [
            *(_cache_mounts() if isaac else [{"name": "tmp", "mountPath": "/tmp"}]),
            {"name": "data", "mountPath": "/data/datasets"},
        ],
    }


def _environment(instance: Instance) -> list[dict[str, Any]]:
    """In an order in which $(NAME) stands after NAME."""
    name, values = instance.name, []
    if instance.stream is not None:
        values += [
            _value("LIVESTREAM", "2"),
            _value("LIVESTREAM_PORT", str(instance.stream.signal)),
            _value("LIVESTREAM_MEDIA_PORT", str(instance.stream.media)),
        ]
    if instance.gpus:
        values.append(_value_from("ACCEPT_EULA", configMapKeyRef={"name": "isaac-sim-licence", "key": "ACCEPT_EULA"}))
    within = f"{name}.$(POD_NAMESPACE)"
    return [
        *values,
        _value_from("POD_NAMESPACE", fieldRef={"fieldPath": "metadata.namespace"}),
        _value("ISAAC_COLLECT_HOST", "0.0.0.0"),
        _value("ISAAC_COLLECT_PORT", str(instance.port)),
        _value("ISAAC_COLLECT_ALLOW_HOST", f"{name},{within},{within}.svc,{within}.svc.cluster.local"),
        _value_from("ISAAC_COLLECT_TOKEN", secretKeyRef={"name": instance.token_secret, "key": "token"}),
        _value("ISAAC_COLLECT_URL", "http://127.0.0.1:$(ISAAC_COLLECT_PORT)"),
        _value("ISAAC_COLLECT_DATA_ROOT", "/data/datasets"),
        _value("ISAAC_COLLECT_GRACE_PERIOD", "60"),
    ]


def _ports(instance: Instance) -> list[dict[str, Any]]:
    http = {"name": "http", "containerPort": instance.port, "protocol": "TCP"}
    if instance.stream is None:
        return [http]
    return [
        {"name": "stream", "containerPort": instance.stream.signal, "protocol": "TCP"},
        {"name": "stream-media", "containerPort": instance.stream.media, "protocol": "UDP"},
        http,
    ]


def _mujoco_resources() -> dict[str, Any]:
    return {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}


def _isaac_resources(gpus: int) -> dict[str, Any]:
    gpu = {"nvidia.com/gpu": str(gpus)}
    return {"requests": {"cpu": "4", "memory": "16Gi", **gpu}, "limits": {"memory": "32Gi", **gpu}}


def _cache_mounts() -> list[dict[str, Any]]:
    return [{"name": "cache", "mountPath": path, "subPath": folder} for path, folder in _CACHES]


def _user(uid: int) -> dict[str, Any]:
    return {"runAsNonRoot": True, "runAsUser": uid, "runAsGroup": uid, "fsGroup": uid}


def _gpu_toleration() -> dict[str, Any]:
    return {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def _scratch(name: str, size: str) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def _probe(path: str, period_s: int, timeout_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }


def _value(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


def _value_from(name: str, **source: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "valueFrom": source}
