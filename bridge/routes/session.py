"""/session: a cookie for the token, since EventSource, img and video can send no header."""

from __future__ import annotations

from flask import Response
from flask_smorest import Blueprint

from bridge import messages
from bridge.body import read_json
from bridge.problems import Problem
from bridge.routes.documentation import OF_BODIES, json_body, route
from bridge.routes.responses import json_response
from bridge.schemas import SessionSchema, TokenSchema
from bridge.security import Guard


def session_blueprint(guard: Guard) -> Blueprint:
    blueprint = Blueprint("session", __name__, url_prefix="/session", description="Who may call")

    @route(blueprint, "GET", "", 200, SessionSchema, public=True)
    def session() -> Response:
        """Whether a token is needed, and whether the caller showed it"""
        return json_response(
            {
                "token_required": guard.token_required,
                "authenticated": guard.authenticated(),
                "read_only": guard.read_only,
            }
        )

    @route(
        blueprint,
        "POST",
        "",
        204,
        headers={"Set-Cookie": "The session, for 12 hours"},
        problems=OF_BODIES,
        body=json_body(TokenSchema, required=True),
        public=True,
    )
    def begin() -> Response:
        """Exchange the token for a cookie"""
        if not guard.is_token(messages.parse_token(read_json())):
            raise Problem(401, "unauthorized", "that is not the token", headers={"WWW-Authenticate": "Bearer"})
        response = Response(status=204)
        if guard.token_required:
            guard.give_cookie(response)
        return response

    @route(blueprint, "DELETE", "", 204, public=True)
    def end() -> Response:
        """Forget the cookie"""
        response = Response(status=204)
        guard.take_cookie(response)
        return response

    return blueprint
