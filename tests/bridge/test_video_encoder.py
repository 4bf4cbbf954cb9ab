"""The encoders by themselves: key frames, sizes, rates; and how pictures are brought to size."""

from typing import get_args

import av
import numpy as np
import pytest
from live_pictures import plain

from bridge.video.encoder import CLOCK_RATE, MAX_BITS_PER_PIXEL, Codec, VideoEncoder
from bridge.video.pictures import LivePictures, fitted_size
from sim_service.ports import Frame

CODECS = get_args(Codec)
STEP = CLOCK_RATE // 15
PRIMARIES = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (84, 90, 97),
    (150, 100, 50),
    (200, 40, 160),
]


def encoded(codec: Codec, pictures: list[np.ndarray], keyframes: tuple[int, ...] = ()) -> list[av.Packet]:
    height, width = pictures[0].shape[:2]
    encoder, source = VideoEncoder(codec, width, height, 15), LivePictures(max(width, height))
    packets = []
    for n, rgb in enumerate(pictures):
        packet = encoder.encode(source.get(Frame("cam", n, rgb, 0.0)), n * STEP, n in keyframes)
        assert packet is not None
        packets.append(packet)
    return packets


def decoded(codec: Codec, packets: list[av.Packet]) -> list[np.ndarray]:
    decoder = av.CodecContext.create("vp8" if codec == "VP8" else "h264", "r")
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]
    return [frame.to_ndarray(format="rgb24") for frame in [*frames, *decoder.decode(None)]]


def stripes(width: int = 256, height: int = 128) -> np.ndarray:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    for n, colour in enumerate(PRIMARIES):
        picture[:, n * width // 8 : (n + 1) * width // 8] = colour
    return picture


def commotion(count: int) -> list[np.ndarray]:
    """Blocks of 8 x 8 that change their colours every time: more than any camera shows. 128 x 128."""
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(count)]


@pytest.mark.parametrize("codec", CODECS)
def test_colours_survive(codec: Codec) -> None:
    (seen,) = decoded(codec, encoded(codec, [stripes()]))
    for n, colour in enumerate(PRIMARIES):
        middle = seen[32:96, n * 32 + 8 : n * 32 + 24].mean((0, 1))
        assert np.abs(middle - colour).max() < 6, (colour, middle)


@pytest.mark.parametrize("codec", CODECS)
def test_every_picture_gives_a_packet_at_its_time_and_none_is_held_back(codec: Codec) -> None:
    packets = encoded(codec, [plain((n * 20, 90, 40)) for n in range(12)])
    assert [packet.pts * packet.time_base * 15 for packet in packets] == list(range(12))


@pytest.mark.parametrize("codec", CODECS)
def test_key_frames_come_first_and_when_asked_for(codec: Codec) -> None:
    packets = encoded(codec, [plain((n * 10, 90, 40)) for n in range(12)], keyframes=(5, 9))
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 5, 9]


@pytest.mark.parametrize("codec", CODECS)
def test_a_key_frame_comes_by_itself_within_ten_seconds(codec: Codec) -> None:
    packets = encoded(codec, [plain((n % 200, 90, 40), 32, 32) for n in range(151)])
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 150]


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_can_be_decoded_from_any_key_frame_on(codec: Codec) -> None:
    pictures = [plain((n * 15, 90, 40)) for n in range(12)]
    packets = encoded(codec, pictures, keyframes=(6,))
    late = decoded(codec, packets[6:])
    assert len(late) == 6
    assert np.abs(late[-1].mean((0, 1)) - pictures[-1][0, 0]).max() < 6


@pytest.mark.parametrize("codec", CODECS)
def test_the_rate_is_bounded_whatever_happens_in_the_pictures(codec: Codec) -> None:
    seconds = 4
    packets = encoded(codec, commotion(15 * seconds))
    bits = 8 * sum(packet.size for packet in packets)
    assert bits < 1.5 * MAX_BITS_PER_PIXEL * 128 * 128 * 15 * (seconds + 1)  # a second of buffer


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_that_stays_costs_next_to_nothing(codec: Codec) -> None:
    packets = encoded(codec, [commotion(1)[0]] * 40)
    assert sum(packet.size for packet in packets[-5:]) < 1500


def test_fitted_size_is_even_within_the_bound_and_in_proportion() -> None:
    rng = np.random.default_rng(4)
    for width, height, bound in rng.integers(16, 3000, (500, 3)).tolist():
        sent = fitted_size(width, height, bound)
        assert all(side % 2 == 0 and 16 <= side <= max(16, bound) for side in sent)
        assert sent[0] <= width + 1 or sent[0] == 16
        scale = min(1.0, bound / max(width, height))
        for side, exact in zip(sent, (width * scale, height * scale), strict=True):
            assert abs(side - exact) <= 2 or side == 16


def test_small_pictures_keep_their_size() -> None:
    assert fitted_size(512, 512, 512) == (512, 512)
    assert fitted_size(64, 48, 512) == (64, 48)
    assert fitted_size(1280, 720, 640) == (640, 360)


def test_a_picture_is_converted_once_for_all_who_ask() -> None:
    pictures, frame = LivePictures(512), Frame("cam", 1, stripes(), 0.0)
    first = pictures.get(frame)
    assert pictures.get(frame) is first
    assert pictures.get(Frame("other", 1, stripes(), 0.0)) is not first
    assert pictures.get(frame) is first
    assert pictures.get(Frame("cam", 2, stripes(), 0.0)) is not first


def test_pictures_may_be_read_only_and_not_contiguous() -> None:
    whole = np.repeat(stripes(), 2, axis=1)
    view = whole[:, ::2]
    view.flags.writeable = False
    shown = LivePictures(512).get(Frame("cam", 1, view, 0.0)).to_ndarray(format="rgb24")
    assert np.abs(shown[64, 16::32].astype(int) - stripes()[64, 16::32]).max() < 6
