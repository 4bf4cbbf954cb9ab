"""What varies from episode to episode, and within which bounds: one frozen configuration for every simulator.

Every axis has a generator of its own, so that switching one on or off changes nothing in the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, get_args

Range = tuple[float, float]
Texture = Literal["plain", "grain", "checker", "speckle"]
TEXTURES: Final[tuple[Texture, ...]] = get_args(Texture)

MAX_DISTRACTORS: Final = 5
MAX_DELAY_TICKS: Final = 3


class RandomizationError(ValueError):
    """A configuration that cannot be; the message lists everything that is wrong with it."""


@dataclass(frozen=True)
class Randomization:
    """Ranges are (least, most), drawn evenly; bounds are the most that a value departs from its nominal one, either
    way.

    A single value for a range, or 0 for a bound, switches an axis off. `curriculum_episodes` scales every range from
    its nominal value to all of it over the first that many episode indices; 0 means all of it from the start.

    Object: cube_edge_m, object_mass_kg (the cube's; YCB objects keep their published mass), object_friction (sliding,
    nominal 1.0), colour_jitter (per channel of sRGB, 0..1). distractors: least and most number of them.
    Table: table_height_m (bound), table_colour (bound per channel), table_textures: which are drawn from.
    Lights: light_angle_rad (bound on the key light's direction), light_intensity (factor), light_kelvin (colour
    temperature; 6500 is white). Cameras: camera_position_m (bound per axis), camera_angle_rad (bound per axis),
    camera_fov (bound, as a fraction), camera_noise (standard deviation in levels of 255).
    Robot: start_arm_rad (bound per joint of the start pose), gain (factor on the servos' stiffness: their lag becomes
    SERVO_LAG_S / gain), delay_ticks (control periods between a command and its effect), speed (factor on the speed of
    the motion).
    observation_noise: factor on the standard deviations of OBSERVATION_NOISE; the true state is recorded beside it.
    """

    cube_edge_m: Range = (0.04, 0.04)
    object_mass_kg: Range = (0.1, 0.1)
    object_friction: Range = (1.0, 1.0)
    colour_jitter: float = 0.03
    distractors: tuple[int, int] = (0, 0)
    table_height_m: float = 0.0
    table_colour: float = 0.0
    table_textures: tuple[Texture, ...] = ("plain",)
    light_angle_rad: float = 0.0
    light_intensity: Range = (1.0, 1.0)
    light_kelvin: Range = (6500.0, 6500.0)
    camera_position_m: float = 0.0
    camera_angle_rad: float = 0.0
    camera_fov: float = 0.0
    camera_noise: Range = (0.0, 0.0)
    start_arm_rad: float = 0.0
    gain: Range = (1.0, 1.0)
    delay_ticks: tuple[int, int] = (0, 0)
    speed: Range = (1.0, 1.0)
    observation_noise: float = 0.0
    curriculum_episodes: int = 0

    def scaled(self, part: float) -> Randomization:
        """Every range from its nominal value to `part` of what it is; part: 0 to 1."""
        if part >= 1:
            return self
        nominal = Randomization()
        values: dict[str, Any] = {}
        for name in _RANGES:
            least, most = getattr(self, name)
            centre = getattr(nominal, name)[0]
            values[name] = (centre + part * (least - centre), centre + part * (most - centre))
        for name in _BOUNDS:
            centre = getattr(nominal, name)
            values[name] = centre + part * (getattr(self, name) - centre)
        for name in _COUNTS:
            least, most = getattr(self, name)
            values[name] = (round(part * least), round(part * most))
        values["table_textures"] = self.table_textures if part > 0 else nominal.table_textures
        return replace(self, **values)

    def at(self, index: int) -> Randomization:
        """What holds for the episode of that index."""
        if index >= self.curriculum_episodes:
            return self
        return self.scaled(index / self.curriculum_episodes)

    def as_json(self) -> dict[str, Any]:
        """What `from_mapping` takes."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def from_mapping(content: Mapping[str, Any], base: Randomization | None = None) -> Randomization:
    """Of a file's content: the fields of `Randomization`, those that are not named as in `base`. Raises
    RandomizationError."""
    base = base or Randomization()
    known = [field.name for field in fields(Randomization)]
    problems = [f"unknown {name!r}; known: {', '.join(known)}" for name in content if name not in known]
    values: dict[str, Any] = {}
    for name in known:
        if name in content:
            values[name] = _read(name, content[name], problems)
    problems += _problems({name: value for name, value in values.items() if value is not None})
    if problems:
        raise RandomizationError("; ".join(problems))
    return replace(base, **values)


