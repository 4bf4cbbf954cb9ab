"""Files and bytes that a client may ask for in part, or only if they changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from flask import Response, request

from bridge.problems import Problem

CHUNK_BYTES: Final = 64 * 1024


def respond_with(content: Path | bytes, content_type: str, etag: str | None = None) -> Response:
    """The content, the part of it that Range asks for, or 304. Without an etag, size and time of the file make one.

    Raises Problem 404 and 412, and werkzeug's error for a range that is not there.
    """
    if isinstance(content, bytes):
        file: BinaryIO = BytesIO(content)
        size_bytes = len(content)
    else:
        try:
            file = content.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise Problem(404, "not-found", f"there is no file behind {request.path}") from error
        # Of the file that is open: another may take its place at any time
        state = os.fstat(file.fileno())
        size_bytes = state.st_size
        etag = etag or f"{state.st_mtime_ns:x}-{size_bytes:x}"
    response = Response(_Part(file, size_bytes), content_type=content_type, direct_passthrough=True)
    response.content_length = size_bytes
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "no-cache"
    if etag is not None:
        response.set_etag(etag)
    environ = request.environ
    if "," in environ.get("HTTP_RANGE", ""):
        environ = {key: value for key, value in environ.items() if key != "HTTP_RANGE"}  # several parts: all of it
    with ExitStack() as unless_sent:
        unless_sent.callback(file.close)
        response.make_conditional(environ, accept_ranges=True, complete_length=size_bytes)
        if response.status_code == 412:
            raise Problem(412, "precondition-failed", f"{request.path} is not the one that If-Match names")
        if response.status_code in (200, 206) and request.method == "GET":
            unless_sent.pop_all()
    return response


class _Part(Iterator[bytes]):
    """Exactly the first `size_bytes` from where the file stands: it may shrink or grow as it is read."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._size_bytes = file, size_bytes

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()

    def __next__(self) -> bytes:
        left = 0 if self._file.closed else self._size_bytes - self._file.tell()
        if left <= 0:
            self.close()
            raise StopIteration
        data = self._file.read(min(left, CHUNK_BYTES))
        if not data:
            raise OSError(f"a file ended {left} bytes before its end")
        return data

    def close(self) -> None:
        self._file.close()
