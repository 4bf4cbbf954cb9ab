"""What varied from episode to episode: the `collection/...` columns of scene, plant and motion as distributions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from collectors.randomization import Randomization
from collectors.scene import TABLE_RGB
from sim_service.report.facts import Distribution, Floats
from sim_service.report.row_values import Row, flag, number, numbers, word

MAX_DISTRIBUTIONS: Final = 80
_MAX_SWATCHES: Final = 120
_MAX_WORDS: Final = 12
_DEGREES: Final = 180 / math.pi


@dataclass(frozen=True)
class _Quantity:
    """A column as it is shown. parts: names of a list's numbers, empty for a single number. factor: from the column's
    unit to the one shown. field: of `Randomization`, which says what was asked for."""

    column: str
    group: str
    name: str
    unit: str = ""
    parts: tuple[str, ...] = ()
    factor: float = 1.0
    field: str = ""


_XYZ: Final = ("x", "y", "z")
_JOINTS: Final = tuple(f"joint {number}" for number in range(7))
_QUANTITIES: Final = (
    _Quantity("object_size_m", "Object", "size", "mm", _XYZ, 1000, "cube_edge_m"),
    _Quantity("object_mass_kg", "Object", "mass", "kg", field="object_mass_kg"),
    _Quantity("object_friction", "Object", "sliding friction", field="object_friction"),
    _Quantity("object_yaw_rad", "Object", "yaw at the pick", "°", factor=_DEGREES),
    _Quantity("num_distractors", "Distractors", "number", field="distractors"),
    _Quantity("table_height_m", "Table", "height above nominal", "mm", factor=1000, field="table_height_m"),
    _Quantity("light_turn_rad", "Light", "turn", "°", ("about x", "about y"), _DEGREES, "light_angle_rad"),
    _Quantity("light_intensity", "Light", "intensity", "of nominal", field="light_intensity"),
    _Quantity("light_kelvin", "Light", "colour temperature", "K", field="light_kelvin"),
    _Quantity("camera_noise_levels", "Cameras", "noise", "levels of 255", field="camera_noise"),
    _Quantity("start_arm_rad", "Robot", "start", "°", _JOINTS, _DEGREES),
    _Quantity("gain", "Robot", "servo gain", "of nominal", field="gain"),
    _Quantity("delay_ticks", "Robot", "command delay", "ticks", field="delay_ticks"),
    _Quantity("speed", "Robot", "speed", "of nominal", field="speed"),
    _Quantity("observation_noise", "Robot", "noise of the state", "of its standard deviations"),
    _Quantity("tilt_rad", "Grasp", "tilt", "°", factor=_DEGREES),
    _Quantity("wrist_yaw_rad", "Grasp", "wrist yaw", "°", factor=_DEGREES),
    _Quantity("lifted_m", "Motion", "lifted", "mm", factor=1000),
    _Quantity("max_joint_speed_fraction", "Motion", "peak joint speed", "% of its limit", factor=100),
    _Quantity("attach_error_m", "Motion", "fingertips to grasp point", "mm", factor=1000),
)
# Said elsewhere in the report, or numbers without a meaning of their own.
_ELSEWHERE: Final = frozenset(
    ("index", "seed", "attempt", "failed_attempts", "success", "success_2cm", "failure_reason", "placement_error_m")
    + ("attach_frame", "detach_frame", "table_texture_seed", "max_joint_speed_rad_s", "resampled")
)


def distributions(rows: Sequence[Row], configuration: Mapping[str, Any]) -> tuple[Distribution, ...]:
    """Of what is not the same in all episodes, at most MAX_DISTRIBUTIONS. configuration: of meta/collection.json."""
    asked = configuration.get("randomization")
    ranges = asked if isinstance(asked, dict) else {}
    found = [
        *_words(rows, "object", "Object", "kind"),
        *_words(rows, "object_colour", "Object", "colour by name"),
        *_colours(rows, "object_rgb", "Object", "colour"),
    ]
    for quantity in _QUANTITIES:
        found += _numbers(rows, quantity, _asked(quantity, ranges))
    found += _words(rows, "table_texture", "Table", "texture")
    found += _colours(rows, "table_rgb", "Table", f"colour (nominal {', '.join(f'{part:g}' for part in TABLE_RGB)})")
    found += _colours(rows, "light_rgb", "Light", "tint", brightest=True)
    for camera in _cameras(rows):
        found += _camera(rows, camera)
    found += _others(rows)
    order = {group: place for place, group in enumerate(dict.fromkeys(entry.group for entry in found))}
    return tuple(sorted(found, key=lambda entry: order[entry.group])[:MAX_DISTRIBUTIONS])


def _numbers(rows: Sequence[Row], quantity: _Quantity, asked: Sequence[Range | None]) -> Iterator[Distribution]:
    """asked: of each part, in the column's unit; one for a single number."""
    if quantity.parts:
        lists = [numbers(row, quantity.column, len(quantity.parts)) for row in rows]
        table = np.array([found for found in lists if found is not None], np.float64).reshape(-1, len(quantity.parts))
        parts = quantity.parts
        if (table == table[:, :1]).all():  # a cube's edges
            table, parts = table[:, :1], ("",)
    else:
        single = [number(row, quantity.column) for row in rows]
        table = np.array([found for found in single if found is not None], np.float64).reshape(-1, 1)
        parts = ("",)
    for part, values, bounds in zip(parts, table.T, asked, strict=False):
        if _varies(values):
            name = f"{quantity.name} {part}".strip()
            shown = None if bounds is None else (bounds[0] * quantity.factor, bounds[1] * quantity.factor)
            yield Distribution(quantity.group, name, quantity.unit, values=values * quantity.factor, asked=shown)


