"""/ and /static: the page for people. /openapi.json: the document for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Blueprint, Response, request

from bridge.backend import root_path
from bridge.file_response import respond_with
from bridge.problems import Problem
from bridge.routes.responses import json_response

POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob: mediastream:; connect-src 'self'; frame-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
AT_FOLDER: Final = "bridge.at_folder"
"""Key of the WSGI environment: False where the path lacks the slash that the page's relative links need."""
FOLDER: Final = Path(__file__).parent.parent / "static"


def dashboard_blueprint(openapi: bytes, folder: Path = FOLDER) -> Blueprint:
    """openapi: the document, as JSON. folder: with index.html and what it needs."""
    blueprint = Blueprint("dashboard", __name__)

    def served(name: str) -> Response:
        path = (folder / name).resolve()
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None or not path.is_relative_to(folder.resolve()):
            raise Problem(404, "not-found", f"there is nothing at {request.path}")
        response = respond_with(path, media_type)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @blueprint.route("/")
    def index() -> Response:
        if not request.environ.get(AT_FOLDER, True):
            return Response(status=308, headers={"Location": f"{root_path()}/"})
        return served("index.html")

    @blueprint.route("/static/<path:name>")
    def static(name: str) -> Response:
        return served(name)

    @blueprint.route("/openapi.json")
    def openapi_json() -> Response:
        return json_response(openapi)

    return blueprint
