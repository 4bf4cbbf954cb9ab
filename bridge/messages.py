"""What clients send, checked: from bytes, parsed JSON and query values to the commands of the simulator process.

Pure: no Flask, no clock, no disk. A request that cannot be understood is a BadRequestError with every fault in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args

from sim_service.commands import CollectRequest, Preset, ResetScene, StopCollection, StopMode
from sim_service.ports import OutputDirError

MAX_EPISODES: Final = 1_000_000
MAX_SEED: Final = 2**63 - 1
STEPS_PER_SEGMENT: Final = (5, 600)
MAX_OBJECTS: Final = 6
MAX_OUTPUT_DIR_CHARACTERS: Final = 1024
MAX_KEY_CHARACTERS: Final = 200
MAX_JOBS: Final = 500
MAX_EPISODES_PER_PAGE: Final = 1000
MAX_OFFSET: Final = 10**9
_SHOWN_CHARACTERS: Final = 80
_DEFAULTS: Final = CollectRequest("")
_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=str | None)
_Integer = TypeVar("_Integer", bound=int | None)


@dataclass(frozen=True)
class FieldError:
    """field: name in the body or query, or of the header; "body" for all of it. message: what is allowed and what was
    found."""

    field: str
    message: str


class BadRequestError(ValueError):
    """A request that cannot be understood. errors: every fault of it."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = tuple(errors)


@dataclass(frozen=True)
class Page:
    offset: int
    limit: int