def _camera(rows: Sequence[Row], camera: str) -> Iterator[Distribution]:
    position = _Quantity(f"{camera}/position_m", "Cameras", f"{camera} position", "m", _XYZ)
    fov = _Quantity(f"{camera}/horizontal_fov_rad", "Cameras", f"{camera} field of view", "°", factor=_DEGREES)
    yield from _numbers(rows, position, None)
    found = [numbers(row, f"{camera}/forward", 3) for row in rows]
    forward = np.array([direction for direction in found if direction is not None], np.float64).reshape(-1, 3)
    lengths = np.linalg.norm(forward, axis=1)
    forward = forward[lengths > 0] / lengths[lengths > 0, None]
    if len(forward) and np.linalg.norm(forward.mean(axis=0)) > 0:
        mean = forward.mean(axis=0) / np.linalg.norm(forward.mean(axis=0))
        angles = np.arctan2(np.linalg.norm(np.cross(forward, mean), axis=1), forward @ mean) * _DEGREES
        if (angles > 1e-6).any():  # what rounding leaves of one direction is smaller
            yield Distribution("Cameras", f"{camera} direction from its mean", "°", values=angles)
    yield from _numbers(rows, fov, None)


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
    if len(table) and _varies(table):
        if brightest:
            table = table / np.maximum(table.max(axis=1, keepdims=True), 1e-9)
        some = np.clip(table[:: -(-len(table) // _MAX_SWATCHES)], 0.0, 1.0)
        yield Distribution(group, name, swatches=some[np.lexsort((some[:, 2], some[:, 0] - some[:, 1]))])


def _others(rows: Sequence[Row]) -> Iterator[Distribution]:
    """Single numbers and flags that this version does not know."""
    known = {quantity.column for quantity in _QUANTITIES} | _ELSEWHERE
    cameras = tuple(f"{camera}/" for camera in _cameras(rows))
    columns = [name.removeprefix("collection/") for name in (rows[0] if rows else {}) if name.startswith("collection/")]
    for column in columns:
        if column in known or column.startswith(cameras or ("/",)):
            continue
        values = [found for row in rows if (found := number(row, column)) is not None]
        flags = Counter(str(found).lower() for row in rows if (found := flag(row, column)) is not None)
        if values and _varies(np.array(values)):
            yield Distribution("Other columns", column, values=np.array(values))
        elif len(flags) > 1:
            yield Distribution("Other columns", column, counts=dict(flags.most_common()))


def _cameras(rows: Sequence[Row]) -> list[str]:
    ending = "/horizontal_fov_rad"
    names = [name for name in (rows[0] if rows else {}) if name.startswith("collection/") and name.endswith(ending)]
    return [name.removeprefix("collection/").removesuffix(ending) for name in names]


def _asked(field: str, ranges: Mapping[str, Any], nominal: Sequence[float]) -> list[Range | None]:
    """What `Randomization`'s field allows around each nominal value, where it is a bound, or at all, where it is a
    range; None where it is not told or is one value."""
    asked = ranges.get(field)
    if isinstance(asked, list):
        pair = asked if len(asked) == 2 and all(map(_is_number, asked)) and asked[0] < asked[1] else None
        return [None if pair is None else (float(pair[0]), float(pair[1]))] * len(nominal)
    if not _is_number(asked) or not asked > 0:
        return [None] * len(nominal)
    return [(value - asked, value + asked) for value in nominal]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _varies(values: Floats) -> bool:
    """Over the episodes, the first axis."""
    return bool((values != values[:1]).any())
