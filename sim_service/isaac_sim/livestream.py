"""NVIDIA's own live stream of the application's window, which needs a GPU with NVENC. Ours (`--streaming`) does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sim_service.simulators import SimulatorUnavailable

SIGNAL_PORT: Final = 49100  # TCP
MEDIA_PORT: Final = 47998  # UDP

# The variables are those of Isaac Lab: LIVESTREAM 0 none, 1 over a public address, 2 within a private network.
_MODES: Final = ("0", "1", "2")


@dataclass(frozen=True)
class Livestream:
    """public_ip: the address that viewers reach; None within a private network."""

    signal_port: int = SIGNAL_PORT
    media_port: int = MEDIA_PORT
    public_ip: str | None = None


def livestream_from_environment(environment: Mapping[str, str]) -> Livestream | None:
    """None without one. Raises SimulatorUnavailable for values that cannot be."""
    mode = environment.get("LIVESTREAM", "0") or "0"
    if mode not in _MODES:
        raise SimulatorUnavailable(f"LIVESTREAM must be one of {', '.join(_MODES)}, got {mode!r}")
    if mode == "0":
        return None
    return Livestream(
        _port(environment, "LIVESTREAM_PORT", SIGNAL_PORT),
        _port(environment, "LIVESTREAM_MEDIA_PORT", MEDIA_PORT),
        (environment.get("PUBLIC_IP") or "127.0.0.1") if mode == "1" else None,
    )


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise SimulatorUnavailable(f"{name} must be a port, 1 to 65535, got {text!r}")
    return int(text)


def start_livestream(stream: Livestream) -> str:
    """In an application that runs; returns the name of the extension. Raises SimulatorUnavailable without one."""
    from sim_service.isaac_sim.compat import enable_extension, set_setting, version

    candidates = STREAMS_UP_TO_5 if version().startswith(("4.", "5.")) else STREAMS_FROM_6
    set_setting("/app/window/drawMouse", True)
    for extension in candidates:
        for path, value in _settings(extension, stream).items():
            set_setting(path, value)
        if enable_extension(extension_name=extension):
            return extension
    raise SimulatorUnavailable(f"there is no live stream: none of {', '.join(candidates)} could be enabled")


_STREAM_6: Final = "omni.kit.livestream.app"
STREAMS_FROM_6: Final = (_STREAM_6,)
STREAMS_UP_TO_5: Final = ("omni.services.livestream.nvcf", "omni.kit.livestream.webrtc")


def _settings(extension: str, stream: Livestream) -> dict[str, bool | int | str]:
    """Else it would end the application when a viewer leaves, which it does by default from 6.0 on."""
    settings: dict[str, bool | int | str]
    if extension == _STREAM_6:
        primary = f"/exts/{_STREAM_6}/primaryStream"
        settings = {
            f"{primary}/streamType": "webrtc",
            f"{primary}/signalPort": stream.signal_port,
            f"{primary}/streamPort": stream.media_port,
            f"{primary}/allowDynamicResize": True,
            "/exts/omni.services.livestream.session/quitOnSessionEnded": False,
        }
        return settings if stream.public_ip is None else {**settings, f"{primary}/publicIp": stream.public_ip}
    settings = {
        "/app/livestream/port": stream.signal_port,
        "/app/livestream/fixedHostPort": stream.media_port,
        "/app/livestream/allowResize": True,
        "/app/livestream/nvcf/quitOnSessionEnded": False,
    }
    if stream.public_ip is not None:
        settings["/app/livestream/publicEndpointAddress"] = stream.public_ip
        settings["/app/livestream/publicEndpointPort"] = stream.media_port
    return settings
