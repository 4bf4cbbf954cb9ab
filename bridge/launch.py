"""The whole bridge, from its ports to a listening server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.app import create_app
from bridge.config import BridgeConfig
from bridge.server import BridgeServer
from bridge.video.live_video import LiveVideo
from sim_service.commands import CommandQueue
from sim_service.ports import Catalogue, DataRoot, EventSource, FrameSource, JobHistory, StatusSource


@contextmanager
def running_bridge(
    commands: CommandQueue | None,
    status: StatusSource,
    events: EventSource,
    jobs: JobHistory,
    frames: FrameSource,
    data_root: DataRoot,
    catalogue: Catalogue,
    config: BridgeConfig,
) -> Iterator[BridgeServer]:
    """Listening while entered, in threads of its own. Raises OSError where the port is taken. To be left after `events`
    and `frames` have ended, so that nobody still waits for them."""
    live = LiveVideo(frames, config.live)
    live.start()
    try:
        app = create_app(commands, status, events, jobs, frames, data_root, catalogue, live, config)
        server = BridgeServer(app, config)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        live.close()
