"""A randomization as the word of a command line: a preset's name, a YAML or JSON file, or such a mapping itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from collectors.randomization import PRESETS, Randomization, RandomizationError, from_mapping

PRESET: Final = "preset"  # entry of a file: what holds for the entries that it leaves out


def read_randomization(text: str) -> Randomization:
    """Raises RandomizationError with everything that is wrong."""
    if text in PRESETS:
        return PRESETS[text]
    if text.lstrip().startswith("{"):
        return _randomization(text, "the mapping")
    path = Path(text).expanduser()
    if not path.is_file():
        raise RandomizationError(f"{text!r} is neither a file nor one of {', '.join(PRESETS)}")
    try:
        return _randomization(path.read_text(), str(path))
    except (OSError, ValueError) as error:
        raise RandomizationError(f"cannot read {path}: {error}") from error


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
        content: Any = yaml.safe_load(text)  # JSON is YAML, too
    except yaml.YAMLError as error:
        raise RandomizationError(f"cannot read {where}: {error}") from error
    if not isinstance(content, dict):
        raise RandomizationError(f"{where} must hold a mapping of names to ranges, got {content!r}")
    base = content.pop(PRESET, "none")
    if not isinstance(base, str) or base not in PRESETS:
        raise RandomizationError(f"{where}: {PRESET} must be one of {', '.join(PRESETS)}, got {base!r}")
    try:
        return from_mapping(content, PRESETS[base])
    except RandomizationError as error:
        raise RandomizationError(f"{where}: {error}") from error
