"""A process of Isaac Sim in place of this one, for the length of a `with`."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from isaac_contract import VERSIONS, load_facts

from isaac_standin.asset_root import write_assets
from isaac_standin.faults import Faults
from isaac_standin.kit import Kit
from isaac_standin.modules import OWN_ROOTS, BorrowedModules, ModuleFinder, module_tree
from isaac_standin.surface import surface

# The adapter asks at import which names there are, so each process imports it anew.
_PROBING: Final = ("sim_service.isaac_sim", "sim_service.extension")


class Isaac:
    """What a test sees of the process, from outside.

    faults: may be changed at any time. kit: the application itself. asset_root: folder with NVIDIA's assets.
    left_behind: what was still there at the end of the `with`, by the name of the property: empty lists after a clean
    end.
    """

    def __init__(self, kit: Kit, asset_root: Path) -> None:
        self.kit, self.asset_root = kit, asset_root
        self.left_behind: dict[str, list[str]] = {}
        self._threads_before = set(threading.enumerate())

    @property
    def faults(self) -> Faults:
        return self.kit.faults

    @property
    def updates(self) -> int:
        """Of the application, so far."""
        return self.kit.updates

    @property
    def physics_steps(self) -> int:
        """So far, without those of warming up."""
        return self.kit.physics.steps_made

    @property
    def stages_opened(self) -> int:
        return int(self.kit.usd_context._opened)

    @property
    def stage(self) -> Any:
        return self.kit.stage

    @property
    def settings(self) -> dict[str, Any]:
        """carb's settings by path, as they are."""
        return dict(self.kit.settings._values)

    @property
    def simulation_app(self) -> Any:
        return self.kit.simulation_app

    @property
    def launch_config(self) -> dict[str, Any] | None:
        """What SimulationApp was given; None before."""
        return self.kit.launch_config

    @property
    def ignored_config(self) -> list[str]:
        """Keys of it that this version does not know."""
        return self.kit.ignored_config

    @property
    def argv(self) -> list[str] | None:
        """sys.argv as SimulationApp found it."""
        return self.kit.argv

    @property
    def closed_with(self) -> dict[str, Any] | None:
        """Arguments of SimulationApp.close()."""
        return self.kit.closed_with

    @property
    def exit_code(self) -> int | None:
        return self.kit.exit_code

    @property
    def release_close(self) -> threading.Event:
        return self.kit.release_close

    @property
    def ignored_worlds(self) -> int:
        """How many World(...) found one there already, and so did nothing."""
        return self.kit.ignored_worlds

    @property
    def enabled_extensions(self) -> set[str]:
        return set(self.kit.extensions._enabled)

    @property
    def errors(self) -> list[str]:
        """What PhysX and Isaac Sim would have logged."""
        return self.kit.errors

    @property
    def swallowed(self) -> list[str]:
        """Exceptions that callbacks and tasks let out. Must be emptied by the test that means them."""
        return self.kit.swallowed

    @property
    def subscriptions(self) -> list[str]:
        """Names of the live subscriptions to the application's events."""
        gc.collect()
        kit = self.kit
        streams = (kit.pre_update, kit.update_stream, kit.post_update, kit.shutdown_stream)
        return [str(subscription._name) for stream in streams for subscription in stream._live()]

    @property
    def physics_callbacks(self) -> list[str]:
        """Names of the callbacks that a physics step calls."""
        return [name for world in self.kit.live_worlds() for name in world._subscribed]

    @property
    def cameras(self) -> list[str]:
        """Paths of the cameras that are running."""
        return [camera._path for camera in self.kit.pictures.cameras]

    @property
    def threads(self) -> list[str]:
        """Names of the threads that were not there before."""
        return [thread.name for thread in threading.enumerate() if thread not in self._threads_before]

    def app_update(self, n: int = 1) -> None:
        """The application's own turn."""
        for _ in range(n):
            if not self.kit.running:
                raise RuntimeError(f"the application has ended with code {self.kit.exit_code}")
            self.kit.update("app_update")

    def user_plays(self) -> None:
        self.kit.timeline.play()
        self.kit.timeline.commit()

    def user_pauses(self) -> None:
        self.kit.timeline.pause()
        self.kit.timeline.commit()

    def user_stops(self) -> None:
        self.kit.timeline.stop()
        self.kit.timeline.commit()


@contextmanager
def installed(
    version: str, host: Literal["script", "extension"] = "script", faults: Faults | None = None
) -> Iterator[Isaac]:
    """host: a script has to construct SimulationApp; in an extension the application runs, by `Isaac.app_update`.

    Raises AssertionError at the end when a callback or task let an exception out and the test did not take it.
    """
    if version not in VERSIONS or host not in ("script", "extension"):
        raise ValueError(f"version {version!r}, host {host!r}; allowed: {', '.join(VERSIONS)}; script, extension")
    _purge()
    borrowed = BorrowedModules()
    interrupt_handler = _interrupt_handler()
    with tempfile.TemporaryDirectory(prefix="isaac-assets-") as folder:
        kit = Kit(load_facts(), version, host, faults or Faults())
        isaac = Isaac(kit, write_assets(Path(folder), version, kit.faults))
        kit.settings.set("/persistent/isaac/asset_root/default", str(isaac.asset_root))
        borrowed.hide()
        modules = {**module_tree(surface(kit)), **borrowed.modules}
        finder = ModuleFinder(modules, lambda name: name == "isaacsim" or kit.started)
        sys.meta_path.insert(0, finder)
        asyncio.set_event_loop(kit.loop)
        if host == "extension":
            kit.start()
            if not kit.faults.stage_after_updates:
                kit.usd_context.new_stage()
        try:
            yield isaac
        finally:
            isaac.left_behind = {
                "subscriptions": isaac.subscriptions,
                "physics_callbacks": isaac.physics_callbacks,
                "cameras": isaac.cameras,
                "threads": isaac.threads,
            }
            kit.close()
            asyncio.set_event_loop(None)
            sys.meta_path.remove(finder)
            _purge()
            borrowed.show()
            if interrupt_handler is not None:
                signal.signal(signal.SIGINT, interrupt_handler)
    assert not isaac.swallowed, f"exceptions that Kit logs and forgets: {isaac.swallowed}"


def _purge() -> None:
    """Forget the modules of Isaac Sim, and those of the adapter, which asked for them."""
    for name in list(sys.modules):
        if name.partition(".")[0] in OWN_ROOTS or any(name == p or name.startswith(f"{p}.") for p in _PROBING):
            del sys.modules[name]
    for name in _PROBING:
        package, _, child = name.rpartition(".")
        if package in sys.modules and hasattr(sys.modules[package], child):
            delattr(sys.modules[package], child)


def _interrupt_handler() -> Any:
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.getsignal(signal.SIGINT)
