"""Contact sheets: what the cameras saw, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import imageio.v3 as iio
import numpy as np

from collectors.simulator import Image
from sim_service.recorded import Dataset
from sim_service.report.phases import sheet_frames
from sim_service.stored import DatasetError

_FORMATS: Final = (".png", ".jpg")
_GAP_PX: Final = 4
_GAP_GREY: Final = 255


def write_contact_sheet(dataset: Dataset, episodes: Sequence[int], path: Path, width_px: int = 192) -> None:
    """One row of pictures per episode and camera; the columns are the first frame and the last one of each phase.

    width_px: of one picture. Raises DatasetError.
    """
    if path.suffix.lower() not in _FORMATS:
        raise DatasetError(f"cannot write the contact sheet {path}: its name must end in {', '.join(_FORMATS)}")
    if not episodes:
        raise DatasetError("no episode chosen for the contact sheet")
    rows = []
    for episode in episodes:
        frames = [frame for frame, _ in sheet_frames(dataset.row(episode))]
        for camera in dataset.cameras:
            pictures = [shrunk(picture, width_px) for picture in dataset.pictures(episode, camera, frames)]
            rows.append(_join(pictures, axis=1))
    widest = max(row.shape[1] for row in rows)
    padded = [np.pad(r, ((0, 0), (0, widest - r.shape[1]), (0, 0)), constant_values=_GAP_GREY) for r in rows]
    try:
        iio.imwrite(path, _join(padded, axis=0))
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot write the contact sheet {path}: {error}") from error


def shrunk(picture: Image, width_px: int) -> Image:
    """By the mean of square blocks; the whole number of pixels that fits `width_px` best, never larger."""
    block = max(1, round(picture.shape[1] / width_px))
    height, width = picture.shape[0] // block, picture.shape[1] // block
    blocks = picture[: height * block, : width * block].reshape(height, block, width, block, 3)
    small: Image = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return small


def _join(pictures: Sequence[Image], axis: int) -> Image:
    shape = list(pictures[0].shape)
    shape[axis] = _GAP_PX
    gap = np.full(shape, _GAP_GREY, dtype=np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)][1:]
    return np.concatenate(parts, axis=axis)
