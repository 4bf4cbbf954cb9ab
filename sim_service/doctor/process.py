"""This process: interpreter, libraries, video encoder, output folder."""

from __future__ import annotations

import importlib
import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from collectors.simulator import Image
from sim_service.doctor.check import Check, CheckFailed, Found

OUTPUT_FOLDER: Final = "output folder"
LIBRARIES: Final = ("pyarrow", "av", "flask", "aiortc")

_PYTHONS: Final = ((3, 10), (3, 12))  # of Isaac Sim 4.5 to 6.0; lowest, highest
_FREE_BYTES: Final = 2**30
_VIDEO_FRAMES: Final = 10
_VIDEO_SIDE_PX: Final = 128
_VIDEO_ERROR: Final = 8.0  # mean, of 255; a smooth picture comes back within 2


def process_checks(output: Path) -> Iterator[Check]:
    """output: where the examination writes."""
    (low_major, low_minor), (high_major, high_minor) = _PYTHONS
    yield Check(
        "python",
        f"{low_major}.{low_minor} to {high_major}.{high_minor}",
        "use a Python of these versions; Isaac Sim brings its own, python.sh",
        _python,
    )
    yield Check(
        "numpy",
        "1.26 or newer, below 3",
        "install numpy>=1.26,<3; within Isaac Sim keep the one that it brings",
        _numpy,
    )
    for name in LIBRARIES:
        advice = f"install {name} for this Python ({sys.executable})"
        if name in ("pyarrow", "av"):
            advice += "; a complaint about numpy means that it was built for another one: see `numpy` above"
        yield Check(name, "can be imported", advice, partial(_library, name))
    yield Check(
        "h264",
        "libx264 encodes a video that decodes to what it was",
        "install av from PyPI, whose FFmpeg has libx264",
        _h264,
        needs=("av",),
    )
    yield Check(
        OUTPUT_FOLDER,
        f"a folder that can be written to, with {_FREE_BYTES / 2**30:.0f} GiB of space",
        "choose another --output, make space, or give this user the right to write there "
        "(in containers the user may be 1234)",
        partial(_output_folder, output),
    )


def _python() -> Found:
    version = ".".join(map(str, sys.version_info[:3]))
    lowest, highest = _PYTHONS
    if sys.version_info[:2] < lowest:
        raise CheckFailed(version)
    newer = sys.version_info[:2] > highest
    return Found(f"{version}, {sys.executable}", "newer than any that Isaac Sim brings" if newer else "")


def _numpy() -> Found:
    major, minor = (int(part) for part in np.__version__.split(".")[:2])
    if not (1, 26) <= (major, minor) < (3, 0):
        raise CheckFailed(f"{np.__version__} in {_folder_of(np)}")
    listed = metadata.version("numpy")
    remark = "" if listed == np.__version__ else f"numpy {listed} is installed too, behind it"
    return Found(f"{np.__version__} in {_folder_of(np)}", remark)


def _library(name: str) -> Found:
    """Whatever its import raises is the finding: a library that was built for another numpy raises ValueError."""
    module = importlib.import_module(name)
    return Found(f"{metadata.version(name)} in {_folder_of(module)}")


def _folder_of(module: Any) -> Path:
    return Path(module.__file__).parents[1]


def _h264() -> Found:
    import av

    pictures = [_moving_picture(number) for number in range(_VIDEO_FRAMES)]
    video = io.BytesIO()
    with av.open(video, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = _VIDEO_SIDE_PX, _VIDEO_SIDE_PX, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    size_bytes = video.tell()
    video.seek(0)
    with av.open(video) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if len(decoded) != len(pictures):
        raise CheckFailed(f"{len(decoded)} frames came back of {len(pictures)}")
    error = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(pictures, decoded, strict=True))
    text = f"{len(decoded)} frames in {size_bytes} bytes, off by {error:.1f} of 255"
    if error > _VIDEO_ERROR:
        raise CheckFailed(text)
    return Found(text)


def _moving_picture(number: int) -> Image:
    ramp = np.arange(_VIDEO_SIDE_PX, dtype=np.uint8)
    picture = np.empty((_VIDEO_SIDE_PX, _VIDEO_SIDE_PX, 3), dtype=np.uint8)
    picture[:] = (ramp[:, None] + np.uint8(8 * number))[:, :, None]
    return picture


def _output_folder(output: Path) -> Found:
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="doctor-", dir=output) as folder:
        (Path(folder) / "file").write_bytes(b"written")
    free_bytes = shutil.disk_usage(output).free
    text = f"{output.resolve()}, {free_bytes / 2**30:.1f} GiB free"
    if free_bytes < _FREE_BYTES:
        raise CheckFailed(text)
    return Found(text)
