"""One MP4 per episode and camera: a file of one episode gets one more name, others are cut packet by packet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import av
import av.error

from lerobot_writer.durable import link_or_copy
from lerobot_writer.video import time_base
from sim_service.export import ExportError
from sim_service.stored import StoredDataset

ALLOWED_CODECS: Final = ("h264",)  # all of GR00T's video backends decode it
_TIME_TOLERANCE_S: Final = 1e-4  # LeRobot's `tolerance_s`: a picture this near to its time is at its time


class EpisodeCutter:
    """Of one camera. The last file that was read stays open, so that its index is read once."""

    def __init__(self, dataset: StoredDataset, camera: str) -> None:
        """camera: its feature name."""
        self._dataset, self._camera = dataset, camera
        self._file: str | None = None
        self._source: Any = None

    def write(self, episode: int, target: Path) -> None:
        """Frame n of the new file is presented at n / fps. Its folder must be there.

        Raises ExportError for another codec, for a frame that is missing or not at its time, and for an episode that
        cannot be cut without encoding again.
        """
        file = self._dataset.video_file(self._dataset.row(episode), self._camera)
        try:
            if file != self._file:
                self._open(file)
            stream = self._source.streams.video[0]
            packets = self._packets(episode, file, stream)
            if stream.frames == len(packets) and packets[0].pts == 0:
                link_or_copy((self._dataset.root / file).resolve(), target)
            else:
                self._remux(packets, stream, target)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError) and error.errno is not None:
                raise  # of the disk
            raise ExportError(f"cannot take episode {episode} from {file}: {error}") from error

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._file = self._source = None

    def __enter__(self) -> EpisodeCutter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, file: str) -> None:
        self.close()
        # Of this format alone: others can name further files and addresses to read from.
        self._source = av.open(str(self._dataset.root / file), format="mp4")
        if not self._source.streams.video:
            raise ExportError(f"{file} holds no video")
        context = self._source.streams.video[0].codec_context
        codec = "an unknown codec" if context is None else context.codec.canonical_name
        if codec not in ALLOWED_CODECS:
            raise ExportError(
                f"{file} holds a video in {codec}, GR00T is given {' or '.join(ALLOWED_CODECS)} alone: write the "
                "dataset with that codec, or have LeRobot re-encode it"
            )
        self._file = file

    def _packets(self, episode: int, file: str, stream: Any) -> list[Any]:
        """Of the episode's frames, in decoding order."""
        row, fps = self._dataset.row(episode), self._dataset.fps
        start_s, length = row[f"videos/{self._camera}/from_timestamp"], row["length"]
        self._source.seek(max(0, round((start_s - 0.5 / fps) / stream.time_base)), stream=stream)
        found: dict[int, Any] = {}
        for packet in self._source.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue  # the empty one that ends the file
            at_s = float(packet.pts * packet.time_base) - start_s
            number = round(at_s * fps)
            if not found and number < 0:
                continue  # of the episode before
            if abs(at_s - number / fps) > _TIME_TOLERANCE_S:
                raise ExportError(
                    f"{file} has frame {number} of episode {episode} at {at_s:.6f} s, not at {number} / {fps}"
                )
            begins = bool(found) or (number == 0 and packet.is_keyframe)
            if not begins or not 0 <= number < length or number in found:
                raise ExportError(
                    f"episode {episode} cannot be cut out of {file} without encoding it again: its pictures need "
                    "those of another one"
                )
            found[number] = packet
            if len(found) == length:
                return list(found.values())
        raise ExportError(f"{file} ends before frame {len(found)} of the {length} of episode {episode}")

    def _remux(self, packets: list[Any], stream: Any, target: Path) -> None:
        ticks = time_base(self._dataset.fps)
        ticks_per_frame = ticks.denominator // self._dataset.fps
        first_pts, source_ticks = packets[0].pts, float(stream.time_base * self._dataset.fps)
        numbers = [round((packet.pts - first_pts) * source_ticks) for packet in packets]
        # A picture that is shown before others that were decoded first: decoding begins that much earlier.
        delay = max(position - number for position, number in enumerate(numbers))
        options = {"video_track_timescale": str(ticks.denominator)}
        with av.open(str(target), "w", format="mp4", options=options) as container:
            # opaque: without looking for an encoder of the decoder's name
            track = container.add_stream_from_template(stream, opaque=True)
            track.time_base = ticks
            track.codec_context.bit_rate = 0  # the whole file's; unknown, as in the written files
            for position, (number, packet) in enumerate(zip(numbers, packets, strict=True)):
                packet.pts, packet.dts = number * ticks_per_frame, (position - delay) * ticks_per_frame
                packet.time_base = ticks
                packet.duration = ticks_per_frame
                packet.stream = track
                container.mux(packet)
