"""What is broken in a dataset is said, as one of two errors, and nothing else ever comes out of the catalogue."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dataset_damage as damage
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign_dataset import CAMERA, LENGTHS, foreign_info, picture_numbers, write_foreign, write_info
from writing import Take, open_writer, record

from lerobot_writer.pack import pack_dataset
from sim_service.catalogue import DatasetCatalogue
from sim_service.ports import DatasetSummary, UnknownDatasetError, UnreadableDatasetError

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
    """A dataset of another tool, to copy."""
    folder = tmp_path_factory.mktemp("made") / "foreign"
    write_foreign(folder)
    return folder


@pytest.fixture
def foreign(made: Path, root: Path) -> Path:
    """In the catalogue's root, to be damaged."""
    shutil.copytree(made, root / "foreign")
    return root / "foreign"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (damage.rewrite(INFO, ""), "no JSON"),
        (damage.rewrite(INFO, '{"codebase_version": "v3.0", "fps'), "no JSON"),
        (damage.rewrite(INFO, "[" * 100_000), "no JSON"),
        (damage.rewrite(INFO, '{"fps": ' + "9" * 5000 + "}"), "no JSON"),
        (damage.add(INFO, b"\xff\xfe{}"), "no JSON"),
        (damage.rewrite(INFO, "[]"), "no JSON object"),
        (damage.rewrite(INFO, "{}"), "codebase_version None, v3.0 is needed"),
        (damage.document(INFO, lambda i: i.update(codebase_version="v2.1")), "codebase_version v2.1, v3.0 is needed"),
        (damage.document(INFO, lambda i: i.update(codebase_version=[3])), r"codebase_version \[3\], v3.0 is needed"),
        (damage.document(INFO, lambda i: i.pop("total_episodes")), "total_episodes is None, not an integer from 0 on"),
        (damage.document(INFO, lambda i: i.update(total_frames="3")), "total_frames is '3'"),
        (damage.document(INFO, lambda i: i.update(total_episodes=-1)), "total_episodes is -1"),
        (damage.document(INFO, lambda i: i.update(total_episodes=True)), "total_episodes is True"),
        (damage.document(INFO, lambda i: i.update(total_episodes=2**60)), "total_episodes is 1152"),
        (damage.document(INFO, lambda i: i.update(fps=0)), "fps is 0, not an integer from 1 on"),
        (damage.document(INFO, lambda i: i.update(fps=29.97)), "fps is 29.97"),
        (damage.document(INFO, lambda i: i.update(fps=float("inf"))), "fps is inf"),
        (damage.document(INFO, lambda i: i.update(fps={}, total_frames=[])), r"total_frames is \[\].*fps is \{\}"),
        (damage.document(INFO, lambda i: i.update(features=[])), r"features is \[\], not an object"),
        (damage.document(INFO, lambda i: i["features"].update(action=None)), "feature 'action' has no dtype"),
        (damage.document(INFO, lambda i: i["features"].update({"a/b": {"dtype": "video"}})), "'a/b' has a '/'"),
        (damage.document(INFO, lambda i: i["features"].update({"\ud800": {"dtype": "video"}})), "cannot be shown"),
        (damage.document(INFO, lambda i: i.update(video_path=None)), "video_path is None, not a text"),
        (damage.document(INFO, lambda i: i.update(video_path="{video_key")), "video_path is no template"),
        (damage.document(INFO, lambda i: i.update(video_path="{episode}")), "video_path has the field 'episode:'"),
        (damage.document(INFO, lambda i: i.update(video_path="{0}")), "video_path has the field '0:'"),
        (damage.document(INFO, lambda i: i.update(video_path="{video_key.__class__}")), "video_key.__class__"),
        (damage.document(INFO, lambda i: i.update(video_path="{video_key!r}")), "video_key!r"),
        (damage.document(INFO, lambda i: i.update(video_path="{file_index:0999999999d}")), "file_index:0999999999d"),
        (damage.document(INFO, lambda i: i.update(video_path="{file_index:{chunk_index}}")), "file_index:"),
        (lambda dataset: os.truncate(dataset / INFO, 2**40), "larger than 32 MB"),
        (lambda dataset: replace(dataset / INFO, lambda path: path.mkdir()), "no regular file"),
        (lambda dataset: replace(dataset / INFO, os.mkfifo), "no regular file"),
        (lambda dataset: replace(dataset / INFO, lambda path: path.symlink_to("missing")), "No such file"),
        (lambda dataset: replace(dataset / INFO, lambda path: path.symlink_to(path)), "symbolic links|link"),
        (lambda dataset: move_out(dataset, INFO), "is a link that leads out of"),
        (lambda dataset: move_out(dataset, "meta"), "is a link that leads out of"),
    ],
)
def test_a_broken_info_is_listed_with_what_is_wrong(
    foreign: Path, catalogue: DatasetCatalogue, edit: Damage, why: str
) -> None:
    edit(foreign)
    write_info(foreign.parent / "whole", foreign_info())
    for _ in range(2):  # remembered or not
        whole, broken = catalogue.datasets()
        assert (whole.name, whole.error) == ("whole", None)
        assert broken == DatasetSummary("foreign", error=broken.error)
        with pytest.raises(UnreadableDatasetError, match=f"(?s)dataset foreign: .*{why}"):
            catalogue.dataset("foreign")
    for ask in (lambda: catalogue.episodes("foreign", 0, 5), lambda: catalogue.video("foreign", 0, "top")):
        with pytest.raises(UnreadableDatasetError, match=f"(?s)dataset foreign: .*{why}"):
            ask()


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def move_out(dataset: Path, file: str) -> None:
    """Put a file or folder outside the catalogue's root, and a link in its place."""
    outside = dataset.parent.parent / "outside"
    (dataset / file).rename(outside)
    (dataset / file).symlink_to(outside)


