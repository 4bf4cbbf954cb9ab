"""The Kit extension: the service as a guest of an Isaac Sim that somebody runs, with or without a window.

An entry point. Its settings are those of `extension.toml`; ISAAC_COLLECT_<FLAG> of the environment wins over them.
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import carb.settings
import omni.ext
import omni.kit.app

# Kit finds the top folder of the module that extension.toml names, and neither its neighbours nor the packages that
# Isaac Sim does not ship. Last on the path: Isaac Sim's own come first.
ROOT: Final = Path(__file__).resolve().parent.parent
sys.path += [folder for folder in (str(ROOT / "packages"), str(ROOT)) if folder not in sys.path]

from sim_service.config import ENVIRONMENT_PREFIX, ConfigError, apply_environment  # noqa: E402 needs the path
from sim_service.isaac_sim.kit_cell import KitCell  # noqa: E402 likewise
from sim_service.isaac_sim.kit_host import KitHost  # noqa: E402 likewise
from sim_service.serve_config import ServeConfig, add_serve_flags, serve_config  # noqa: E402 likewise
from sim_service.wiring import open_service  # noqa: E402

if TYPE_CHECKING:
    from carb.events import ISubscription

NAME: Final = "isaac_collect"  # of the extension: its folder's name
SETTINGS: Final = ("host", "port", "data_root", "fps", "use_ycb", "live_fps", "live_size")

_log = logging.getLogger(__name__)


def extension_config() -> ServeConfig:
    """From the extension's settings and the environment. Raises ConfigError for what cannot be."""
    parser = argparse.ArgumentParser(prog=NAME)
    add_serve_flags(parser)
    parser.add_argument("--use-ycb", action=argparse.BooleanOptionalAction, default=False)
    parser.set_defaults(simulator="isaac")
    for name in SETTINGS:
        path = f"/exts/{NAME}/{name}"
        value = carb.settings.get_settings().get(path)
        if value is not None:  # taken as the environment's are: argparse would end the process by one that is unfit
            try:
                apply_environment(parser, {f"{ENVIRONMENT_PREFIX}{name.upper()}": str(value)})
            except ConfigError as error:
                raise ConfigError(f"setting {path}: {error}") from error
    apply_environment(parser)
    return serve_config(parser.parse_args([]))


class IsaacCollectExtension(omni.ext.IExt):
    """Kit makes one when the extension is enabled, and drops it when it is disabled."""

    def on_startup(self, ext_id: str) -> None:
        """The service is up when this returns; its work cell is built by the application's next updates."""
        self._stack = ExitStack()
        self._subscription: ISubscription | None = None
        with ExitStack() as stack:
            cell = KitCell()
            stack.callback(cell.close)
            service = stack.enter_context(open_service(extension_config(), cell.open, verbose=False))
            host = KitHost(service, cell, on_end=self._unsubscribe)
            stack.callback(host.close)
            stream = omni.kit.app.get_app().get_update_event_stream()
            self._subscription = stream.create_subscription_to_pop(host.on_update, name=NAME)
            stack.callback(self._unsubscribe)
            self._stack = stack.pop_all()
        _log.info("%s is up", ext_id)

    def on_shutdown(self) -> None:
        """The episode under way is discarded; everything finished is in its dataset."""
        self._stack.close()

    def _unsubscribe(self) -> None:
        self._subscription = None
