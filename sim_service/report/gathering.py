"""Reads a dataset for its report. Whoever wrote the dataset is not trusted: what is not as expected is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sim_service.folder_listings import file_version
from sim_service.ledger import COLLECTION_FILE
from sim_service.report.distributions import distributions
from sim_service.report.facts import Clip, Quality, ReportFacts, ShownEpisode
from sim_service.report.markup import shortened
from sim_service.report.media import clip
from sim_service.report.outcomes import coverage, exhausted_indices, outcomes, placement_errors
from sim_service.report.shown_episodes import MAX_CAMERAS, UNREADABLE, clip_episodes, said, shown_episode
from sim_service.report.summary import mapping, preset, ranges, recording, totals, versions
from sim_service.stored import DatasetError, StoredDataset

_MAX_COLLECTION_BYTES: Final = 32 * 2**20
_MAX_PICTURES_BYTES: Final = 3_000_000
_MAX_TASKS: Final = 20
_TEXT_LENGTH: Final = 200


def require_usable(dataset: StoredDataset) -> None:
    """Raises DatasetError for rows without what every dataset has."""
    if dataset.fps < 1:
        raise DatasetError(f"{dataset.root} has {dataset.fps} frames per second")
    for place, row in enumerate(dataset.rows):
        if type(row.get("length")) is not int or row["length"] < 1:
            raise DatasetError(f"{dataset.root} has no length of episode {place}: {row.get('length')!r}")


def gather(dataset: StoredDataset, chosen: Mapping[int, str], quality: Quality) -> ReportFacts:
    """All but the clips. chosen: the episodes to show closely, and why."""
    problems: list[str] = []
    collection = _read_collection(dataset.root, problems)
    configuration = mapping(collection.get("configuration"))
    randomization = mapping(configuration.get("randomization"))
    rows = dataset.rows
    tasks = Counter(
        task for row in rows if isinstance(row.get("tasks"), list) for task in dict.fromkeys(map(str, row["tasks"]))
    )
    return ReportFacts(
        name=dataset.root.resolve().name,
        episodes=len(rows),
        collected=all("collection/segment_frames" in row for row in rows) and bool(rows),
        totals=totals(dataset),
        recording=recording(dataset, configuration),
        versions=versions(configuration),
        tasks=tuple((shortened(task, _TEXT_LENGTH), count) for task, count in tasks.most_common(_MAX_TASKS)),
        total_tasks=len(tasks),
        preset=preset(randomization),
        randomization=ranges(randomization),
        outcomes=outcomes(rows, exhausted_indices(collection)),
        coverage=coverage(rows),
        errors=placement_errors(rows),
        distributions=distributions(rows, configuration),
        quality=quality,
        shown=tuple(_shown(dataset, chosen)),
        problems=tuple(problems),
    )


def _shown(dataset: StoredDataset, chosen: Mapping[int, str]) -> Iterator[ShownEpisode]:
    """With pictures as long as there is room for them."""
    left_bytes = _MAX_PICTURES_BYTES
    for episode, why in chosen.items():
        entry = shown_episode(dataset, episode, why)
        sheets, problems = [], list(entry.problems)
        for sheet in entry.sheets:
            size_bytes = sum(len(picture.jpeg) for picture in sheet.pictures)
            if size_bytes <= left_bytes:
                left_bytes -= size_bytes
                sheets.append(sheet)
            else:
                problems.append(f"the pictures of {sheet.camera} are left out, so that the page stays small")
        yield replace(entry, sheets=tuple(sheets), problems=tuple(problems))


def with_clips(facts: ReportFacts, dataset: StoredDataset, most_bytes: int) -> ReportFacts:
    """With clips of at most that many bytes together."""
    cameras = dataset.cameras[:MAX_CAMERAS]
    episodes = clip_episodes(facts.shown)
    left_bytes, left = most_bytes, len(cameras) * len(episodes)
    shown = []
    for entry in facts.shown:
        clips: list[Clip] = []
        problems: list[str] = []
        for camera in cameras if entry.number in episodes else ():
            try:
                clips.append(clip(dataset, entry.number, camera, left_bytes // left))
                left_bytes -= len(clips[-1].mp4)
            except UNREADABLE as error:
                problems.append(said(error))
            left -= 1
        shown.append(replace(entry, clips=tuple(clips), problems=(*entry.problems, *problems)))
    return replace(facts, shown=tuple(shown))


def _read_collection(root: Path, problems: list[str]) -> dict[str, Any]:
    try:
        file_version(root / COLLECTION_FILE)  # no pipe, which would block
        with (root / COLLECTION_FILE).open("rb") as stream:
            text = stream.read(_MAX_COLLECTION_BYTES + 1)
        content = json.loads(text) if len(text) <= _MAX_COLLECTION_BYTES else None
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{COLLECTION_FILE} cannot be read: {error}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{COLLECTION_FILE} is no JSON object of at most {_MAX_COLLECTION_BYTES >> 20} MB")
        return {}
    return content
