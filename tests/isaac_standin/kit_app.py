"""omni.kit.app.IApp."""

from __future__ import annotations

from typing import Any


class IApp:
    _kit: Any

    def get_update_event_stream(self, runloop_name: str = "main") -> Any:
        return self._kit.update_stream

    def get_pre_update_event_stream(self, runloop_name: str = "main") -> Any:
        return self._kit.pre_update

    def get_post_update_event_stream(self, runloop_name: str = "main") -> Any:
        return self._kit.post_update

    def get_shutdown_event_stream(self) -> Any:
        return self._kit.shutdown_stream

    def get_extension_manager(self) -> Any:
        return self._kit.extensions

    def get_update_number(self) -> int:
        return int(self._kit.updates)

    def get_app_name(self) -> str:
        return "Isaac-Sim"

    def get_app_version(self) -> str:
        return str(self._kit.version)

    def is_running(self) -> bool:
        return bool(self._kit.running)

    def is_app_ready(self) -> bool:
        return bool(self._kit.running and self._kit.stage is not None)

    def print_and_log(self, message: str) -> None:
        self._kit.printed.append(message)

    def update(self) -> None:
        self._kit.turn("IApp.update")

    async def next_update_async(self, name: str = "", order: int = 50) -> None:
        await self._kit.next_update()

    def post_quit(self, return_code: int = 0) -> None:
        """The application ends after the update under way."""
        self._kit.post_quit(return_code)

    def post_uncancellable_quit(self, return_code: int = 0) -> None:
        self._kit.post_quit(return_code)
