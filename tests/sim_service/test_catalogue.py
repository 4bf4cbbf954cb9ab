"""The datasets below a folder, as they are on the disk: whole ones, growing ones, other tools' and broken ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_simulator import FakeSimulator
from foreign_dataset import CAMERA, FPS, LENGTHS, foreign_info, picture_numbers, write_foreign, write_info
from small_dataset import write_dataset
from writing import Take, add_frames, open_writer, record

import sim_service.catalogue
from lerobot_writer.pack import pack_dataset
from lerobot_writer.swap import rebuilding
from sim_service.catalogue import DatasetCatalogue
from sim_service.collection import Collection, drive
from sim_service.config import CollectConfig
from sim_service.ports import DatasetSummary, EpisodeSummary, UnknownDatasetError, UnreadableDatasetError

INFO = "meta/info.json"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"
PATIENCE_S = 30.0
Damage = Callable[[Path], object]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", os.fstat)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def catalogue(root: Path) -> DatasetCatalogue:
    return DatasetCatalogue(root)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with datasets to copy."""
    folder = tmp_path_factory.mktemp("made")
    write_foreign(folder / "foreign")
    write_dataset(folder / "ours")
    return folder


@pytest.fixture
def foreign(made: Path, root: Path) -> Path:
    """Of another tool, in the catalogue's root, to be damaged."""
    shutil.copytree(made / "foreign", root / "foreign")
    return root / "foreign"


@pytest.fixture
def ours(made: Path, root: Path) -> Path:
    shutil.copytree(made / "ours", root / "ours")
    return root / "ours"


def size_of(folder: Path) -> int:
    """Of all files but those of an unfinished episode."""
    files = (path for path in folder.rglob("*") if not path.is_dir() and ".unfinished" not in path.parts)
    return sum(path.lstat().st_size for path in files)


def begin_dataset(folder: Path) -> None:
    write_info(folder, foreign_info())


def names(catalogue: DatasetCatalogue) -> set[str]:
    return {summary.name for summary in catalogue.datasets()}


class FirstAttemptFails(FakeSimulator):
    """The object stands out of reach the first time."""

    def __init__(self) -> None:
        super().__init__(grasp_offset_m=0.2)

    def reset(self, scene: Any) -> None:
        super().reset(scene)
        self.grasp_offset_m = 0.0


@pytest.mark.parametrize("keep_failures", [False, True])
def test_a_collected_dataset_is_told_completely(root: Path, catalogue: DatasetCatalogue, keep_failures: bool) -> None:
    simulator = FirstAttemptFails()
    config = CollectConfig(root / "a/b", 3, seed=7, steps_per_segment=4, keep_failures=keep_failures)
    collection = Collection(config, simulator)
    drive(simulator, collection.run())
    totals = collection.ledger.totals()
    assert (totals["attempts"], totals["successes"]) == ((3, 2) if keep_failures else (4, 3))
    rows = pq.read_table(root / "a/b/meta/episodes").to_pylist()

    (summary,) = catalogue.datasets()
    assert summary == DatasetSummary(
        "a/b",
        episodes=3,
        frames=collection.num_frames,
        fps=30,
        robot_type="franka_panda",
        cameras=tuple(camera.name for camera in simulator.cameras),
        size_bytes=size_of(root / "a/b"),
        modified_at=pytest.approx((root / "a/b" / INFO).stat().st_mtime),
        simulator="fake",
        seed=7,
        attempts=totals["attempts"],
        successes=totals["successes"],
        failures=totals["failures"],
    )
    assert catalogue.dataset("a/b") == summary
    assert list(catalogue.episodes("a/b", 0, 100)) == [
        EpisodeSummary(
            episode=position,
            frames=row["length"],
            duration_s=row["length"] / 30,
            task=row["tasks"][0],
            index=position,
            attempt=row["collection/attempt"],
            success=not keep_failures or position > 0,
            failure_reason="missed_grasp" if keep_failures and position == 0 else "",
            placement_error_m=row["collection/placement_error_m"],
            object="cube",
            object_colour=row["collection/object_colour"],
        )
        for position, row in enumerate(rows)
    ]


