"""The outermost structure of an MP4 file, by which a file that was cut short is told without decoding it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_NEEDED: Final = (b"ftyp", b"moov", b"mdat")


def require_whole_mp4(path: Path) -> None:
    """Raise ValueError unless the boxes of the file (ISO/IEC 14496-12, 4.2) end where the file ends and an index and
    data are among them."""
    size = path.stat().st_size
    kinds = set()
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            header = file.read(16)
            if len(header) < 8:
                raise ValueError(f"it ends within the header of a box, at byte {size}")
            length, kind = struct.unpack(">I4s", header[:8])
            if length == 1 and len(header) == 16:
                (length,) = struct.unpack(">Q", header[8:])
            elif length == 0:
                length = size - at
            if length < 8 or at + length > size:
                raise ValueError(f"the box {kind!r} ends at byte {at + length}, the file at {size}")
            kinds.add(kind)
            at += length
    missing = [kind.decode() for kind in _NEEDED if kind not in kinds]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
