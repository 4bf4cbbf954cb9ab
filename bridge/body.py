"""The body of the request at hand."""

from __future__ import annotations

from typing import Final

from flask import request
from werkzeug.exceptions import ClientDisconnected

from bridge.messages import load_json
from bridge.problems import Problem

MAX_BODY_BYTES: Final = 64 * 1024


def read_body(media_type: str) -> bytes:
    """All of it; of that media type unless it is empty. Raises Problem 413, 415 and 400 for one that ends early."""
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()
    try:
        data = request.get_data(cache=False)
    except ClientDisconnected as error:
        raise Problem(400, "bad-request", "the body is not as the headers announce it, or came too slowly") from error
    if len(data) > MAX_BODY_BYTES:
        raise _too_large()
    if length is not None and len(data) != length:
        raise Problem(400, "bad-request", f"the body ended after {len(data)} of {length} bytes")
    if data and request.mimetype != media_type:
        found = request.mimetype or "none"
        raise Problem(415, "unsupported-media-type", f"the body must be {media_type}; its Content-Type is {found}")
    return data


def read_json(*, optional: bool = False) -> object:
    """Its value; an empty object for an empty body that is optional."""
    data = read_body("application/json")
    return {} if optional and not data else load_json(data)


def _too_large() -> Problem:
    return Problem(413, "too-large", f"a body may have at most {MAX_BODY_BYTES} bytes")
