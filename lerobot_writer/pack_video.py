"""Join a camera's videos: packets are copied episode by episode, each to its exact time; no picture is encoded again.

Memory: FFmpeg holds the index of the file that it writes and of those that it reads, FORMAT.md, "Packing".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from lerobot_writer import layout
from lerobot_writer.durable import flush
from lerobot_writer.errors import PackError
from lerobot_writer.pack_rows import Int64s, Places
from lerobot_writer.video import time_base

_OPEN_SOURCES: Final = 8  # of datasets merged from packed ones, whose episodes may take turns
_INDEX_BYTES_PER_FRAME: Final = 24  # at most: size and offset (stsz, co64) and two more numbers (stss, stts)
_HEADER_BYTES: Final = 4096  # more than the boxes of a file of one track without its frames take


class VideoSource:
    """A video file that episodes lie in."""

    def __init__(self, root: Path, file: Path, fps: int) -> None:
        self.file = file
        self._fps = fps
        self._ticks_per_frame = time_base(fps).denominator // fps
        self._container = av.open(str(root / file), format="mp4")
        if not self._container.streams.video:
            self._container.close()
            raise PackError(f"{file} holds no video")
        self.stream = self._container.streams.video[0]
        if self.stream.time_base != time_base(fps):
            self._container.close()
            raise PackError(f"{file} counts time in {self.stream.time_base} s, expected {time_base(fps)} s")
        self._packets = self._container.demux(self.stream)
        self._position = 0

    @property
    def parameters(self) -> tuple[Any, ...]:
        """What must be equal in files that are joined."""
        context = self.stream.codec_context
        return (context.name, context.width, context.height, context.extradata)

    @property
    def frames(self) -> int:
        return self.stream.frames

    def packet_bytes(self) -> Int64s:
        """The size of each frame's packet; reads the whole file, as the index is not shown by PyAV 15."""
        self._position = -1
        return np.array([packet.size for packet in self._container.demux(self.stream) if packet.dts is not None])

    def packets(self, first: int, count: int) -> Iterator[Any]:
        """The packets of `count` frames, the first of which is a keyframe.

        Raises PackError where a frame is not at its number / fps.
        """
        if first != self._position:
            self._container.seek(first * self._ticks_per_frame, stream=self.stream)
            self._packets = self._container.demux(self.stream)
        self._position = -1
        for number in range(first, first + count):
            packet = next(self._packets, None)
            if packet is None or packet.dts is None:
                raise PackError(f"{self.file} ends before frame {number}")
            if packet.pts != number * self._ticks_per_frame:
                at_s = None if packet.pts is None else packet.pts * packet.time_base
                raise PackError(f"{self.file} has frame {number} at {at_s} s, not at {number} / {self._fps}")
            if number == first and not packet.is_keyframe:
                raise PackError(f"{self.file} has no keyframe at frame {first}, where an episode begins")
            yield packet
        self._position = first + count

    def close(self) -> None:
        self._container.close()


class _Sources:
    """The last files that were read, still open."""

    def __init__(self, root: Path, key: str, fps: int) -> None:
        self._root, self._key, self._fps = root, key, fps
        self._open: OrderedDict[int, VideoSource] = OrderedDict()

    def __getitem__(self, number: int) -> VideoSource:
        if number not in self._open:
            if len(self._open) == _OPEN_SOURCES:
                self._open.popitem(last=False)[1].close()
            file = layout.video_file(self._key, *layout.chunk_and_file(number))
            self._open[number] = VideoSource(self._root, file, self._fps)
        self._open.move_to_end(number)
        return self._open[number]

    def close(self) -> None:
        for source in self._open.values():
            source.close()
        self._open.clear()

    def __enter__(self) -> _Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_target(path: Path, fps: int) -> Any:
    """Unlike the written files, with the index at the end: in front of it, everything would be written twice."""
    options = {"video_track_timescale": str(time_base(fps).denominator)}
    return av.open(str(path), "w", format="mp4", options=options)


def split_videos(root: Path, key: str, fps: int, places: Places, max_bytes: int) -> Int64s:
    """The number of the file that each episode belongs in, shape (episodes,).

    As many episodes to a file, in order, as stay below `max_bytes`; at least one.
    """
    sizes = np.empty(len(places.lengths), np.int64)
    order = np.lexsort((places.first_frames, places.files))
    bounds = np.flatnonzero(np.diff(places.files[order], prepend=-1, append=-1))
    for begin, end in pairwise(bounds.tolist()):
        episodes = order[begin:end]
        file = layout.video_file(key, *layout.chunk_and_file(int(places.files[episodes[0]])))
        source = VideoSource(root, file, fps)
        try:
            ends = np.concatenate([[0], np.cumsum(source.packet_bytes() + _INDEX_BYTES_PER_FRAME)])
        finally:
            source.close()
        first, last = places.first_frames[episodes], places.first_frames[episodes] + places.lengths[episodes]
        if last.max() >= len(ends):
            raise PackError(f"{file} holds {len(ends) - 1} frames, its episodes {last.max()}; check the dataset")
        sizes[episodes] = ends[last] - ends[first]
    numbers = np.empty(len(sizes), np.int64)
    number, used = 0, _HEADER_BYTES
    for episode, size in enumerate(sizes.tolist()):
        if used > _HEADER_BYTES and used + size > max_bytes:
            number, used = number + 1, _HEADER_BYTES
        used += size
        numbers[episode] = number
    return numbers


def join_videos(root: Path, rebuilt: Path, key: str, fps: int, places: Places, numbers: Int64s) -> Int64s:
    """Write a camera's files; returns each episode's first frame in its file.

    numbers: of the file that each episode goes to, ascending from 0.
    """
    first_frames = np.empty(len(numbers), np.int64)
    per_file = places.frames_of_files()
    with _Sources(root, key, fps) as sources:
        begin = 0
        while begin < len(numbers):
            end = int(np.searchsorted(numbers, numbers[begin], side="right"))
            path = rebuilt / layout.video_file(key, *layout.chunk_and_file(int(numbers[begin])))
            path.parent.mkdir(parents=True, exist_ok=True)
            first_frames[begin:end] = _join(path, fps, places, range(begin, end), sources, per_file)
            flush(path)
            begin = end
    return first_frames


def _join(path: Path, fps: int, places: Places, episodes: range, sources: _Sources, per_file: Int64s) -> list[int]:
    ticks_per_frame = time_base(fps).denominator // fps
    first_frames = []
    frames = 0
    stream: Any = None
    parameters: tuple[Any, ...] = ()
    with _open_target(path, fps) as target:
        for episode in episodes:
            source = sources[int(places.files[episode])]
            expected = int(per_file[places.files[episode]])
            if source.frames != expected:
                raise PackError(
                    f"{source.file} holds {source.frames} frames, its episodes {expected}; check the dataset"
                )
            if stream is None:
                # opaque: without looking for an encoder of the decoder's name; dav1d has none
                stream = target.add_stream_from_template(source.stream, opaque=True)
                stream.time_base = time_base(fps)
                stream.codec_context.bit_rate = 0  # the first source's; unknown, as in the written files
                parameters = source.parameters
            elif source.parameters != parameters:
                raise PackError(f"{source.file} was encoded with other parameters: it cannot be joined unchanged")
            first_frames.append(frames)
            for packet in source.packets(int(places.first_frames[episode]), int(places.lengths[episode])):
                packet.pts = packet.dts = frames * ticks_per_frame
                packet.stream = stream
                target.mux(packet)
                frames += 1
    return first_frames
