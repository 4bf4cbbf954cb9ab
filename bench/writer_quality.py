"""How large a written dataset is and how close its pictures are to what was given."""

from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np

from bench.measure import MB, Numbers
from bench.writer_frames import CAMERAS, Ring


def judge(output: Path, ring: Ring, frames: int) -> Numbers:
    """Decode everything below `output`/videos.

    frames: per episode; every episode began with the ring's first picture. Returns `mb` of all files, `video_mb`,
    `psnr_db` over all pixels and channels of all pictures, as RGB, and `pictures`, how many there are. PSNR is NaN when
    some are missing, since then nobody knows which.
    """
    sizes = {path: path.stat().st_size / MB for path in output.rglob("*") if path.is_file()}
    squared, values, pictures = 0.0, 0, 0
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
        if seen % frames:
            squared = math.nan
    return {
        "mb": sum(sizes.values()),
        "video_mb": sum(size for path, size in sizes.items() if path.suffix == ".mp4"),
        "psnr_db": 10 * math.log10(255**2 * values / squared),
        "pictures": pictures,
    }
