"""/collect: begin, watch and end collections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response, request
from flask_smorest import Blueprint

from bridge import messages
from bridge.backend import Backend, root_path
from bridge.body import read_json
from bridge.events import event_stream
from bridge.problems import Problem
from bridge.rendering import job_json
from bridge.routes.documentation import EVENTS, OF_BODIES, header, json_body, query_integer, route
from bridge.routes.responses import json_response
from bridge.schemas import JobListSchema, JobSchema, StartRequestSchema, StatusSchema, StopRequestSchema
from bridge.stream_response import stream
from sim_service.commands import StartCollection

EVENT_STREAM = "text/event-stream"


def collect_blueprint(backend: Backend) -> Blueprint:
    blueprint = Blueprint("collect", __name__, url_prefix="/collect", description="Collections of demonstrations")
    config = backend.config

    @route(
        blueprint,
        "POST",
        "/start",
        202,
        JobSchema,
        headers={"Location": "Path of the job"},
        problems=(*OF_BODIES, 409, 422, 503, 507),
        parameters=[
            header(
                "Idempotency-Key",
                "The same key with the same request gets the job that it began",
                minLength=1,
                maxLength=messages.MAX_KEY_CHARACTERS,
                pattern="^[!-~]+$",
            )
        ],
        body=json_body(StartRequestSchema, required=True),
    )
    def start() -> Response:
        """Begin a collection"""
        key = messages.parse_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = messages.parse_start(read_json(), config.skills, backend.data_root.name_of)
        with backend.commanding() as queue:
            job = queue.submit(StartCollection(wanted, key), config.start_timeout_s)
        return json_response(job_json(job), 202, {"Location": f"{root_path()}/collect/jobs/{job.id}"})

    @route(
        blueprint,
        "POST",
        "/stop",
        202,
        StatusSchema,
        problems=(*OF_BODIES, 503),
        body=json_body(StopRequestSchema, required=False),
    )
    def stop() -> Response:
        """End the collection under way, after its episode or now; what is finished is kept"""
        command = messages.parse_stop(read_json(optional=True))
        with backend.commanding() as queue:
            queue.submit(command, config.command_timeout_s)
        return json_response(backend.status_body.render(), 202)

    @route(blueprint, "GET", "/status", 200, StatusSchema)
    def status() -> Response:
        """The collection under way, else the last one"""
        return json_response(backend.status_body.render())

    @route(
        blueprint,
        "GET",
        "/jobs",
        200,
        JobListSchema,
        problems=(400,),
        parameters=[query_integer("limit", 50, 1, messages.MAX_JOBS)],
    )
    def jobs() -> Response:
        """Collections, the newest first"""
        limit = messages.parse_jobs_limit(request.args)
        return json_response({"jobs": [job_json(job) for job in backend.jobs.jobs(limit)]})

    @route(blueprint, "GET", "/jobs/<job_id>", 200, JobSchema, problems=(404,))
    def job(job_id: str) -> Response:
        """One collection"""
        found = backend.jobs.job(job_id)
        if found is None:
            raise Problem(404, "not-found", f"there is no job {job_id!r}")
        return json_response(job_json(found))

    @route(
        blueprint,
        "GET",
        "/events",
        200,
        EVENTS,
        EVENT_STREAM,
        problems=(406, 503),
        parameters=[
            header("Last-Event-ID", "The stream goes on after this event"),
            {"name": "last_event_id", "in": "query", "required": False, "schema": {"type": "string"}},
        ],
    )
    def events() -> Response:
        """What happens, as server-sent events"""
        accepted = request.accept_mimetypes
        if accepted and not accepted.best_match([EVENT_STREAM]):
            raise Problem(406, "not-acceptable", f"events come as {EVENT_STREAM} alone; found Accept: {accepted}")
        last_event_id = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")

        def chunks(gone: Callable[[], bool]) -> Iterator[bytes]:
            return event_stream(
                backend.events,
                backend.status_body.render,
                lambda: backend.closing.is_set() or gone(),
                last_event_id,
            )

        return stream(chunks, EVENT_STREAM, backend.streams)

    return blueprint
