"""The pictures on disk: every one there, in order, in its colours, at exactly n / fps, in a file that players like."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from writing import (
    AV1,
    CAMERAS,
    FPS,
    Take,
    add_frame,
    decode,
    open_writer,
    picture,
    picture_number,
    read_episodes,
    read_json,
    record,
    video_path,
)

from lerobot_writer import SimLeRobotWriter, VideoCodec

AV1_SIZE = (96, 64)
SIZES = {"h264": (64, 48), "av1": AV1_SIZE}


def record_pictures(
    writer: SimLeRobotWriter, pictures: list[NDArray[np.uint8]], *, fps: int = FPS, camera: str = "cam_high"
) -> None:
    for frame, rgb in enumerate(pictures):
        add_frame(writer, 0, frame, done=frame == len(pictures) - 1, fps=fps)
        writer.add_video_frame(camera, rgb)
    writer.finish_episode(writer.num_episodes, len(pictures), "task")


def decode_exactly(path: Path) -> list[NDArray[np.float64]]:
    """RGB by the formulas of ITU-R BT.601-7, section 3.5; FFmpeg's fast conversion is 1.2 levels too dark."""
    pictures = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.format.name == "yuv420p"
            height, width = frame.height, frame.width
            planes = frame.to_ndarray().reshape(-1).astype(np.float64)
            luma, chroma = planes[: height * width], planes[height * width :].reshape(2, height // 2, width // 2)
            y = (luma.reshape(height, width) - 16) / 219
            b, r = ((plane - 128).repeat(2, axis=0).repeat(2, axis=1) / 224 for plane in chroma)
            green = y - (0.114 * 1.772 * b + 0.299 * 1.402 * r) / 0.587
            pictures.append(255 * np.stack([y + 1.402 * r, green, y + 1.772 * b], axis=2))
    return pictures


def psnr_db(a: NDArray[np.float64], b: NDArray[np.uint8]) -> float:
    error = np.mean((a - b) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def smooth(size: tuple[int, int], frame: int) -> NDArray[np.uint8]:
    """Slow waves in all three channels, which move with the frame."""
    down, right = np.mgrid[0 : size[1], 0 : size[0]]
    waves = [np.sin(right / 17 + frame / 9), np.cos(down / 13 - frame / 7), np.sin((right + down) / 23 + frame / 5)]
    return np.stack([128 + 90 * wave for wave in waves], axis=2).round().astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (2, 2), (50, 38), (130, 66)])
def test_sizes_that_are_no_multiple_of_anything(root: Path, size: tuple[int, int]) -> None:
    width, height = size
    pictures = [np.full((height, width, 3), 40 * frame, np.uint8) for frame in range(5)]
    with open_writer(root, cameras=["cam_high"], size=size) as writer:
        record_pictures(writer, pictures)
    shown = decode_exactly(video_path(root, "cam_high"))
    assert [rgb.shape for rgb in shown] == [(height, width, 3)] * 5
    assert [round(float(rgb.mean()) / 40) for rgb in shown] == list(range(5))


@pytest.mark.parametrize(
    "codec",
    [
        VideoCodec(),
        VideoCodec(preset="veryfast", keyframe_interval=30),
        VideoCodec(preset="medium"),
        VideoCodec(preset="veryslow", keyframe_interval=2),
        VideoCodec(preset="ultrafast", crf=0, keyframe_interval=1),
        AV1,
        VideoCodec("av1", "8", 35, 10),
        VideoCodec("av1", "13", 20, 1),
    ],
    ids=lambda codec: f"{codec.name}-{codec.preset}-{codec.crf}-{codec.keyframe_interval}",
)
def test_codecs_keep_frames_order_colours_and_keyframes(root: Path, codec: VideoCodec) -> None:
    size = SIZES[codec.name]
    lengths = (37, 12)
    with open_writer(root, cameras=["cam_high"], size=size, codec=codec) as writer:
        for episode, length in enumerate(lengths):
            record_pictures(writer, [picture(0, episode, frame, size) for frame in range(length)])
    for episode, length in enumerate(lengths):
        path = video_path(root, "cam_high", 0, episode)
        shown = decode(path)
        assert [picture_number(decoded) for decoded in shown] == [(0, episode, frame) for frame in range(length)]
        with av.open(str(path)) as container:
            assert [stream.type for stream in container.streams] == ["video"]
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.dts is not None]
        assert packets[0].is_keyframe
        keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        gaps = np.diff([*keyframes, length])
        assert gaps.max() <= codec.keyframe_interval, "a reader never decodes more than that to reach a frame"
    described = read_json(root, "info.json")["features"]["observation.images.cam_high"]["info"]
    assert described == {
        "video.height": size[1],
        "video.width": size[0],
        "video.codec": codec.name,
        "video.pix_fmt": "yuv420p",
        "video.fps": FPS,
        "video.channels": 3,
        "has_audio": False,
        "video.g": codec.keyframe_interval,
        "video.crf": codec.crf,
        "video.preset": codec.preset,
        "video.fast_decode": 0,
        "video.video_backend": "pyav",
        "video.extra_options": {},
        "is_depth_map": False,
    }


