"""Candidates for a machine that has no address but the loopback one."""

from __future__ import annotations

from typing import Final

from aiortc import RTCIceGatherer

LOOPBACK: Final = "127.0.0.1"


async def gather_candidates(gatherer: RTCIceGatherer) -> None:
    """Gather the addresses of this machine; where there are none, the loopback address.

    aioice leaves loopback addresses out and has no switch for it, hence the reach into its insides. So do browsers:
    Chromium comes here only with --allow-loopback-in-peer-connection --disable-features=WebRtcHideLocalIpsWithMdns, and
    has to make do with MJPEG otherwise. On a machine with any other address, browsers on it use that one.
    """
    await gatherer.gather()
    if not gatherer.getLocalCandidates():
        connection = gatherer._connection
        connection._local_candidates += await connection.get_component_candidates(component=1, addresses=[LOOPBACK])
