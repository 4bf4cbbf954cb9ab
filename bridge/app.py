"""The WSGI application: routes over the ports of the simulator process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Flask
from flask_smorest import Api

from bridge.access_log import install_access_log
from bridge.backend import Backend
from bridge.body import MAX_BODY_BYTES
from bridge.config import BridgeConfig
from bridge.live import Live
from bridge.metrics import Metrics
from bridge.problems import install_problems
from bridge.routes.cameras import cameras_blueprint
from bridge.routes.collect import collect_blueprint
from bridge.routes.dashboard import AT_FOLDER, dashboard_blueprint
from bridge.routes.datasets import DATASET_CONVERTERS, datasets_blueprint
from bridge.routes.health import health_blueprint
from bridge.routes.session import session_blueprint
from bridge.routes.sim import sim_blueprint
from bridge.security import COOKIE, Guard
from sim_service.ports import Ports

PREFIX: Final = "/v1/sim/bridge"
PROBES: Final = frozenset({"health.healthz", "health.readyz"})
PUBLIC: Final = PROBES | {
    "session.session",
    "session.begin",
    "session.end",
    "dashboard.index",
    "dashboard.static",
    "dashboard.openapi_json",
}
WATCHING: Final = frozenset({"session.begin", "cameras.whep"})
POLLED: Final = PROBES | {"collect.status", "collect.job", "health.exposition"}
_BACKEND: Final = "isaac_collect_bridge"


def create_app(ports: Ports, live: Live, config: BridgeConfig) -> Flask:
    backend = Backend(ports, live, config)
    app = Flask("bridge", static_folder=None, template_folder=None)
    app.extensions[_BACKEND] = backend
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1  # one more shows a body that is too large
    app.url_map.merge_slashes = False
    app.url_map.converters.update(DATASET_CONVERTERS)
    metrics = Metrics(backend)
    guard = Guard(config, backend.read_only, PUBLIC, PROBES, WATCHING)
    metrics.install(app)
    install_access_log(app, POLLED)
    guard.install(app)
    api = _api(app, config)
    for blueprint in (
        collect_blueprint(backend),
        sim_blueprint(backend),
        datasets_blueprint(backend),
        cameras_blueprint(backend),
        health_blueprint(backend, metrics),
        session_blueprint(guard),
    ):
        api.register_blueprint(blueprint)
    app.register_blueprint(dashboard_blueprint(json.dumps(api.spec.to_dict()).encode()))
    install_problems(app)
    app.wsgi_app = _WithPrefix(app.wsgi_app, PREFIX)  # type: ignore[method-assign]  # Flask's documented way
    return app


def backend_of(app: Flask) -> Backend:
    """What the application was created over."""
    backend = app.extensions[_BACKEND]
    assert isinstance(backend, Backend)
    return backend


class _WithPrefix:
    """The same application under a second path, as if it were mounted there."""

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]], prefix: str) -> None:
        self._wsgi_app, self._prefix = wsgi_app, prefix

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(self._prefix) and path[len(self._prefix) :][:1] in ("", "/"):
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + self._prefix
            environ["PATH_INFO"] = path[len(self._prefix) :] or "/"
            environ[AT_FOLDER] = path != self._prefix
        return self._wsgi_app(environ, start_response)


def _api(app: Flask, config: BridgeConfig) -> Api:
    security: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}] if config.token is not None else []
    api = Api(
        app,
        spec_kwargs={
            "title": "isaac-collect bridge",
            "version": config.version,
            "openapi_version": "3.1.0",
            "servers": [{"url": "/"}, {"url": PREFIX}],
            "info": {"description": "Errors are application/problem+json (RFC 9457)."},
            "security": security,
        },
    )
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # ours are listed one by one
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    api.spec.components.security_scheme("cookie", {"type": "apiKey", "in": "cookie", "name": COOKIE})
    return api
