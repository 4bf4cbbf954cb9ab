"""How large a written dataset is and how close its pictures are to what was given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import av
import numpy as np

from bench.measure import MB, Numbers
from bench.writer_frames import CAMERAS, Ring

JUDGED: Final = ("mb", "video_mb", "pictures", "psnr_db")


def judge(output: Path, ring: Ring, frames: int) -> Numbers:
    """Decode everything below `output`/videos.

    frames: per episode; every episode began with the ring's first picture. Returns `mb` of all files, `video_mb`,
    `pictures`, how many there are, and `psnr_db` over all pixels and channels of all pictures, as RGB; the last is left
    out when pictures are missing, since then nobody knows which.
    """
    sizes = {path: path.stat().st_size / MB for path in output.rglob("*") if path.is_file()}
    squared, values, pictures, complete = 0.0, 0, 0, True
    for camera, name in enumerate(CAMERAS):
        seen = 0
        for path in sorted(path for path in sizes if path.suffix == ".mp4" and name in str(path.relative_to(output))):
            with av.open(str(path)) as container:
                for frame in container.decode(video=0):
                    decoded = frame.to_ndarray(format="rgb24").astype(np.float32)
                    difference = decoded - ring.picture(camera, seen % frames)
                    squared += float(np.vdot(difference, difference))
                    values += difference.size
                    seen += 1
        pictures += seen
        complete = complete and seen > 0 and seen % frames == 0
    videos = sum(size for path, size in sizes.items() if path.suffix == ".mp4")
    found: Numbers = {"mb": sum(sizes.values()), "video_mb": videos, "pictures": pictures}
    return {**found, "psnr_db": 10 * math.log10(255**2 * values / squared)} if complete else found
