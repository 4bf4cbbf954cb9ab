"""The application: what one update of it does, in which order."""

from __future__ import annotations

import asyncio
import threading
import weakref
from pathlib import Path
from typing import Any

from isaac_contract import Facts

from isaac_standin.api import Api
from isaac_standin.events import EventStream, Subscription
from isaac_standin.extension_manager import ExtensionManager
from isaac_standin.fabric import PhysxFabric
from isaac_standin.faults import Faults
from isaac_standin.physics import Physics
from isaac_standin.pictures import Pictures
from isaac_standin.settings import Settings
from isaac_standin.timeline import Timeline
from isaac_standin.usd_context import UsdContext

_SETTINGS = {
    "/app/player/playSimulations": True,
    "/app/runLoops/main/rateLimitEnabled": False,
    "/app/hydraEngine/waitIdle": False,
    "/app/updateOrder/checkForHydraRenderComplete": -10,
    "/omni/replicator/asyncRendering": False,
}


class Kit:
    """One process of Isaac Sim.

    started: whether it ever ran. updates: how many the application has made. errors: what PhysX would have logged.
    swallowed: exceptions that a callback or a task let out, which Kit logs and forgets.
    """

    def __init__(self, facts: Facts, version: str, host: str, faults: Faults) -> None:
        self.version, self.host, self.faults = version, host, faults
        self.api = Api(facts, version)
        self.updates = 0
        self.started = self.running = False
        self.exit_code: int | None = None
        self.errors: list[str] = []
        self.swallowed: list[str] = []
        self.worlds: list[weakref.ref[Any]] = []
        self.handles: weakref.WeakSet[Any] = weakref.WeakSet()  # prims and cameras, told of a stop
        self.rendering_dt_s = 1 / 60
        self._owed_steps = 0.0
        self._updating = False
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._on_loop_error)
        self._waiting: list[asyncio.Future[None]] = []
        self._quit_code: int | None = None
        self.app: Any = None
        self.simulation_app: Any = None
        self.launch_config: dict[str, Any] | None = None
        self.ignored_config: list[str] = []
        self.argv: list[str] | None = None
        self.closed_with: dict[str, Any] | None = None
        self.release_close = threading.Event()
        self.ignored_worlds = 0
        self.printed: list[str] = []

        self.settings: Any = self._of("carb.settings.ISettings", Settings)
        self.fabric: Any = self._of("omni.physxfabric.IPhysxFabric", PhysxFabric)
        self.settings._values = dict(_SETTINGS)
        stream_class = self.class_("carb.events.IEventStream", EventStream)
        subscription_class = self.class_("carb.events.ISubscription", Subscription)
        self.pre_update, self.update_stream, self.post_update, self.shutdown_stream = (
            stream_class()._start(label, self.report, subscription_class)
            for label in ("pre-update", "update", "post-update", "shutdown")
        )
        self.timeline: Any = self._of("omni.timeline.ITimeline", Timeline)._start(self._on_play, self._on_stop)
        self.usd_context: Any = self._of("omni.usd.UsdContext", UsdContext)._start(self._on_opened, self._on_changed)
        self.extensions: Any = self._of("omni.kit.app.IExtensionManager", ExtensionManager)._start()
        self.physics = Physics(self)
        self.pictures = Pictures(self)

    def _of(self, dotted: str, implementation: type) -> Any:
        return self.class_(dotted, implementation)()

    def class_(self, dotted: str, implementation: type | None = None) -> type:
        """A class of the API that knows this application as `_kit`. One that the facts do not have, and so nobody can
        import, is its implementation."""
        if implementation is None:
            return self.api.class_(dotted)
        knowing = type(implementation.__name__, (implementation,), {"_kit": self})
        return self.api.class_(dotted, knowing) if self.api.has(dotted) else knowing

    @property
    def stage(self) -> Any:
        return self.usd_context.get_stage()

    def turn(self, caller: str) -> None:
        """An update that a call of the API makes."""
        if self.host == "extension":
            raise RuntimeError(f"re-entrant: {caller} turns the application from inside the application's own turn")
        self.update(caller)

    def update(self, caller: str = "the application") -> None:
        if self._updating:
            raise RuntimeError(f"re-entrant: {caller} turns the application while an update is under way")
        if not self.running:
            raise RuntimeError(f"{caller} turns an application that does not run")
        self._updating = True
        try:
            self._update()
        finally:
            self._updating = False

    def _update(self) -> None:
        self.updates += 1
        if self.host == "extension" and self.updates == self.faults.stage_after_updates:
            self.usd_context.new_stage()
        if self.faults.stop_at_update == self.updates:
            self.timeline.stop()
        self.timeline.commit()
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.pre_update._push(self.updates)
        if self.faults.physics_first:
            self._step_physics()
        self.update_stream._push(self.updates)
        if not self.faults.physics_first:
            self._step_physics()
        self.usd_context._updated()
        self.pictures.draw()
        self.post_update._push(self.updates)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if self._quit_code is not None:
            self.shutdown_stream._push(self.updates)
            self.quit(self._quit_code)

    async def next_update(self) -> None:
        """Until the next application update begins; what is left of the present one happens before."""
        future = self.loop.create_future()
        self._waiting.append(future)
        await future

    def report(self, where: str, error: BaseException) -> None:
        self.swallowed.append(f"{where}: {type(error).__name__}: {error}")

    def start(self) -> None:
        self.started = self.running = True

    def quit(self, code: int) -> None:
        self.exit_code, self.running = code, False

    def post_quit(self, code: int) -> None:
        """After the update under way, or the next one."""
        self._quit_code = code

    def reaches(self, root: str) -> bool:
        """Whether a folder of assets is within reach."""
        return not self.faults.no_asset_root and Path(root, "Isaac").is_dir()

    def close(self) -> None:
        """The process is over: nothing that was loaded stays."""
        self.running = False
        self.pictures.close()
        self.usd_context._close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    def _step_physics(self) -> None:
        """As PhysX: whole steps of what the update's time and the rest of earlier ones amount to, not more than the
        lowest frame rate allows."""
        if not (self.timeline.is_playing() and self.settings.get("/app/player/playSimulations")):
            return
        steps_per_second = self.physics.steps_per_second
        if not steps_per_second:
            return
        self._owed_steps += (self.faults.update_s or self.rendering_dt_s) * steps_per_second
        steps = int(self._owed_steps + 1e-6)
        self._owed_steps -= steps
        lowest_rate = self.settings.get("/persistent/simulation/minFrameRate") or 30
        steps = min(steps, max(1, steps_per_second // lowest_rate))
        if self.faults.slow_time > 0 and steps:
            self.faults.slow_time -= 1
            steps -= 1
        for _ in range(steps):
            self.physics.step(callbacks=True)
        if steps:
            self.physics.publish()

    def _on_play(self) -> None:
        if self.settings.get("/app/player/playSimulations"):
            self.physics.initialize()

    def _on_stop(self) -> None:
        self._owed_steps = 0.0
        self.physics.stop()
        for handle in list(self.handles):
            handle._on_stop()
        for world in self.live_worlds():
            world._on_stop()

    def _on_opened(self) -> None:
        for world in self.live_worlds():
            world._on_stage_opened()
        self.physics.forget()
        self.pictures.forget()

    def _on_changed(self, notice: Any) -> None:
        self.physics.changed(notice)
        self.pictures.changed(notice)

    def physics_ready(self) -> None:
        for world in self.live_worlds():
            world._on_physics_ready()

    def live_worlds(self) -> list[Any]:
        return [world for reference in self.worlds if (world := reference()) is not None]

    def _on_loop_error(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.report(context.get("message", "task"), error or RuntimeError(str(context)))
