"""What a report says first: how much there is, how it was recorded, with what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import sim_service
from collectors.randomization import PRESETS, RandomizationError, from_mapping
from sim_service.catalogue import REPORT_FILE
from sim_service.report.facts import Pairs
from sim_service.report.markup import shortened
from sim_service.stored import StoredDataset

_MAX_NAMES: Final = 12
_MAX_PAIRS: Final = 60
_TEXT_LENGTH: Final = 200
_NAME_LENGTH: Final = 60
# Of meta/collection.json, and how they are called here.
_CONFIGURATION: Final = {
    "simulator": "Simulator",
    "renderer": "Renderer",
    "render_preset": "Render preset",
    "seed": "Seed",
    "steps_per_segment": "Steps per segment",
    "waypoint_noise_rad": "Waypoint noise [rad]",
    "interpolation": "Interpolation",
    "approach": "Approach",
    "max_attempts": "Attempts per episode",
    "keep_failures": "Failures kept",
    "objects": "Objects",
}


def totals(dataset: StoredDataset) -> Pairs:
    frames = sum(row["length"] for row in dataset.rows)
    seconds = frames / dataset.fps
    return (
        ("Episodes", f"{len(dataset.rows):,}"),
        ("Frames", f"{frames:,}"),
        ("Duration", f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"),
        ("Size", f"{_size_bytes(dataset.root) / 1e6:,.1f} MB"),
    )


def recording(dataset: StoredDataset, configuration: Mapping[str, Any]) -> Pairs:
    pairs = [("Frames per second", f"{dataset.fps}"), ("Robot", _text(dataset.info.get("robot_type")))]
    pairs += [
        (f"Camera {camera.removeprefix('observation.images.')}", _camera(dataset, camera))
        for camera in dataset.cameras[:_MAX_NAMES]
    ]
    for name in ("observation.state", "action"):
        if name in dataset.features:
            feature = dataset.features[name]
            pairs.append((name, f"{_text(feature.get('shape'))} {_text(feature.get('dtype'))}"))
    pairs += [(label, _text(configuration[key])) for key, label in _CONFIGURATION.items() if key in configuration]
    return tuple((shortened(name, _NAME_LENGTH), value) for name, value in pairs)


def versions(configuration: Mapping[str, Any]) -> Pairs:
    versions = list(mapping(configuration.get("versions")).items())[:_MAX_NAMES]
    found = [
        (shortened(str(name), _NAME_LENGTH), _text(value))
        for name, value in versions
        if name not in ("simulator", "render_preset")  # told with the configuration
    ]
    return (*found, ("this report", f"isaac-collect {sim_service.__version__}"))


def _camera(dataset: StoredDataset, camera: str) -> str:
    feature = dataset.features[camera]
    shape, told = feature.get("shape"), mapping(feature.get("info"))
    height, width = shape[:2] if isinstance(shape, list) and len(shape) == 3 else ("?", "?")
    return f"{_text(width)} x {_text(height)}, {_text(told.get('video.codec'))}"


def ranges(randomization: Mapping[str, Any]) -> Pairs:
    """As configured."""
    found = list(randomization.items())[:_MAX_PAIRS]
    return tuple((shortened(str(name), _NAME_LENGTH), _text(value)) for name, value in found)


def preset(randomization: Mapping[str, Any]) -> str:
    """Its name; "" of a dataset that tells no randomization."""
    if not randomization:
        return ""
    try:
        found = from_mapping(randomization)
    except RandomizationError:
        return "not of this version"
    return next((name for name, preset in PRESETS.items() if preset == found), "own ranges")


def _size_bytes(root: Path) -> int:
    """Of all files but reports."""
    return sum(
        path.lstat().st_size for path in root.resolve().rglob("*") if path.is_file() and path.name != REPORT_FILE.name
    )


def mapping(value: object) -> dict[str, Any]:
    """Empty where it is none."""
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, int | float) for item in value):
        return " to ".join(f"{item:.6g}" for item in value) if len(value) == 2 else ", ".join(map(str, value))
    if isinstance(value, list):
        return shortened(", ".join(map(str, value[:_MAX_NAMES])), _TEXT_LENGTH)
    return shortened(str(value), _TEXT_LENGTH)
