"""A randomization by the name of its preset, or from a YAML or JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from collectors.randomization import PRESETS, Randomization, RandomizationError, from_mapping

PRESET: Final = "preset"  # entry of a file: what holds for the entries that it leaves out


def read_randomization(text: str) -> Randomization:
    """text: a preset's name, or a file. Raises RandomizationError with everything that is wrong."""
    if text in PRESETS:
        return PRESETS[text]
    path = Path(text).expanduser()
    if not path.is_file():
        raise RandomizationError(f"{text!r} is neither a file nor one of {', '.join(PRESETS)}")
    try:
        content: Any = yaml.safe_load(path.read_text())  # JSON is YAML, too
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RandomizationError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise RandomizationError(f"{path} must hold a mapping of names to ranges, got {content!r}")
    base = content.pop(PRESET, "none")
    if not isinstance(base, str) or base not in PRESETS:
        raise RandomizationError(f"{path}: {PRESET} must be one of {', '.join(PRESETS)}, got {base!r}")
    try:
        return from_mapping(content, PRESETS[base])
    except RandomizationError as error:
        raise RandomizationError(f"{path}: {error}") from error
