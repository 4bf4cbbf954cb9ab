"""The datasets below the data root, as they are on the disk just now: summaries, episodes, videos, reports."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from lerobot_writer import layout
from sim_service.dataset_folders import find_datasets, is_dataset
from sim_service.dataset_info import DatasetInfo, read_collection, read_info
from sim_service.episode_rows import EpisodeRows
from sim_service.episode_video import EpisodeVideos, Span
from sim_service.folder_listings import FolderListings, file_version, is_inside
from sim_service.ledger import COLLECTION_FILE
from sim_service.ports import (
    DatasetSummary,
    EpisodeSummary,
    EpisodeVideo,
    UnknownDatasetError,
    UnreadableDatasetError,
)

REPORT_FILE: Final = Path("report.html")

_log = logging.getLogger(__name__)

_TRIES: Final = 3  # for a dataset that changes while it is read
_NAMES_TOLD: Final = 20
_WATCHED: Final = (layout.INFO.parent, layout.INFO, COLLECTION_FILE, REPORT_FILE)
_Version = tuple[tuple[int, ...], ...]
"""Of each watched file: inode, time of change [ns], size; empty where it is not there."""
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class _Known:
    """A dataset as it was last read. watched: files that make it out of date. info: None where it is broken."""

    watched: tuple[Path, ...]
    version: _Version
    info: DatasetInfo | None
    summary: DatasetSummary


class DatasetCatalogue:
    """Satisfies `sim_service.ports.Catalogue`; reads again only what has changed.

    only: the name of the one dataset to show. Datasets may grow, be packed or be deleted at any moment. meta/info.json
    alone decides whether one is listed as broken; what else is broken is found when it is read.
    """

    def __init__(self, root: Path | str, only: str | None = None) -> None:
        self._root = Path(os.path.realpath(root))
        self._only = only
        self._listings, self._rows, self._videos = FolderListings(), EpisodeRows(), EpisodeVideos()
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()
        self._limit_told = False

    def datasets(self) -> Sequence[DatasetSummary]:
        names = self._names()
        summaries = []
        for name in names:
            try:
                summaries.append(self._look_at(name).summary)
            except UnknownDatasetError:
                continue  # deleted just now
        with self._lock:
            for name in self._known.keys() - set(names):
                del self._known[name]
        return sorted(summaries, key=lambda summary: (-summary.modified_at, summary.name))

    def dataset(self, name: str) -> DatasetSummary:
        return self._open(name)[0].summary

    def episodes(self, name: str, offset: int, limit: int) -> Sequence[EpisodeSummary]:
        if offset < 0 or limit < 0:
            raise ValueError(f"offset {offset} and limit {limit} must not be negative")
        return self._read(name, lambda info: self._rows.summaries(self._root / name, self._root, info, offset, limit))

    def video(self, name: str, episode: int, camera: str) -> EpisodeVideo:
        return self._read(name, lambda info: self._video(name, info, episode, camera))

    def report(self, name: str) -> Path:
        self._require_known(name)
        path = self._root / name / REPORT_FILE
        if not _is_file(path):
            raise UnknownDatasetError(f"no report of {name}: there is no {REPORT_FILE} in its folder")
        return path

    def _names(self) -> Sequence[str]:
        if self._only is not None:
            return [self._only] if self._has(self._only) else []
        try:
            return list(find_datasets(self._root, self._listings, when_too_many=self._tell_limit))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UnreadableDatasetError(f"cannot list the data root {self._root}: {error}") from error

    def _tell_limit(self, folders: int) -> None:
        if not self._limit_told:
            self._limit_told = True
            _log.warning(
                "only %d folders below %s were searched for datasets; choose a data root with less in it",
                folders,
                self._root,
            )

    def _has(self, name: str) -> bool:
        if self._only is not None:
            return name == self._only and _exists(self._root / name / layout.INFO)
        return is_dataset(self._root, name)

    def _require_known(self, name: str) -> None:
        if self._has(name):
            return
        names = sorted(self._names())
        more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
        told = f"there are {', '.join(names[:_NAMES_TOLD])}{more}" if names else "there are none yet"
        raise UnknownDatasetError(f"no dataset {name[:200]!r}; {told}")

    def _open(self, name: str) -> tuple[_Known, DatasetInfo]:
        self._require_known(name)
        known = self._look_at(name)
        if known.info is None:
            raise UnreadableDatasetError(f"dataset {name}: {known.summary.error}")
        return known, known.info

    def _read(self, name: str, read: Callable[[DatasetInfo], _Found]) -> _Found:
        """What `read` finds. What it finds wrong counts only if the dataset stayed the same meanwhile."""
        tries = 0
        while True:
            known, info = self._open(name)
            tries += 1
            try:
                return read(info)
            except UnreadableDatasetError as error:
                if tries == _TRIES or _version(name, known.watched) == known.version:
                    raise UnreadableDatasetError(f"dataset {name}: {error}") from error

    def _look_at(self, name: str) -> _Known:
        with self._lock:
            known = self._known.get(name)
            watched = known.watched if known else tuple(self._root / name / path for path in _WATCHED)
            version = _version(name, watched)
            if known is None or known.version != version:
                try:
                    known = self._describe(name, watched, version)
                except OSError as error:  # perhaps for the moment: not remembered
                    version = _version(name, watched)
                    summary = DatasetSummary(name, error=f"cannot read {layout.INFO}: {error.strerror or error}")
                    return _Known(watched, version, None, summary)
                self._known[name] = known
            return known

    def _describe(self, name: str, watched: tuple[Path, ...], version: _Version) -> _Known:
        """Raises OSError."""
        folder = self._root / name
        try:
            info = read_info(folder, self._root)
        except UnreadableDatasetError as error:
            return _Known(watched, version, None, DatasetSummary(name, error=str(error)))
        collected = read_collection(folder, self._root)
        summary = DatasetSummary(
            name,
            info.episodes,
            info.frames,
            info.fps,
            info.robot_type,
            tuple(info.cameras),
            self._listings.size_bytes(folder),
            version[_WATCHED.index(layout.INFO)][1] / 1e9,
            collected.simulator,
            collected.seed,
            collected.attempts,
            collected.successes,
            collected.failures,
            _is_file(folder / REPORT_FILE),
        )
        return _Known(watched, version, info, summary)

    def _video(self, name: str, info: DatasetInfo, episode: int, camera: str) -> EpisodeVideo:
        if not 0 <= episode < info.episodes:
            has = f"it has 0 to {info.episodes - 1}" if info.episodes else "it has none"
            raise UnknownDatasetError(f"no episode {episode} in {name}; {has}")
        if camera not in info.cameras:
            has = f"it has {', '.join(info.cameras)}" if info.cameras else "it has none with videos"
            raise UnknownDatasetError(f"no camera {camera[:200]!r} in {name}; {has}")
        feature = info.cameras[camera]
        place = self._rows.place(self._root / name, self._root, info, episode, feature)
        relative = info.video_file(feature, place.chunk, place.file)
        file = self._root / name / relative
        if not is_inside(file, self._root):
            raise UnreadableDatasetError(f"{relative} is a link that leads out of {self._root}")
        try:
            version = file_version(file)
        except (OSError, ValueError) as error:
            raise UnreadableDatasetError(f"cannot read {relative}: {error}") from error
        span = Span(place.start_s, place.frames, info.fps)
        content = self._videos.of(file, version, span)
        etag = hashlib.sha256(repr((name, episode, camera, *version, span)).encode()).hexdigest()[:32]
        return EpisodeVideo(content, etag)


def _version(name: str, watched: tuple[Path, ...]) -> _Version:
    """Another one when the summary may have changed. Raises UnknownDatasetError where the dataset is gone."""
    found = tuple(map(_stat, watched))
    if not found[_WATCHED.index(layout.INFO)]:
        raise UnknownDatasetError(f"dataset {name} was deleted just now")
    return found


def _stat(path: Path) -> tuple[int, ...]:
    """Of the file that a link leads to, or of a link that leads nowhere; empty where there is nothing."""
    try:
        found = path.stat()
    except OSError:
        try:
            found = path.lstat()
        except OSError:
            return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _exists(path: Path) -> bool:
    return bool(_stat(path))


def _is_file(path: Path) -> bool:
    """Links do not count: what they lead to may lie anywhere."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
