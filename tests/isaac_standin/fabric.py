"""omni.physxfabric: poses of physics on their way to the renderer, where physics does not write the stage itself."""

from __future__ import annotations

from typing import Any


class PhysxFabric:
    _kit: Any

    def force_update(self, elapsed_s: float, current_time_s: float, /) -> None:
        self._kit.physics.publish()
