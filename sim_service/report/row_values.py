"""Reads `collection/...` columns of episodes' rows without trusting them: what is not as expected is None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]


def number(row: Row, name: str) -> float | None:
    return _finite(row.get(f"collection/{name}"))


def numbers(row: Row, name: str, size: int) -> tuple[float, ...] | None:
    """Of a list of that size."""
    value = row.get(f"collection/{name}")
    if not isinstance(value, list) or len(value) != size:
        return None
    found = [_finite(item) for item in value]
    return None if None in found else tuple(item for item in found if item is not None)


def flag(row: Row, name: str) -> bool | None:
    value = row.get(f"collection/{name}")
    return value if isinstance(value, bool) else None


def word(row: Row, name: str) -> str | None:
    value = row.get(f"collection/{name}")
    return value if isinstance(value, str) else None


def segment_frames(row: Row) -> list[int]:
    """Frames of each phase; empty where they are not told or do not fill the episode."""
    value = row.get("collection/segment_frames")
    if not isinstance(value, list) or not all(type(item) is int and item > 0 for item in value):
        return []
    return value if sum(value) == row["length"] else []


def placement_error_m(row: Row) -> float | None:
    error_m = number(row, "placement_error_m")
    return error_m if error_m is not None and error_m >= 0 else None


def _finite(value: object) -> float | None:
    # Beyond these bounds no quantity of the cell is; an axis over them could not be drawn.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < 1e30 else None
