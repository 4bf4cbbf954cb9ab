"""What meta/info.json and meta/collection.json say, without trusting them: anybody may have written these files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any, Final

from lerobot_writer import layout
from lerobot_writer.schema import CODEBASE_VERSION, IMAGE_PREFIX
from sim_service.folder_listings import file_version, is_inside
from sim_service.ledger import COLLECTION_FILE
from sim_service.ports import UnreadableDatasetError

_MAX_FILE_BYTES: Final = 32 * 2**20
_MAX_PROBLEMS: Final = 10  # told
_MAX_COUNT: Final = 2**53  # what JSON readers tell apart from its neighbours
_TEMPLATE_FIELDS: Final = {"video_key": "", "chunk_index": r"(0?\d)?d?", "file_index": r"(0?\d)?d?"}


@dataclass(frozen=True)
class DatasetInfo:
    """cameras: name to the feature's name, of those that have videos. video_path: template of their files."""

    episodes: int
    frames: int
    fps: int
    robot_type: str
    cameras: Mapping[str, str]
    video_path: str

    def video_file(self, feature: str, chunk: int, file: int) -> str:
        """Relative to the dataset. Raises UnreadableDatasetError where it is not."""
        path = self.video_path.format(video_key=feature, chunk_index=chunk, file_index=file)
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise UnreadableDatasetError(f"video_path of {layout.INFO} leads out of the dataset: {path!r}")
        return path


@dataclass(frozen=True)
class CollectionInfo:
    """What our collector knows of the dataset; None where it did not write it, or its file is broken."""

    simulator: str | None = None
    seed: int | None = None
    attempts: int | None = None
    successes: int | None = None
    failures: Mapping[str, int] = field(default_factory=dict)


def read_info(dataset: Path, root: Path) -> DatasetInfo:
    """root: without links, and the file in it. Raises OSError, and UnreadableDatasetError with all that is wrong."""
    info = _read_object(dataset / layout.INFO, root)
    version = info.get("codebase_version")
    if version != CODEBASE_VERSION:
        found = version[:40] if isinstance(version, str) else _shown(version)
        raise UnreadableDatasetError(f"codebase_version {found}, {CODEBASE_VERSION} is needed")
    problems: list[str] = []
    episodes = _count(info, "total_episodes", 0, problems)
    frames = _count(info, "total_frames", 0, problems)
    fps = _count(info, "fps", 1, problems)
    cameras = _cameras(info.get("features"), problems)
    robot_type, video_path = info.get("robot_type"), info.get("video_path")
    if cameras:
        problems += _template_problems(video_path)
    if problems:
        raise UnreadableDatasetError(f"{layout.INFO}: {'; '.join(problems[:_MAX_PROBLEMS])}")
    template = video_path if isinstance(video_path, str) else ""
    return DatasetInfo(episodes, frames, fps, _text(robot_type) or "", cameras, template)


def read_collection(dataset: Path, root: Path) -> CollectionInfo:
    """root: as of `read_info`."""
    try:
        content = _read_object(dataset / COLLECTION_FILE, root)
    except (OSError, UnreadableDatasetError):
        return CollectionInfo()
    configuration, totals = _object(content.get("configuration")), _object(content.get("totals"))
    simulator, seed = configuration.get("simulator"), configuration.get("seed")
    attempts, successes, failures = totals.get("attempts"), totals.get("successes"), _object(totals.get("failures"))
    counted = _is_count(attempts) and _is_count(successes) and all(map(_is_count, failures.values()))
    return CollectionInfo(
        _text(simulator),
        seed if type(seed) is int and 0 <= seed < 2**63 else None,
        attempts if counted else None,
        successes if counted else None,
        {str(_text(reason)): count for reason, count in failures.items()} if counted else {},
    )


def _read_object(path: Path, root: Path) -> dict[str, Any]:
    if not is_inside(path, root):
        raise UnreadableDatasetError(f"{path.name} is a link that leads out of {root}")
    file_version(path)  # no pipe, which would block
    with path.open("rb") as stream:
        text = stream.read(_MAX_FILE_BYTES + 1)
    if len(text) > _MAX_FILE_BYTES:
        raise UnreadableDatasetError(f"{path.name} is larger than {_MAX_FILE_BYTES >> 20} MB")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableDatasetError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise UnreadableDatasetError(f"{path.name} holds no JSON object")
    return content


def _cameras(features: object, problems: list[str]) -> dict[str, str]:
    if not isinstance(features, dict):
        problems.append(f"features is {_shown(features)}, not an object")
        return {}
    cameras: dict[str, str] = {}
    for feature, what in features.items():
        dtype = what.get("dtype") if isinstance(what, dict) else None
        if not isinstance(dtype, str):
            problems.append(f"feature {_shown(feature)} has no dtype")
        elif dtype == "video" and ("/" in feature or not feature.isprintable()):
            problems.append(f"feature {_shown(feature)} has a '/' or a character that cannot be shown in its name")
        elif dtype == "video":
            camera = feature.removeprefix(IMAGE_PREFIX)
            cameras[feature if not camera or camera in features else camera] = feature
    return cameras


def _template_problems(template: object) -> list[str]:
    """What keeps a text from being formatted without surprises."""
    if not isinstance(template, str):
        return [f"video_path is {_shown(template)}, not a text"]
    try:
        for _, name, specification, conversion in Formatter().parse(template):
            if name is None:
                continue
            allowed = _TEMPLATE_FIELDS.get(name)
            if allowed is None or conversion or not re.fullmatch(allowed, specification or ""):
                field_text = f"{name}{'!' + conversion if conversion else ''}:{specification}"
                return [f"video_path has the field {_shown(field_text)}; known: {', '.join(_TEMPLATE_FIELDS)}"]
    except ValueError as error:
        return [f"video_path is no template: {error}"]
    return []


def _count(info: Mapping[str, object], name: str, least: int, problems: list[str]) -> int:
    value = info.get(name)
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, int) and _is_count(whole, least):
        return whole
    problems.append(f"{name} is {_shown(value)}, not an integer from {least} on")
    return least


def _is_count(value: object, least: int = 0) -> bool:
    return type(value) is int and least <= value <= _MAX_COUNT


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    """JSON can hold halves of characters, which no other text can."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
