"""Flags of whatever serves the web page: `serve`, and `collect --streaming`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

DEFAULT_PORT: Final = 8600
# Isaac Sim's own: REST services, WebRTC streams and signalling of 4.5 to 6.0.
ISAAC_PORTS: Final = frozenset((8011, 8210, 8211, 8226, 47998, 49100))
LIVE_SIZE_RANGE_PX: Final = (64, 2048)


@dataclass(frozen=True)
class PageConfig:
    """token: what clients must show; None lets everybody in. allowed_hosts: names by which the page may be addressed,
    beside IP addresses and localhost. cors_origins: foreign pages that may call. live_fps, live_size_px: caps of live
    video, pictures per second and pixels of the longer side."""

    host: str
    port: int
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    live_fps: int = 15
    live_size_px: int = 512


def add_page_flags(parser: argparse.ArgumentParser, prefix: str, port: int) -> None:
    """prefix: of the flags for host and port, such as "streaming-"."""
    add = parser.add_argument
    add(f"--{prefix}host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; 0.0.0.0 for all")
    add(f"--{prefix}port", type=int, default=port, metavar="PORT", help="port of the page")
    add("--token", metavar="TOKEN", help="clients must show it; better given as ISAAC_COLLECT_TOKEN")
    add("--allow-host", type=_words, default=(), metavar="NAME,...", help="host names of ours, beside IP addresses")
    add("--cors-origin", type=_words, default=(), metavar="URL,...", help="foreign pages that may call")
    add("--live-fps", type=int, default=PageConfig.live_fps, metavar="N", help="cap of live video [1/s]")
    add("--live-size", type=int, default=PageConfig.live_size_px, metavar="PX", help="cap of its longer side")


def page_config(arguments: argparse.Namespace, prefix: str, problems: list[str]) -> PageConfig:
    """Adds whatever cannot be to `problems`."""
    dest = prefix.replace("-", "_")
    host, port = getattr(arguments, f"{dest}host"), getattr(arguments, f"{dest}port")
    if not 0 <= port < 65536:
        problems.append(f"--{prefix}port must be 0 (any free one) to 65535, got {port}")
    elif port in ISAAC_PORTS:
        problems.append(f"--{prefix}port {port} is one of Isaac Sim's own: {', '.join(map(str, sorted(ISAAC_PORTS)))}")
    if not 1 <= arguments.live_fps <= 60:
        problems.append(f"--live-fps must be 1 to 60, got {arguments.live_fps}")
    low, high = LIVE_SIZE_RANGE_PX
    if not low <= arguments.live_size <= high:
        problems.append(f"--live-size must be {low} to {high} pixels, got {arguments.live_size}")
    if arguments.token is not None and not (arguments.token.isascii() and arguments.token.isprintable()):
        problems.append("--token must be printable ASCII: it travels in an HTTP header")
    if arguments.token is not None and arguments.token != arguments.token.strip():
        problems.append("--token must not begin or end with a space")
    problems += [
        f"--cors-origin takes origins such as https://lab.example:8443, got {origin!r}"
        for origin in arguments.cors_origin
        if not origin.startswith(("http://", "https://")) or origin.count("/") != 2
    ]
    return PageConfig(
        host=host,
        port=port,
        token=arguments.token or None,
        allowed_hosts=arguments.allow_host,
        cors_origins=arguments.cors_origin,
        live_fps=arguments.live_fps,
        live_size_px=arguments.live_size,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
