"""/healthz, /readyz and /metrics: for whoever runs the service."""

from __future__ import annotations

from flask import Response
from flask_smorest import Blueprint

from bridge.backend import Backend
from bridge.metrics import CONTENT_TYPE, Metrics
from bridge.routes.documentation import TEXT, route
from bridge.routes.responses import json_response
from bridge.schemas import HealthSchema, ReadinessSchema


def health_blueprint(backend: Backend, metrics: Metrics) -> Blueprint:
    blueprint = Blueprint("health", __name__, description="Liveness, readiness, metrics")

    @route(blueprint, "GET", "/healthz", 200, HealthSchema, public=True)
    def healthz() -> Response:
        """The process answers"""
        return json_response({"status": "ok"})

    @route(blueprint, "GET", "/readyz", 200, ReadinessSchema, problems=(503,), public=True)
    def readyz() -> Response:
        """The main loop turns, and there is a simulator"""
        backend.require_ready()
        return json_response({"status": "ready"})

    @route(blueprint, "GET", "/metrics", 200, TEXT, CONTENT_TYPE.partition(";")[0])
    def exposition() -> Response:
        """For Prometheus"""
        return Response(metrics.render(), content_type=CONTENT_TYPE)

    return blueprint
