"""Encoders that wait at a gate, or fail at a frame."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lerobot_writer import video as video_module

PATIENCE_S = 30


class Gate:
    """Stands before `_Mp4.encode` or another method of it: the encoder waits there until the gate is opened."""

    def __init__(self, patch: pytest.MonkeyPatch, method: str = "encode") -> None:
        self.reached, self._opened = threading.Event(), threading.Event()
        self.buffers: set[int] = set()
        real = getattr(video_module._Mp4, method)

        def gated(mp4: Any, *arguments: NDArray[np.uint8]) -> None:
            self.buffers.update(argument.ctypes.data for argument in arguments)
            self.reached.set()
            assert self._opened.wait(PATIENCE_S)
            real(mp4, *arguments)

        patch.setattr(video_module._Mp4, method, gated)

    def open(self) -> None:
        self._opened.set()


def fail_at_frame(patch: pytest.MonkeyPatch, number: int, camera: str = "cam_wrist") -> None:
    """Encoding that frame (from 0) of that camera fails, in the first episode only."""
    real = video_module._Mp4.encode

    def encode(mp4: Any, rgb: NDArray[np.uint8]) -> None:
        if camera in str(mp4.path) and mp4.path.stem == "file-000" and mp4._frames == number:
            raise OSError(28, "No space left on device")
        real(mp4, rgb)

    patch.setattr(video_module._Mp4, "encode", encode)


def encoder_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("encode ")]
