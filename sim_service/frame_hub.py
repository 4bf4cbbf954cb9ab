"""The latest picture of each camera: put there by the simulator's thread, taken by whoever watches."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from collectors.simulator import Image
from sim_service.ports import Frame

REPEAT_PERIOD_S: Final = 0.5


class FrameHub:
    """Satisfies `ports.FrameSource`. Pictures are kept by reference: publishing copies nothing and waits for nobody."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._cameras = tuple(cameras)
        self._latest: dict[str, Frame] = {}
        self._numbers = dict.fromkeys(cameras, 0)  # of each camera's last picture
        self._viewers = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def cameras(self) -> Sequence[str]:
        return self._cameras

    @property
    def viewers(self) -> int:
        return self._viewers

    @property
    def wanted(self) -> bool:
        """Whether anybody watches."""
        return self._viewers > 0

    @contextmanager
    def watch(self) -> Iterator[None]:
        with self._changed:
            self._viewers += 1
        try:
            yield
        finally:
            with self._changed:
                self._viewers -= 1

    def publish(self, images: Mapping[str, Image]) -> None:
        """images: camera name to RGB, uint8, shape (height, width, 3); nobody may write to them again. The very same
        pictures again, of a simulator that stands still, become new frames twice a second."""
        now = time.monotonic()
        with self._changed:
            for camera in self._cameras:
                before = self._latest.get(camera)
                if before is None or before.rgb is not images[camera] or now - before.taken_at >= REPEAT_PERIOD_S:
                    self._numbers[camera] += 1
                    self._latest[camera] = Frame(camera, self._numbers[camera], images[camera], now)
            self._changed.notify_all()

    def forget(self) -> None:
        """The scene is another one now: the pictures that there are show nothing of it."""
        with self._changed:
            self._latest.clear()

    def close(self) -> None:
        """Wake everybody who waits: no picture will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def latest(self, camera: str) -> Frame | None:
        self._require(camera)
        return self._latest.get(camera)

    def wait(self, camera: str, after: int, timeout_s: float) -> Frame | None:
        self._require(camera)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number(camera) > after, timeout_s)
            return self._latest[camera] if self._number(camera) > after else None

    def _number(self, camera: str) -> int:
        frame = self._latest.get(camera)
        return frame.number if frame is not None else 0

    def _require(self, camera: str) -> None:
        if camera not in self._cameras:
            raise KeyError(f"no camera {camera!r}; there are {', '.join(self._cameras)}")
