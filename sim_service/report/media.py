"""Pictures and clips of an episode, small enough to stand inside a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import av
import av.error
import imageio.v3 as iio

from sim_service.episode_video import Span, cut
from sim_service.ports import UnreadableDatasetError
from sim_service.report.contact_sheet import shrunk
from sim_service.report.facts import Clip, Picture, Sheet
from sim_service.report.phases import sheet_frames
from sim_service.stored import DatasetError, StoredDataset

PICTURE_WIDTH_PX: Final = 176
_MAX_HEIGHT_PX: Final = 4 * PICTURE_WIDTH_PX
_JPEG_QUALITY: Final = 80
_MP4_INDEX_BYTES: Final = 24_000  # of a cut clip of 10 s: see _INDEX_BYTES of episode_video.py


def sheet(dataset: StoredDataset, episode: int, camera: str) -> Sheet:
    """camera: a feature's name. Raises DatasetError."""
    row = dataset.row(episode)
    _require_inside(dataset.video_file(row, camera))
    wanted = sheet_frames(row)
    pictures = []
    try:
        decoded = dataset.pictures(episode, camera, [frame for frame, _ in wanted])
        for (frame, label), picture in zip(wanted, decoded, strict=True):
            small = shrunk(picture, PICTURE_WIDTH_PX)[:_MAX_HEIGHT_PX]
            jpeg = iio.imwrite("<bytes>", small, extension=".jpg", quality=_JPEG_QUALITY)
            pictures.append(Picture(label, frame / dataset.fps, (small.shape[1], small.shape[0]), jpeg))
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot show the pictures of {camera}: {error}") from error
    return Sheet(camera, tuple(pictures))


def clip(dataset: StoredDataset, episode: int, camera: str, most_bytes: int) -> Clip:
    """The episode's packets as they are, from its first frame on, as many as fit; where it does not begin with a
    keyframe its pictures are encoded anew. Raises DatasetError."""
    row = dataset.row(episode)
    file = dataset.root / _require_inside(dataset.video_file(row, camera))
    start_s = float(row[f"videos/{camera}/from_timestamp"])
    length = int(row["length"])
    try:
        frames = _frames_within(file, Span(start_s, length, dataset.fps), most_bytes - _MP4_INDEX_BYTES)
        if frames == 0:
            raise DatasetError(f"no room for a clip of {camera}: {most_bytes} bytes are left for it")
        content = cut(file, Span(start_s, frames, dataset.fps))
        mp4 = content.read_bytes() if isinstance(content, Path) else content
    except (OSError, ValueError, av.error.FFmpegError, UnreadableDatasetError) as error:
        raise DatasetError(f"cannot show the video of {camera}: {error}") from error
    if len(mp4) > most_bytes:
        raise DatasetError(f"the clip of {camera} takes {len(mp4)} bytes, {most_bytes} are left for it")
    return Clip(camera, frames / dataset.fps, length / dataset.fps, mp4)


def _frames_within(file: Path, span: Span, most_bytes: int) -> int:
    """How many of the span's first pictures take no more bytes, in the order in which they are stored."""
    size_bytes = 0
    for number, packet_bytes in enumerate(_packet_sizes(file, span)):
        size_bytes += packet_bytes
        if size_bytes > most_bytes:
            return number
    return span.frames


def _packet_sizes(file: Path, span: Span) -> Iterator[int]:
    with av.open(str(file), format="mp4") as source:
        if not source.streams.video:
            raise DatasetError(f"{file.name} holds no video")
        stream = source.streams.video[0]
        if stream.time_base is None:
            raise DatasetError(f"{file.name} holds a video without a clock")
        source.seek(round((span.start_s + 0.5 / span.fps) / stream.time_base), stream=stream)
        found = 0
        for packet in source.demux(stream):
            if packet.pts is not None and 0 <= span.number(packet) < span.frames:
                yield packet.size
                found += 1
                if found == span.frames:
                    return


def _require_inside(file: str) -> str:
    """Raises DatasetError for a name, made of what the dataset says, that leads out of its folder."""
    if file.startswith("/") or ".." in PurePosixPath(file).parts or "\0" in file:
        raise DatasetError(f"video_path of meta/info.json leads out of the dataset: {file!r}")
    return file
