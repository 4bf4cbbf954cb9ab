"""isaacsim.sensors.camera.Camera: pictures of what a camera prim sees."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pxr import UsdGeom

from isaac_standin.xform_prim import XformPrim

FIRST_FRAME_AFTER: Final = 2  # application updates


class Camera(XformPrim):
    """Silent until `initialize`, and again after every stop of physics. The array of `get_rgba` is the renderer's: the
    next one overwrites it."""

    def __init__(
        self,
        prim_path: str,
        name: str = "camera",
        frequency: int | None = None,
        dt: float | None = None,
        resolution: tuple[int, int] | None = None,
        position: Any = None,
        orientation: Any = None,
        translation: Any = None,
        render_product_path: str | None = None,
        annotator_device: str | None = None,
    ) -> None:
        if frequency is not None or dt is not None:
            raise Exception("frequency of the camera sensor needs to be a divisible by the rendering frequency.")  # noqa: TRY002  # as Isaac Sim does
        if (
            render_product_path is not None
            or position is not None
            or orientation is not None
            or translation is not None
        ):
            raise NotImplementedError(
                "the stand-in takes a camera as its prim has it, with a render product of its own"
            )
        stage = self._kit.stage
        prim = stage.GetPrimAtPath(prim_path)
        if prim and prim.GetTypeName() != "Camera":
            raise Exception("prim path does not correspond to a Camera prim.")  # noqa: TRY002  # as Isaac Sim does
        if not prim:
            UsdGeom.Camera.Define(stage, prim_path)
        self._resolution = checked_resolution((128, 128) if resolution is None else resolution)
        self._started_at: int | None = None
        self._destroyed = self._was_started = False
        self._buffer: np.ndarray | None = None
        self._wrap(prim_path, name)
        self._square_pixels()
        self._kit.handles.add(self)

    def initialize(self, physics_sim_view: Any = None, attach_rgb_annotator: bool = True) -> None:
        if not attach_rgb_annotator:
            raise NotImplementedError("the stand-in's cameras give colours")
        self._refuse_destroyed()
        if not self._prim_is_there():
            raise RuntimeError(f"there is no prim {self._path} to make a render product of")
        self._started_at = self._kit.updates
        self._was_started = True
        self._kit.pictures.start(self)

    def get_rgba(self, device: str | None = None) -> np.ndarray | None:
        """uint8, shape (height, width, 4)."""
        self._refuse_destroyed()
        if not self._was_started:
            if self._kit.version.startswith("4"):
                raise AttributeError("'Camera' object has no attribute '_rgb_annotator'")
            return None
        exposure = self._kit.pictures.shown(self) if self._started_at is not None else None
        faults = self._kit.faults
        if exposure is None or faults.never_a_frame or faults.empty_frame_at == exposure.update:
            return self._nothing()
        assert self._started_at is not None
        number = exposure.update - self._started_at  # the first picture is 1
        if number <= FIRST_FRAME_AFTER:
            return self._nothing()
        width_px, height_px = self._resolution
        if self._buffer is None:
            self._buffer = np.full((height_px, width_px, 4), 255, dtype=np.uint8)
        if number <= FIRST_FRAME_AFTER + faults.black_frames:
            self._buffer[:, :, :3] = 0
        else:
            self._buffer[:, :, :3] = self._kit.pictures.paint(self, exposure)
        return self._buffer

    def get_rgb(self) -> np.ndarray | None:
        pixels = self.get_rgba()
        return None if pixels is None or pixels.size == 0 else pixels[:, :, :3]

    def get_resolution(self) -> tuple[int, int]:
        return self._resolution

    def set_resolution(self, value: tuple[int, int], maintain_square_pixels: bool = True) -> None:
        self._resolution, self._buffer = checked_resolution(value), None
        self._square_pixels()

    def get_focal_length(self) -> float:
        return float(self._usd_prim.GetAttribute("focalLength").Get()) / 10

    def set_focal_length(self, value: float) -> None:
        self._needs_start_on_4_5()
        self._usd_prim.GetAttribute("focalLength").Set(float(value) * 10)

    def get_horizontal_aperture(self) -> float:
        self._needs_start_on_4_5()
        return float(self._usd_prim.GetAttribute("horizontalAperture").Get()) / 10

    def set_horizontal_aperture(self, value: float, maintain_square_pixels: bool = True) -> None:
        self._needs_start_on_4_5()
        self._usd_prim.GetAttribute("horizontalAperture").Set(float(value) * 10)
        if maintain_square_pixels:
            self._square_pixels()

    def set_clipping_range(self, near_distance: float | None = None, far_distance: float | None = None) -> None:
        near, far = self._usd_prim.GetAttribute("clippingRange").Get()
        self._usd_prim.GetAttribute("clippingRange").Set((near_distance or near, far_distance or far))

    def is_paused(self) -> bool:
        return self._started_at is None

    def destroy(self) -> None:
        self._destroyed = True
        self._on_stop()

    def _on_stop(self) -> None:
        self._started_at = None
        self._kit.pictures.end(self)

    def _nothing(self) -> np.ndarray | None:
        return None if self._kit.version.startswith("6") else np.zeros(0, dtype=np.uint8)

    def _square_pixels(self) -> None:
        width_px, height_px = self._resolution
        horizontal = self._usd_prim.GetAttribute("horizontalAperture").Get()
        self._usd_prim.GetAttribute("verticalAperture").Set(float(horizontal) * height_px / width_px)

    def _needs_start_on_4_5(self) -> None:
        if self._kit.version.startswith("4") and not self._was_started:
            raise AttributeError("'Camera' object has no attribute '_render_product': initialize() comes first on 4.5")

    def _refuse_destroyed(self) -> None:
        if self._destroyed:
            raise RuntimeError(f"camera {self._path} was destroyed")


def checked_resolution(resolution: Any) -> tuple[int, int]:
    """Width and height [px]."""
    width_px, height_px = resolution
    if not all(isinstance(edge, (int, np.integer)) and edge > 0 for edge in (width_px, height_px)):
        raise TypeError(f"a resolution is two positive integers, not {resolution!r}")
    return int(width_px), int(height_px)
