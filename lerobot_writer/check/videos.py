"""`videos/` as a whole: all files against rules V1 to V4, their pictures against the image histograms (H2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.episodes import Episodes, Int64s
from lerobot_writer.check.files import Tree
from lerobot_writer.check.info import Camera, Info
from lerobot_writer.check.report import Report
from lerobot_writer.check.video_file import Decoded, Job, Scan, scan_video

_COMPRESSION = 2.0
"""Rule H2: how far decoding may move a channel's mean, in 0..255."""
_BLACK = 2.0
"""An episode is called black if all channels' means are below this, in 0..255."""
Pictures = dict[tuple[str, int], npt.NDArray[np.float64]]
"""The mean of each channel, shape (3,), in 0..255, by camera and episode."""


class VideoScans:
    """Decodes all video files in threads of its own, so that other checks can go on meanwhile."""

    def __init__(
        self, tree: Tree, info: Info, episodes: Episodes | None, bounds: Int64s | None, report: Report
    ) -> None:
        self._report = report
        self._pool: ThreadPoolExecutor | None = None
        self._scans: list[Future[Scan]] = []
        report.ran("V1", "V2", "V3", "V4", "H2")
        for video in set(info.videos) - {camera.name for camera in info.cameras}:
            report.skip(("V1", "V2", "V3", "V4", "H2"), f"{video} is described wrongly in meta/info.json")
        if not info.cameras:
            return
        if episodes is None or bounds is None or len(bounds) != episodes.count + 1 or info.fps is None:
            report.skip(("V1", "V2", "V3", "V4", "H2"), "the frame rate or which episodes lie where is not known")
            return
        jobs = [job for camera in info.cameras for job in _jobs(tree, camera, episodes, bounds, report)]
        processors = os.cpu_count() or 1
        threads_per_file = max(1, processors // max(1, len(jobs)))
        self._pool = ThreadPoolExecutor(max_workers=processors)
        self._scans = [self._pool.submit(scan_video, tree.root, job, info.fps, threads_per_file) for job in jobs]

    def finish(self, told: Pictures) -> None:
        """Waits for the videos and reports V1 to V4 and H2. told: The means that the image histograms have."""
        for future in self._scans:
            scan = future.result()
            path, camera = scan.job.path, scan.job.camera
            for rule, expected, found in scan.problems:
                self._report.add(rule, path, expected, found)
            for rules, reason in scan.skipped:
                self._report.skip(rules, f"{path}: {reason}")
            misplaced = any(rule in ("V2", "V3") for rule, _, _ in scan.problems)
            for episode, length in scan.job.episodes:
                decoded = scan.decoded.get(episode)
                if decoded is None or decoded.frames != length or misplaced:
                    self._report.skip(("H2",), f"{path}: which frames are those of episode {episode} is not clear")
                else:
                    mean = decoded.total / decoded.frames
                    self._check_mean(scan.job, episode, mean, decoded, told.get((camera.name, episode)))
        if self._pool is not None:
            self._pool.shutdown()

    def _check_mean(
        self,
        job: Job,
        episode: int,
        mean: npt.NDArray[np.float64],
        decoded: Decoded,
        told: npt.NDArray[np.float64] | None,
    ) -> None:
        if told is None:
            self._report.skip(("H2",), f"{job.camera.name}: episode {episode} has no usable histogram")
        else:
            for channel, name in enumerate(("red", "green", "blue")):
                if abs(mean[channel] - told[channel]) > _COMPRESSION:
                    expected = f"a mean of {name} within 2/255 of the histogram's, {told[channel] / 255:.4f}"
                    found = f"{mean[channel] / 255:.4f}"
                    self._report.add("H2", job.path, f"episode {episode}: {expected}", found)
        what = f"{job.camera.name} of episode {episode} ({job.path})"
        if (mean < _BLACK).all():
            self._report.warnings.append(f"{what} is black")
        elif decoded.still and decoded.frames > 1:
            self._report.warnings.append(f"{what} is frozen: all its frames are the same picture")


def _jobs(tree: Tree, camera: Camera, episodes: Episodes, bounds: Int64s, report: Report) -> Iterator[Job]:
    paths = episodes.video_paths(camera.name)
    if paths is None:
        report.skip(("V1", "V2", "V3", "V4", "H2"), f"{camera.name}: the episode rows do not name its files")
        return
    held: dict[str, list[tuple[int, int]]] = {}
    for episode, (path, length) in enumerate(zip(paths, np.diff(bounds).tolist(), strict=True)):
        held.setdefault(path, []).append((episode, length))
    for path, lengths in held.items():
        if path in tree:
            yield Job(path, camera, tuple(lengths))
        else:
            report.skip(("V1", "V2", "V3", "V4", "H2"), f"{path} is missing")
