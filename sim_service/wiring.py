"""What the entry points share: a service with its page, from a configuration to a running whole."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Final

import sim_service
from bridge.config import BridgeConfig, LiveConfig
from collectors.task import TASKS
from sim_service.catalogue import DatasetCatalogue
from sim_service.commands import CommandQueue
from sim_service.config import ConfigError
from sim_service.data_root import FolderDataRoot
from sim_service.job_store import JobStore
from sim_service.logs import set_up_service_logging
from sim_service.page_config import PageConfig
from sim_service.ports import Ports
from sim_service.serve_config import ServeConfig
from sim_service.service import Service
from sim_service.work_cell import OpenSimulator

_PACKAGES: Final = ("collectors", "sim_service", "lerobot_writer", "bridge")


@contextmanager
def open_service(config: ServeConfig, open_simulator: OpenSimulator, verbose: bool) -> Iterator[Service]:
    """A service for a host to call `tick` on, its page and API while entered; nothing of it is left afterwards: the job
    under way is interrupted, to be resumed, and every thread has ended. To be entered and left in the thread that owns
    the simulator. open_simulator: as of `Service`. Where the process already logs, as an application does that the
    service is a guest in, records go there; else to standard error.

    Raises DataRootError, JobStoreError, ConfigError (no such address to serve the page at).
    """
    data_root = FolderDataRoot(config.data_root)
    data_root.prepare()
    with closing(JobStore(data_root.path)) as store:
        queue = CommandQueue()
        service = Service(
            open_simulator, config.settings, queue, data_root, store, live_period_s=1 / config.page.live_fps
        )
        _set_up_logging(service, verbose)
        catalogue = DatasetCatalogue(data_root.path)
        board = service.board
        ports = Ports(queue, board, board.events, service.history, service.frames, data_root, catalogue)
        with running_page(config.page, ports):
            try:
                yield service
            finally:
                service.close()


@contextmanager
def running_page(page: PageConfig, ports: Ports) -> Iterator[None]:
    """The web page and the API while entered. Raises ConfigError where they cannot listen."""
    from bridge.launch import running_bridge  # Flask, aiortc: half a second that no other command needs

    config = BridgeConfig(
        host=page.host,
        port=page.port,
        skills=tuple(TASKS),
        version=sim_service.__version__,
        token=page.token,
        allowed_hosts=page.allowed_hosts,
        cors_origins=page.cors_origins,
        read_only=ports.commands is None,
        live=LiveConfig(max_fps=page.live_fps, max_size_px=page.live_size_px),
    )
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_bridge(ports, config))
        except OSError as error:
            raise ConfigError(f"cannot serve the page: {error}") from error
        print(f"Dashboard and API: {server.url}", file=sys.stderr, flush=True)
        yield


def _set_up_logging(service: Service, verbose: bool) -> None:
    if not logging.getLogger().handlers:
        set_up_service_logging(verbose, lambda: service.current_job_id)
    for package in _PACKAGES:
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.INFO)
