"""The brightness of decoded pictures."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange

from sim_service.quality.gate import Luma

_FULL_RANGE = "yuvj420p"


def luma(frame: av.VideoFrame) -> Luma:
    """The Y plane of a frame in full range 0 to 255, shape (height, width), whatever the range that it is stored in."""
    planar = frame if frame.format.name in ("yuv420p", _FULL_RANGE) else frame.reformat(format="yuv420p")
    stored = np.asarray(planar.to_ndarray()[: planar.height], np.uint8)
    if planar.format.name == _FULL_RANGE or planar.color_range == ColorRange.JPEG:
        return stored
    full: Luma = _FULL_OF_LIMITED[stored]
    return full


# ITU-R BT.709-6, 3.5: black is 16 and white 235 in limited range.
_FULL_OF_LIMITED: Luma = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