def test_links_inside_the_root_are_followed(foreign: Path, catalogue: DatasetCatalogue) -> None:
    """As downloads leave them, whose files lie in a common store."""
    whole, page = catalogue.dataset("foreign"), catalogue.episodes("foreign", 0, 9)
    for number, file in enumerate([INFO, EPISODES, VIDEO]):
        (foreign / file).rename(foreign.parent / f".store-{number}")
        (foreign / file).symlink_to(foreign.parent / f".store-{number}")
    assert catalogue.dataset("foreign").episodes == whole.episodes
    assert catalogue.episodes("foreign", 0, 9) == page
    assert len(picture_numbers(catalogue.video("foreign", 1, "top").content)) == LENGTHS[1]


def without(column: str) -> Damage:
    return damage.table(EPISODES, lambda table: table.drop_columns([column]))


def with_column(column: str, values: pa.Array) -> Damage:
    def edit(table: pa.Table) -> pa.Table:
        if column in table.column_names:
            table = table.drop_columns([column])
        return table.append_column(column, values)

    return damage.table(EPISODES, edit)


ROWS_DAMAGE = [
    (lambda dataset: (dataset / EPISODES).write_bytes((dataset / EPISODES).read_bytes()[:-30]), "file-000.parquet"),
    (lambda dataset: (dataset / EPISODES).write_bytes(b""), "file-000.parquet"),
    (lambda dataset: replace(dataset / EPISODES, os.mkfifo), "no regular file"),
    (lambda dataset: replace(dataset / EPISODES, lambda path: path.mkdir()), "no regular file"),
    (lambda dataset: move_out(dataset, EPISODES), "is a link that leads out of"),
    (lambda dataset: move_out(dataset, "meta/episodes"), "is a link that leads out of"),
    (damage.delete(EPISODES), "has episodes . to 3 where . to 1 belong"),
    (lambda dataset: shutil.rmtree(dataset / "meta/episodes"), "counts 4 episodes, meta/episodes holds 0"),
    (damage.document(INFO, lambda i: i.update(total_episodes=5)), "counts 5 episodes, meta/episodes holds 4"),
    (without("length"), "there is no column length"),
    (without("tasks"), "there is no column tasks"),
    (without("episode_index"), "there is no column episode_index"),
    (with_column("episode_index", pa.array([1, 0])), "has episodes 1 to 0 where 0 to 1 belong"),
    (with_column("length", pa.array(["5", "9"])), "column length is string, not an integer"),
    (with_column("length", pa.array([5, None])), "episode 1 has length None"),
    (with_column("length", pa.array([5, -9])), "episode 1 has length -9"),
    (with_column("tasks", pa.array(["fold", "fold"])), "column tasks is string, not a list of texts"),
    (with_column("collection/index", pa.array(["5", "9"])), "column collection/index is string, not an integer"),
    (with_column("collection/success", pa.array([1, 0])), "column collection/success is int64, not a boolean"),
]


