"""Pictures to MP4: one encoder thread per camera, fed through a bounded set of buffers."""

from __future__ import annotations

import os
import queue
import threading
import traceback
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from lerobot_writer.durable import flush
from lerobot_writer.errors import EncodingError
from lerobot_writer.stats import Counts, count_pixels

H264_PRESETS: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
_ENCODERS: Final = {"h264": "libx264", "av1": "libsvtav1"}
_MAX_CRF: Final = {"h264": 51, "av1": 63}
_AV1_PRESETS: Final = tuple(str(n) for n in range(14))
_AV1_LEAST_SIDE_PX: Final = 64  # SVT-AV1 refuses smaller pictures
_AV1_MAX_FPS: Final = 240  # and more frames a second

# Unless told otherwise, the conversion to yuv420p uses a thread per core. PyAV before 17 has one thread and no option.
_ONE_THREAD: Final = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}

_BUFFER_PADDING: Final = 64  # bytes; swscale's vector instructions read past the last pixel
_BUFFERS: Final = 4  # frames on their way to an encoder; the next one blocks. 3.1 MB per 512 x 512 camera


@dataclass(frozen=True)
class VideoCodec:
    """name: "h264" or "av1". preset: x264's names, SVT-AV1's "0" to "13". keyframe_interval: frames.

    The default, against LeRobot's default (SVT-AV1 preset 12, crf 30, g 2), in CPU time, size and quality:
    docs/benchmarks.md.
    """

    name: str = "h264"
    preset: str = "ultrafast"
    crf: int = 23
    keyframe_interval: int = 10

    def problems(self, width: int, height: int, fps: int) -> list[str]:
        """What keeps this codec from encoding pictures of that size and rate here."""
        if self.name not in _ENCODERS:
            return [f"unknown codec {self.name!r}; known: {', '.join(_ENCODERS)}"]
        found = []
        presets = H264_PRESETS if self.name == "h264" else _AV1_PRESETS
        if self.preset not in presets:
            found.append(f"unknown {self.name} preset {self.preset!r}; known: {', '.join(presets)}")
        if not 0 <= self.crf <= _MAX_CRF[self.name]:
            found.append(f"crf must be 0 to {_MAX_CRF[self.name]} for {self.name}, got {self.crf}")
        if self.keyframe_interval < 1:
            found.append(f"keyframe_interval must be at least 1, got {self.keyframe_interval}")
        if self.name == "av1" and min(width, height) < _AV1_LEAST_SIDE_PX:
            found.append(f"av1 takes pictures of at least {_AV1_LEAST_SIDE_PX} px a side, got {width} x {height}")
        if self.name == "av1" and fps > _AV1_MAX_FPS:
            found.append(f"av1 takes at most {_AV1_MAX_FPS} frames a second, got {fps}")
        encoder = _ENCODERS[self.name]
        if encoder not in av.codecs_available:
            found.append(f"this build of PyAV ({av.__version__}) has no {encoder}, which {self.name} needs")
        return found

    def options(self) -> dict[str, str]:
        options = {"preset": self.preset, "crf": str(self.crf), "g": str(self.keyframe_interval)}
        if self.name == "h264":
            # Without B-frames presentation order is decoding order: no edit list, and packing can copy packets.
            return {**options, "bf": "0", "threads": "1"}
        return {**options, "svtav1-params": "lp=1"}


def time_base(fps: int) -> Fraction:
    """The time base of an MP4 track: 1 / (fps * 2^k), at least 10000 ticks a second, so that n / fps is exact."""
    ticks = fps
    while ticks < 10_000:
        ticks *= 2
    return Fraction(1, ticks)


def open_mp4(path: Path, fps: int) -> Any:
    """A container to write one video track to; its index comes first, so that a browser plays it while loading."""
    options = {"movflags": "+faststart", "video_track_timescale": str(time_base(fps).denominator)}
    return av.open(str(path), "w", format="mp4", options=options)


class _Mp4:
    """One episode of one camera while it is encoded."""

    def __init__(self, path: Path, fps: int, width: int, height: int, codec: VideoCodec, reformatter: Any) -> None:
        self.path = path
        if codec.name == "av1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 prints 20 lines per file otherwise
        self._container = open_mp4(path, fps)
        self._stream = self._container.add_stream(_ENCODERS[codec.name], rate=fps, options=codec.options())
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, fps)
        self._stream.codec_context.colorspace = Colorspace.ITU601
        self._stream.codec_context.color_range = ColorRange.MPEG
        self._reformatter = reformatter
        self._frames = 0

    def encode(self, rgb: NDArray[np.uint8]) -> None:
        frame = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(rgb, format="rgb24"),
            format="yuv420p",
            src_colorspace=Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU601,
            **_ONE_THREAD,
        )
        frame.pts = self._frames
        frame.time_base = self._stream.codec_context.time_base
        self._frames += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except BaseException:
            self.abort()
            raise
        flush(self.path)

    def abort(self) -> None:
        """Close the file, which will be thrown away: a full disk while closing it changes nothing."""
        with suppress(OSError, av.error.FFmpegError):
            self._container.close()


