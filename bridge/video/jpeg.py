"""JPEG pictures for snapshots and for browsers without WebRTC."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import Final

from PIL import Image

from bridge.video.pictures import fitted_size
from sim_service.ports import Frame

QUALITY: Final = 80


class JpegEncoder:
    """Encodes each picture once, however many ask for it; one at a time, so that it never takes more than a core."""

    def __init__(self, max_size_px: int) -> None:
        self._max_size_px = max_size_px
        self._lock = threading.Lock()
        self._latest: dict[str, tuple[int, bytes]] = {}

    def encode(self, frame: Frame) -> bytes:
        with self._lock:
            number, data = self._latest.get(frame.camera, (-1, b""))
            if number == frame.number:
                return data
            data = self._compress(frame)
            if frame.number > number:
                self._latest[frame.camera] = frame.number, data
            return data

    def _compress(self, frame: Frame) -> bytes:
        image = Image.fromarray(frame.rgb)
        size = fitted_size(image.width, image.height, self._max_size_px)
        if size != image.size:
            image = image.resize(size, Image.Resampling.BOX)
        data = BytesIO()
        image.save(data, "JPEG", quality=QUALITY)
        return data.getvalue()
