"""A randomization as the word of a command line: a preset's name, a YAML or JSON file, or such a mapping itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from collectors.randomization import PRESETS, Randomization, RandomizationError, from_mapping

_MOST_BYTES: Final = 65_536
_SHOWN: Final = 200  # characters of a value in a message

PRESET: Final = "preset"  # entry of a file: what holds for the entries that it leaves out


def read_randomization(text: str) -> Randomization:
    """Raises RandomizationError with everything that is wrong."""
    if text in PRESETS:
        return PRESETS[text]
    if text.lstrip().startswith("{"):
        return _randomization(text, "the mapping")
    try:
        path = Path(text).expanduser()
        if not path.is_file():
            raise RandomizationError(f"{text!r} is neither a file nor one of {', '.join(PRESETS)}")
        if path.stat().st_size > _MOST_BYTES:
            raise RandomizationError(
                f"{path} has {path.stat().st_size} bytes, a randomization has {_MOST_BYTES} at most"
            )
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError, RuntimeError) as error:
        if isinstance(error, RandomizationError):
            raise
        raise RandomizationError(f"cannot read {text!r}: {error}") from error
    return _randomization(content, str(path))


def randomization_word(randomization: Randomization) -> str:
    """What `read_randomization` makes the same of, without any file."""
    for name, preset in PRESETS.items():
        if randomization == preset:
            return name
    plain = PRESETS["none"].as_json()
    return json.dumps({name: value for name, value in randomization.as_json().items() if value != plain[name]})


def _randomization(text: str, where: str) -> Randomization:
    """where: what errors name."""
    try:
        content: Any = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RandomizationError(f"cannot read {where}: {error}") from error
    if not isinstance(content, dict):
        raise RandomizationError(f"{where} must hold a mapping of names to ranges, got {_short(content)}")
    base = content.pop(PRESET, "none")
    if not isinstance(base, str) or base not in PRESETS:
        raise RandomizationError(f"{where}: {PRESET} must be one of {', '.join(PRESETS)}, got {_short(base)}")
    try:
        return from_mapping(content, PRESETS[base])
    except RandomizationError as error:
        raise RandomizationError(f"{where}: {error}") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class _Loader(yaml.SafeLoader):
    """Reads JSON as well: YAML 1.1 takes 1e-05 for a text. A key that comes twice and an alias are errors."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # of PyYAML, which has no types there
            raise yaml.MarkedYAMLError(
                problem=f"found the alias {event.anchor!r}; write it out", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.MarkedYAMLError(problem=f"found {', '.join(twice)} more than once", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


# The numbers of YAML 1.2's core schema (https://yaml.org/spec/1.2.2, 10.3.2), which are those of JSON too.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)
