"""A wrapper's hold on physics: dead after a stop, and until `initialize`."""

from __future__ import annotations

from typing import Any


class PhysicsHandle:
    _kit: Any
    _path: str

    def _hold(self) -> None:
        """As a wrapper does while it is made: it takes hold at once where physics runs and knows the prim. (PhysX also
        takes up prims that come while it runs; the stand-in does at the next start.)"""
        self._view: Any = None
        self._kit.handles.add(self)
        if self._kit.physics.view is not None and self._is_simulated():
            self._take()

    def initialize(self, physics_sim_view: Any = None) -> None:
        if not self._alive():
            self._take()

    def _take(self) -> None:
        if self._kit.physics.view is None:
            raise AttributeError(
                f"{type(self).__name__}.initialize() before physics runs: 'NoneType' object has no attribute "
                f"'create_{self._view_kind}_view'"
            )
        if not self._is_simulated():
            raise RuntimeError(self._missing.format(self._path))
        self._view = self._kit.physics.view

    def _alive(self) -> bool:
        return self._view is not None and self._view is self._kit.physics.view

    def _on_stop(self) -> None:
        self._view = None

    _view_kind = "rigid_body"
    _missing = "physics simulates no rigid body at {}"

    def _is_simulated(self) -> bool:
        return bool(self._kit.physics.has_body(self._path))