@dataclass(frozen=True)
class _Start:
    path: Path
    episode: int


@dataclass(frozen=True)
class _End:
    """keep: finish the file and hand out its histogram; else drop it."""

    keep: bool
    done: Future[Counts]


class CameraEncoder:
    """Encodes one camera's episodes, one after the other, in a thread of its own.

    `add` copies the picture and returns; it blocks while all buffers are on their way, so nothing is ever dropped. An
    error in the thread is raised by the next call, with camera and episode, until the episode is aborted.
    """

    def __init__(self, camera: str, fps: int, width: int, height: int, codec: VideoCodec, stride: int) -> None:
        self._camera, self._fps, self._width, self._height = camera, fps, width, height
        self._codec, self._stride = codec, stride
        self._free: queue.SimpleQueue[NDArray[np.uint8]] = queue.SimpleQueue()
        size = height * width * 3
        for _ in range(_BUFFERS):
            padded = np.empty(size + _BUFFER_PADDING, dtype=np.uint8)
            self._free.put(padded[:size].reshape(height, width, 3))
        self._work: queue.SimpleQueue[NDArray[np.uint8] | _Start | _End | None] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._episode = -1
        self._thread = threading.Thread(target=self._run, name=f"encode {camera}", daemon=True)
        self._thread.start()

    def start(self, path: Path, episode: int) -> None:
        self._work.put(_Start(path, episode))

    def add(self, rgb: NDArray[np.uint8]) -> None:
        """rgb: shape (height, width, 3), copied before this returns."""
        self.raise_error()
        buffer = self._free.get()
        np.copyto(buffer, rgb)
        self._work.put(buffer)

    def finish(self) -> Future[Counts]:
        """The histogram, shape (3, 256), once the file is complete and on the disk, or the error."""
        return self._end(keep=True)

    def abort(self) -> None:
        """Drop the episode and its error; returns when the file is closed."""
        self._end(keep=False).result()
        self._error = None

    def stop(self) -> None:
        """Tell the thread to end, without waiting for it."""
        self._work.put(None)

    def join(self) -> None:
        self._thread.join()

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._named(self._error)

    def _named(self, error: Exception) -> EncodingError:
        """A new one each time: a raised one holds the frames of its callers, and the writer in them, alive."""
        named = EncodingError(f"camera {self._camera}, episode {self._episode}: {error}")
        named.__cause__ = error
        return named

    def _end(self, keep: bool) -> Future[Counts]:
        done: Future[Counts] = Future()
        self._work.put(_End(keep, done))
        return done

    def _run(self) -> None:
        reformatter = VideoReformatter()
        video: _Mp4 | None = None
        counts = np.zeros((3, 256), dtype=np.int64)
        while (item := self._work.get()) is not None:
            try:
                if isinstance(item, _Start):
                    self._episode = item.episode
                    counts = np.zeros((3, 256), dtype=np.int64)
                    video = _Mp4(item.path, self._fps, self._width, self._height, self._codec, reformatter)
                elif isinstance(item, _End):
                    try:
                        self._close_file(video, item, counts)
                    finally:
                        video = None  # its encoder's memory goes before the next one is made
                elif self._error is None:
                    counts += count_pixels(item, self._stride)
                    _started(video).encode(item)
            except Exception as error:  # handed to the next call, whatever it is
                traceback.clear_frames(error.__traceback__)  # they hold futures, these hold the frames of their callers
                self._error = error
                if isinstance(item, _End):
                    item.done.set_exception(self._named(error))
            finally:
                if isinstance(item, np.ndarray):
                    self._free.put(item)
                del item
        if video is not None:
            video.abort()

    def _close_file(self, video: _Mp4 | None, end: _End, counts: Counts) -> None:
        if end.keep and self._error is None:
            _started(video).finish()
        elif video is not None:
            video.abort()
        if end.keep and self._error is not None:
            end.done.set_exception(self._named(self._error))
        else:
            end.done.set_result(counts)


def _started(video: _Mp4 | None) -> _Mp4:
    if video is None:
        raise ValueError("no file was started")
    return video
