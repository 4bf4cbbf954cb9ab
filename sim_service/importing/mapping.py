"""Which arrays of a demonstration become the state, the action and the pictures of a dataset, and in which units."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

UNKNOWN_ROBOT: Final = "unknown"
_PARTS: Final = ("robot_type", "state", "action", "extra", "cameras")
_OF_SOURCE: Final = ("key", "names", "columns", "scale", "offset", "initial")


class MappingError(RuntimeError):
    """The mapping does not hold together; the message lists everything that is wrong."""


@dataclass(frozen=True)
class Source:
    """Some columns of one array, `value * scale + offset` of each.

    key: of the array below the demonstration, shape (N,) or (N, ...), flattened to (N, columns). names: of the
    dimensions that they become. columns: which ones, in that order; None for all. scale, offset: one number for all
    columns. initial: where the value before the first action stands, for an array that holds, in row k, what was there
    after action k: frame 0 takes that one, frame k + 1 takes row k.
    """

    key: str
    names: tuple[str, ...]
    columns: tuple[int, ...] | None = None
    scale: float = 1.0
    offset: float = 0.0
    initial: str | None = None

    def as_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {"key": self.key, "names": list(self.names)}
        if self.columns is not None:
            content["columns"] = list(self.columns)
        if self.scale != 1.0:
            content["scale"] = self.scale
        if self.offset != 0.0:
            content["offset"] = self.offset
        if self.initial is not None:
            content["initial"] = self.initial
        return content


@dataclass(frozen=True)
class DemoMapping:
    """state, action: joined in order. extra: further features by name. cameras: name to the key of its pictures."""

    state: tuple[Source, ...]
    action: tuple[Source, ...]
    extra: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    cameras: Mapping[str, str] = field(default_factory=dict)
    robot_type: str = UNKNOWN_ROBOT

    @property
    def vectors(self) -> dict[str, tuple[Source, ...]]:
        """All of them but the pictures; `state` and `action` under these names."""
        return {"state": self.state, "action": self.action, **self.extra}

    def as_json(self) -> dict[str, Any]:
        """What `mapping_of` makes the same of."""
        return {
            "robot_type": self.robot_type,
            "state": [source.as_json() for source in self.state],
            "action": [source.as_json() for source in self.action],
            "extra": {name: [source.as_json() for source in sources] for name, sources in self.extra.items()},
            "cameras": dict(self.cameras),
        }


def names_of(sources: Sequence[Source]) -> tuple[str, ...]:
    return tuple(name for source in sources for name in source.names)


def read_mapping(path: Path) -> DemoMapping:
    """Of a YAML or JSON file. Raises MappingError."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML, too
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise MappingError(f"cannot read the mapping {path}: {error}") from error
    try:
        return mapping_of(content)
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from error


def mapping_of(content: Any) -> DemoMapping:
    """Of what a file holds. Raises MappingError."""
    if not isinstance(content, dict):
        raise MappingError(f"a mapping has the entries {', '.join(_PARTS)}; got {content!r}")
    problems = [f"unknown entry {name!r}; known: {', '.join(_PARTS)}" for name in content if name not in _PARTS]
    state = _sources("state", content.get("state"), problems)
    action = _sources("action", content.get("action"), problems)
    extra, cameras = content.get("extra") or {}, content.get("cameras") or {}
    if not isinstance(extra, dict):
        problems.append(f"extra must hold features by name, got {extra!r}")
        extra = {}
    features = {str(name): _sources(f"extra {name}", sources, problems) for name, sources in extra.items()}
    is_texts = isinstance(cameras, dict) and all(isinstance(text, str) for pair in cameras.items() for text in pair)
    if not is_texts:
        problems.append(f"cameras must hold a key of pictures by camera name, got {cameras!r}")
        cameras = {}
    robot_type = content.get("robot_type", UNKNOWN_ROBOT)
    if not isinstance(robot_type, str) or not robot_type:
        problems.append(f"robot_type must be a text, got {robot_type!r}")
    if problems:
        raise MappingError("; ".join(problems))
    return DemoMapping(state, action, features, dict(cameras), robot_type)


def mapping_text(mapping: DemoMapping) -> str:
    """As a YAML file, a source on a line."""
    content = mapping.as_json()
    lines = [f"robot_type: {json.dumps(content['robot_type'])}"]
    for part in ("state", "action"):
        lines += [f"{part}:", *(f"  - {json.dumps(source)}" for source in content[part])]
    if content["extra"]:
        lines.append("extra:")
        for name, sources in content["extra"].items():
            lines += [f"  {json.dumps(name)}:", *(f"    - {json.dumps(source)}" for source in sources)]
    lines += [f"cameras: {json.dumps(content['cameras'])}"]
    return "\n".join(lines) + "\n"


def _sources(where: str, content: Any, problems: list[str]) -> tuple[Source, ...]:
    if not isinstance(content, list) or not content:
        problems.append(f"{where} must be a list of sources, each with a key and names; got {content!r}")
        return ()
    return tuple(_source(f"{where}[{number}]", entry, problems) for number, entry in enumerate(content))


def _source(where: str, entry: Any, problems: list[str]) -> Source:
    if not isinstance(entry, dict):
        problems.append(f"{where} must have the entries key and names, got {entry!r}")
        return Source("", ())
    problems += [
        f"{where} has an unknown entry {name!r}; known: {', '.join(_OF_SOURCE)}"
        for name in entry
        if name not in _OF_SOURCE
    ]
    key, names, columns, initial = (entry.get(name) for name in ("key", "names", "columns", "initial"))
    if not isinstance(key, str) or not key:
        problems.append(f"{where}: key must be a text such as obs/joint_pos, got {key!r}")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        problems.append(f"{where}: names must be a list of texts, got {names!r}")
        names = []
    if columns is not None and not _are_columns(columns):
        problems.append(f"{where}: columns must be a list of numbers from 0 on, got {columns!r}")
        columns = None
    elif columns is not None and names and len(columns) != len(names):
        problems.append(f"{where}: {len(columns)} columns for {len(names)} names")
    numbers = {}
    for name, default in (("scale", 1.0), ("offset", 0.0)):
        value = entry.get(name, default)
        numbers[name] = default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            problems.append(f"{where}: {name} must be a number, got {value!r}")
        else:
            numbers[name] = float(value)
    if initial is not None and (not isinstance(initial, str) or not initial):
        problems.append(f"{where}: initial must be a text such as initial_state/joint_position, got {initial!r}")
        initial = None
    chosen = None if columns is None else tuple(columns)
    return Source(str(key), tuple(names), chosen, numbers["scale"], numbers["offset"], initial)


def _are_columns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(column) is int and column >= 0 for column in value)
