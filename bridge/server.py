"""The HTTP server: cheroot in threads of its own."""

from __future__ import annotations

import ipaddress
import logging
import threading
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, Final

from cheroot.wsgi import Server
from flask import Flask

from bridge.app import backend_of
from bridge.body import MAX_BODY_BYTES
from bridge.config import BridgeConfig
from bridge.connections import Connection, Gateway
from bridge.priority import step_back
from bridge.security import is_loopback

TIMEOUT_S: Final = 10.0
MAX_HEADER_BYTES: Final = 32 * 1024
BACKLOG: Final = 128
IDLE_CONNECTIONS: Final = 256  # that may wait for their next request
SEND_BUFFER_BYTES: Final = 256 * 1024  # a picture that waits in a longer one is no longer live
_log = logging.getLogger(__name__)


class BridgeServer:
    """Serves an application of `create_app`. Its threads do not keep the process alive.

    timeout_s: for a request to arrive, for an idle connection to speak, and for a client to take a piece of an answer.
    """

    def __init__(self, app: Flask, config: BridgeConfig, timeout_s: float = TIMEOUT_S) -> None:
        self.app, self._config, self._timeout_s = app, config, timeout_s
        self._server: _HttpServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """By which it can be reached from this machine. Valid once started."""
        if self._server is None:
            raise RuntimeError("the server was not started")
        host, port = self._server.bind_addr
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"

    def start(self) -> None:
        """Listen, and return. Raises OSError where the address cannot be had."""
        config = self._config
        if config.token is None and not is_loopback(config.host):
            _log.warning("anybody who can reach %s may drive the simulator: no token is configured", config.host)
        server = _HttpServer(config, self.app, self._timeout_s)
        listening = threading.Event()
        failure: list[OSError] = []

        def serve() -> None:
            step_back()
            try:
                server.prepare()  # starts the threads: daemons, as this one
            except OSError as error:
                failure.append(error)
                return
            finally:
                listening.set()
            server.serve()

        thread = threading.Thread(target=serve, name="bridge-http", daemon=True)
        thread.start()
        listening.wait()
        if failure:
            thread.join()
            raise OSError(
                f"cannot listen on {config.host}:{config.port} ({failure[0]}); choose another host or port"
            ) from failure[0]
        self._server, self._thread = server, thread

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the streams, let other requests finish, and cut off what still runs after that time. Does nothing where
        it was not started."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        backend_of(self.app).closing.set()
        server.shutdown_timeout = timeout_s
        stopper = threading.Thread(target=server.stop, name="bridge-http-stop", daemon=True)
        stopper.start()
        stopper.join(timeout_s)
        if stopper.is_alive():
            for connection in tuple(server.working):
                connection.abort()
            stopper.join(1.0)
        thread.join(1.0)
        if stopper.is_alive() or thread.is_alive():
            _log.error("%d requests do not end; their threads are left behind", len(server.working))
        self._server = self._thread = None


class _HttpServer(Server):
    """cheroot's, but a connection that says nothing costs no thread, and its log is ours.

    working: connections that a thread works on.
    """

    ConnectionClass = Connection
    keep_alive_conn_limit = IDLE_CONNECTIONS
    expiration_interval = 0.1  # s; also how long it may take to notice the end
    max_request_header_size = MAX_HEADER_BYTES
    max_request_body_size = MAX_BODY_BYTES

    def __init__(self, config: BridgeConfig, app: Flask, timeout_s: float) -> None:
        super().__init__(
            (config.host, config.port),
            app,
            numthreads=config.threads,
            max=config.threads,
            server_name="isaac-collect",
            request_queue_size=BACKLOG,
        )
        self.timeout = timeout_s  # cheroot's stubs want an int; it works with any number
        self.gateway = Gateway
        self.working: set[Connection] = set()

    def prepare(self) -> None:
        super().prepare()
        for number, worker in enumerate(self.requests._threads):
            worker.name = f"bridge-http-{number}"

    @classmethod
    def prepare_socket(cls, *arguments: Any, **named: Any) -> Any:
        listening = super().prepare_socket(*arguments, **named)
        listening.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)  # accepted sockets inherit it
        return listening

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()  # cheroot would not
            raise
        return socket_

    def process_conn(self, conn: Any) -> None:
        if conn.last_used is not None:
            super().process_conn(conn)
        elif self.can_add_keepalive_connection:
            waiting: Any = self._connections  # type: ignore[attr-defined]  # the stubs lack it
            waiting.put(conn)  # a new one: no thread before it speaks
        elif self.requests.qsize < IDLE_CONNECTIONS:
            super().process_conn(conn)
        else:
            conn.close()  # before the process runs out of descriptors

    def put_conn(self, conn: Any) -> None:
        try:
            super().put_conn(conn)
        except (OSError, ValueError, KeyError):  # the server ended just now, or the client did
            conn.close()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        # What cheroot has to inform of is clients that are gone
        _log.log(level if level > logging.INFO else logging.DEBUG, "%s", msg, exc_info=traceback)

    def _serve_unservicable(self) -> None:
        """Nothing is unservicable: the queue of connections has no bound."""
