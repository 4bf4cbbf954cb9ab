"""Join a finished dataset's files without re-encoding: few videos, data files of up to 100 MB, few histogram files.

`StreamingLeRobotDataset` reads only datasets with one video per camera (huggingface/lerobot#4524), and hubs prefer few
files. The packets and the rows stay as they are.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import pyarrow as pa

from lerobot_writer import layout
from lerobot_writer.durable import disk_errors, flush
from lerobot_writer.errors import PackError, ResumeError
from lerobot_writer.lock import holding
from lerobot_writer.pack_data import are_joined, join_data, join_histograms
from lerobot_writer.pack_rows import Int64s, Places, place_columns, read_columns, read_places, write_rows
from lerobot_writer.pack_video import join_videos, split_videos
from lerobot_writer.swap import finish_swap, rebuilding


def pack_dataset(root: Path, max_video_bytes: int | None = None) -> bool:
    """Build the packed dataset beside `root` and swap the two. Returns False when it was packed already.

    max_video_bytes: a camera's video file is ended before the episode that would make it larger; None: one file per
    camera. Raises PackError, ResumeError or StorageError with `root` untouched. A kill at any time leaves the old or
    the new dataset; what else it left beside it is cleared by the next writer or packing.
    """
    root = root.resolve()  # a link to the folder stays one
    with disk_errors(f"cannot pack {root}"):
        finish_swap(root)
        if not (root / layout.INFO).exists() or not (root / layout.WRITER).exists():
            raise ResumeError(f"{root} holds no dataset of lerobot_writer")
        with holding(root):
            info = _finished_info(root)
            try:
                return _Packing(root, info, max_video_bytes).run()
            except (av.error.FFmpegError, pa.ArrowException) as error:
                if isinstance(error, OSError):
                    raise
                raise PackError(f"cannot pack {root}: {error}; check it") from error


def _finished_info(root: Path) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json.loads((root / layout.INFO).read_bytes())
        quantile_episodes = json.loads((root / layout.WRITER).read_bytes())["quantile_episodes"]
        is_finished = not (root / layout.UNFINISHED).exists() and quantile_episodes == info["total_episodes"]
    except (ValueError, LookupError, TypeError) as error:
        raise ResumeError(f"{root} is damaged: {layout.INFO} or {layout.WRITER} cannot be used: {error!r}") from error
    if not is_finished:
        raise ResumeError(
            f"{root} was left unfinished; resume it to its end (resume=True, collect --resume) before packing"
        )
    return info


class _Packing:
    def __init__(self, root: Path, info: dict[str, Any], max_video_bytes: int | None) -> None:
        self._root, self._fps = root, int(info["fps"])
        keys = [key for key, feature in info["features"].items() if feature["dtype"] == "video"]
        columns = read_columns(root, ["length", *(name for key in keys for name in place_columns(key))])
        self._lengths = columns["length"]
        episodes = info["total_episodes"]
        if len(self._lengths) != episodes or not episodes or self._lengths.min() < 1:
            raise PackError(f"{root} counts {episodes} episodes, its rows {len(self._lengths)}; check the dataset")
        self._places = {key: read_places(columns, key, self._fps) for key in keys}
        self._numbers = {
            key: np.zeros(episodes, np.int64)
            if max_video_bytes is None
            else split_videos(root, key, self._fps, places, max_video_bytes)
            for key, places in self._places.items()
        }

    def run(self) -> bool:
        joined = are_joined(self._root, len(self._lengths))
        if joined and all(self._stays(places, self._numbers[key]) for key, places in self._places.items()):
            return False
        with rebuilding(self._root) as rebuilt:
            self._build(rebuilt)
        return True

    def _stays(self, places: Places, numbers: Int64s) -> bool:
        """Whether the episodes are in these files already, in order."""
        return np.array_equal(places.files, numbers) and bool(
            (np.diff(places.first_frames)[np.diff(numbers) == 0] > 0).all()
        )

    def _build(self, rebuilt: Path) -> None:
        _copy_everything_else(self._root, rebuilt)
        join_histograms(self._root, rebuilt, len(self._lengths))
        numbers = join_data(self._root, rebuilt, self._lengths)
        columns: dict[str, Any] = {
            "data/chunk_index": numbers // layout.FILES_PER_CHUNK,
            "data/file_index": numbers % layout.FILES_PER_CHUNK,
        }
        for key, places in self._places.items():
            numbers = self._numbers[key]
            first_frames = join_videos(self._root, rebuilt, key, self._fps, places, numbers)
            places_now = (
                numbers // layout.FILES_PER_CHUNK,
                numbers % layout.FILES_PER_CHUNK,
                first_frames / self._fps,
                (first_frames + self._lengths) / self._fps,
            )
            columns |= dict(zip(place_columns(key), places_now, strict=True))
        write_rows(self._root, rebuilt, columns)
        for folder, _, _ in os.walk(rebuilt):
            flush(Path(folder))


def _copy_everything_else(root: Path, rebuilt: Path) -> None:
    """Hard-link, or copy where that is impossible, all that packing does not rewrite."""
    rewritten = {layout.DATA, layout.VIDEOS, layout.EPISODES, layout.HISTOGRAMS}
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        links = [name for name in folders if (root / here / name).is_symlink() and here / name not in rewritten]
        folders[:] = [name for name in folders if here / name not in rewritten and name not in links]
        (rebuilt / here).mkdir(exist_ok=True)
        for name in links:
            (rebuilt / here / name).symlink_to((root / here / name).readlink())
        for name in files:
            try:
                os.link(root / here / name, rebuilt / here / name)
            except OSError:
                shutil.copy2(root / here / name, rebuilt / here / name)
                flush(rebuilt / here / name)
