"""What varied from episode to episode: the `collection/...` columns of scene, plant and motion as distributions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from sim_service.report.facts import Distribution, Floats
from sim_service.report.quantities import QUANTITIES, Quantity, camera_quantities, parts_asked
from sim_service.report.row_values import Row, flag, number, numbers, word

MAX_DISTRIBUTIONS: Final = 80
_MAX_SWATCHES: Final = 120
_MAX_WORDS: Final = 12
_PREFIX: Final = "collection/"
_CAMERA_COLUMN: Final = "/horizontal_fov_rad"
# Said elsewhere in the report, or numbers without a meaning of their own.
_ELSEWHERE: Final = frozenset(
    ("index", "seed", "attempt", "failed_attempts", "success", "success_2cm", "failure_reason", "placement_error_m")
    + ("attach_frame", "detach_frame", "table_texture_seed", "max_joint_speed_rad_s", "resampled")
)


def distributions(rows: Sequence[Row], configuration: Mapping[str, Any]) -> tuple[Distribution, ...]:
    """Of what is not the same in all episodes, at most MAX_DISTRIBUTIONS. configuration: of meta/collection.json."""
    randomization, configured = configuration.get("randomization"), configuration.get("cameras")
    asked = randomization if isinstance(randomization, dict) else {}
    found = [
        *_words(rows, "object", "Object", "kind"),
        *_words(rows, "object_colour", "Object", "colour by name"),
        *_colours(rows, "object_rgb", "Object", "colour"),
    ]
    for quantity in QUANTITIES:
        found += _numbers(rows, quantity, asked)
    found += _words(rows, "table_texture", "Table", "texture")
    found += _colours(rows, "table_rgb", "Table", "colour")
    found += _colours(rows, "light_rgb", "Light", "tint", brightest=True)
    for camera in _cameras(rows):
        nominal = configured.get(camera) if isinstance(configured, dict) else None
        position, fov = camera_quantities(camera, nominal if isinstance(nominal, dict) else {})
        found += [*_numbers(rows, position, asked), *_directions(rows, camera), *_numbers(rows, fov, asked)]
    found += _others(rows)
    order = {group: place for place, group in enumerate(dict.fromkeys(entry.group for entry in found))}
    return tuple(sorted(found, key=lambda entry: order[entry.group])[:MAX_DISTRIBUTIONS])


def _numbers(rows: Sequence[Row], quantity: Quantity, randomization: Mapping[str, Any]) -> Iterator[Distribution]:
    parts, asked = quantity.parts or ("",), quantity.asked(randomization)
    if quantity.parts:
        lists = [numbers(row, quantity.column, len(parts)) for row in rows]
    else:
        single = [number(row, quantity.column) for row in rows]
        lists = [None if value is None else (value,) for value in single]
    table = np.array([found for found in lists if found is not None], np.float64).reshape(-1, len(parts))
    if len(parts) > 1 and (table == table[:, :1]).all():  # a cube's edges
        table, parts, asked = table[:, :1], ("",), [parts_asked(asked)]
    for part, values, bounds in zip(parts, table.T, asked, strict=True):
        if _varies(values):
            name = f"{quantity.name} {part}".strip()
            yield Distribution(quantity.group, name, quantity.unit, values=values * quantity.factor, asked=bounds)


def _directions(rows: Sequence[Row], camera: str) -> Iterator[Distribution]:
    """Angles between a camera's optical axes and their mean."""
    found = [direction for row in rows if (direction := numbers(row, f"{camera}/forward", 3)) is not None]
    forward = np.array(found, np.float64).reshape(-1, 3)
    lengths = np.linalg.norm(forward, axis=1)
    forward = forward[lengths > 0] / lengths[lengths > 0, None]
    total = forward.sum(axis=0)
    if np.linalg.norm(total) > 0:
        mean = total / np.linalg.norm(total)
        angles = np.degrees(np.arctan2(np.linalg.norm(np.cross(forward, mean), axis=1), forward @ mean))
        if (angles > 1e-6).any():  # what rounding leaves of one direction is smaller
            yield Distribution("Cameras", f"{camera} direction from its mean", "°", values=angles)


def _words(rows: Sequence[Row], column: str, group: str, name: str) -> Iterator[Distribution]:
    counts = Counter(found for row in rows if (found := word(row, column)) is not None)
    if len(counts) > 1:
        shown = dict(counts.most_common(_MAX_WORDS))
        rest = counts.total() - sum(shown.values())
        yield Distribution(group, name, counts=shown | ({"all others": rest} if rest else {}))


def _colours(
    rows: Sequence[Row], column: str, group: str, name: str, brightest: bool = False
) -> Iterator[Distribution]:
    """brightest: the colours are tints, shown with their largest channel at 1."""
    found = [rgb for row in rows if (rgb := numbers(row, column, 3)) is not None]
    table = np.array(found, np.float64).reshape(-1, 3)
    if _varies(table):
        if brightest:
            table = table / np.maximum(table.max(axis=1, keepdims=True), 1e-9)
        some = np.clip(table[:: -(-len(table) // _MAX_SWATCHES)], 0.0, 1.0)
        yield Distribution(group, name, swatches=some[np.lexsort((some[:, 2], some[:, 0] - some[:, 1]))])


def _others(rows: Sequence[Row]) -> Iterator[Distribution]:
    """Single numbers and flags that this version does not know."""
    known = {quantity.column for quantity in QUANTITIES} | _ELSEWHERE
    cameras = {f"{camera}/" for camera in _cameras(rows)}
    for column in _columns(rows):
        if column in known or any(column.startswith(camera) for camera in cameras):
            continue
        values = np.array([found for row in rows if (found := number(row, column)) is not None])
        flags = Counter(str(found).lower() for row in rows if (found := flag(row, column)) is not None)
        if _varies(values):
            yield Distribution("Other columns", column, values=values)
        elif len(flags) > 1:
            yield Distribution("Other columns", column, counts=dict(flags.most_common()))


def _cameras(rows: Sequence[Row]) -> list[str]:
    return [column.removesuffix(_CAMERA_COLUMN) for column in _columns(rows) if column.endswith(_CAMERA_COLUMN)]


def _columns(rows: Sequence[Row]) -> list[str]:
    return [name.removeprefix(_PREFIX) for name in (rows[0] if rows else {}) if name.startswith(_PREFIX)]


def _varies(values: Floats) -> bool:
    """Over the episodes, the first axis."""
    return bool((values != values[:1]).any())
