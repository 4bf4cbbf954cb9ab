"""What Prometheus is told: totals of the simulator process, and how long requests take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, get_args

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.backend import Backend
from sim_service.ports import ServiceState

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PREFIX: Final = "isaac_collect_"
_LATENCY_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_STARTED_AT: Final = "bridge.metrics_started_at"


class Metrics(Collector):
    """Has a registry of its own: two applications in one process do not meet."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._latency = Histogram(
            f"{PREFIX}http_request_duration_seconds",
            "From a request to the first byte of its answer",
            ["route", "method", "status"],
            buckets=_LATENCY_BUCKETS_S,
            registry=self._registry,
        )

    def install(self, app: Flask) -> None:
        """Measure the requests of the application."""

        def begin() -> None:
            request.environ[_STARTED_AT] = time.perf_counter()

        def end(response: Response) -> Response:
            now = time.perf_counter()
            route = request.url_rule.rule if request.url_rule is not None else "unmatched"
            method = request.method if request.url_rule is not None else "any"
            labels = self._latency.labels(route, method, str(response.status_code))
            labels.observe(now - request.environ.get(_STARTED_AT, now))
            return response

        app.before_request(begin)
        app.after_request(end)

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        backend = self._backend
        status = backend.status
        counters = status.counters
        yield _counter("frames", "Frames recorded", counters.frames)
        yield _counter("ticks", "Control ticks of collections", counters.ticks)
        yield _counter("tick_seconds", "Time spent in those ticks", counters.tick_seconds)
        episodes = CounterMetricFamily(f"{PREFIX}episodes", "Attempts by outcome", labels=["outcome"])
        for outcome, count in counters.episodes.items():
            episodes.add_metric([outcome], count)
        yield episodes
        jobs = CounterMetricFamily(f"{PREFIX}jobs", "Jobs by final state", labels=["state"])
        for job_state, count in counters.jobs.items():
            jobs.add_metric([job_state], count)
        yield jobs
        states = GaugeMetricFamily(f"{PREFIX}service_state", "1 for the state that holds", labels=["state"])
        for state in get_args(ServiceState):
            states.add_metric([state], float(state == status.state))
        yield states
        depth = backend.commands.depth if backend.commands is not None else 0
        yield _gauge("command_queue_depth", "Commands that wait", depth)
        yield _gauge("heartbeat_age_seconds", "Time since the main loop turned", backend.heartbeat_age_s())
        yield _gauge("viewers", "Who watches the cameras, snapshots and recordings included", backend.frames.viewers)
        yield _gauge("webrtc_sessions", "Open WebRTC sessions", backend.live.viewers)
        yield _gauge("streams", "Open event and MJPEG streams", backend.streams.used)
        yield _gauge("waiting_requests", "Requests that wait for the main loop or a picture", backend.waits.used)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, value=value)
