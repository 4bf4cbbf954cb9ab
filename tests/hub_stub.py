"""The part of the Hugging Face Hub's HTTP API that an upload talks to, on this machine: it keeps what it is given."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_stubsecretstubsecretstubsecret"
LARGE = (".mp4", ".parquet")


@dataclass
class Repo:
    """files: of the branch main. commits: their messages; a commit's id is its position, from 1. uploads: how often
    each path was in a commit."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    uploads: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return f"{len(self.commits):040x}"


@dataclass
class Hub:
    """refusals: pattern of "METHOD /path" to status and what is said. tagged_files: at the time of each tag."""

    endpoint: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    tagged_files: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Refused(Exception):
    def __init__(self, status: int, said: str, code: str = "") -> None:
        super().__init__(said)
        self.status, self.said, self.code = status, said, code


def _create(hub: Hub, body: bytes) -> dict[str, Any]:
    asked = json.loads(body)
    assert asked["type"] == "dataset"
    name = f"{asked['organization']}/{asked['name']}"
    url = f"{hub.endpoint}/datasets/{name}"
    if name in hub.repos:
        raise _Refused(409, "You already created this dataset repo")
    hub.repos[name] = Repo(private=asked.get("private") is True or asked.get("visibility") == "private")
    return {"url": url, "name": name, "id": name}


def _commit(hub: Hub, repo: Repo, name: str, body: bytes) -> dict[str, Any]:
    message = ""
    for line in body.decode().splitlines():
        operation = json.loads(line)
        value = operation["value"]
        if operation["key"] == "header":
            message = value["summary"]
            continue
        path = value["path"]
        if operation["key"] == "deletedFile":
            del repo.files[path]
            continue
        repo.uploads[path] = repo.uploads.get(path, 0) + 1
        if operation["key"] == "lfsFile":
            repo.files[path] = hub.objects[value["oid"]]
        else:
            assert operation["key"] == "file"
            repo.files[path] = base64.b64decode(value["content"])
    repo.commits.append(message)
    url = f"{hub.endpoint}/datasets/{name}/commit/{repo.head}"
    return {"success": True, "commitOid": repo.head, "commitUrl": url}


def _batch(hub: Hub, body: bytes) -> dict[str, Any]:
    objects = []
    for asked in json.loads(body)["objects"]:
        found: dict[str, Any] = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in hub.objects:
            found["actions"] = {"upload": {"href": f"{hub.endpoint}/upload/{asked['oid']}", "header": {}}}
        objects.append(found)
    return {"transfer": "basic", "objects": objects}


def _preupload(repo: Repo, body: bytes) -> dict[str, Any]:
    files = [
        {
            "path": asked["path"],
            "uploadMode": "lfs" if asked["path"].endswith(LARGE) else "regular",
            "shouldIgnore": False,
            "oid": _oid(asked["path"], repo.files.get(asked["path"])),
        }
        for asked in json.loads(body)["files"]
    ]
    return {"files": files}


def _oid(path: str, content: bytes | None) -> str | None:
    """As git has it; of a large file the digest that git-lfs names it by."""
    if content is None:
        return None
    if path.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _answer(hub: Hub, method: str, path: str, body: bytes) -> Any:
    if (method, path) == ("POST", "/api/repos/create"):
        return _create(hub, body)
    if (method, path) == ("POST", "/api/validate-yaml"):
        return {"errors": [], "warnings": []}
    if method == "PUT" and path.startswith("/upload/"):
        oid = path.removeprefix("/upload/")
        assert hashlib.sha256(body).hexdigest() == oid
        hub.objects[oid] = body
        return {}
    if large := re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
        assert large[1] in hub.repos
        return _batch(hub, body)
    if not (asked := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/(\w+)(?:/(.+))?)?", path)):
        raise _Refused(404, f"the stub knows no {method} {path}")
    name, what, rest = asked.groups()
    if name not in hub.repos:
        raise _Refused(404, "Repository not found", "RepoNotFound")
    repo = hub.repos[name]
    if method == "GET" and what in (None, "revision"):
        return {"id": name, "private": repo.private, "sha": repo.head, "siblings": [], "tags": []}
    if (method, what) == ("GET", "tree"):
        return [
            {"type": "file", "path": path, "size": len(content), "oid": _oid("", content)}
            for path, content in repo.files.items()
        ]
    if (method, what) == ("POST", "preupload"):
        return _preupload(repo, body)
    if (method, what, rest) == ("POST", "commit", "main"):
        return _commit(hub, repo, name, body)
    if (method, what) == ("DELETE", "tag"):
        if rest not in repo.tags:
            raise _Refused(404, "Tag not found", "RevisionNotFound")
        del repo.tags[rest]
        return {}
    if (method, what) == ("POST", "tag"):
        tag = json.loads(body)["tag"]
        if tag in repo.tags:
            raise _Refused(409, "Tag reference exists already")
        repo.tags[tag] = rest
        hub.tagged_files = dict(repo.files)
        return {}
    raise _Refused(404, f"the stub knows no {method} {path}")


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _serve(self) -> None:
            body = self._body()
            path = unquote(urlsplit(self.path).path)
            request = f"{self.command} {path}"
            status, answer, code = 200, None, ""
            with hub.lock:
                hub.requests.append(request)
                try:
                    self._admit(request, path)
                    answer = _answer(hub, self.command, path, body)
                except _Refused as refused:
                    status, code = refused.status, refused.code
                    answer = {"error": refused.said}
                    if path == "/api/repos/create" and status == 409:
                        asked = json.loads(body)
                        answer["url"] = f"{hub.endpoint}/datasets/{asked['organization']}/{asked['name']}"
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if code:
                self.send_header("X-Error-Code", code)
            if status >= 400:
                self.send_header("X-Error-Message", answer["error"])
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _admit(self, request: str, path: str) -> None:
            for pattern, (status, said) in hub.refusals.items():
                if re.fullmatch(pattern, request):
                    raise _Refused(status, said)
            if not path.startswith("/upload/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise _Refused(401, "Invalid username or password.")

        do_GET = do_POST = do_PUT = do_DELETE = _serve

    return Handler


@contextmanager
def hub_stub() -> Iterator[Hub]:
    hub = Hub()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub)) as server:
        server.daemon_threads = True
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
