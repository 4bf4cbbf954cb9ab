"""Every error as one shape: application/problem+json, RFC 9457."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestedRangeNotSatisfiable

from bridge.live import BadOfferError, LiveError, TooManyViewersError, UnsupportedOfferError
from bridge.messages import BadRequestError, FieldError
from bridge.rendering import to_json
from sim_service.commands import (
    BusyError,
    CommandError,
    KeyReusedError,
    NoReplyError,
    NotReadyError,
    OutputRefusedError,
    QueueFullError,
    StorageError,
)
from sim_service.ports import UnknownDatasetError, UnreadableDatasetError

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:isaac-collect:problem:"
_SLUG_OF_STATUS: Final = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "timeout",
    413: "too-large",
    415: "unsupported-media-type",
    416: "range-not-satisfiable",
}
_OF_COMMAND: Final[Mapping[type[CommandError], tuple[int, str, int | None]]] = {
    BusyError: (409, "busy", None),
    OutputRefusedError: (409, "output-refused", None),
    KeyReusedError: (422, "key-reused", None),
    QueueFullError: (503, "queue-full", 1),
    NotReadyError: (503, "not-ready", 2),
    NoReplyError: (503, "no-reply", 5),
    StorageError: (507, "storage", None),
}
_OF_LIVE: Final[Mapping[type[LiveError], tuple[int, str, int | None]]] = {
    BadOfferError: (400, "bad-request", None),
    UnsupportedOfferError: (422, "unsupported-offer", None),
    TooManyViewersError: (503, "too-many-streams", 5),
    LiveError: (503, "not-ready", 5),
}
_log = logging.getLogger(__name__)


class Problem(Exception):
    """An error as the client sees it. retry_after_s: when it may help to try again."""

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        job_id: str | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.slug, self.detail = status, slug, detail
        self.errors, self.job_id, self.retry_after_s = errors, job_id, retry_after_s
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)

    def to_json(self, instance: str) -> bytes:
        """instance: the path that was asked."""
        members: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": quote(instance),
        }
        if self.errors:
            members["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        if self.job_id is not None:
            members["job_id"] = self.job_id
        if self.retry_after_s is not None:
            members["retry_after_s"] = self.retry_after_s
        return to_json(members)


def problem_of(error: Exception) -> Problem:
    """What the client is told; an error that nobody foresaw tells it nothing of our insides."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BadRequestError):
        return Problem(400, "bad-request", str(error), errors=error.errors)
    if isinstance(error, UnknownDatasetError):
        return Problem(404, "not-found", str(error))
    if isinstance(error, UnreadableDatasetError):
        return Problem(422, "dataset-unreadable", str(error))
    if isinstance(error, CommandError) and type(error) in _OF_COMMAND:
        status, slug, retry_after_s = _OF_COMMAND[type(error)]
        job_id = error.job_id if isinstance(error, BusyError) else None
        return Problem(status, slug, str(error), job_id=job_id, retry_after_s=retry_after_s)
    if isinstance(error, LiveError) and type(error) in _OF_LIVE:
        status, slug, retry_after_s = _OF_LIVE[type(error)]
        return Problem(status, slug, str(error), retry_after_s=retry_after_s)
    if isinstance(error, HTTPException) and error.code in _SLUG_OF_STATUS:
        return _of_http(error, error.code)
    return Problem(500, "internal", "the bridge failed; its log says why")


def install_problems(app: Flask) -> None:
    """Answer every error of the application with its problem."""

    def answer(error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.code is not None and error.code < 400:
            response = error.get_response()
            assert isinstance(response, Response)
            return response
        problem = problem_of(error)
        if problem.status == 500:
            _log.error("%s %s failed", request.method, request.path, exc_info=error)
        body = problem.to_json(request.root_path + request.path)
        return Response(body, problem.status, problem.headers, content_type=MEDIA_TYPE)

    app.register_error_handler(Exception, answer)
    app.register_error_handler(HTTPException, answer)


def _of_http(error: HTTPException, status: int) -> Problem:
    headers = {}
    detail = error.description or HTTPStatus(status).description
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        headers["Allow"] = allowed
        detail = f"{request.method} is not allowed here; {allowed} are"
    elif isinstance(error, RequestedRangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.length}"
    elif status == 404:
        detail = f"there is nothing at {request.path}"
    return Problem(status, _SLUG_OF_STATUS[status], detail, headers=headers)
