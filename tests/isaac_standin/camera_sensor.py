"""isaacsim.sensors.experimental.rtx.CameraSensor, of 6.0 and later."""

from __future__ import annotations

from typing import Any

import numpy as np

from isaac_standin.camera import FIRST_FRAME_AFTER, checked_resolution


class DeviceArray:
    """What a warp array on the GPU is to its reader."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    @property
    def shape(self) -> tuple[int, ...]:
        return self._pixels.shape

    def numpy(self) -> np.ndarray:
        return self._pixels.copy()


class CameraSensor:
    """Runs from its construction on. resolution is (height, width), unlike that of Camera."""

    _kit: Any

    def __init__(
        self, path: Any, *, resolution: Any, annotators: Any = None, writers: Any = None, render_vars: Any = None
    ) -> None:
        prim = self._kit.stage.GetPrimAtPath(path)
        if not prim or prim.GetTypeName() != "Camera":
            raise NotImplementedError(f"the stand-in takes a camera prim that is there; {path} is none")
        if writers is not None or render_vars is not None:
            raise NotImplementedError("the stand-in's camera sensor has neither writers nor render variables")
        width_px, height_px = checked_resolution(tuple(resolution)[::-1])
        self._path, self._resolution = str(path), (width_px, height_px)
        self._annotators = [annotators] if isinstance(annotators, str) else list(annotators or ())
        unknown = sorted(set(self._annotators) - {"rgb", "rgba"})
        if unknown:
            raise NotImplementedError(f"the stand-in's camera sensor has no {unknown}")
        horizontal = float(prim.GetAttribute("horizontalAperture").Get())
        prim.GetAttribute("verticalAperture").Set(horizontal * height_px / width_px)
        self._started_at: int | None = self._kit.updates
        self._kit.handles.add(self)
        self._kit.pictures.start(self)

    @property
    def annotators(self) -> list[str]:
        return sorted(self._annotators)

    @property
    def resolution(self) -> tuple[int, int]:
        """Height and width [px]."""
        width_px, height_px = self._resolution
        return height_px, width_px

    def get_data(self, annotator: str, *, out: Any = None) -> tuple[DeviceArray | None, dict[str, Any]]:
        if annotator not in self._annotators:
            raise ValueError(f"The annotator '{annotator}' was not configured. Enable it when instantiating the class")
        exposure = self._kit.pictures.shown(self) if self._started_at is not None else None
        faults = self._kit.faults
        if exposure is None or faults.never_a_frame or faults.empty_frame_at == exposure.update:
            return None, {}
        assert self._started_at is not None
        number = exposure.update - self._started_at
        if number <= FIRST_FRAME_AFTER:
            return None, {}
        pixels = self._kit.pictures.paint(self, exposure)
        if number <= FIRST_FRAME_AFTER + faults.black_frames:
            pixels = np.zeros_like(pixels)
        if annotator == "rgba":
            pixels = np.dstack([pixels, np.full(pixels.shape[:2], 255, dtype=np.uint8)])
        return DeviceArray(pixels), {}

    def _on_stop(self) -> None:
        self._started_at = None
        self._kit.pictures.end(self)
