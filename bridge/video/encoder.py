"""VP8 and H.264, tuned for a machine whose processor belongs to a simulator.

One thread each, the fastest settings that look good, no frame held back. A rendered table top at 512 x 512 and 15
pictures per second costs about 1 ms per picture and 300 to 500 kbit/s; the rate is bounded for busier scenes.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

import av
from av import Packet, VideoStream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

Codec = Literal["VP8", "H264"]

CLOCK_RATE: Final = 90_000  # of RTP video [1/s]
TIME_BASE: Final = Fraction(1, CLOCK_RATE)
MAX_BITS_PER_PIXEL: Final = 0.25  # 1 Mbit/s for 512 x 512 at 15 pictures per second
KEYFRAME_PERIOD_S: Final = 10  # heals a viewer whose request for a key frame got lost


class VideoEncoder:
    """Encodes pictures of one size in the order of their presentation."""

    def __init__(self, codec: Codec, width: int, height: int, max_fps: int) -> None:
        self.size = width, height
        bit_rate = int(MAX_BITS_PER_PIXEL * width * height * max_fps)
        context = av.CodecContext.create("libvpx" if codec == "VP8" else "libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = TIME_BASE, Fraction(max_fps)
        context.gop_size = KEYFRAME_PERIOD_S * max_fps
        context.thread_count = 1
        if codec == "VP8":
            context.bit_rate = bit_rate
            context.qmin, context.qmax = 12, 63  # finer than 12 costs bits that nobody sees
            context.options = _vp8_options(bit_rate)
        else:
            context.options = _h264_options(bit_rate)
        self._context = context

    def encode(self, picture: av.VideoFrame, pts: int, keyframe: bool) -> Packet[VideoStream] | None:
        """picture: yuv420p, of `size`. pts: in ticks of CLOCK_RATE, above the last one. None: the encoder left the
        picture out. The first packet, and every one asked for as a key frame, can be decoded by itself."""
        picture.pts, picture.time_base = pts, TIME_BASE
        picture.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = self._context.encode(picture)
        return packets[0] if packets else None


def _vp8_options(bit_rate: int) -> dict[str, str]:
    """Constant bit rate with a buffer of one second."""
    rate = str(bit_rate)
    return {
        "deadline": "realtime",
        "cpu-used": "-12",  # negative: a fixed speed instead of one that follows the processor's load
        "lag-in-frames": "0",
        "noise-sensitivity": "0",  # pictures are rendered, not filmed
        "static-thresh": "1",
        "minrate": rate,
        "maxrate": rate,
        "bufsize": rate,
    }


def _h264_options(bit_rate: int) -> dict[str, str]:
    """Constant quality below the bit rate. Colours are those of `LivePictures`; players guess when it is not said."""
    return {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "profile": "baseline",
        "forced-idr": "1",
        "crf": "26",
        "maxrate": str(bit_rate),
        "bufsize": str(bit_rate),
        "colorspace": "smpte170m",
        "color_primaries": "smpte170m",
        "color_trc": "smpte170m",
        "color_range": "tv",
    }
