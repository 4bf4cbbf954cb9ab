"""isaacsim.core.api.World: one at a time, bound to the stage that is open."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

from pxr import Sdf, UsdGeom, UsdPhysics

_TIME_PASSES: Final = "/app/player/playSimulations"
# What still answers after the world was cleared or its stage closed.
_HARMLESS: Final = ("is_playing", "is_stopped", "physics_callback_exists", "app", "stage")


class World:
    """`_slot` holds the one there is. In an extension whatever turns the application raises."""

    _kit: Any
    _slot: list[Any]
    _context_class: type

    def __new__(cls, *args: Any, **kwargs: Any) -> World:
        if not cls._slot:
            cls._slot.append(super().__new__(cls))
        return cls._slot[0]

    def __init__(
        self,
        physics_dt: float | None = None,
        rendering_dt: float | None = None,
        stage_units_in_meters: float | None = None,
        physics_prim_path: str = "/physicsScene",
        sim_params: dict[str, Any] | None = None,
        set_defaults: bool = True,
        backend: str = "numpy",
        device: str | None = None,
    ) -> None:
        if getattr(self, "_constructed", False):
            self._kit.ignored_worlds += 1
            return
        if sim_params is not None or backend != "numpy" or device not in (None, "cpu"):
            raise NotImplementedError("the stand-in has the numpy backend on the CPU, without sim_params")
        self._constructed = self._alive = True
        self._kit.worlds.append(weakref.ref(self))
        self._asked = (physics_dt, rendering_dt or 1 / 60, stage_units_in_meters or 1.0, physics_prim_path)
        self._context: Any = None
        self._functions: dict[str, Callable[[float], None]] = {}
        self._subscribed: dict[str, object] = {}
        self._time_s, self._steps = 0.0, 0
        if self._kit.host == "script":
            self._set_up_stage()

    @classmethod
    def instance(cls) -> Any:
        return cls._slot[0] if cls._slot else None

    @classmethod
    def clear_instance(cls) -> None:
        if cls._slot:
            cls._slot.pop()._invalidate()

    @property
    def app(self) -> Any:
        return self._kit.app

    @property
    def stage(self) -> Any:
        return self._kit.stage

    @property
    def current_time(self) -> float:
        """[s], since the timeline last played from a stop."""
        return self._time_s

    @property
    def current_time_step_index(self) -> int:
        return self._steps

    @property
    def physics_sim_view(self) -> Any:
        return self._kit.physics.view

    @property
    def backend(self) -> str:
        return "numpy"

    @property
    def device(self) -> str:
        return "cpu"

    def get_physics_context(self) -> Any:
        if self._context is None and self._kit.version.startswith("6"):
            raise RuntimeError(
                "Physics context is not initialized. Call world.reset_async() or initialize_physics() first."
            )
        return self._context

    def get_physics_dt(self) -> float:
        return self._context.get_physics_dt()

    def get_rendering_dt(self) -> float:
        return self._kit.rendering_dt_s

    def set_simulation_dt(self, physics_dt: float | None = None, rendering_dt: float | None = None) -> None:
        rendering_dt = self.get_rendering_dt() if rendering_dt is None else rendering_dt
        if physics_dt is not None:
            substeps = max(int(rendering_dt / physics_dt), 1) if physics_dt > 0 else 1
            self._context._set_dt(physics_dt, substeps)
        self._kit.rendering_dt_s = rendering_dt

    def set_block_on_render(self, block: bool) -> None:
        self._kit.settings.set("/app/hydraEngine/waitIdle", block)

    def get_block_on_render(self) -> bool:
        return bool(self._kit.settings.get("/app/hydraEngine/waitIdle"))

    # Time

    def is_playing(self) -> bool:
        return bool(self._kit.timeline.is_playing())

    def is_stopped(self) -> bool:
        return bool(self._kit.timeline.is_stopped())

    def is_simulating(self) -> bool:
        return self._kit.physics.view is not None

    def play(self) -> None:
        self._kit.timeline.play()
        self._kit.timeline.commit()
        self._update_without_time("World.play")

    def pause(self) -> None:
        self._kit.timeline.pause()
        self._update_without_time("World.pause")

    def stop(self) -> None:
        self._kit.timeline.stop()
        self._update_without_time("World.stop")

    async def play_async(self) -> None:
        self._kit.timeline.play()
        self._kit.timeline.commit()
        await self._next_update_without_time()

    async def pause_async(self) -> None:
        self._kit.timeline.pause()
        await self._next_update_without_time()

    async def stop_async(self) -> None:
        self._kit.timeline.stop()
        await self._next_update_without_time()

    async def initialize_simulation_context_async(self) -> None:
        if self.is_playing():
            await self.stop_async()
        await self._kit.next_update()
        self._set_up_stage()
        for _ in range(3):
            await self._kit.next_update()

    def initialize_physics(self) -> None:
        if self.is_stopped() and self._kit.host == "script":
            self.play()
        if self._kit.physics.view is None:
            self._kit.physics.initialize()

    def reset(self, soft: bool = False) -> None:
        self._refuse_in_extension("World.reset")
        if soft:
            return
        self.stop()
        self.play()
        if self._kit.physics.view is None:
            self._kit.physics.initialize()

    async def reset_async(self, soft: bool = False) -> None:
        if soft:
            return
        await self.stop_async()
        await self.play_async()
        if self._kit.physics.view is None:
            self._kit.physics.initialize()

    def step(self, render: bool = True, step_sim: bool = True, update_fabric: bool = False) -> None:
        if render:
            self._refuse_in_extension("World.step")
        if not step_sim:
            return
        if render:
            self._kit.turn("World.step")
        elif self.is_playing():
            self._kit.physics.step(callbacks=True)
            # fetch_results writes the stage; with fabric it is written to only where that is asked for.
            if update_fabric or not self._kit.extensions.is_extension_enabled("omni.physx.fabric"):
                self._kit.physics.publish()

    def render(self) -> None:
        self._refuse_in_extension("World.render")
        self._publish()
        self._update_without_time("World.render")

    async def render_async(self) -> None:
        self._publish()
        await self._next_update_without_time()

    # Callbacks

    def add_physics_callback(self, callback_name: str, callback_fn: Callable[[float], None]) -> None:
        if callback_name in self._subscribed:
            self._kit.errors.append(f"Physics callback `{callback_name}` already exists")
            return
        if self._context is None:
            raise AttributeError("'NoneType' object has no attribute '_physx_interface': the world is not initialized")
        self._subscribe(callback_name, callback_fn)
        self._functions[callback_name] = callback_fn

    def remove_physics_callback(self, callback_name: str) -> None:
        """One that a stop has dropped cannot be removed, and comes back with the next play."""
        if callback_name not in self._subscribed:
            self._kit.errors.append(f"Physics callback `{callback_name}` doesn't exist")
            return
        self._unsubscribe(callback_name)
        del self._functions[callback_name]

    def physics_callback_exists(self, callback_name: str) -> bool:
        return callback_name in self._subscribed

    def clear_physics_callbacks(self) -> None:
        for name in list(self._subscribed):
            self._unsubscribe(name)
        self._functions = {}

    def clear_all_callbacks(self) -> None:
        self.clear_physics_callbacks()

    # Inside

    def _guard(self, dotted: str) -> None:
        if not self._alive and dotted.rpartition(".")[2] not in _HARMLESS:
            raise RuntimeError(f"{dotted} of a world that was cleared, or whose stage was closed")

    def _set_up_stage(self) -> None:
        physics_dt, rendering_dt, stage_units_in_meters, physics_prim_path = self._asked
        kit = self._kit
        if kit.stage is None:
            kit.usd_context.new_stage()
        UsdGeom.SetStageUpAxis(kit.stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(kit.stage, stage_units_in_meters)
        if kit.host == "script":
            self._update_without_time("World")
        self._context = self._context_class(physics_dt=physics_dt, prim_path=physics_prim_path)
        self.set_simulation_dt(physics_dt=physics_dt, rendering_dt=rendering_dt)
        kit.physics.callbacks[self] = self._on_step

    def _on_step(self, step_s: float) -> None:
        self._time_s += step_s
        self._steps += 1

    def _on_stop(self) -> None:
        self._time_s, self._steps = 0.0, 0
        for name in list(self._subscribed):
            self._unsubscribe(name)

    def _on_physics_ready(self) -> None:
        """Every function that was ever registered, anew. On 6.0.1 each subscription calls the last of them."""
        functions = dict(self._functions)
        last = list(functions.values())[-1:]
        for name, function in functions.items():
            self._subscribe(name, last[0] if self._kit.version.startswith("6") else function)

    def _on_stage_opened(self) -> None:
        if self._context is None:
            return
        if self in self._slot:
            self._slot.clear()
        self._invalidate()

    def _invalidate(self) -> None:
        self._alive = False
        for name in list(self._subscribed):
            self._unsubscribe(name)
        self._functions = {}
        self._kit.physics.callbacks.pop(self, None)

    def _subscribe(self, name: str, function: Callable[[float], None]) -> None:
        key = self._subscribed.setdefault(name, object())
        self._kit.physics.callbacks[key] = function

    def _unsubscribe(self, name: str) -> None:
        self._kit.physics.callbacks.pop(self._subscribed.pop(name), None)

    def _publish(self) -> None:
        """By fabric; before 6.0 only once time has passed."""
        if self._kit.extensions.is_extension_enabled("omni.physx.fabric") and (
            self._time_s > 0 or self._kit.version.startswith("6")
        ):
            self._kit.physics.publish()

    def _refuse_in_extension(self, caller: str) -> None:
        if self._kit.host == "extension":
            raise RuntimeError(f"re-entrant: {caller} turns the application from inside the application's own turn")

    def _update_without_time(self, caller: str) -> None:
        if self._kit.host == "extension":
            return
        self._kit.settings.set(_TIME_PASSES, False)
        self._kit.turn(caller)
        self._kit.settings.set(_TIME_PASSES, True)

    async def _next_update_without_time(self) -> None:
        self._kit.settings.set(_TIME_PASSES, False)
        await self._kit.next_update()
        self._kit.settings.set(_TIME_PASSES, True)


class PhysicsContext:
    """isaacsim.core.api.PhysicsContext: the physics scene on the stage."""

    _kit: Any

    def __init__(
        self,
        physics_dt: float | None = None,
        prim_path: str = "/physicsScene",
        sim_params: dict[str, Any] | None = None,
        set_defaults: bool = True,
    ) -> None:
        stage = self._kit.stage
        scenes = [prim for prim in stage.Traverse() if prim.IsA(UsdPhysics.Scene)]
        if not scenes and stage.GetPrimAtPath(prim_path):
            raise RuntimeError(f"A non physics scene prim already exists at: {prim_path}")
        scene = UsdPhysics.Scene(scenes[0]) if scenes else UsdPhysics.Scene.Define(stage, prim_path)
        self._path = str(scene.GetPath())
        if set_defaults:
            scene.CreateGravityDirectionAttr((0.0, 0.0, -1.0))
            scene.CreateGravityMagnitudeAttr(9.81 / UsdGeom.GetStageMetersPerUnit(stage))
        self._set_dt(1 / 60, 1)
        if physics_dt is not None:
            self._set_dt(physics_dt, 1)

    @property
    def prim_path(self) -> str:
        return self._path

    def get_physics_dt(self) -> float:
        steps_per_second = self._kit.physics.steps_per_second
        return 1 / steps_per_second if steps_per_second else 0.0

    def set_physics_dt(self, dt: float = 1 / 60, substeps: int = 1) -> None:
        self._set_dt(dt, substeps)

    def warm_start(self) -> None:
        """Nothing: it is deprecated in Isaac Sim, too."""

    def _set_dt(self, dt: float, substeps: int) -> None:
        """Steps per second are cut to a whole number, not rounded."""
        if not 0 <= dt <= 1:
            raise ValueError(f"physics dt must be 0 to 1 s, not {dt}")
        steps_per_second = int(1 / dt) if dt else 0
        scene = self._kit.stage.GetPrimAtPath(self._path)
        scene.CreateAttribute("physxScene:timeStepsPerSecond", Sdf.ValueTypeNames.UInt).Set(steps_per_second)
        self._kit.physics.steps_per_second = steps_per_second
        self._kit.settings.set("/persistent/simulation/minFrameRate", int(steps_per_second / max(substeps, 1)))
