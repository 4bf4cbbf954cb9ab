"""Frames as Isaac Sim's camera classes give them, made pictures."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from isaac_cell import OLDEST, refused, started
from isaac_standin import installed

from collectors.cameras import Camera

CAMERA = Camera("cam_side", "world", (0, 0, 1), (1, 0, 0), (0, 0, 1), 1.0, width_px=6, height_px=4)
RGBA = np.random.default_rng(0).integers(0, 256, (4, 6, 4), dtype=np.uint8)

Rgb = Callable[[Any], "np.ndarray | None"]


@pytest.fixture(scope="module")
def rgb_of() -> Iterator[Rgb]:
    with installed(OLDEST):
        started()
        from sim_service.isaac_sim import compat

        yield lambda frame: compat.rgb_of(frame, CAMERA)


@pytest.mark.parametrize("nothing", [None, np.zeros(0), np.zeros(0, dtype=np.uint8), np.zeros((0, 0, 4)), []])
def test_the_ways_to_say_that_there_is_none(rgb_of: Rgb, nothing: Any) -> None:
    assert rgb_of(nothing) is None


@pytest.mark.parametrize("frame", [RGBA, RGBA[:, :, :3], np.asfortranarray(RGBA)])
def test_a_frame_is_copied_without_alpha(rgb_of: Rgb, frame: np.ndarray) -> None:
    theirs = frame.copy()
    picture = rgb_of(theirs)
    assert picture is not None
    theirs[:] = 0  # the renderer uses its buffer again
    np.testing.assert_array_equal(picture, RGBA[:, :, :3])
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(
    "frame",
    [RGBA.transpose(1, 0, 2), RGBA[:, :, :2], RGBA[:, :, 0], RGBA[:3], RGBA.astype(np.float32), RGBA.astype(np.int64)],
    ids=["width and height exchanged", "two channels", "grey", "too low", "floats", "wide integers"],
)
def test_a_frame_of_another_kind_is_told(rgb_of: Rgb, frame: np.ndarray) -> None:
    message = refused(lambda: rgb_of(frame))
    assert f"camera cam_side gave {frame.dtype} pixels of shape {frame.shape}" in message
    assert "expected uint8 of shape (4, 6, 4)" in message
