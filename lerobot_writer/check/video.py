"""`videos/`: rules V1 to V4 and H2. Every file is decoded once, frame by frame."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from lerobot_writer.check.episodes import Episodes, Int64s
from lerobot_writer.check.files import Tree
from lerobot_writer.check.info import Camera, Info
from lerobot_writer.check.report import Report

_LEAST_TIME_BASE_HZ = 10000
_COMPRESSION = 2.0
"""Rule H2: how far decoding may move a channel's mean, in 0..255."""
_BLACK = 2.0
"""An episode is called black if all channels' means are below this, in 0..255."""
_LUMA = 255 / 219
_CHROMA = (
    (0.0, 255 / 112 * (1 - 0.299)),
    (-255 / 112 * (1 - 0.114) * 0.114 / 0.587, -255 / 112 * (1 - 0.299) * 0.299 / 0.587),
    (255 / 112 * (1 - 0.114), 0.0),
)
"""Red, green and blue per step of the blue and the red chroma: ITU-R BT.601-7, section 2.5, limited range, which is
what a file without colour tags means to FFmpeg. Computed here and not by FFmpeg's converter, because that rounds
down: its means are 1.0 to 2.5 too low, more than the rule leaves for compression."""
_STILL = 16
"""Frames are called identical if no sampled luma moves more, in 0..255: x264 (ultrafast, crf 23) of one picture
repeated 60 times moved values by up to 12 at hard edges, and anything that moves in a scene changes edges by more."""

_MEDIA_ERRORS = (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError)


Pictures = dict[tuple[str, int], npt.NDArray[np.float64]]
"""The mean of each channel, shape (3,), in 0..255, by camera and episode."""


@dataclass(frozen=True)
class _Job:
    """A video file, and the episodes in it with their lengths, in order."""

    path: str
    camera: Camera
    episodes: tuple[tuple[int, int], ...]


@dataclass
class _Decoded:
    """What was decoded of an episode. total: Sum of the frames' means of each channel, shape (3,), in 0..255."""

    total: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    frames: int = 0
    first: npt.NDArray[np.uint8] | None = None
    still: bool = True

    def add(self, luma: npt.NDArray[np.uint8], blue: npt.NDArray[np.uint8], red: npt.NDArray[np.uint8]) -> None:
        """Adds a frame's sampled pixels: its luma and its two chroma values there, all of one shape."""
        bright = _LUMA * (luma.astype(np.float32) - 16)
        blueish, reddish = blue.astype(np.float32) - 128, red.astype(np.float32) - 128
        for channel, (by_blue, by_red) in enumerate(_CHROMA):
            self.total[channel] += float(np.clip(bright + by_blue * blueish + by_red * reddish, 0, 255).mean())
        self.frames += 1
        if self.first is None:
            self.first = luma.copy()
        elif self.still:
            self.still = int(np.abs(luma.astype(np.int16) - self.first).max()) <= _STILL


@dataclass
class _Scan:
    """One file's outcome: (rule, expected, found) of its problems, (rules, reason) of what was not checked."""

    job: _Job
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    skipped: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    decoded: dict[int, _Decoded] = field(default_factory=dict)


