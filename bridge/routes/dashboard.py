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
    """openapi: the document, as JSON. folder: with index.html and what it needs; nothing else can be asked for."""
    blueprint = Blueprint("dashboard", __name__)
    files = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.suffix in MEDIA_TYPES and path.is_file() and not path.is_symlink()
    }

    def served(name: str) -> Response:
        path = files.get(name)
        if path is None:
            raise Problem(404, "not-found", f"there is nothing at {request.path}")
        response = respond_with(path, MEDIA_TYPES[path.suffix])
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
