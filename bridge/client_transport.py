"""HTTP for the client: time limits, retries, the token, and every failure as a BridgeError."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from bridge.client_errors import (
    BadArgumentError,
    BadReplyError,
    BridgeError,
    ProblemError,
    UnreachableError,
    problem_from,
)

PAUSES_S: Final = (0.3, 1.0)  # before the second and the third try
MAX_RETRY_AFTER_S: Final = 5.0  # a server that asks for more patience gets none: its caller learns of it at once
AWAY_STATUSES: Final = (502, 503, 504)

QueryValue = str | int


class _Token(AuthBase):
    """Shows the token, and keeps requests from showing credentials out of ~/.netrc instead. None: shows nothing."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """Calls below one base URL. It follows no redirect, so the token goes nowhere else. For one thread at a time.

    timeout_s: for connecting, and for every wait for more of the reply. Raises BadArgumentError for a URL or token
    that cannot be used.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        self.url = _base_url(url)
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._adapter = HTTPAdapter()
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)
        self._session.auth = _Token(_checked_token(token))

    def close(self) -> None:
        # urllib3 2 leaves connections to the garbage collector, and errors' tracebacks keep them from it.
        pools = self._adapter.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118  (not a mapping that can be iterated over)
            pools[key].close()
        self._session.close()

    def where(self, method: str, path: str) -> str:
        return f"{method} {self.url}{path}"

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, QueryValue] | None = None,
        repeatable: bool,
    ) -> bytes:
        """The body of a reply that reports success. repeatable: doing it twice is as doing it once, so it is tried up
        to three times. Raises UnreachableError, ProblemError and BadReplyError."""
        for pause_s in (*(PAUSES_S if repeatable else ()), None):
            try:
                with self._send(method, path, body, headers, query, self._timeout_s) as response:
                    content, error = response.content, self._failure(response, method, path)
            except requests.RequestException as failure:
                content, error = b"", self._unreachable(method, path, failure)
            if error is None:
                return content
            wait_s = getattr(error, "retry_after_s", None) or 0.0
            if pause_s is None or not is_away(error) or wait_s > MAX_RETRY_AFTER_S:
                raise error
            time.sleep(max(pause_s, wait_s))
        raise AssertionError("the last try returns or raises")

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON object of the reply; options as of `call`."""
        content = self.call(method, path, **options)
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise BadReplyError(
                f"{self.where(method, path)} was answered with {_excerpt(content)}, expected a JSON object; "
                "is this the URL of isaac-collect?"
            )
        return value

    def open_stream(self, path: str, headers: Mapping[str, str], silence_s: float) -> requests.Response:
        """A reply whose body is still to come, to be closed by the caller. silence_s: how long it may send nothing.
        One try; raises as `call` does."""
        try:
            response = self._send("GET", path, None, headers, None, silence_s, stream=True)
        except requests.RequestException as failure:
            raise self._unreachable("GET", path, failure) from None
        try:
            error = self._failure(response, "GET", path)
        except requests.RequestException as failure:
            error = self._unreachable("GET", path, failure)
        if error is not None:
            response.close()
            raise error
        return response

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, QueryValue] | None,
        read_s: float,
        *,
        stream: bool = False,
    ) -> requests.Response:
        return self._session.request(
            method,
            self.url + path,
            params=query,
            json=body,
            headers=headers,
            timeout=(self._timeout_s, read_s),
            allow_redirects=False,
            stream=stream,
        )

    def _failure(self, response: requests.Response, method: str, path: str) -> BridgeError | None:
        """What the reply reports, None for success."""
        status = response.status_code
        if 200 <= status < 300:
            return None
        if status < 400:
            target = response.headers.get("Location", "nowhere")
            return BadReplyError(
                f"{self.where(method, path)} was redirected to {target} ({status}); redirects are not followed: "
                "give the URL that it leads to"
            )
        retry_after = response.headers.get("Retry-After", "")
        retry_after_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        if not isinstance(body, dict) or "type" not in body:
            detail = f"{self.where(method, path)}: {status} {response.reason} with {_excerpt(response.content)}"
            body = {"title": str(response.reason), "detail": f"{detail}, no answer of isaac-collect's"}
        return problem_from(status, body, retry_after_s)

    def _unreachable(self, method: str, path: str, failure: requests.RequestException) -> UnreachableError:
        if isinstance(failure, requests.Timeout):
            return UnreachableError(f"{self.where(method, path)}: no answer within {self._timeout_s:g} s")
        return UnreachableError(f"{self.where(method, path)}: {root_cause(failure)}")


def is_away(error: BridgeError) -> bool:
    """Whether it may go away by itself: nobody there, or not ready yet."""
    return isinstance(error, UnreachableError) or (isinstance(error, ProblemError) and error.status in AWAY_STATUSES)


def root_cause(failure: BaseException) -> str:
    """What happened, without what requests and urllib3 wrapped around it."""
    while True:
        wrapped = (failure.__cause__, getattr(failure, "reason", None), *failure.args)
        inner = next((part for part in wrapped if isinstance(part, BaseException)), None)
        if inner is None:
            return str(failure) or type(failure).__name__
        failure = inner


def _base_url(url: str) -> str:
    if "@" in url:  # not repeated in the message: what stands there may be a password
        raise BadArgumentError("a user name in the URL is not supported; give the token as the token")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise BadArgumentError(f"{url!r} is no address of a service; it looks like http://127.0.0.1:8600")
    return url.rstrip("/")


def _checked_token(token: str | None) -> str | None:
    """Never part of a message."""
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise BadArgumentError(
            "the token must be printable ASCII without spaces; this one is not (a line break at its end?)"
        )
    return token


def _excerpt(content: bytes) -> str:
    if not content:
        return "nothing"
    return f"{len(content)} bytes ({content[:60].decode(errors='replace')!r} ...)"