@pytest.mark.parametrize(("edit", "why"), ROWS_DAMAGE)
def test_broken_rows_are_said_to_be(foreign: Path, catalogue: DatasetCatalogue, edit: Damage, why: str) -> None:
    edit(foreign)
    for _ in range(2):
        with pytest.raises(UnreadableDatasetError, match=f"(?s)^dataset foreign: .*{why}"):
            catalogue.episodes("foreign", 0, 100)


def test_twice_the_same_column_is_refused(foreign: Path, catalogue: DatasetCatalogue) -> None:
    table = pq.read_table(foreign / EPISODES)
    pq.write_table(table.append_column("length", table.column("length")), foreign / EPISODES)
    with pytest.raises(UnreadableDatasetError):
        catalogue.episodes("foreign", 0, 100)


def test_values_that_json_cannot_hold_are_left_out(foreign: Path, catalogue: DatasetCatalogue) -> None:
    with_column("collection/placement_error_m", pa.array([float("nan"), 0.5]))(foreign)
    with_column("tasks", pa.array([["a", None, "b"], None]))(foreign)
    first, second = catalogue.episodes("foreign", 0, 2)
    assert (first.placement_error_m, second.placement_error_m) == (None, 0.5)
    assert (first.task, second.task) == ("a; b", "")
    json.dumps([vars(first), vars(second)], allow_nan=False)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        *ROWS_DAMAGE[:7],
        (damage.delete(VIDEO), "No such file"),
        (lambda dataset: (dataset / VIDEO).write_bytes((dataset / VIDEO).read_bytes()[:900]), "file-000.mp4"),
        (lambda dataset: (dataset / VIDEO).write_bytes(b""), "file-000.mp4"),
        (lambda dataset: replace(dataset / VIDEO, os.mkfifo), "no regular file"),
        (lambda dataset: replace(dataset / VIDEO, lambda path: path.mkdir()), "no regular file"),
        (lambda dataset: move_out(dataset, VIDEO), "is a link that leads out of"),
        (lambda dataset: move_out(dataset, "videos"), "is a link that leads out of"),
        (without(f"videos/{CAMERA}/chunk_index"), "there is no column videos/.*/chunk_index"),
        (with_column(f"videos/{CAMERA}/file_index", pa.array(["0", "0"])), "is string, not an integer"),
        (with_column(f"videos/{CAMERA}/file_index", pa.array([0, -1])), "file -1"),
        (with_column(f"videos/{CAMERA}/file_index", pa.array([0, None], pa.int64())), "file None"),
        (with_column(f"videos/{CAMERA}/file_index", pa.array([0, 7])), "file-007.mp4"),
        (with_column(f"videos/{CAMERA}/from_timestamp", pa.array([0, 0])), "is int64, not a float"),
        (with_column(f"videos/{CAMERA}/from_timestamp", pa.array([0.0, float("nan")])), "at nan s"),
        (with_column(f"videos/{CAMERA}/from_timestamp", pa.array([0.0, 1e3])), "file-000.mp4"),
        (with_column("length", pa.array([5, 0])), "0 frames"),
        (with_column("length", pa.array([5, 10**15])), "frames"),
        (damage.document(INFO, lambda i: i.update(video_path="../{video_key}")), "leads out of the dataset"),
        (damage.document(INFO, lambda i: i.update(video_path="a/../../{video_key}")), "leads out of the dataset"),
        (damage.document(INFO, lambda i: i.update(video_path="/etc/passwd")), "leads out of the dataset"),
        (damage.document(INFO, lambda i: i.update(video_path="a\0b")), "leads out of the dataset"),
        (damage.document(INFO, lambda i: i.update(video_path="")), "no regular file"),
        (damage.document(INFO, lambda i: i.update(video_path="x" * 5000)), "too long|No such file"),
        (damage.document(INFO, lambda i: i.update(fps=2**50)), "file-000.mp4"),
    ],
)
def test_a_broken_video_is_said_to_be(foreign: Path, catalogue: DatasetCatalogue, edit: Damage, why: str) -> None:
    edit(foreign)
    for _ in range(2):
        with pytest.raises(UnreadableDatasetError, match=f"(?s)^dataset foreign: .*{why}"):
            catalogue.video("foreign", 1, "top")


