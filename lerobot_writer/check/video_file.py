"""One video file: rules V1 to V4, and what H2 needs of its pictures. It is decoded once, frame by frame."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from lerobot_writer.check.info import Camera

_LEAST_TIME_BASE_HZ = 10000
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


@dataclass(frozen=True)
class Job:
    """A video file, and the episodes in it with their lengths, in order."""

    path: str
    camera: Camera
    episodes: tuple[tuple[int, int], ...]


@dataclass
class Decoded:
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
class Scan:
    """One file's outcome: (rule, expected, found) of its problems, (rules, reason) of what was not checked."""

    job: Job
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    skipped: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    decoded: dict[int, Decoded] = field(default_factory=dict)


def scan_video(root: Path, job: Job, fps: int, threads: int) -> Scan:
    """Opens, checks and decodes one file below the dataset's folder. threads: That the decoder may use."""
    scan = Scan(job)
    try:
        # The format is named, so that FFmpeg does not take a broken file for a playlist and open what it lists.
        with av.open(str(root / job.path), format="mp4", metadata_errors="replace") as container:
            streams = [stream.type for stream in container.streams]
            if container.metadata.get("major_brand", "").startswith("qt"):
                scan.problems.append(("V1", "an MP4 file", "a QuickTime file"))
            if streams != ["video"]:
                scan.problems.append(("V1", "one video stream and nothing else", str(streams)))
            stream = next(iter(container.streams.video), None)
            # FFmpeg gives a stream whose codec it does not know no codec context; PyAV's types leave that out.
            if stream is None or stream.time_base is None or getattr(stream, "codec_context", None) is None:
                scan.problems.append(("V1", "a video stream of a known codec, with a time base", "none"))
                scan.skipped.append((("V2", "V3", "V4"), "it has no video stream that can be decoded"))
                return scan
            # Without this, FFmpeg fills damaged parts of a picture with a guess and calls it decoded.
            stream.codec_context.options = {"err_detect": "explode"}
            stream.codec_context.thread_count = threads
            _check_stream(stream, fps, scan)
            _Decoding(stream, stream.time_base, fps, scan).run(container)
    except _MEDIA_ERRORS as error:
        scan.problems.append(("V1", "an MP4 file", f"one that does not open: {error}"))
        scan.skipped.append((("V2", "V3", "V4"), "it does not open"))
    return scan


def _check_stream(stream: VideoStream, fps: int, scan: Scan) -> None:
    camera = scan.job.camera
    hertz = fps
    while hertz < _LEAST_TIME_BASE_HZ:
        hertz *= 2
    context = stream.codec_context
    # Not context.pix_fmt: where the format is unknown, PyAV 17 crashes on it.
    pixel_format = context.format.name if context.format is not None else "unknown"
    for what, expected, found in (
        ("codec", camera.codec, context.codec.canonical_name),
        ("size", f"{camera.width} x {camera.height}", f"{context.width} x {context.height}"),
        ("pixel format", camera.pix_fmt, pixel_format),
        ("frame rate", str(fps), str(stream.average_rate)),
        ("time base", str(Fraction(1, hertz)), str(stream.time_base)),
    ):
        if found != expected:
            scan.problems.append(("V1", f"{what} {expected}", found))


class _Decoding:
    """Goes through a file's packets and frames once."""

    def __init__(self, stream: VideoStream, time_base: Fraction, fps: int, scan: Scan) -> None:
        self._stream, self._time_base, self._fps, self._scan = stream, time_base, fps, scan
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
            stride = camera.image_stride
            half = np.ix_(np.arange(0, camera.height, stride) // 2, np.arange(0, camera.width, stride) // 2)
            decoded = self._scan.decoded.setdefault(self._scan.job.episodes[place][0], Decoded())
            decoded.add(luma[::stride, ::stride], blue[half], red[half])

    def _number(self, pts: int) -> int | None:
        """Which frame is presented at this time, None if none is."""
        number = pts * self._time_base * self._fps
        return number.numerator if number.denominator == 1 else None

    def _conclude(self) -> None:
        for decoded in self._scan.decoded.values():
            decoded.first = None  # else every episode of the dataset keeps a picture in memory
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
            more = f" (and {len(misplaced) - 1} more)" if len(misplaced) > 1 else ""
            found = f"{pts * self._time_base} s{more}"
            problems.append(("V3", f"frame {number} at {number}/{self._fps} s", found))
        for (episode, _), first in zip(self._scan.job.episodes, self._firsts, strict=False):
            marked = first < len(stamps) and self._packets[stamps[first]]
            told = first in self._keyframes or bool(self._errors or misplaced)
            if first >= len(stamps):
                self._scan.skipped.append((("V4",), f"episode {episode} has no frame"))
            elif not (marked and told):
                problems.append(("V4", f"a keyframe at frame {first}, where episode {episode} starts", "none"))


def _plane(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """A view of a plane's bytes, shape (height, width); valid as long as its frame."""
    buffer: Any = plane  # it has the buffer protocol, which PyAV's type information does not say
    pixels: npt.NDArray[np.uint8] = np.frombuffer(buffer, np.uint8).reshape(-1, plane.line_size)
    return pixels[: plane.height, : plane.width]
