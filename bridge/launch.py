"""The whole bridge, from its ports to a listening server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.app import create_app
from bridge.config import BridgeConfig
from bridge.server import BridgeServer
from bridge.video.live_video import LiveVideo
from sim_service.ports import Ports


@contextmanager
def running_bridge(ports: Ports, config: BridgeConfig) -> Iterator[BridgeServer]:
    """Listening while entered, in threads of its own. Raises OSError where the port is taken. To be left after the
    events and the frames have ended, so that nobody still waits for them."""
    live = LiveVideo(ports.frames, config.live)
    live.start()
    try:
        server = BridgeServer(create_app(ports, live, config), config)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        live.close()
