"""What the renderer has drawn, update by update: kept as snapshots of the stage, painted when somebody looks."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np

from isaac_standin.drawables import StageSnapshot, StageView, View, camera_view
from isaac_standin.painter import Painter

MAX_DELAY: Final = 16  # application updates that pictures may lag behind


class Exposure:
    """What one update drew: the stage, and the views of the cameras that were running."""

    def __init__(self, update: int, snapshot: StageSnapshot) -> None:
        self.update, self.snapshot = update, snapshot
        self.views: dict[Any, View] = {}
        self.painted: dict[Any, np.ndarray] = {}


class Pictures:
    def __init__(self, kit: Any) -> None:
        self._kit = kit
        self._stage_view = StageView()
        self._painter: Painter | None = None
        self._size = (0, 0)
        self._exposures: deque[Exposure] = deque(maxlen=MAX_DELAY + 1)
        self._snapshot: StageSnapshot | None = None
        self.cameras: list[Any] = []  # the running ones

    def start(self, camera: Any) -> None:
        """A camera shows nothing of before."""
        self.end(camera)
        self.cameras.append(camera)

    def end(self, camera: Any) -> None:
        self.cameras = [other for other in self.cameras if other is not camera]
        for exposure in self._exposures:
            exposure.views.pop(camera, None)

    def forget(self) -> None:
        """A new stage."""
        self._exposures.clear()
        self._snapshot = None
        self._stage_view.forget()

    def changed(self, notice: Any) -> None:
        self._snapshot = None
        paths = notice.GetChangedInfoOnlyPaths()
        if notice.GetResyncedPaths() or any(not _moves(path) for path in paths):
            self._stage_view.forget()

    def draw(self) -> None:
        """At the end of an update."""
        stage = self._kit.stage
        if stage is None or not self.cameras:
            return
        if self._snapshot is None:
            self._snapshot = self._stage_view.snapshot(stage)
        exposure = Exposure(self._kit.updates, self._snapshot)
        for camera in self.cameras:
            prim = stage.GetPrimAtPath(camera._path)
            if prim:
                width_px, height_px = camera._resolution
                exposure.views[camera] = camera_view(prim, width_px / height_px)
        self._exposures.append(exposure)

    @property
    def delay(self) -> int:
        """Application updates by which pictures lag behind."""
        if self._kit.faults.picture_delay is not None:
            return int(self._kit.faults.picture_delay)
        settings = self._kit.settings
        waits = settings.get("/app/hydraEngine/waitIdle") is True
        return 0 if waits and settings.get("/app/updateOrder/checkForHydraRenderComplete") == 1000 else 1

    def shown(self, camera: Any) -> Exposure | None:
        """What a camera has to show now: None before its first picture."""
        delay = self.delay
        if len(self._exposures) <= delay:
            return None
        exposure = self._exposures[-1 - delay]
        return exposure if camera in exposure.views else None

    def paint(self, camera: Any, exposure: Exposure) -> np.ndarray:
        """RGB, uint8, shape (height, width, 3)."""
        if camera not in exposure.painted:
            width_px, height_px = camera._resolution
            if self._painter is None or width_px > self._size[0] or height_px > self._size[1]:
                self.close()
                self._size = (max(width_px, self._size[0]), max(height_px, self._size[1]))
                self._painter = Painter(*self._size)
            view = exposure.views[camera]
            exposure.painted[camera] = self._painter.paint(exposure.snapshot, view, width_px, height_px)
        return exposure.painted[camera]

    def close(self) -> None:
        if self._painter is not None:
            self._painter.close()
            self._painter = None


def _moves(path: Any) -> bool:
    return path.name.startswith("xformOp")