@pytest.mark.parametrize("feature", ["..", "../..", "/etc"])
def test_a_features_name_leads_nowhere_else(foreign: Path, catalogue: DatasetCatalogue, feature: str) -> None:
    info = foreign_info()
    info["features"][feature] = info["features"][CAMERA]
    write_info(foreign, info)
    for name in ("chunk_index", "file_index"):
        with_column(f"videos/{feature}/{name}", pa.array([0, 0]))(foreign)
    with_column(f"videos/{feature}/from_timestamp", pa.array([0.0, 0.0]))(foreign)
    with pytest.raises(UnreadableDatasetError, match=r"leads out of the dataset|has a '/'"):
        catalogue.video("foreign", 0, feature)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"configuration": [], "totals": 3}',
        '{"configuration": {"simulator": 3, "seed": "7"}, "totals": {"attempts": -1, "successes": 1, "failures": {}}}',
        '{"configuration": {"seed": true}, "totals": {"attempts": 1, "successes": 1, "failures": {"a": "b"}}}',
        '{"configuration": {"seed": 1e3}, "totals": {"attempts": 1.5, "successes": 1}}',
    ],
)
def test_what_collection_json_cannot_say_is_unknown(foreign: Path, catalogue: DatasetCatalogue, content: str) -> None:
    """The episodes can be watched all the same."""
    before = catalogue.dataset("foreign")
    (foreign / "meta/collection.json").write_text(content, encoding="utf-8")
    assert catalogue.dataset("foreign").size_bytes == before.size_bytes + len(content)
    (summary,) = catalogue.datasets()
    assert (summary.episodes, summary.error) == (before.episodes, None)
    assert (summary.simulator, summary.seed, summary.attempts, summary.successes) == (None, None, None, None)
    assert summary.failures == {}


def test_half_characters_are_replaced(foreign: Path, catalogue: DatasetCatalogue) -> None:
    """JSON can hold them, UTF-8 cannot."""
    damage.document(INFO, lambda info: info.update(robot_type="arm \ud800"))(foreign)
    totals = {"attempts": 2, "successes": 1, "failures": {"\udcff": 1}}
    content = {"configuration": {"simulator": "\udfff"}, "totals": totals}
    (foreign / "meta/collection.json").write_text(json.dumps(content), encoding="utf-8")
    summary = catalogue.dataset("foreign")
    assert (summary.robot_type, summary.simulator, summary.failures) == ("arm ?", "?", {"?": 1})


