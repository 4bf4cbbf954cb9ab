"""JSON answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from bridge.rendering import to_json


def json_response(
    value: Mapping[str, Any] | bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """value: of bytes, JSON that is rendered already."""
    body = value if isinstance(value, bytes) else to_json(value)
    return Response(body, status, headers, content_type="application/json")
