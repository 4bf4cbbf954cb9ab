"""Pictures of the table's textures, as files for the renderer."""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collectors.scene import Table
from collectors.table_texture import table_texture

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_RGB_8_BITS: Final = (8, 2, 0, 0, 0)  # depth, colour type, compression, filter, interlace


class TableTextures:
    """Files in a folder of its own, made when the first one is needed.

    A renderer keeps a texture by its path: so a file is named by its content, and never changes. The last two stay,
    since the one before may still be under way to the GPU.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._kept: list[Path] = []

    def file(self, table: Table) -> str:
        """Path of the table's texture; "" for a plain table. Raises ValueError for an unknown texture, OSError."""
        if table.texture == "plain":
            return ""
        content = png_of(table_texture(table))
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="isaac-collect-textures-")
        path = Path(self._folder.name, f"{hashlib.sha256(content).hexdigest()[:32]}.png")
        if path not in self._kept:
            path.write_bytes(content)
            self._kept.append(path)
        while len(self._kept) > 2:
            self._kept.pop(0).unlink(missing_ok=True)
        return path.as_posix()

    def close(self) -> None:
        """May be called twice."""
        if self._folder is not None:
            self._folder.cleanup()
        self._folder, self._kept = None, []


def png_of(rgb: NDArray[np.uint8]) -> bytes:
    """Lossless. rgb: uint8, shape (height, width, 3). By the format's second edition, ISO/IEC 15948."""
    height, width, _ = rgb.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), rgb.reshape(height, -1)], axis=1)  # without filters
    header = struct.pack(">II5B", width, height, *_RGB_8_BITS)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
