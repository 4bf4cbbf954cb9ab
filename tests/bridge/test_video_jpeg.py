"""JPEG pictures: right, small enough, and encoded once."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from live_pictures import PictureSource, plain
from PIL import Image

from bridge.config import LiveConfig
from bridge.video.jpeg import JpegEncoder
from bridge.video.live_video import LiveVideo
from sim_service.ports import Frame


def shown(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    return np.asarray(image.convert("RGB")).astype(int)


def frame(number: int, rgb: np.ndarray, camera: str = "cam") -> Frame:
    return Frame(camera, number, rgb, 0.0)


@pytest.mark.parametrize("colour", [(255, 0, 0), (10, 200, 30), (84, 90, 97)])
def test_shows_the_picture(colour: tuple[int, int, int]) -> None:
    picture = plain(colour, 96, 64)
    picture[:, 48:] = 255
    seen = shown(JpegEncoder(512).encode(frame(1, picture)))
    assert seen.shape == picture.shape
    assert np.abs(seen - picture)[:, :40].max() < 8
    assert np.abs(seen - picture)[:, 56:].max() < 8


def test_is_no_longer_than_configured_and_in_proportion() -> None:
    assert shown(JpegEncoder(100).encode(frame(1, plain((9, 9, 9), 300, 150)))).shape == (50, 100, 3)
    assert shown(JpegEncoder(512).encode(frame(1, plain((9, 9, 9), 300, 150)))).shape == (150, 300, 3)


def test_a_picture_is_encoded_once_for_each_camera_and_number() -> None:
    encoder, picture = JpegEncoder(512), plain((1, 2, 3))
    first = encoder.encode(frame(1, picture))
    assert encoder.encode(frame(1, picture)) is first
    assert encoder.encode(frame(1, picture, "other")) is not first
    assert encoder.encode(frame(1, picture)) is first
    assert encoder.encode(frame(2, picture)) is not first


def test_an_older_picture_is_shown_as_it_is_and_the_newer_one_kept() -> None:
    encoder = JpegEncoder(512)
    newer = encoder.encode(frame(2, plain((200, 0, 0))))
    assert shown(encoder.encode(frame(1, plain((0, 0, 200)))))[32, 32, 2] > 180
    assert encoder.encode(frame(2, plain((200, 0, 0)))) is newer


def test_many_who_ask_at_once_share_one() -> None:
    encoder, barrier = JpegEncoder(512), threading.Barrier(8)
    picture = np.random.default_rng(5).integers(0, 256, (512, 512, 3), dtype=np.uint8)

    def ask(_: int) -> bytes:
        barrier.wait()
        return encoder.encode(frame(1, picture))

    with ThreadPoolExecutor(8) as pool:
        assert len({id(data) for data in list(pool.map(ask, range(8)))}) == 1


def test_live_video_encodes_without_being_started() -> None:
    live = LiveVideo(PictureSource(), LiveConfig(max_size_px=32))
    assert shown(live.jpeg(frame(1, plain((5, 100, 5), 64, 64)))).shape == (32, 32, 3)
