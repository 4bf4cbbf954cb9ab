"""One episode's pictures as an MP4 of their own, cut out where several episodes share a file."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.video.frame import PictureType

from lerobot_writer.video import VideoCodec, time_base
from sim_service.bounded_cache import BoundedCache
from sim_service.folder_listings import FileVersion
from sim_service.ports import UnreadableDatasetError

_MAX_KEPT_BYTES: Final = 64 * 2**20
_KEY_BYTES: Final = 1024  # of what is remembered besides the content
_MAX_CUT_BYTES: Final = 512 * 2**20  # of one episode, which has to fit into memory
_MAX_CUT_FRAMES: Final = 1_000_000
_INDEX_BYTES_PER_FRAME: Final = 64  # of an MP4: a row in each of its tables
_INDEX_BYTES: Final = 16_384  # of an MP4 besides, with the codec's parameters


@dataclass(frozen=True)
class Span:
    """`frames` pictures of a file, the first one presented at `start_s`, at `fps` a second."""

    start_s: float
    frames: int
    fps: int

    def number(self, picture: Any) -> int:
        """Position in the span of a packet or frame that has a presentation time; may be outside."""
        return round((float(picture.pts * picture.time_base) - self.start_s) * self.fps)


class EpisodeVideos:
    """Cuts one at a time, so that watching leaves the rest of the process its processors, and keeps the last ones.

    Any thread may use it.
    """

    def __init__(self) -> None:
        self._kept: BoundedCache[tuple[Path, FileVersion, Span], bytes | Path] = BoundedCache(_MAX_KEPT_BYTES)
        self._cutting = threading.Lock()

    def of(self, file: Path, version: FileVersion, span: Span) -> bytes | Path:
        """The file itself where it holds that span and nothing else, or an MP4 of it whose index comes first.

        Packets are copied; where the span does not begin with a keyframe, its pictures are encoded anew. Raises
        UnreadableDatasetError.
        """
        key = (file, version, span)
        content = self._kept.get(key)
        if content is None:
            with self._cutting:
                content = self._kept.get(key)  # somebody else may have waited for the same
                if content is None:
                    content = cut(file, span)
                    self._kept.put(key, content, _KEY_BYTES + (len(content) if isinstance(content, bytes) else 0))
        return content


def cut(file: Path, span: Span) -> bytes | Path:
    """As `EpisodeVideos.of`, without remembering."""
    if not 0 < span.frames <= _MAX_CUT_FRAMES:
        raise UnreadableDatasetError(f"an episode of {span.frames} frames in {file.name} cannot be shown")
    try:
        # Of this format alone: others can name further files and addresses to read from.
        with av.open(str(file), format="mp4") as source:
            if not source.streams.video:
                raise UnreadableDatasetError(f"{file.name} holds no video")
            stream = source.streams.video[0]
            if stream.frames == span.frames and round(span.start_s * span.fps) == 0:
                return file
            if stream.codec_context is None:
                raise UnreadableDatasetError(f"{file.name} holds a video of an unknown codec")
            packets = _packets(source, stream, span)
            return _encoded_anew(source, stream, span) if packets is None else _copied(packets, stream, span)
    except (OSError, ValueError, IndexError, OverflowError, av.error.FFmpegError) as error:
        raise UnreadableDatasetError(f"cannot cut an episode out of {file.name}: {error}") from error


def _packets_from(source: Any, stream: Any, span: Span, start_s: float) -> Iterator[Any]:
    """From the last keyframe on that is not after that time, in decoding order."""
    source.seek(round((start_s + 0.5 / span.fps) / stream.time_base), stream=stream)
    packets: Iterator[Any] = source.demux(stream)
    return packets


def _packets(source: Any, stream: Any, span: Span) -> list[Any] | None:
    """Of the span, in decoding order; None where they do not stand alone, one after the other, from a keyframe on."""
    found: dict[int, Any] = {}
    size_bytes = 0
    for packet in _packets_from(source, stream, span, span.start_s):
        if packet.pts is None or packet.dts is None:
            continue  # the empty one that ends the file
        number = span.number(packet)
        if not found and number < 0:
            continue  # of the episode before
        begins_wrong = not found and (number != 0 or not packet.is_keyframe)
        if begins_wrong or not 0 <= number < span.frames or number in found:
            return None
        found[number] = packet
        size_bytes += packet.size
        if size_bytes > _MAX_CUT_BYTES:
            raise ValueError(f"it has more than {_MAX_CUT_BYTES >> 20} MB")
        if len(found) == span.frames:
            return list(found.values())
    return None


def _copied(packets: list[Any], stream: Any, span: Span) -> bytes:
    buffer = io.BytesIO()
    with _open_mp4(buffer, span, stream.time_base) as target:
        # opaque: without looking for an encoder of the decoder's name; dav1d has none
        track = target.add_stream_from_template(stream, opaque=True)
        track.time_base = stream.time_base
        begin = packets[0].pts
        for packet in packets:
            packet.pts, packet.dts = packet.pts - begin, packet.dts - begin
            packet.duration = round(1 / (span.fps * stream.time_base))  # PyAV 15 reads none
            packet.stream = track
            target.mux(packet)
    return buffer.getvalue()


def _encoded_anew(source: Any, stream: Any, span: Span) -> bytes:
    buffer = io.BytesIO()
    with _open_mp4(buffer, span, time_base(span.fps)) as target:
        track = target.add_stream("libx264", rate=span.fps, options=VideoCodec().options())
        track.width, track.height, track.pix_fmt = stream.width // 2 * 2, stream.height // 2 * 2, "yuv420p"
        track.codec_context.time_base = Fraction(1, span.fps)
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(track.codec_context, name, getattr(stream.codec_context, name))
        for number, decoded in enumerate(_frames(source, stream, span)):
            frame = decoded.reformat(track.width, track.height, "yuv420p")
            frame.pts, frame.time_base = number, track.codec_context.time_base
            frame.pict_type = PictureType.NONE  # the encoder's choice, not the source's
            target.mux(track.encode(frame))
            if buffer.tell() > _MAX_CUT_BYTES:
                raise ValueError(f"it has more than {_MAX_CUT_BYTES >> 20} MB")
        target.mux(track.encode(None))
    return buffer.getvalue()


def _frames(source: Any, stream: Any, span: Span) -> Iterator[Any]:
    """The span's pictures, in order."""
    stream.codec_context.thread_count = 1
    packets = _packets_from(source, stream, span, span.start_s)
    first = next(packets, None)
    if first is None or first.pts is None or span.number(first) > 0:
        # Pictures before a keyframe may follow it in the file and need the one before: from the very first one, then.
        packets, first = _packets_from(source, stream, span, 0.0), None
    expected = 0
    for packet in packets if first is None else chain([first], packets):
        for frame in packet.decode():
            if frame.pts is None or span.number(frame) < expected:
                continue  # of the episode before
            if span.number(frame) > expected:
                raise ValueError(f"frame {expected} of the episode's {span.frames} is missing")
            yield frame
            expected += 1
            if expected == span.frames:
                return
    raise ValueError(f"the file ends before frame {expected} of the episode's {span.frames}")


def _open_mp4(buffer: io.BytesIO, span: Span, ticks: Fraction) -> Any:
    """Room for the index is kept before the pictures, so that a browser plays and seeks at once."""
    index_bytes = _INDEX_BYTES + _INDEX_BYTES_PER_FRAME * span.frames
    options = {"moov_size": str(index_bytes), "video_track_timescale": str(ticks.denominator)}
    return av.open(buffer, "w", format="mp4", options=options)
