"""A route together with what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

from flask_smorest import Blueprint
from marshmallow import Schema

from bridge.problems import MEDIA_TYPE
from bridge.schemas import ProblemSchema

EVERYWHERE: Final = (401, 403, 500)  # what the guard and our own faults answer
OF_BODIES: Final = (400, 413, 415)
JSON: Final = "application/json"
TEXT: Final[Mapping[str, Any]] = {"type": "string"}
EVENTS: Final[Mapping[str, Any]] = {"description": "Messages; the data of each is JSON"}
BINARY: Final[Mapping[str, Any]] = {"type": "string", "format": "binary"}
_Shape = type[Schema] | Mapping[str, Any]
_View = TypeVar("_View", bound=Callable[..., Any])


def route(
    blueprint: Blueprint,
    method: str,
    path: str,
    status: int,
    shape: _Shape | None = None,
    media_type: str = JSON,
    *,
    headers: Mapping[str, str] | None = None,
    others: Mapping[int, _Shape | None] | None = None,
    problems: Sequence[int] = (),
    parameters: Sequence[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
    public: bool = False,
) -> Callable[[_View], _View]:
    """Registers a view and documents it.

    status, shape, media_type, headers: of a success. others: further successes of the same media type. problems: beside
    those that every route may answer. public: needs no token.
    """
    documented: dict[str, Any] = {
        "responses": {
            str(status): _response(status, shape, media_type, headers or {}),
            **{str(code): _response(code, other, media_type, {}) for code, other in (others or {}).items()},
            **{str(code): _response(code, ProblemSchema, MEDIA_TYPE, {}) for code in sorted({*EVERYWHERE, *problems})},
        }
    }
    if parameters:
        documented["parameters"] = [dict(parameter) for parameter in parameters]
    if body is not None:
        documented["requestBody"] = dict(body)
    if public:
        documented["security"] = []

    def register(view: _View) -> _View:
        blueprint.route(path, methods=[method])(blueprint.doc(**documented)(view))
        return view

    return register


def json_body(schema: type[Schema], *, required: bool) -> dict[str, Any]:
    return {"required": required, "content": {JSON: {"schema": schema}}}


def query_integer(name: str, default: int, low: int, high: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return {"name": name, "in": "query", "required": False, "schema": schema}


def header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    shape = {"type": "string", **schema}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": shape}


def _response(status: int, shape: _Shape | None, media_type: str, headers: Mapping[str, str]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if shape is not None:
        response["content"] = {media_type: {"schema": dict(shape) if isinstance(shape, Mapping) else shape}}
    if headers:
        response["headers"] = {
            name: {"description": description, "schema": {"type": "string"}} for name, description in headers.items()
        }
    return response
