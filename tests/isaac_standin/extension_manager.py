"""Kit's extension manager: what is installed, what is enabled."""

from __future__ import annotations

from typing import Any, Final

_ALWAYS: Final = ("omni.physx.fabric", "omni.physx", "isaacsim.core.api", "isaacsim.sensors.camera")
_STREAMING: Final = {
    "4": ("omni.services.livestream.nvcf", "omni.kit.livestream.webrtc"),
    "5": ("omni.services.livestream.nvcf",),
    "6": ("omni.kit.livestream.app",),
}


class ExtensionManager:
    _kit: Any

    def _start(self) -> ExtensionManager:
        self._enabled = set(_ALWAYS) - self._kit.faults.missing_extensions
        self._enabled.discard("omni.physx.fabric")  # only the experience isaacsim.exp.full.fabric loads it
        return self

    def get_extensions(self) -> tuple[dict[str, Any], ...]:
        """All that are installed."""
        return tuple(
            {"name": name, "id": f"{name}-1.0.0", "version": "1.0.0", "enabled": name in self._enabled}
            for name in sorted(self._installed())
        )

    def set_extension_enabled_immediate(self, extension_name: str, enabled: bool, /) -> bool:
        if extension_name not in self._installed():
            return False
        (self._enabled.add if enabled else self._enabled.discard)(extension_name)
        return True

    def is_extension_enabled(self, extension_name: str, /) -> bool:
        return extension_name in self._enabled

    def get_enabled_extension_id(self, extension_name: str, /) -> str:
        return f"{extension_name}-1.0.0" if extension_name in self._enabled else ""

    def _installed(self) -> set[str]:
        return {*_ALWAYS, *_STREAMING[self._kit.version[0]]} - self._kit.faults.missing_extensions