def _read(name: str, value: object, problems: list[str]) -> Any:
    """In the type of its field."""
    if name == "table_textures":
        if isinstance(value, list | tuple) and value and all(item in TEXTURES for item in value):
            return tuple(value)
        problems.append(f"{name} must be a list of {', '.join(TEXTURES)}, got {value!r}")
    elif name in _RANGES or name in _COUNTS:
        pair: Sequence[Any] = value if isinstance(value, list | tuple) else [value, value]
        wanted = "an integer" if name in _COUNTS else "a number"
        if len(pair) == 2 and all(_is_number(number, whole=name in _COUNTS) for number in pair):
            return (pair[0], pair[1]) if name in _COUNTS else (float(pair[0]), float(pair[1]))
        problems.append(f"{name} must be {wanted} or [least, most], got {value!r}")
    elif name == "curriculum_episodes":
        if type(value) is int:
            return value
        problems.append(f"{name} must be an integer, got {value!r}")
    else:
        if isinstance(value, int | float) and _is_number(value, whole=False):
            return float(value)
        problems.append(f"{name} must be a number, got {value!r}")
    return None


def _is_number(value: object, whole: bool) -> bool:
    return (type(value) is int and abs(value) < 2**53) or (not whole and type(value) is float and math.isfinite(value))


def _problems(values: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, value in values.items():
        if name in ALLOWED:
            lowest, highest = ALLOWED[name]
            pair = value if isinstance(value, tuple) else (value, value)
            if not lowest <= pair[0] <= pair[1] <= highest:
                problems.append(f"{name} must be within {lowest:g} to {highest:g}, least first, got {value!r}")
    return problems


# What the cell can do. The widest cube that was reliable with waypoint noise has an edge of 5 cm; a hand that lifts
# 10 cm passes over what is at most 5 cm high.
ALLOWED: Final[Mapping[str, tuple[float, float]]] = {
    "cube_edge_m": (0.02, 0.05),
    "object_mass_kg": (0.01, 1.0),
    "object_friction": (0.1, 2.0),
    "colour_jitter": (0.0, 0.2),
    "distractors": (0, MAX_DISTRACTORS),
    "table_height_m": (0.0, 0.05),
    "table_colour": (0.0, 0.5),
    "light_angle_rad": (0.0, math.radians(60)),
    "light_intensity": (0.1, 3.0),
    "light_kelvin": (2000.0, 12000.0),
    "camera_position_m": (0.0, 0.05),
    "camera_angle_rad": (0.0, math.radians(5)),
    "camera_fov": (0.0, 0.1),
    "camera_noise": (0.0, 30.0),
    "start_arm_rad": (0.0, 0.1),
    "gain": (0.5, 2.0),
    "delay_ticks": (0, MAX_DELAY_TICKS),
    "speed": (0.5, 1.5),
    "observation_noise": (0.0, 5.0),
    "curriculum_episodes": (0, 10**9),
}
_COUNTS: Final = ("distractors", "delay_ticks")
_RANGES: Final[Sequence[str]] = (
    *("cube_edge_m", "object_mass_kg", "object_friction", "light_intensity", "light_kelvin"),
    *("camera_noise", "gain", "speed"),
)
_BOUNDS: Final[Sequence[str]] = (
    *("colour_jitter", "table_height_m", "table_colour", "light_angle_rad", "camera_position_m"),
    *("camera_angle_rad", "camera_fov", "start_arm_rad", "observation_noise"),
)

PRESETS: Final[Mapping[str, Randomization]] = {
    "none": Randomization(),
    "light": Randomization(
        cube_edge_m=(0.035, 0.045),
        object_mass_kg=(0.05, 0.2),
        object_friction=(0.7, 1.3),
        colour_jitter=0.06,
        table_colour=0.1,
        light_angle_rad=math.radians(15),
        light_intensity=(0.8, 1.2),
        light_kelvin=(5000.0, 7500.0),
        camera_position_m=0.01,
        camera_angle_rad=math.radians(1),
        camera_fov=0.015,
        start_arm_rad=0.02,
    ),
    "full": Randomization(
        cube_edge_m=(0.03, 0.05),
        object_mass_kg=(0.05, 0.5),
        object_friction=(0.3, 1.5),
        colour_jitter=0.08,
        distractors=(0, MAX_DISTRACTORS),
        table_height_m=0.03,
        table_colour=0.3,
        table_textures=TEXTURES,
        light_angle_rad=math.radians(35),
        light_intensity=(0.6, 1.3),
        light_kelvin=(3500.0, 9000.0),
        camera_position_m=0.02,
        camera_angle_rad=math.radians(2),
        camera_fov=0.03,
        camera_noise=(0.0, 6.0),
        start_arm_rad=0.05,
        gain=(0.8, 1.2),
        delay_ticks=(0, MAX_DELAY_TICKS),
        speed=(0.8, 1.2),
        observation_noise=1.0,
    ),
}
