"""Who may call: the token and its cookie, the names that we answer to, the pages that may call, what browsers are told.

A page elsewhere must not drive the simulator through the browser of someone who can reach it. Hence the check of Host
(a foreign name may have been pointed at our address) and of Origin (sent with every call that changes something).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request
from itsdangerous import BadSignature, TimestampSigner
from werkzeug.datastructures import Headers

from bridge.config import BridgeConfig
from bridge.problems import Problem

COOKIE: Final = "isaac_collect_session"
COOKIE_AGE_S: Final = 12 * 3600
PREFLIGHT_AGE_S: Final = 600
NO_BROWSING: Final = "default-src 'none'; frame-ancestors 'none'"
_SESSION: Final = b"session"
_CORS_METHODS: Final = "GET, HEAD, POST, DELETE, OPTIONS"
_CORS_REQUEST_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Range"
_CORS_RESPONSE_HEADERS: Final = "Location, Retry-After, ETag, Content-Range"
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Guard:
    """public: endpoints without a token. unnamed: endpoints of probes, which may use any Host. watching: endpoints that
    are POSTed to and change nothing."""

    def __init__(
        self,
        config: BridgeConfig,
        read_only: bool,
        public: frozenset[str],
        unnamed: frozenset[str],
        watching: frozenset[str],
    ) -> None:
        self._token = config.token.encode() if config.token is not None else None
        self._hosts = frozenset(host.lower() for host in config.allowed_hosts)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in config.cors_origins)
        self._read_only, self._public, self._unnamed, self._watching = read_only, public, unnamed, watching
        self._is_ours = lru_cache(maxsize=64)(self._is_our_host)
        key = hashlib.sha256(b"isaac-collect session key\0" + (self._token or b"")).digest()
        self._signer = TimestampSigner(key, salt=COOKIE.encode(), digest_method=hashlib.sha256)

    @property
    def token_required(self) -> bool:
        return self._token is not None

    @property
    def read_only(self) -> bool:
        return self._read_only

    def install(self, app: Flask) -> None:
        app.before_request(self._check)
        app.after_request(self._finish)

    def is_token(self, token: str) -> bool:
        return self._token is None or hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def authenticated(self) -> bool:
        """Whether the request at hand shows the token or a cookie that was had for it."""
        if self._token is None:
            return True
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        # WSGI hands headers over as Latin-1
        if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode("latin-1", "replace"), self._token):
            return True
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            return False
        try:
            return self._signer.unsign(cookie, max_age=COOKIE_AGE_S) == _SESSION
        except BadSignature:
            return False

    def give_cookie(self, response: Response) -> None:
        value = self._signer.sign(_SESSION).decode("ascii")
        response.set_cookie(COOKIE, value, max_age=COOKIE_AGE_S, path="/", httponly=True, samesite="Strict")

    def take_cookie(self, response: Response) -> None:
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")

    def _check(self) -> None:
        endpoint, method = request.endpoint, request.method
        host = request.environ.get("HTTP_HOST", "")
        if endpoint not in self._unnamed and not self._is_ours(host):
            raise Problem(
                403, "host-refused", f"addressed as {host!r}; allowed are IP addresses, localhost and {self._named()}"
            )
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is not None and not (self._is_foreign_page(origin) or _is_same_origin(origin, host)):
            raise Problem(403, "origin-refused", f"pages of {origin!r} may not call; see the allowed CORS origins")
        if method == "OPTIONS":
            return
        if endpoint not in self._public and not self.authenticated():
            raise Problem(
                401,
                "unauthorized",
                "show the token as Authorization: Bearer, or exchange it for a cookie at POST /session",
                headers={"WWW-Authenticate": 'Bearer realm="isaac-collect"'},
            )
        if self._read_only and method == "POST" and endpoint not in self._watching:
            raise Problem(403, "read-only", "this page is for watching; it takes no commands")

    def _finish(self, response: Response) -> Response:
        headers = response.headers
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers.setdefault("Content-Security-Policy", NO_BROWSING)
        headers.setdefault("Cache-Control", "no-store")
        if self._origins:
            headers.add("Vary", "Origin")
            origin = request.environ.get("HTTP_ORIGIN")
            if origin is not None and self._is_foreign_page(origin):
                self._allow(origin, headers)
        return response

    def _allow(self, origin: str, headers: Headers) -> None:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _CORS_RESPONSE_HEADERS
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.environ:
            headers["Access-Control-Allow-Methods"] = _CORS_METHODS
            headers["Access-Control-Allow-Headers"] = _CORS_REQUEST_HEADERS
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_AGE_S)

    def _is_foreign_page(self, origin: str) -> bool:
        return origin.lower() in self._origins

    def _is_our_host(self, host: str) -> bool:
        name = _name_of(host)
        if name == "localhost" or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _named(self) -> str:
        return ", ".join(sorted(self._hosts)) or "no other name"


def is_loopback(host: str) -> bool:
    """Whether what listens there can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """The host without its port and brackets, in lower case."""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        name = name if bracket else ""
    else:
        name, colon, port = host.partition(":")
        rest = colon + port
    return name.lower() if not rest or (rest[0] == ":" and (rest[1:].isdecimal() or not rest[1:])) else ""


def _is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of that origin came from us. The scheme is not compared: a proxy may have ended TLS."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default_port = _DEFAULT_PORTS.get(parts.scheme)
    if default_port is None or not parts.netloc:
        return False
    return parts.netloc.lower().removesuffix(default_port) == host.lower().removesuffix(default_port)