@pytest.mark.parametrize("codec", [VideoCodec(), AV1], ids=["h264", "av1"])
@pytest.mark.parametrize("fps", [30, 24, 25, 60, 7])
def test_every_frame_is_presented_at_exactly_n_over_fps(root: Path, fps: int, codec: VideoCodec) -> None:
    size = SIZES[codec.name]
    with open_writer(root, fps=fps, cameras=["cam_high"], size=size, codec=codec) as writer:
        record_pictures(writer, [smooth(size, frame) for frame in range(23)], fps=fps)
    with av.open(str(video_path(root, "cam_high"))) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        assert base is not None
        assert base.numerator == 1
        assert base.denominator % fps == 0
        factor = base.denominator // fps
        assert factor & (factor - 1) == 0, "a power of two"
        assert base.denominator >= 10_000
        assert factor == 1 or base.denominator // 2 < 10_000, "the least"
        frames = list(container.decode(stream))
        assert [frame.pts * base for frame in frames] == [Fraction(n, fps) for n in range(23)]
        assert stream.average_rate == fps
        assert stream.duration is not None
        assert stream.duration * base == Fraction(23, fps)
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(23 / fps, abs=1e-5)
    row = read_episodes(root).to_pylist()[0]
    key = "videos/observation.images.cam_high"
    assert (row[f"{key}/from_timestamp"], row[f"{key}/to_timestamp"]) == (0.0, 23 / fps)


@pytest.mark.parametrize("codec", [VideoCodec(), AV1], ids=["h264", "av1"])
def test_smooth_pictures_keep_35_db(root: Path, codec: VideoCodec) -> None:
    size = (128, 96)
    pictures = [smooth(size, frame) for frame in range(25)]
    with open_writer(root, cameras=["cam_high"], size=size, codec=codec) as writer:
        record_pictures(writer, pictures)
    shown = decode_exactly(video_path(root, "cam_high"))
    assert min(psnr_db(a, b) for a, b in zip(shown, pictures, strict=True)) > 35
    np.testing.assert_allclose(np.mean(shown, axis=(0, 1, 2)), np.mean(pictures, axis=(0, 1, 2)), atol=1.0)


@pytest.mark.parametrize("codec", [VideoCodec(), AV1], ids=["h264", "av1"])
def test_saturated_colours_come_back_as_they_were(root: Path, codec: VideoCodec) -> None:
    """Red stays red: a swap of channels, a wrong matrix (BT.709) or a wrong range is off by 15 or more."""
    size = SIZES[codec.name]
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)]
    colours += [(0, 0, 0), (255, 255, 255), (128, 128, 128), (26, 153, 51)]
    pictures = [np.full((size[1], size[0], 3), colour, np.uint8) for colour in colours]
    with open_writer(root, cameras=["cam_high"], size=size, codec=codec) as writer:
        record_pictures(writer, pictures)
    for rgb, colour in zip(decode_exactly(video_path(root, "cam_high")), colours, strict=True):
        np.testing.assert_allclose(rgb.mean(axis=(0, 1)), colour, atol=2.5)


def test_files_say_which_colours_they_hold(root: Path) -> None:
    """BT.601 in the limited range, as players assume for nothing but small pictures."""
    with open_writer(root) as writer:
        record(writer, Take(1))
    with av.open(str(video_path(root, "cam_high"))) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.pix_fmt) == (5, 1, "yuv420p")


def test_the_index_comes_before_the_pictures(root: Path) -> None:
    """So that a browser plays a file while it is loading."""
    with open_writer(root) as writer:
        record(writer, Take(1))
    content = video_path(root, "cam_high").read_bytes()
    boxes, at = [], 0
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        boxes.append(kind.decode())
        at += size
    assert boxes.index("moov") < boxes.index("mdat")


def test_cameras_are_not_mixed_up(root: Path) -> None:
    cameras = [f"cam_{n}" for n in range(3)]
    with open_writer(root, cameras=cameras) as writer:
        record(writer, Take(8, 9), cameras=cameras)
    for number, camera in enumerate(cameras):
        shown = [picture_number(decoded) for decoded in decode(video_path(root, camera))]
        assert shown == [(number, 8, frame) for frame in range(9)]


def test_hundreds_of_frames_arrive_in_order(root: Path) -> None:
    """Many more than there are buffers, as fast as they can be given."""
    pictures = [picture(0, frame // 64, frame % 64) for frame in range(400)]
    with open_writer(root, cameras=["cam_high"]) as writer:
        record_pictures(writer, pictures)
    shown = [picture_number(decoded) for decoded in decode(video_path(root, "cam_high"))]
    assert shown == [(0, frame // 64, frame % 64) for frame in range(400)]


def test_an_episode_of_one_frame(root: Path) -> None:
    with open_writer(root) as writer:
        record(writer, Take(1, 1), Take(2, 1))
    for number, camera in enumerate(CAMERAS):
        for episode, content in enumerate((1, 2)):
            shown = decode(video_path(root, camera, 0, episode))
            assert [picture_number(decoded) for decoded in shown] == [(number, content, 0)]
