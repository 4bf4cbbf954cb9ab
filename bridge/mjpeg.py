"""Motion JPEG: one picture after the other in one response, for clients without WebRTC.

Knows nothing of Flask.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from sim_service.ports import Frame, FrameSource

CONTENT_TYPE: Final = "multipart/x-mixed-replace; boundary=picture"
RESEND_S: Final = 2.0
_LOOK_S: Final = 0.25  # how often the stream looks whether it ended
_BOUNDARY: Final = b"--picture\r\n"


def mjpeg_stream(
    frames: FrameSource,
    camera: str,
    jpeg: Callable[[Frame], bytes],
    closing: threading.Event,
    gone: Callable[[], bool],
    max_fps: float,
    resend_s: float = RESEND_S,
) -> Iterator[bytes]:
    """Parts of a multipart body, until `closing` is set or the client is `gone`.

    The boundary that ends a picture is sent with it: a browser shows a picture when it has seen its end. Where nothing
    new comes for `resend_s`, the last picture is sent again.
    """
    period_s = 1.0 / max_fps
    latest: Frame | None = None
    sent_at = float("-inf")
    yield _BOUNDARY
    with frames.watch():
        while not (closing.wait(max(0.0, sent_at + period_s - time.monotonic())) or gone()):
            newer = frames.wait(camera, latest.number if latest is not None else 0, _LOOK_S)
            if newer is None:
                closing.wait(period_s)  # a source that ends does not wait
                if latest is None or time.monotonic() - sent_at < resend_s:
                    continue
            else:
                latest = newer
            sent_at = time.monotonic()
            picture = jpeg(latest)
            yield b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n%s" % (len(picture), picture, _BOUNDARY)
