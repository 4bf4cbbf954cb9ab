"""Kit's USD context: the one stage that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pxr import Sdf, Tf, Usd, UsdGeom


class UsdContext:
    """`_on_opened` hears of every new stage, `_on_changed` of every change to it. `_physics_layer` is what physics
    writes to: weaker than the session layer, stronger than what anybody authors."""

    _kit: Any

    def _start(self, on_opened: Callable[[], None], on_changed: Callable[[Any], None]) -> UsdContext:
        self._on_opened, self._on_changed = on_opened, on_changed
        self._stage: Any = None
        self._listener: Any = None
        self._loading = 0
        self._opened = 0
        return self

    def get_stage(self) -> Any:
        return self._stage

    def new_stage(self, load_set: Any = None) -> bool:
        self._close()
        stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)  # Kit's default, unlike Isaac Sim's z
        UsdGeom.SetStageMetersPerUnit(stage, 0.01)
        self._physics_layer = Sdf.Layer.CreateAnonymous("physics")
        stage.GetSessionLayer().subLayerPaths.append(self._physics_layer.identifier)
        self._stage = stage
        self._listener = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._changed, stage)
        self._loading = self._kit.faults.loading_updates
        self._opened += 1
        self._on_opened()
        return True

    async def new_stage_async(self, load_set: Any = None) -> tuple[bool, str]:
        self.new_stage()
        await self._kit.next_update()
        return True, ""

    def close_stage(self, on_finish_fn: Any = None) -> bool:
        self._close()
        return True

    def can_close_stage(self) -> bool:
        return self._stage is not None

    def get_stage_loading_status(self) -> tuple[str, int, int]:
        """Message, files loaded, files to load."""
        return ("", 0, self._loading)

    def _changed(self, notice: Any, sender: Any) -> None:
        self._on_changed(notice)

    def _updated(self) -> None:
        self._loading = max(0, self._loading - 1)

    def _close(self) -> None:
        self._kit.timeline.stop()
        self._kit.timeline.commit()
        if self._listener is not None:
            self._listener.Revoke()
        self._stage = self._listener = None
