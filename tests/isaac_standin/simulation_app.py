"""isaacsim.SimulationApp: the application of a script."""

from __future__ import annotations

import signal
import sys
from typing import Any, Final

from isaac_standin.settings import parsed_arguments

START_UPDATES: Final = 3
HANG_TIMEOUT_S: Final = 60.0


class ProcessEnded(BaseException):
    """What ends the process in reality. code: its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the process ended with code {code}")
        self.code = code


class SimulationApp:
    """One per process. With fast_shutdown, its default, the process ends inside close(): up to 5.1 always with 0."""

    _kit: Any
    _defaults: dict[str, Any]

    def __init__(self, launch_config: dict[str, Any] | None = None, experience: str = "") -> None:
        kit = self._kit
        if kit.host == "extension":
            raise RuntimeError("SimulationApp inside an application that already runs")
        if kit.simulation_app is not None:
            raise RuntimeError("SimulationApp can be constructed once in a process")
        given = dict(launch_config or {})
        extra = given.get("extra_args", [])
        if not isinstance(extra, list) or not all(isinstance(argument, str) for argument in extra):
            raise TypeError(f"extra_args is a list of strings, not {extra!r}")
        kit.simulation_app = self
        kit.launch_config, kit.argv = given, list(sys.argv)
        kit.ignored_config = sorted(set(given) - set(self._defaults))
        for path, value in parsed_arguments([*extra, *sys.argv[1:]]).items():
            kit.settings.set(path, value)
        self._config = {**self._defaults, **{key: given[key] for key in given if key in self._defaults}}
        self._exiting = False
        signal.signal(signal.SIGINT, _end_on_interrupt)
        kit.start()
        for _ in range(START_UPDATES):
            kit.update("SimulationApp")
        if self._config["create_new_stage"]:
            kit.usd_context.new_stage()
        kit.update("SimulationApp")

    @property
    def app(self) -> Any:
        return self._kit.app

    @property
    def context(self) -> Any:
        return self._kit.usd_context

    def update(self) -> None:
        self._kit.turn("SimulationApp.update")

    def set_setting(self, setting: str, value: Any) -> None:
        self._kit.settings.set(setting, value)

    def is_exiting(self) -> bool:
        return self._exiting

    def is_running(self) -> bool:
        has_stage = self._kit.stage is not None or self._kit.version.startswith("6")
        return bool(self._kit.running and not self._exiting and has_stage)

    def close(self, wait_for_replicator: bool = True, skip_cleanup: bool = False, exit_code: int = 0) -> None:
        kit = self._kit
        if self._exiting:
            return
        kit.closed_with = {"wait_for_replicator": wait_for_replicator, "exit_code": exit_code}
        if kit.faults.close_hangs and not kit.release_close.wait(HANG_TIMEOUT_S):
            raise RuntimeError("close() hung, and nobody released it")
        self._exiting = True
        kit.quit(exit_code)
        if self._config["fast_shutdown"]:
            raise ProcessEnded(exit_code)


def default_config(keys: tuple[str, ...]) -> dict[str, Any]:
    """What the stand-in needs to know of the defaults."""
    return {**dict.fromkeys(keys), "fast_shutdown": True, "create_new_stage": True, "headless": True, "extra_args": []}


def _end_on_interrupt(number: int, frame: Any) -> None:
    del number, frame
    raise ProcessEnded(0)
