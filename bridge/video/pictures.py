"""Brings a camera's pictures to the size at which they are sent."""

from __future__ import annotations

from typing import Final

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from sim_service.ports import Frame

SMALLEST_PX: Final = 16


def fitted_size(width: int, height: int, max_size_px: int) -> tuple[int, int]:
    """(width, height) in the same proportion, even, at least 16, and no side above the bound where that is 16 or more;
    larger than it was only by rounding."""
    bound = max(SMALLEST_PX, max_size_px // 2 * 2)
    scale = min(1.0, bound / max(width, height))

    def even(side: int) -> int:
        return min(bound, max(SMALLEST_PX, 2 * round(side * scale / 2)))

    return even(width), even(height)


class LivePictures:
    """Pictures ready for an encoder: the same one, converted once, for everybody who asks. For one thread alone."""

    def __init__(self, max_size_px: int) -> None:
        self._max_size_px = max_size_px
        self._reformatters: dict[str, VideoReformatter] = {}
        self._latest: dict[str, tuple[int, av.VideoFrame]] = {}

    def get(self, frame: Frame) -> av.VideoFrame:
        """yuv420p, BT.601, limited range. Only its timestamps and its picture type may be written to."""
        number, picture = self._latest.get(frame.camera, (None, None))
        if number != frame.number or picture is None:
            picture = self._convert(frame)
            self._latest[frame.camera] = frame.number, picture
        return picture

    def _convert(self, frame: Frame) -> av.VideoFrame:
        height, width = frame.rgb.shape[:2]
        sent_width, sent_height = fitted_size(width, height, self._max_size_px)
        reformatter = self._reformatters.setdefault(frame.camera, VideoReformatter())  # keeps its tables
        source = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame.rgb), "rgb24")
        return reformatter.reformat(source, sent_width, sent_height, "yuv420p", interpolation=Interpolation.AREA)