def ask_everything(catalogue: DatasetCatalogue) -> list[str]:
    """Names of what was listed; whatever else than the two errors comes, comes through."""
    listed = [summary.name for summary in catalogue.datasets()]
    for name in {*listed, "foreign", "ours"}:
        for camera in ("top", "cam_high"):
            for ask in (
                lambda name=name, camera=camera: catalogue.dataset(name),
                lambda name=name, camera=camera: catalogue.episodes(name, 0, 10),
                lambda name=name, camera=camera: catalogue.episodes(name, 2, 1),
                lambda name=name, camera=camera: catalogue.video(name, 1, camera),
                lambda name=name, camera=camera: catalogue.report(name),
            ):
                with suppress(UnknownDatasetError, UnreadableDatasetError):
                    ask()
    return listed


@pytest.mark.parametrize("file", [INFO, EPISODES, VIDEO])
def test_random_damage_raises_nothing_unexpected(foreign: Path, catalogue: DatasetCatalogue, file: str) -> None:
    whole = (foreign / file).read_bytes()
    rng = np.random.default_rng(17)
    for trial in range(60):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 8)):
            damaged[position] = rng.integers(256)
        (foreign / file).write_bytes(damaged[: rng.integers(len(whole)) if trial % 4 == 0 else None])
        assert ask_everything(catalogue) == ["foreign"]


class ChangingRows:
    """Reading rows fails, and the dataset has changed meanwhile, the first `times`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dataset: Path, times: int) -> None:
        self._dataset, self._left, self.tries = dataset, times, 0
        self._parquet_file = pq.ParquetFile
        monkeypatch.setattr(pq, "ParquetFile", self)

    def __call__(self, path: Path) -> pq.ParquetFile:
        self.tries += 1
        if self._left:
            self._left -= 1
            write_info(self._dataset, foreign_info(LENGTHS[: 1 + self._left % 2]))
            raise FileNotFoundError("replaced just now")
        return self._parquet_file(path)


def test_what_fails_because_the_dataset_changed_is_tried_again(
    foreign: Path, catalogue: DatasetCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ChangingRows(monkeypatch, foreign, times=2)
    assert [episode.frames for episode in catalogue.episodes("foreign", 0, 10)] == [LENGTHS[0]]
    assert rows.tries == 3


def test_a_dataset_that_never_stays_the_same_is_given_up(
    foreign: Path, catalogue: DatasetCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ChangingRows(monkeypatch, foreign, times=1000)
    with pytest.raises(UnreadableDatasetError, match="replaced just now"):
        catalogue.episodes("foreign", 0, 10)
    assert rows.tries == 3


def test_datasets_may_come_change_and_go_while_they_are_read(made: Path, root: Path) -> None:
    """Readers in several threads see whole datasets or the two errors, never a mixture and nothing else."""
    catalogue = DatasetCatalogue(root)
    errors: list[BaseException] = []
    listed: set[str] = set()
    pages: set[tuple[int, ...]] = set()
    over = threading.Event()
    turns, turned = [0], threading.Condition()

    def read() -> None:
        try:
            while not over.is_set():
                listed.update(ask_everything(catalogue))
                with suppress(UnknownDatasetError, UnreadableDatasetError):
                    pages.add(tuple(episode.frames for episode in catalogue.episodes("ours", 0, 10)))
                with turned:
                    turns[0] += 1
                    turned.notify_all()
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]

    def let_them_read() -> None:
        with turned:
            wanted = turns[0] + len(readers) + 1
            assert turned.wait_for(lambda: turns[0] >= wanted or errors, PATIENCE_S)

    for reader in readers:
        reader.start()
    try:
        for hurried in (False, True, True, True, True):
            writer = open_writer(root / "ours")
            for content in range(3):
                record(writer, Take(content, 3))
                if not hurried:
                    let_them_read()
            writer.finalize()
            shutil.copytree(made, root / "foreign")
            pack_dataset(root / "ours")
            if not hurried:
                let_them_read()
            shutil.rmtree(root / "ours")
            shutil.rmtree(root / "foreign")
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert listed == {"ours", "foreign"}
    assert pages == {(3,) * count for count in range(1, 4)}
    assert catalogue.datasets() == []
