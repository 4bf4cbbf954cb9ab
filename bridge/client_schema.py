"""JSON into frozen dataclasses, whose field names and types are the schema."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from bridge.client_errors import BadReplyError

_Record = TypeVar("_Record")


def record(kind: type[_Record], value: Any, where: str) -> _Record:
    """`value`, read from JSON, as that dataclass. Keys that it does not know are passed over.

    Raises BadReplyError naming `where` (server and path) and the key that is missing or of another type.
    """
    return cast("_Record", _convert(kind, value, where, ""))


def _convert(kind: Any, value: Any, where: str, key: str) -> Any:
    """`value` as `kind`: a dataclass, tuple[X, ...], dict[str, X], X | None, datetime, str, int, float or bool."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        present = next(part for part in get_args(kind) if part is not types.NoneType)
        return None if value is None else _convert(present, value, where, key)
    if is_dataclass(kind) and isinstance(value, Mapping):
        return _convert_fields(kind, value, where, key)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(get_args(kind)[0], item, where, f"{key}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {str(name): _convert(get_args(kind)[1], item, where, f"{key}.{name}") for name, item in value.items()}
    if kind is datetime and isinstance(value, str):
        return _convert_time(value, where, key)
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:  # isinstance would take True for a number
        return value
    what = f'"{key}"' if key else "the reply"
    raise BadReplyError(f"{where}: {what} is {value!r:.80}, expected {getattr(kind, '__name__', kind)}")


def _convert_fields(kind: Any, value: Mapping[str, Any], where: str, key: str) -> Any:
    hints = _hints(kind)
    found = {}
    for field in fields(kind):
        path = f"{key}.{field.name}" if key else field.name
        if field.name in value:
            found[field.name] = _convert(hints[field.name], value[field.name], where, path)
        elif field.default is MISSING:
            raise BadReplyError(f'{where}: the reply has no "{path}"')
    return kind(**found)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _convert_time(text: str, where: str, key: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 knows no Z
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise BadReplyError(f'{where}: "{key}" is {text!r:.80}, expected an ISO 8601 time with its zone')
    return time
