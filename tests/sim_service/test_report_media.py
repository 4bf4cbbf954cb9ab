"""Pictures and clips of the report: the dataset's own packets, as many as fit, and what cannot be read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np
import pytest
from report_dataset import CAMERAS, write_report_dataset
from small_dataset import LENGTHS, write_dataset
from writing import AV1, picture_number

from lerobot_writer.pack import pack_dataset
from sim_service.recorded import Dataset
from sim_service.report.contact_sheet import write_contact_sheet
from sim_service.report.media import PICTURE_WIDTH_PX, clip, sheet
from sim_service.stored import DatasetError, StoredDataset, open_stored

PLENTY = 10**6
CAMERA = CAMERAS[0]


def packets(video: bytes | Path) -> list[bytes]:
    with av.open(str(video) if isinstance(video, Path) else io.BytesIO(video)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def times(video: bytes) -> list[float]:
    with av.open(io.BytesIO(video)) as container:
        return sorted(float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.size)


def shared(tmp_path: Path, episodes: int = 3, length: int = 18) -> StoredDataset:
    write_report_dataset(tmp_path / "shared", episodes, length=length)
    return open_stored(tmp_path / "shared")


@pytest.mark.parametrize("codec", [None, AV1], ids=["H.264", "AV1"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_clip_is_the_episode_s_packets(tmp_path: Path, codec: object, packed: bool) -> None:
    root = tmp_path / "ds"
    write_dataset(root, codec)  # type: ignore[arg-type]  # one of the two
    camera = "observation.images.cam_wrist"
    whole = [packet for file in sorted(root.glob(f"videos/{camera}/*/*.mp4")) for packet in packets(file)]
    if packed:
        pack_dataset(root)
    dataset = open_stored(root)
    begin = 0
    for episode, length in enumerate(LENGTHS):
        found = clip(dataset, episode, camera, PLENTY)
        assert packets(found.mp4) == whole[begin : begin + length]
        assert found.camera == camera
        assert found.seconds == found.of_seconds == length / 30
        assert times(found.mp4) == pytest.approx([frame / 30 for frame in range(length)])
        begin += length


def test_a_clip_that_would_be_too_large_has_the_first_packets(tmp_path: Path) -> None:
    dataset = shared(tmp_path)
    whole = clip(dataset, 1, CAMERA, PLENTY)
    sizes = [len(packet) for packet in packets(whole.mp4)]
    room = 24_000 + sum(sizes[:10])
    found = clip(dataset, 1, CAMERA, room)
    assert packets(found.mp4) == packets(whole.mp4)[:10]
    assert (found.seconds, found.of_seconds) == (10 / 30, 18 / 30)
    assert len(found.mp4) <= room
    with pytest.raises(DatasetError, match=r"no room for a clip of .*cam_high: 24000 bytes"):
        clip(dataset, 1, CAMERA, 24_000)


def test_a_clip_that_does_not_begin_with_a_keyframe_still_comes(tmp_path: Path) -> None:
    write_report_dataset(
        tmp_path / "ds", 2, length=18, keyframes=(), options={"preset": "ultrafast", "bf": "0", "g": "5"}
    )
    found = clip(open_stored(tmp_path / "ds"), 1, CAMERA, PLENTY)
    with av.open(io.BytesIO(found.mp4)) as container:
        numbers = [picture_number(frame.to_ndarray()) for frame in container.decode(video=0)]
    assert [number[1] for number in numbers] == [1] * 18


def test_a_sheet_has_the_frames_that_it_says(tmp_path: Path) -> None:
    dataset = shared(tmp_path)
    found = sheet(dataset, 2, CAMERA)
    assert [round(picture.time_s * 30) for picture in found.pictures] == [0, 1, 3, 5, 7, 9, 11, 13, 15, 17]
    assert found.pictures[0].label == "start"
    assert found.pictures[4].label == "end of LIFT"
    for shown in found.pictures:
        picture = iio.imread(shown.jpeg, extension=".jpg")
        (expected,) = dataset.pictures(2, CAMERA, [round(shown.time_s * 30)])
        assert shown.size_px == (picture.shape[1], picture.shape[0]) == (expected.shape[1], expected.shape[0])
        assert np.abs(picture.astype(int) - expected).mean() < 6  # JPEG's


def test_large_pictures_get_smaller(tmp_path: Path) -> None:
    write_report_dataset(tmp_path / "ds", 1, size=(704, 528))
    found = sheet(open_stored(tmp_path / "ds"), 0, CAMERA)
    assert {picture.size_px for picture in found.pictures} == {(PICTURE_WIDTH_PX, 132)}


@pytest.mark.parametrize("damage", ["gone", "empty", "text", "short", "folder"])
def test_a_video_that_cannot_be_read_is_one_error(tmp_path: Path, damage: str) -> None:
    dataset = shared(tmp_path)
    (file,) = dataset.root.glob(f"videos/{CAMERA}/*/*.mp4")
    content = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage != "gone":
        file.write_bytes({"empty": b"", "text": b"#EXTM3U\n/etc/passwd\n", "short": content[:1500]}[damage])
    with pytest.raises(DatasetError, match="cannot"):
        sheet(dataset, 2, CAMERA)
    with pytest.raises(DatasetError, match="cannot"):
        clip(dataset, 2, CAMERA, PLENTY)


@pytest.mark.parametrize("template", ["../{video_key}.mp4", "/etc/{video_key}", "videos/../../x", "a\0b"])
def test_a_video_outside_of_the_dataset_is_not_shown(tmp_path: Path, template: str) -> None:
    dataset = shared(tmp_path)
    info = json.loads((dataset.root / "meta/info.json").read_text())
    (dataset.root / "meta/info.json").write_text(json.dumps(info | {"video_path": template}))
    dataset = open_stored(dataset.root)
    for show in (lambda: sheet(dataset, 0, CAMERA), lambda: clip(dataset, 0, CAMERA, PLENTY)):
        with pytest.raises(DatasetError, match=r"video_path of meta/info\.json leads out of the dataset"):
            show()


def test_a_contact_sheet_has_a_row_for_each_camera_and_episode(tmp_path: Path) -> None:
    stored = shared(tmp_path)
    dataset = Dataset(stored.root, stored.info, stored.rows, {})
    write_contact_sheet(dataset, [2, 0], tmp_path / "sheet.png")
    picture = iio.imread(tmp_path / "sheet.png")
    assert picture.shape == (4 * 48 + 3 * 4, 10 * 64 + 9 * 4, 3)
    (last,) = dataset.pictures(0, CAMERAS[1], [17])
    np.testing.assert_array_equal(picture[-48:, -64:], last)
    with pytest.raises(DatasetError, match="must end in"):
        write_contact_sheet(dataset, [0], tmp_path / "sheet.gif")
