"""/sim: the simulator, while nothing is collected."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema

from bridge import messages
from bridge.backend import Backend
from bridge.body import read_json
from bridge.rendering import simulator_json
from bridge.routes.documentation import OF_BODIES, json_body, route
from bridge.routes.responses import json_response
from bridge.schemas import NothingSchema, ResetRequestSchema, SimulatorSchema
from sim_service.commands import NotReadyError, PausePhysics, PlayPhysics, ResetScene

_View = Callable[[], Response]


def sim_blueprint(backend: Backend) -> Blueprint:
    blueprint = Blueprint("sim", __name__, url_prefix="/sim", description="The simulator")

    def submit(command: PlayPhysics | PausePhysics | ResetScene) -> Response:
        with backend.commanding() as queue:
            simulator = queue.submit(command, backend.config.command_timeout_s)
        return json_response(simulator_json(simulator, backend.status.state))

    def command(path: str, schema: type[Schema]) -> Callable[[_View], _View]:
        body = json_body(schema, required=False)
        return route(blueprint, "POST", path, 200, SimulatorSchema, problems=(*OF_BODIES, 409, 503), body=body)

    @route(blueprint, "GET", "/state", 200, SimulatorSchema, problems=(503,))
    def state() -> Response:
        """Whether it plays, and what it is"""
        status = backend.status
        if status.simulator is None:
            raise NotReadyError(status.error or "there is no simulator yet; try again in a moment")
        return json_response(simulator_json(status.simulator, status.state))

    @command("/play", NothingSchema)
    def play() -> Response:
        """Let time pass"""
        messages.parse_nothing(read_json(optional=True))
        return submit(PlayPhysics())

    @command("/pause", NothingSchema)
    def pause() -> Response:
        """Stop time"""
        messages.parse_nothing(read_json(optional=True))
        return submit(PausePhysics())

    @command("/reset", ResetRequestSchema)
    def reset() -> Response:
        """Lay the scene out anew"""
        return submit(messages.parse_reset(read_json(optional=True)))

    return blueprint