class VideoScans:
    """Decodes all video files in threads of its own, so that other checks can go on meanwhile."""

    def __init__(
        self, tree: Tree, info: Info, episodes: Episodes | None, bounds: Int64s | None, report: Report
    ) -> None:
        self._report = report
        self._pool: ThreadPoolExecutor | None = None
        self._scans: list[Future[_Scan]] = []
        report.ran("V1", "V2", "V3", "V4", "H2")
        if not info.cameras:
            return
        if episodes is None or bounds is None or len(bounds) != episodes.count + 1 or info.fps is None:
            report.skip(("V1", "V2", "V3", "V4", "H2"), "the frame rate or which episodes lie where is not known")
            return
        jobs = [job for camera in info.cameras for job in _jobs(tree, camera, episodes, bounds, report)]
        processors = os.cpu_count() or 1
        threads_per_file = max(1, processors // max(1, len(jobs)))
        self._pool = ThreadPoolExecutor(max_workers=processors)
        self._scans = [self._pool.submit(_scan, tree.root, job, info.fps, threads_per_file) for job in jobs]

    def finish(self, told: Pictures) -> None:
        """Waits for the videos and reports V1 to V4 and H2. told: The means that the image histograms have."""
        for future in self._scans:
            scan = future.result()
            path, camera = scan.job.path, scan.job.camera
            for rule, expected, found in scan.problems:
                self._report.add(rule, path, expected, found)
            for rules, reason in scan.skipped:
                self._report.skip(rules, f"{path}: {reason}")
            for episode, length in scan.job.episodes:
                decoded = scan.decoded.get(episode)
                misplaced = any(rule in ("V2", "V3") for rule, _, _ in scan.problems)
                if decoded is None or decoded.frames != length or misplaced:
                    self._report.skip(("H2",), f"{path}: which frames are those of episode {episode} is not clear")
                else:
                    mean = decoded.total / decoded.frames
                    self._check_mean(scan.job, episode, mean, decoded, told.get((camera.name, episode)))
        if self._pool is not None:
            self._pool.shutdown()

    def _check_mean(
        self,
        job: _Job,
        episode: int,
        mean: npt.NDArray[np.float64],
        decoded: _Decoded,
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


def _jobs(tree: Tree, camera: Camera, episodes: Episodes, bounds: Int64s, report: Report) -> Iterator[_Job]:
    paths = episodes.video_paths(camera.name)
    if paths is None:
        report.skip(("V1", "V2", "V3", "V4", "H2"), f"{camera.name}: the episode rows do not name its files")
        return
    held: dict[str, list[tuple[int, int]]] = {}
    for episode, (path, length) in enumerate(zip(paths, np.diff(bounds).tolist(), strict=True)):
        held.setdefault(path, []).append((episode, length))
    for path, lengths in held.items():
        if path in tree:
            yield _Job(path, camera, tuple(lengths))
        else:
            report.skip(("V1", "V2", "V3", "V4", "H2"), f"{path} is missing")


def _scan(root: Path, job: _Job, fps: int, threads: int) -> _Scan:
    """Opens, checks and decodes one file."""
    scan = _Scan(job)
    try:
        with av.open(str(root / job.path), metadata_errors="replace") as container:
            streams = [stream.type for stream in container.streams]
            brand = container.metadata.get("major_brand", "")
            if "mp4" not in container.format.name.split(",") or brand.startswith("qt"):
                scan.problems.append(("V1", "an MP4 file", f"{container.format.name} {brand}".strip()))
            if streams != ["video"]:
                scan.problems.append(("V1", "one video stream and nothing else", str(streams)))
            if not container.streams.video:
                scan.skipped.append((("V2", "V3", "V4"), "it has no video stream"))
                return scan
            stream = container.streams.video[0]
            # Without this, FFmpeg fills damaged parts of a picture with a guess and calls it decoded.
            stream.codec_context.options = {"err_detect": "explode"}
            stream.codec_context.thread_count = threads
            _check_stream(stream, fps, scan)
            _Decoding(stream, fps, scan).run(container)
    except _MEDIA_ERRORS as error:
        scan.problems.append(("V1", "an MP4 file", f"one that does not open: {error}"))
        scan.skipped.append((("V2", "V3", "V4"), "it does not open"))
    return scan


def _check_stream(stream: VideoStream, fps: int, scan: _Scan) -> None:
    camera = scan.job.camera
    hertz = fps
    while hertz < _LEAST_TIME_BASE_HZ:
        hertz *= 2
    context = stream.codec_context
    for what, expected, found in (
        ("codec", camera.codec, context.codec.canonical_name),
        ("size", f"{camera.width} x {camera.height}", f"{context.width} x {context.height}"),
        ("pixel format", camera.pix_fmt, str(context.pix_fmt)),
        ("frame rate", str(fps), str(stream.average_rate)),
        ("time base", str(Fraction(1, hertz)), str(stream.time_base)),
    ):
        if found != expected:
            scan.problems.append(("V1", f"{what} {expected}", found))


class _Decoding:
    """Goes through a file's packets and frames once."""

    def __init__(self, stream: VideoStream, fps: int, scan: _Scan) -> None:
        self._stream, self._fps, self._scan = stream, fps, scan
        camera = scan.job.camera
        self._rows = np.arange(0, camera.height, camera.image_stride)
        self._columns = np.arange(0, camera.width, camera.image_stride)
        self._firsts = np.cumsum([0, *(length for _, length in scan.job.episodes)]).tolist()
        self._packets: dict[int, bool] = {}  # presentation time to whether the file marks it as a keyframe
        self._unstamped = 0
        self._repeated = 0
        self._keyframes: set[int] = set()  # frames that the decoder calls keyframes
        self._frames = 0
        self._errors: list[str] = []

    def run(self, container: av.container.InputContainer) -> None:
        try:
            for packet in container.demux(self._stream):
                if packet.size:
                    self._note(packet)
                try:
                    for frame in packet.decode():
                        self._take(frame)
                except _MEDIA_ERRORS as error:
                    self._errors.append(str(error))
        except _MEDIA_ERRORS as error:
            self._errors.append(f"reading stops: {error}")
        self._conclude()

    def _note(self, packet: av.Packet[Any]) -> None:
        if packet.pts is None:
            self._unstamped += 1
        elif packet.pts in self._packets:
            self._repeated += 1
        else:
            self._packets[packet.pts] = packet.is_keyframe

    def _take(self, frame: av.VideoFrame) -> None:
        camera = self._scan.job.camera
        number = self._frames
        self._frames += 1
        if frame.pts is not None and (exact := self._number(frame.pts)) is not None:
            number = exact
        if frame.key_frame:
            self._keyframes.add(number)
        if frame.is_corrupt:
            self._errors.append(f"frame {number} is damaged")
        place = bisect_right(self._firsts, number) - 1
        fits = (frame.width, frame.height, frame.format.name) == (camera.width, camera.height, "yuv420p")
        if fits and 0 <= place < len(self._firsts) - 1:
            luma, blue, red = (_plane(plane) for plane in frame.planes)
            half = np.ix_(self._rows // 2, self._columns // 2)
            decoded = self._scan.decoded.setdefault(self._scan.job.episodes[place][0], _Decoded())
            decoded.add(luma[np.ix_(self._rows, self._columns)], blue[half], red[half])

    def _number(self, pts: int) -> int | None:
        """Which frame is presented at this time, None if none is."""
        assert self._stream.time_base is not None
        number = pts * self._stream.time_base * self._fps
        return number.numerator if number.denominator == 1 else None

    def _conclude(self) -> None:
        problems = self._scan.problems
        expected = self._firsts[-1]
        if self._frames != expected or self._errors:
            damage = f", {len(self._errors)} errors: {self._errors[0]}" if self._errors else ""
            problems.append(("V2", f"{expected} frames that decode", f"{self._frames}{damage}"))
        stamps = sorted(self._packets)
        misplaced = [(number, pts) for number, pts in enumerate(stamps) if self._number(pts) != number]
        if self._unstamped or self._repeated:
            found = f"{self._unstamped} without a time, {self._repeated} at the time of another"
            problems.append(("V3", "each frame at a time of its own", found))
        elif misplaced:
            number, pts = misplaced[0]
            assert self._stream.time_base is not None
            more = f" (and {len(misplaced) - 1} more)" if len(misplaced) > 1 else ""
            found = f"{pts * self._stream.time_base} s{more}"
            problems.append(("V3", f"frame {number} at {number}/{self._fps} s", found))
        for (episode, _), first in zip(self._scan.job.episodes, self._firsts, strict=False):
            marked = first < len(stamps) and self._packets[stamps[first]]
            decoded = first in self._keyframes or bool(self._errors or misplaced)
            if first >= len(stamps):
                self._scan.skipped.append((("V4",), f"episode {episode} has no frame"))
            elif not (marked and decoded):
                problems.append(("V4", f"a keyframe at frame {first}, where episode {episode} starts", "none"))


def _plane(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """A view of a plane's bytes, shape (height, width); valid as long as its frame."""
    buffer: Any = plane  # it has the buffer protocol, which PyAV's type information does not say
    pixels: npt.NDArray[np.uint8] = np.frombuffer(buffer, np.uint8).reshape(-1, plane.line_size)
    return pixels[: plane.height, : plane.width]