def test_another_tools_dataset_is_told_as_far_as_it_goes(foreign: Path, catalogue: DatasetCatalogue) -> None:
    (summary,) = catalogue.datasets()
    assert summary == DatasetSummary(
        "foreign",
        episodes=len(LENGTHS),
        frames=sum(LENGTHS),
        fps=FPS,
        cameras=("top",),
        size_bytes=size_of(foreign),
        modified_at=pytest.approx((foreign / INFO).stat().st_mtime),
    )
    assert list(catalogue.episodes("foreign", 0, 100)) == [
        EpisodeSummary(episode, length, length / FPS, "fold the towel") for episode, length in enumerate(LENGTHS)
    ]


def test_cameras_are_named_without_the_prefix_and_apart(foreign: Path, catalogue: DatasetCatalogue) -> None:
    info = foreign_info()
    features = ("observation.images.a", "a", "observation.images.b", "observation.image", "observation.images.")
    info["features"] = dict.fromkeys(features, info["features"][CAMERA])
    write_info(foreign, info)
    assert catalogue.dataset("foreign").cameras == (
        "observation.images.a",
        "a",
        "b",
        "observation.image",
        "observation.images.",
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_make_up_the_whole(foreign: Path, catalogue: DatasetCatalogue, limit: int) -> None:
    whole = list(catalogue.episodes("foreign", 0, 1000))
    assert [episode.frames for episode in whole] == list(LENGTHS)
    pages = [catalogue.episodes("foreign", offset, limit) for offset in range(0, len(LENGTHS) + 3, limit)]
    assert [episode for page in pages for episode in page] == whole
    assert list(catalogue.episodes("foreign", 0, 0)) == list(catalogue.episodes("foreign", 10**12, 1000)) == []


def test_a_page_needs_the_files_up_to_its_own_alone(foreign: Path, catalogue: DatasetCatalogue) -> None:
    last = foreign / "meta/episodes/chunk-000/file-001.parquet"
    last.write_bytes(b"broken")
    assert len(catalogue.episodes("foreign", 0, 2)) == 2
    with pytest.raises(UnreadableDatasetError, match=r"file-001\.parquet"):
        catalogue.episodes("foreign", 0, 3)


def test_statistics_are_not_read(ours: Path, catalogue: DatasetCatalogue) -> None:
    """They are nine tenths of the file."""
    path = ours / "meta/episodes/chunk-000/file-000.parquet"
    whole = list(catalogue.episodes("ours", 0, 10))
    content = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    for chunk in chunks:
        if chunk.path_in_schema.startswith("stats/"):
            begin = chunk.dictionary_page_offset or chunk.data_page_offset
            content[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(path)
    assert list(catalogue.episodes("ours", 0, 10)) == whole


def test_the_last_modified_comes_first(root: Path, catalogue: DatasetCatalogue) -> None:
    for name, time_s in (("a", 100), ("b", 300), ("c", 200), ("d", 200)):
        begin_dataset(root / name)
        os.utime(root / name / INFO, (time_s, time_s))
    assert [summary.name for summary in catalogue.datasets()] == ["b", "c", "d", "a"]


def test_only_plain_folders_that_are_not_too_deep_are_datasets(tmp_path: Path, root: Path) -> None:
    catalogue = DatasetCatalogue(root)
    assert catalogue.datasets() == []
    shown = ["a", "g/b", "g/h/c", "g/h/i/d", "with space", "Käfig"]
    hidden = [
        ".e",
        "g/.f/g",
        "1/2/3/4/5",
        "a/inside",
        "g/b/data",
        "episodes",
        "g/report",
        "g/meta",
        "back\\slash",
        "x\n",
    ]
    for name in shown + hidden:
        begin_dataset(root / name)
    begin_dataset(tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "g/link").symlink_to(root / "a")
    (root / "file").touch()
    (root / "empty").mkdir()
    assert names(catalogue) == set(shown)
    for name in [
        *hidden,
        "link",
        "g/link",
        "file",
        "empty",
        "g",
        "",
        ".",
        "..",
        "a/..",
        "../outside",
        "/a",
        "a/",
        "a//",
        "g//b",
    ]:
        with pytest.raises(UnknownDatasetError, match="there are Käfig, a, g/b, g/h/c, g/h/i/d, with space"):
            catalogue.dataset(name)
        with pytest.raises(UnknownDatasetError):
            catalogue.report(name)


def test_what_packing_builds_is_not_shown(ours: Path, catalogue: DatasetCatalogue) -> None:
    with rebuilding(ours) as rebuilt:
        shutil.copytree(ours, rebuilt, dirs_exist_ok=True)
        (ours.parent / "ours.old").mkdir()
        begin_dataset(ours.parent / "ours.old")
        assert names(catalogue) == {"ours"}
        with pytest.raises(UnknownDatasetError):
            catalogue.dataset("ours.pack")
    begin_dataset(ours.parent / "other.old")  # somebody's copy
    assert names(catalogue) == {"ours", "other.old"}


def test_one_dataset_alone_can_be_shown(root: Path) -> None:
    for name in (".hidden/run", "other"):
        begin_dataset(root / name)
    catalogue = DatasetCatalogue(root, only=".hidden/run")
    assert names(catalogue) == {".hidden/run"}
    assert catalogue.dataset(".hidden/run").episodes == len(LENGTHS)
    with pytest.raises(UnknownDatasetError, match=r"no dataset 'other'; there are \.hidden/run"):
        catalogue.dataset("other")
    later = DatasetCatalogue(root, only="later")
    assert later.datasets() == []
    begin_dataset(root / "later")
    assert names(later) == {"later"}


def test_a_root_may_be_missing_or_behind_a_link(tmp_path: Path, root: Path) -> None:
    assert DatasetCatalogue(tmp_path / "missing").datasets() == []
    begin_dataset(root / "a")
    (tmp_path / "link").symlink_to(root)
    assert names(DatasetCatalogue(tmp_path / "link")) == {"a"}
    with pytest.raises(UnreadableDatasetError, match="cannot list"):
        DatasetCatalogue(root / "a" / INFO).datasets()


@pytest.mark.parametrize("pack_at_end", [False, True])
def test_a_growing_dataset_is_told_as_it_is(root: Path, catalogue: DatasetCatalogue, pack_at_end: bool) -> None:
    """After every episode, and again after packing, which leaves info.json as it is."""
    takes = [Take(content, 3 + content) for content in range(4)]

    def check(count: int) -> None:
        summary = catalogue.dataset("grows")
        assert (summary.episodes, summary.frames) == (count, sum(take.length for take in takes[:count]))
        assert summary.size_bytes == DatasetCatalogue(root).dataset("grows").size_bytes == size_of(root / "grows")
        assert [episode.frames for episode in catalogue.episodes("grows", 0, 9)] == [t.length for t in takes[:count]]
        for episode in range(count):
            for number, camera in enumerate(("cam_high", "cam_wrist")):
                shown = picture_numbers(catalogue.video("grows", episode, camera).content)
                assert shown == [(number, takes[episode].content, frame) for frame in range(takes[episode].length)]
        with pytest.raises(UnknownDatasetError, match=f"no episode {count} in grows; it has 0 to {count - 1}"):
            catalogue.video("grows", count, "cam_high")

    writer = open_writer(root / "grows")
    assert catalogue.datasets() == []
    with pytest.raises(UnknownDatasetError):
        catalogue.dataset("grows")
    for count, take in enumerate(takes, start=1):
        record(writer, take)
        check(count)
        add_frames(writer, Take(9), 3)  # do not count until they are an episode
        check(count)
        writer.discard_episode()
    writer.finalize()
    check(len(takes))
    if pack_at_end:
        before = (root / "grows" / INFO).stat()
        pack_dataset(root / "grows")
        assert os.path.samestat(before, (root / "grows" / INFO).stat())
        check(len(takes))


def test_what_has_not_changed_is_not_read_again(
    ours: Path, foreign: Path, catalogue: DatasetCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_info(ours.parent / "broken", {})
    reads: list[str] = []
    read_info = sim_service.catalogue.read_info
    monkeypatch.setattr(sim_service.catalogue, "read_info", lambda d, r: reads.append(d.name) or read_info(d, r))
    first = catalogue.datasets()
    assert sorted(reads) == ["broken", "foreign", "ours"]
    assert catalogue.datasets() == first
    assert catalogue.dataset("ours") in first
    catalogue.episodes("foreign", 0, 10)
    assert len(reads) == 3
    write_info(foreign, foreign_info(LENGTHS[:2]))
    (summary,) = [summary for summary in catalogue.datasets() if summary.name == "foreign"]
    assert summary.episodes == 2
    assert reads[3:] == ["foreign"]


def test_a_deleted_dataset_is_forgotten(ours: Path, catalogue: DatasetCatalogue) -> None:
    assert names(catalogue) == {"ours"}
    shutil.rmtree(ours)
    for ask in (catalogue.dataset, catalogue.report, lambda name: catalogue.video(name, 0, "cam_high")):
        with pytest.raises(UnknownDatasetError, match="no dataset 'ours'; there are none yet"):
            ask("ours")
    assert catalogue.datasets() == []
    write_foreign(ours)
    assert catalogue.dataset("ours").cameras == ("top",)


def test_the_report_is_a_file_of_the_dataset(tmp_path: Path, ours: Path, catalogue: DatasetCatalogue) -> None:
    assert not catalogue.dataset("ours").has_report
    with pytest.raises(UnknownDatasetError, match=r"no report of ours: there is no report\.html"):
        catalogue.report("ours")
    (tmp_path / "secret.html").touch()
    (ours / "report.html").symlink_to(tmp_path / "secret.html")
    assert not catalogue.dataset("ours").has_report
    with pytest.raises(UnknownDatasetError):
        catalogue.report("ours")
    (ours / "report.html").unlink()
    (ours / "report.html").write_text("<p>", encoding="utf-8")
    assert catalogue.dataset("ours").has_report
    assert catalogue.report("ours") == ours / "report.html"


def test_an_unknown_camera_is_answered_with_those_there_are(ours: Path, catalogue: DatasetCatalogue) -> None:
    for camera in ("cam_low", "observation.images.cam_high", "", "../cam_high"):
        with pytest.raises(UnknownDatasetError, match="in ours; it has cam_high, cam_wrist"):
            catalogue.video("ours", 0, camera)
    for episode in (-1, 3, 2**70):
        with pytest.raises(UnknownDatasetError, match=f"no episode {episode} in ours; it has 0 to 2"):
            catalogue.video("ours", episode, "cam_high")


def test_an_etag_is_of_one_content(ours: Path, foreign: Path, catalogue: DatasetCatalogue) -> None:
    asked = [("ours", e, camera) for e in range(3) for camera in ("cam_high", "cam_wrist")]
    asked += [("foreign", e, "top") for e in range(len(LENGTHS))]
    etags = [catalogue.video(*what).etag for what in asked]
    assert len(set(etags)) == len(asked)
    assert etags == [catalogue.video(*what).etag for what in asked]
    assert all(etag.isalnum() and etag.isascii() for etag in etags)
    write_foreign(foreign, options={"preset": "ultrafast", "bf": "0", "g": "1"})
    assert catalogue.video("foreign", 0, "top").etag not in etags


def test_negative_pages_are_the_callers_mistake(ours: Path, catalogue: DatasetCatalogue) -> None:
    for offset, limit in ((-1, 5), (0, -1)):
        with pytest.raises(ValueError, match="must not be negative"):
            catalogue.episodes("ours", offset, limit)
