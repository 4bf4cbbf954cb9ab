"""What the bridge is told by the entry point."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LiveConfig:
    """Caps of live video. max_fps: pictures per second and viewer. max_size_px: longer side of a sent picture."""

    max_fps: int = 15
    max_size_px: int = 512
    max_viewers: int = 8


@dataclass(frozen=True)
class BridgeConfig:
    """token: what a client must show, None where everybody may. allowed_hosts: names, beside IP addresses and
    localhost, by which the service may be addressed. cors_origins: foreign origins whose pages may call, such as
    "https://lab.example". read_only: watching alone. skills: what a job may ask for. ready_bound_s: how old the main
    loop's heartbeat may be. threads: of the HTTP server; max_streams: how many of them event and MJPEG streams may
    hold at once.
    """

    host: str
    port: int
    skills: tuple[str, ...]
    version: str
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    read_only: bool = False
    ready_bound_s: float = 5.0
    command_timeout_s: float = 10.0
    start_timeout_s: float = 30.0
    threads: int = 40
    max_streams: int = 24
    live: LiveConfig = field(default_factory=LiveConfig)
