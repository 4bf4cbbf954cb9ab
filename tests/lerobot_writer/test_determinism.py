"""The same calls give the same bytes, wherever and whenever they are made."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from writing import AV1, Take, add_frame, files_of, finish, open_writer, picture, record

from lerobot_writer import VideoCodec

TAKES = [Take(1), Take(2, 7, "place the cube"), Take(3, 3)]

IN_A_PROCESS = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from writing import Take, open_writer, record
with open_writer(Path({root!r})) as writer:
    record(writer, *[Take(*take) for take in {takes!r}])
    writer.finalize(pack={pack})
"""


@pytest.mark.parametrize("pack", [False, True])
def test_two_processes_write_the_same_bytes(tmp_path: Path, pack: bool) -> None:
    """With different hash seeds, time zones, host names as a shell tells them, folders and numbers of threads."""
    for number in ("1", "2"):
        root = tmp_path / ("folder " + number) / ("x" * int(number))
        script = IN_A_PROCESS.format(path=sys.path, root=str(root), takes=[tuple(take) for take in TAKES], pack=pack)
        environment = {
            "PYTHONHASHSEED": number,
            "TZ": f"UTC{number}",
            "HOSTNAME": f"host{number}",
            "OMP_NUM_THREADS": number,
        }
        subprocess.run([sys.executable, "-c", script], env={**os.environ, **environment}, check=True, timeout=60)
    assert files_of(tmp_path / "folder 1/x") == files_of(tmp_path / "folder 2/xx")


@pytest.mark.parametrize(
    # Not x264's slower presets: PyAV 15's build of it once gave other bytes for "slow" on a busy machine.
    ("codec", "size"),
    [(VideoCodec(), (64, 48)), (AV1, (64, 64))],
)
def test_every_codec_repeats_itself(tmp_path: Path, codec: VideoCodec, size: tuple[int, int]) -> None:
    """Also when another episode went through the same encoder before, and however the threads take turns."""
    for name, discarded in (("a", 0), ("b", 5)):
        with open_writer(tmp_path / name, codec=codec, size=size) as writer:
            for frame in range(discarded):
                add_frame(writer, 9, frame, done=False)
                for camera in ("cam_wrist", "cam_high"):
                    writer.add_video_frame(camera, picture(0, 9, frame, size))
            writer.discard_episode()
            for take in TAKES:
                for frame in range(take.length):
                    add_frame(writer, take.content, frame, done=frame == take.length - 1)
                    for number, camera in enumerate(("cam_high", "cam_wrist")):
                        writer.add_video_frame(camera, picture(number, take.content, frame, size))
                finish(writer, take)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_no_file_knows_where_and_when_it_was_written(root: Path) -> None:
    with open_writer(root) as writer:
        record(writer, *TAKES)
        writer.finalize(pack=True)
    secrets = [str(root), str(Path.cwd()), str(Path.home()), platform.node(), str(os.getpid()), "/tmp/"]
    for path in root.rglob("*.*"):
        content = path.read_bytes() if path.is_file() else b""
        found = [secret for secret in secrets if len(secret) > 4 and secret.encode() in content]
        assert not found, f"{path} contains {found}"
