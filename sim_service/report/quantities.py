"""The numbers that `collection/...` columns hold of an episode, how they are shown, and what was asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collectors.franka import HOME_RAD

Range = tuple[float, float]

_DEGREES: Final = 180 / math.pi
_XYZ: Final = ("x", "y", "z")
_JOINTS: Final = tuple(f"joint {number}" for number in range(len(HOME_RAD)))


@dataclass(frozen=True)
class Quantity:
    """A column as it is shown. parts: names of a list's numbers, empty for a single number. factor: from the column's
    unit to the one shown. field: of `Randomization`, a range, or a bound around `nominal` [column's unit], 0 by
    default. relative: the bound is a part of the nominal value."""

    column: str
    group: str
    name: str
    unit: str = ""
    parts: tuple[str, ...] = ()
    factor: float = 1.0
    field: str = ""
    nominal: tuple[float, ...] = ()
    relative: bool = False

    def asked(self, randomization: Mapping[str, Any]) -> list[Range | None]:
        """Of each part, in the unit that is shown; None where it is not told or is one value. randomization: as in
        meta/collection.json."""
        asked, count = randomization.get(self.field), max(1, len(self.parts))
        if isinstance(asked, list):
            if len(asked) != 2 or not all(map(_is_number, asked)) or not asked[0] < asked[1]:
                return [None] * count
            return [(asked[0] * self.factor, asked[1] * self.factor)] * count
        if not isinstance(asked, int | float) or not _is_number(asked) or asked <= 0:
            return [None] * count
        around = self.nominal or (0.0,) * count
        bounds = [abs(value) * asked if self.relative else asked for value in around]
        return [
            ((value - bound) * self.factor, (value + bound) * self.factor)
            for value, bound in zip(around, bounds, strict=True)
        ]


QUANTITIES: Final = (
    Quantity("object_size_m", "Object", "size", "mm", _XYZ, 1000, "cube_edge_m"),
    Quantity("object_mass_kg", "Object", "mass", "kg", field="object_mass_kg"),
    Quantity("object_friction", "Object", "sliding friction", field="object_friction"),
    Quantity("object_yaw_rad", "Object", "yaw at the pick", "°", factor=_DEGREES),
    Quantity("num_distractors", "Distractors", "number", field="distractors"),
    Quantity("table_height_m", "Table", "height above nominal", "mm", factor=1000, field="table_height_m"),
    Quantity("light_turn_rad", "Light", "turn", "°", ("about x", "about y"), _DEGREES, "light_angle_rad"),
    Quantity("light_intensity", "Light", "intensity", "of nominal", field="light_intensity"),
    Quantity("light_kelvin", "Light", "colour temperature", "K", field="light_kelvin"),
    Quantity("camera_noise_levels", "Cameras", "noise", "levels of 255", field="camera_noise"),
    Quantity("start_arm_rad", "Robot", "start of", "°", _JOINTS, _DEGREES, "start_arm_rad", HOME_RAD),
    Quantity("gain", "Robot", "servo gain", "of nominal", field="gain"),
    Quantity("delay_ticks", "Robot", "command delay", "ticks", field="delay_ticks"),
    Quantity("speed", "Robot", "speed", "of nominal", field="speed"),
    Quantity("observation_noise", "Robot", "noise of the state", "of its standard deviations"),
    Quantity("tilt_rad", "Grasp", "tilt", "°", factor=_DEGREES),
    Quantity("wrist_yaw_rad", "Grasp", "wrist yaw", "°", factor=_DEGREES),
    Quantity("attach_error_m", "Grasp", "fingertips to grasp point", "mm", factor=1000),
    Quantity("lifted_m", "Motion", "lifted", "mm", factor=1000),
    Quantity("max_joint_speed_fraction", "Motion", "peak joint speed", "% of its limit", factor=100),
)


def camera_quantities(camera: str, configured: Mapping[str, Any]) -> tuple[Quantity, Quantity]:
    """Position and field of view. configured: the camera in meta/collection.json, where it is nominal."""
    position = configured.get("position_m")
    known = isinstance(position, list) and len(position) == 3 and all(map(_is_number, position))
    fov_rad = configured.get("horizontal_fov_rad")
    nominal_fov = (float(fov_rad),) if isinstance(fov_rad, int | float) and _is_number(fov_rad) else ()
    return (
        Quantity(
            f"{camera}/position_m",
            "Cameras",
            f"{camera} position",
            "m",
            _XYZ,
            field="camera_position_m" if known else "",
            nominal=tuple(position) if known and isinstance(position, list) else (),
        ),
        Quantity(
            f"{camera}/horizontal_fov_rad",
            "Cameras",
            f"{camera} field of view",
            "°",
            factor=_DEGREES,
            field="camera_fov" if nominal_fov else "",
            nominal=nominal_fov,
            relative=True,
        ),
    )


def parts_asked(asked: Sequence[Range | None]) -> Range | None:
    """Of parts that are all the same."""
    return asked[0] if len(set(asked)) == 1 else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
