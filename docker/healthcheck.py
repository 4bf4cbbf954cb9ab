"""Docker's HEALTHCHECK of both images: exit code 0 when the container's command is well, else 1 and the reason.

`serve` and `collect --streaming` have a page, whose /healthz must answer. The other commands have none: as long as
their process is there, which it is while this runs, they are well. Kubernetes ignores this and has probes of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Final

SERVE_PORT: Final = 8600  # of sim_service/page_config.py
STREAMING_PORT: Final = 49102  # of sim_service/config.py
TIMEOUT_S: Final = 5.0
TRUE: Final = ("1", "true", "yes", "on")


def page_address(words: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Where the command with that command line serves a page; None where it serves none, or on a port that it chose."""
    command = next((word for word in words if word in ("serve", "collect")), None)
    if command == "serve":
        prefix, default = "", SERVE_PORT
    elif command == "collect" and _streams(words, environment):
        prefix, default = "streaming-", STREAMING_PORT
    else:
        return None
    port = _value(words, environment, f"{prefix}port")
    if port is None or "://" in port:  # Kubernetes sets ISAAC_COLLECT_PORT=tcp://... beside a Service of that name
        port = str(default)
    host = _value(words, environment, f"{prefix}host") or "127.0.0.1"
    if port == "0":
        return None
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)


def _streams(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    flag = next((word for word in reversed(words) if word in ("--streaming", "--no-streaming")), None)
    return flag == "--streaming" or (flag is None and environment.get("ISAAC_COLLECT_STREAMING", "").lower() in TRUE)


def _value(words: Sequence[str], environment: Mapping[str, str], name: str) -> str | None:
    """Of a flag or its variable; the last of several flags counts, and flags win."""
    flag = f"--{name}"
    value = environment.get("ISAAC_COLLECT_" + name.replace("-", "_").upper())
    for word, following in pairwise([*words, ""]):
        if word == flag:
            value = following
        elif word.startswith(f"{flag}="):
            value = word.partition("=")[2]
    return value


def problem(host: str, port: int) -> str | None:
    """What is wrong with the page, None when it answers."""
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})  # a name that the service always allows
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"no answer from {host}:{port}: {error}"
    finally:
        connection.close()
    return None if status == 200 else f"{host}:{port}/healthz answers with {status}"


def main() -> int:
    words = Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0")
    address = page_address(words, os.environ)
    found = None if address is None else problem(*address)
    if found is not None:
        print(found)
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