def load_json(data: bytes) -> object:
    """The value of a JSON text in UTF-8. NaN and the infinities are no JSON."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        fault = f"must be UTF-8; byte {error.start} is not"
    except RecursionError:
        fault = "is nested too deeply"
    except ValueError as error:
        fault = f"must be JSON; {error}" if data.strip() else "must be a JSON object; it is empty"
    raise BadRequestError([FieldError("body", fault)])


def parse_start(body: object, skills: Sequence[str], locate: Callable[[str], str]) -> CollectRequest:
    """locate: name of the dataset in an output directory; raises OutputDirError."""
    fields = _Fields(body)
    presets: tuple[Preset, ...] = get_args(Preset)
    request = CollectRequest(
        output_dir=fields.located("output_dir", locate),
        skill=fields.choice("skill", _DEFAULTS.skill, skills),
        num_episodes=fields.integer("num_episodes", _DEFAULTS.num_episodes, 1, MAX_EPISODES),
        seed=fields.integer("seed", _DEFAULTS.seed, 0, MAX_SEED),
        steps_per_segment=fields.integer("steps_per_segment", _DEFAULTS.steps_per_segment, *STEPS_PER_SEGMENT),
        use_ycb=fields.boolean("use_ycb", _DEFAULTS.use_ycb),
        randomize=fields.choice("randomize", _DEFAULTS.randomize, presets),
        num_objects=fields.integer("num_objects", _DEFAULTS.num_objects, 1, MAX_OBJECTS),
        resume=fields.boolean("resume", _DEFAULTS.resume),
    )
    fields.end()
    return request


def parse_stop(body: object) -> StopCollection:
    fields = _Fields(body)
    modes: tuple[StopMode, ...] = get_args(StopMode)
    mode = fields.choice("mode", StopCollection().mode, modes)
    fields.end()
    return StopCollection(mode)


def parse_reset(body: object) -> ResetScene:
    fields = _Fields(body)
    seed = fields.integer("seed", ResetScene().seed, 0, MAX_SEED)
    fields.end()
    return ResetScene(seed)


def parse_nothing(body: object) -> None:
    """A body that may hold no field."""
    _Fields(body).end()


def parse_token(body: object) -> str:
    fields = _Fields(body)
    token = fields.text("token")
    fields.end()
    return token


def parse_idempotency_key(header: str | None) -> str | None:
    if header is None:
        return None
    if 1 <= len(header) <= MAX_KEY_CHARACTERS and all("!" <= character <= "~" for character in header):
        return header
    allowed = f"must be 1 to {MAX_KEY_CHARACTERS} visible ASCII characters"
    raise BadRequestError([FieldError("Idempotency-Key", f"{allowed}; found {_shown(header)}")])


def parse_jobs_limit(query: Mapping[str, str]) -> int:
    errors: list[FieldError] = []
    limit = _query_integer(query, "limit", 50, 1, MAX_JOBS, errors)
    if errors:
        raise BadRequestError(errors)
    return limit


def parse_page(query: Mapping[str, str]) -> Page:
    errors: list[FieldError] = []
    offset = _query_integer(query, "offset", 0, 0, MAX_OFFSET, errors)
    limit = _query_integer(query, "limit", 100, 1, MAX_EPISODES_PER_PAGE, errors)
    if errors:
        raise BadRequestError(errors)
    return Page(offset, limit)


class _Fields:
    """The fields of a JSON object. What is asked for and wrong is noted, and raised by `end`."""

    def __init__(self, body: object) -> None:
        if not isinstance(body, dict):
            raise BadRequestError([FieldError("body", f"must be a JSON object; found {_shown(body)}")])
        self._body: dict[str, Any] = body
        self._asked: list[str] = []
        self._errors: list[FieldError] = []

    def integer(self, name: str, default: _Integer, low: int, high: int) -> int | _Integer:
        """With a default of None, null is allowed."""
        value = self._value(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        if value is None and default is None:
            return default
        allowed = f"an integer from {low} to {high}{' or null' if default is None else ''}"
        return self._wrong(name, allowed, value, default)

    def boolean(self, name: str, default: bool) -> bool:
        value = self._value(name, default)
        return value if isinstance(value, bool) else self._wrong(name, "true or false", value, default)

    def choice(self, name: str, default: _Choice, choices: Sequence[_Choice]) -> _Choice:
        value = self._value(name, default)
        for choice in choices:
            if value == choice:
                return choice
        return self._wrong(name, " or ".join(json.dumps(choice) for choice in choices), value, default)

    def text(self, name: str) -> str:
        """A string that must be there."""
        value = self._value(name, None)
        if name not in self._body:
            self._errors.append(FieldError(name, "is required"))
        elif isinstance(value, str) and value:
            return value
        else:
            return self._wrong(name, "a string of at least one character", value, "")
        return ""

    def located(self, name: str, locate: Callable[[str], str]) -> str:
        """A path that must be there, as `locate` names it."""
        path = self.text(name)
        if not path:
            return ""
        if len(path) > MAX_OUTPUT_DIR_CHARACTERS:
            return self._wrong(name, f"at most {MAX_OUTPUT_DIR_CHARACTERS} characters long", path, "")
        if not path.isprintable():
            return self._wrong(name, "printable characters", path, "")
        try:
            return locate(path)
        except OutputDirError as error:
            self._errors.append(FieldError(name, str(error)))
            return ""

    def end(self) -> None:
        """Raises BadRequestError if anything was wrong, fields that nobody asked for among it."""
        known = f"the fields are {', '.join(self._asked)}" if self._asked else "no field is allowed here"
        unknown = [name for name in self._body if name not in self._asked]
        self._errors += [FieldError(_clipped(name), f"is not a field; {known}") for name in unknown]
        if self._errors:
            raise BadRequestError(self._errors)

    def _value(self, name: str, default: object) -> object:
        self._asked.append(name)
        return self._body.get(name, default)

    def _wrong(self, name: str, allowed: str, value: object, instead: _Value) -> _Value:
        self._errors.append(FieldError(name, f"must be {allowed}; found {_shown(value)}"))
        return instead


def _query_integer(
    query: Mapping[str, str], name: str, default: int, low: int, high: int, errors: list[FieldError]
) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= len(str(high)) and low <= int(text) <= high:
        return int(text)
    errors.append(FieldError(name, f"must be an integer from {low} to {high}; found {_shown(text)}"))
    return default


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _shown(value: object) -> str:
    """The value for a message: small ones as they are, objects and arrays by their kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN_CHARACTERS:
        return f"an integer of {int(math.log10(abs(value))) + 1} digits"
    return _clipped(json.dumps(value))


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
