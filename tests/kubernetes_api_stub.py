"""A Kubernetes API on loopback for the real kubectl: it keeps objects, merges patches and records every request.

It checks that a body fits the path that it is sent to. It knows no schema, sets no defaults and runs nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

# path of the group's version: kind of each resource
RESOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "api/v1": {
        "configmaps": "ConfigMap",
        "persistentvolumeclaims": "PersistentVolumeClaim",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apis/apps/v1": {"deployments": "Deployment"},
    "apis/batch/v1": {"jobs": "Job"},
    "apis/networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
}
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
# What tells the items of a list apart when a strategic patch is merged; the first that each item has.
MERGE_KEYS: Final = ("containerPort", "port", "mountPath", "name")


@dataclass(frozen=True)
class Request:
    """Of a client, but for those that only read. query: of the address. body: None without one."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: Any


class ApiError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class KubernetesApi:
    """Serves while entered. objects: what it keeps, by path. requests: those that would change something, in order.

    kubectl leaves its cache below `home`, and finds no configuration but the address of this server.
    """

    def __init__(self, home: Path) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._home = home
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> KubernetesApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Raises AssertionError with what kubectl said where it fails and `check` is set."""
        done = subprocess.run(
            ["kubectl", f"--server={self.url}", "--namespace=lab", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), "KUBECONFIG": os.devnull},
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if request.method != "GET":
                self.requests.append(request)
            try:
                return self._answer(request)
            except ApiError as error:
                return error.code, _status(error.code, error.reason, str(error))

    def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        path = request.path.strip("/")
        if (found := _discovery(path)) is not None:
            return 200, found
        version = next((each for each in RESOURCES if path.startswith(f"{each}/namespaces/")), None)
        words = path.removeprefix(f"{version}/namespaces/").split("/")
        if version is None or not 2 <= len(words) <= 4 or words[1] not in RESOURCES[version]:
            raise ApiError(404, "NotFound", f"the server could not find {request.path}")
        kind = RESOURCES[version][words[1]]
        if len(words) == 2:
            return self._of_collection(request, path, kind, words[0])
        return self._of_object(request, "/".join(path.split("/")[: len(version.split("/")) + 4]), words[3:])

    def _of_collection(self, request: Request, path: str, kind: str, namespace: str) -> tuple[int, dict[str, Any]]:
        version = path.partition("/namespaces/")[0].partition("/")[2]
        if request.method == "GET":
            items = [each for at, each in self.objects.items() if at.rpartition("/")[0] == path]
            chosen = [each for each in items if _selected(each, request.query)]
            return 200, {"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": chosen}
        if request.method != "POST":
            raise ApiError(405, "MethodNotAllowed", f"{request.method} {request.path}")
        if request.body is None:
            raise ApiError(415, "UnsupportedMediaType", f"{request.content_type} is not read here")
        body = deepcopy(request.body)
        if (body["apiVersion"], body["kind"]) != (version, kind):
            raise ApiError(400, "BadRequest", f"{body['apiVersion']} {body['kind']} was sent to {request.path}")
        if body["metadata"].get("namespace", namespace) != namespace:
            raise ApiError(400, "BadRequest", f"namespace {body['metadata']['namespace']} was sent to {request.path}")
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            raise ApiError(409, "AlreadyExists", f"{at} exists")
        body["metadata"] |= {"namespace": namespace, "uid": f"uid-{len(self.requests)}", "resourceVersion": "1"}
        self.objects[at] = body
        return 201, body

    def _of_object(self, request: Request, at: str, subresource: list[str]) -> tuple[int, dict[str, Any]]:
        if at not in self.objects:
            raise ApiError(404, "NotFound", f"{at} is not there")
        if subresource not in ([], ["scale"]):
            raise ApiError(404, "NotFound", f"the server could not find {request.path}")
        if request.method == "DELETE" and not subresource:
            gone = self.objects.pop(at)
            return 200, _status(200, "", "", uid=gone["metadata"]["uid"], name=gone["metadata"]["name"])
        if request.method == "PATCH":
            if request.content_type not in (MERGE, STRATEGIC):
                raise ApiError(415, "UnsupportedMediaType", f"{request.content_type} is not merged here")
            self.objects[at] = merged(self.objects[at], request.body, request.content_type == STRATEGIC)
        elif request.method != "GET":
            raise ApiError(405, "MethodNotAllowed", f"{request.method} {request.path}")
        return 200, _scale(self.objects[at]) if subresource else self.objects[at]


def merged(target: Any, patch: Any, strategic: bool) -> Any:
    """By RFC 7396; a strategic patch also merges the lists whose items have a key, and has directives."""
    if strategic and isinstance(target, list) and isinstance(patch, list):
        return _merged_list(target, patch)
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    directives = {key: value for key, value in patch.items() if strategic and key.startswith("$")}
    for key, value in patch.items():
        if key in directives:
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value, strategic)
    if "$retainKeys" in directives:
        result = {key: value for key, value in result.items() if key in directives["$retainKeys"]}
    for directive, order in directives.items():
        name = directive.removeprefix("$setElementOrder/")
        if name in result:
            result[name] = _ordered(result[name], order)
    return result


def _merged_list(target: list[Any], patch: list[Any]) -> list[Any]:
    key = _key(target + patch)
    if key is None:
        return patch
    by_key = {each[key]: each for each in target}
    for each in patch:
        if each.get("$patch") == "delete":
            by_key.pop(each[key], None)
        else:
            by_key[each[key]] = merged(by_key.get(each[key]), each, True)
    return list(by_key.values())


def _ordered(items: list[Any], order: list[Any]) -> list[Any]:
    """Those that the order does not name come last."""
    key = _key(order)
    if key is None:
        return items
    rank = {each[key]: n for n, each in enumerate(order)}
    return sorted(items, key=lambda each: rank.get(each[key], len(rank)))


def _key(items: list[Any]) -> str | None:
    return next((k for k in MERGE_KEYS if all(isinstance(each, dict) and k in each for each in items)), None)


def _selected(item: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    terms = [term for term in query.get("labelSelector", "").split(",") if term]
    labels = item["metadata"].get("labels", {})
    named = query.get("fieldSelector", f"metadata.name={item['metadata']['name']}")
    return named == f"metadata.name={item['metadata']['name']}" and all(
        labels.get(key) == value for key, _, value in (term.replace("==", "=").partition("=") for term in terms)
    )


def _discovery(path: str) -> dict[str, Any] | None:
    """What kubectl asks to find out where a kind lives; None for another path."""
    if path == "api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "apis":
        groups = [version.split("/")[1:] for version in RESOURCES if version != "api/v1"]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in groups]}
    if path not in RESOURCES:
        return None
    resources = [_resource(name, kind) for name, kind in RESOURCES[path].items()]
    if "deployments" in RESOURCES[path]:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        resources.append({**_resource("deployments/scale", "Scale"), **scale})
    return {"kind": "APIResourceList", "groupVersion": path.partition("/")[2], "resources": resources}


def _group(name: str, version: str) -> dict[str, Any]:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _resource(name: str, kind: str) -> dict[str, Any]:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    return {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}


def _scale(deployment: Mapping[str, Any]) -> dict[str, Any]:
    replicas = deployment["spec"]["replicas"]
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {key: deployment["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas},
    }


def _status(code: int, reason: str, message: str, **details: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Success" if code < 400 else "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


class _Handler(BaseHTTPRequestHandler):
    api: KubernetesApi
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        content_type = self.headers.get("Content-Type", "").partition(";")[0]
        body = json.loads(data) if data and "protobuf" not in content_type else None
        code, answer = self.api.answer(Request(self.command, address.path, query, content_type, body))
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the requests are kept."""
