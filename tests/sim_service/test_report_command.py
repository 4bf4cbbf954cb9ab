"""`isaac-collect report`: where the page goes, what is refused, and that nothing else is touched."""

from __future__ import annotations

import argparse
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from html_page import parse
from report_dataset import CAMERAS, collection_file, write_report_dataset
from small_dataset import write_dataset
from writing import files_of

from lerobot_writer.check import check_dataset
from lerobot_writer.pack import pack_dataset
from sim_service.catalogue import DatasetCatalogue
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.quality.report import QualityReport
from sim_service.report.facts import Quality
from sim_service.report.page import render_report
from sim_service.report.shown_episodes import chosen_episodes, default_episodes
from sim_service.report_command import MAX_REPORT_BYTES, add_report_flags, make_facts, run_report
from sim_service.stored import DatasetError, open_stored


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the gates, which take most of the time."""
    monkeypatch.setattr("sim_service.report_command.inspect", lambda dataset: QualityReport())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data/demo"
    write_report_dataset(folder, 3, collection=collection_file())
    return folder


def report(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_report_flags(parser)
    return run_report(parser.parse_args([str(word) for word in words]))


def test_a_report_lies_in_the_dataset_and_is_linked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(root)
    catalogue = DatasetCatalogue(root.parent)
    assert not catalogue.dataset("demo").has_report
    assert report(root) == DONE
    page = root / "report.html"
    assert catalogue.dataset("demo").has_report
    assert catalogue.report("demo") == page
    after = files_of(root)
    del after["report.html"]
    assert after == before
    told = capsys.readouterr().err
    assert told.endswith(f"{page}: {page.stat().st_size:,} bytes on 3 episodes\n")
    quality = parse(page.read_text()).by_id("quality").text
    assert "action-lag" in quality
    assert "frozen-pictures" in quality
    assert page.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


@pytest.mark.usefixtures("unjudged")
def test_a_dataset_keeps_its_report_and_stays_valid(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    write_dataset(root)
    assert report(root) == DONE
    first = (root / "report.html").read_bytes()
    assert check_dataset(root).ok
    assert pack_dataset(root)
    assert (root / "report.html").read_bytes() == first
    assert check_dataset(root).ok
    assert report(root) == DONE
    packed, unpacked = (parse(page.decode()).by_id("episodes") for page in ((root / "report.html").read_bytes(), first))
    assert packed.text == unpacked.text
    assert [entry.attributes for entry in packed.all("img")] == [entry.attributes for entry in unpacked.all("img")]


@pytest.mark.usefixtures("unjudged")
def test_an_older_report_is_replaced_whole(root: Path) -> None:
    assert report(root) == DONE
    first = (root / "report.html").read_bytes()
    assert report(root, "--episodes", 2) == DONE
    second = (root / "report.html").read_bytes()
    assert first != second
    assert b"Episode 2: chosen" in second
    assert b"Episode 0" not in second
    assert report(root) == DONE
    assert (root / "report.html").read_bytes() == first  # its size and age are no part of it


@pytest.mark.usefixtures("unjudged")
def test_a_report_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "pages/a.html"
    output.parent.mkdir()
    before = files_of(root)
    assert report(root, "--output", output) == DONE
    assert report(root, "--output", output) == DONE
    assert files_of(root) == before
    assert [path.name for path in output.parent.iterdir()] == ["a.html"]


@pytest.mark.usefixtures("unjudged")
def test_what_is_no_report_is_not_replaced(root: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.html"
    notes.write_text("<p>mine")
    os.mkfifo(tmp_path / "pipe")
    (root / "report.html").symlink_to(notes)
    before = files_of(root)
    for words, message in (
        ((root, "--output", notes), "notes.html is in the way: no report of isaac-collect"),
        ((root,), "report.html is in the way: no report of isaac-collect"),
        ((root, "--output", tmp_path / "pipe"), "pipe is in the way"),
        ((root, "--output", root / "meta/info.json"), "info.json is in the way"),
        ((root, "--output", tmp_path), "that is a folder; name a file"),
        ((root, "--output", tmp_path / "no/a.html"), f"there is no folder {tmp_path / 'no'}"),
    ):
        with pytest.raises(DatasetError, match=message):
            report(*words)
    assert notes.read_text() == "<p>mine"
    assert files_of(root) == before


@pytest.mark.usefixtures("unjudged")
def test_a_link_that_somebody_planted_is_replaced_not_followed(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.html"
    (root / "report.html").symlink_to(target)
    assert report(root) == DONE
    assert not target.exists()
    assert stat.S_ISREG((root / "report.html").lstat().st_mode)


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--episodes", "3"], "no episode 3 in .*: it has 0 to 2"),
        (["--episodes", "-1"], "no episode -1 in"),
        (["--episodes", *map(str, range(7))], "at most 6 episodes closely, asked for 7"),
    ],
)
def test_episodes_that_cannot_be_shown_are_refused(root: Path, words: list[str], message: str) -> None:
    before = files_of(root)
    with pytest.raises(DatasetError, match=message):
        report(root, *words)
    assert files_of(root) == before


def nothing(root: Path) -> None:
    root.mkdir()


def another_format(root: Path) -> None:
    write_report_dataset(root, 1, cameras=())
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.1"}))


def no_clock(root: Path) -> None:
    write_report_dataset(root, 1, cameras=())
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"fps": 0}))


def no_length(root: Path) -> None:
    write_report_dataset(root, 2, cameras=(), columns=lambda episode: {"length": "long"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "holds no LeRobot dataset"),
        (nothing, "holds no LeRobot dataset: no info.json"),
        (another_format, r"format v2\.1, expected v3\.0"),
        (no_clock, "has 0 frames per second"),
        (no_length, "has no length of episode 0: 'long'"),
    ],
)
def test_what_is_no_dataset_is_refused(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    root = tmp_path / "demo"
    make(root)
    with pytest.raises(DatasetError, match=message):
        report(root)
    assert not (root / "report.html").exists()


@pytest.mark.usefixtures("unjudged")
def test_a_disk_that_is_full_leaves_the_older_report(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(root) == DONE
    before = files_of(root)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert report(root, "--episodes", 1) == FAILED
    assert "cannot write the report" in (told := capsys.readouterr().err)
    assert "No space left on device" in told
    assert files_of(root) == before


@pytest.mark.usefixtures("unjudged")
def test_a_folder_that_takes_no_file_is_told_before_the_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sim_service.report_command.tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("sim_service.report_command.make_facts", lambda *anything: pytest.fail("it has worked"))
    assert report(root) == BAD_ARGUMENTS
    assert "Permission denied" in capsys.readouterr().err


def test_videos_that_cannot_be_read_are_told_in_their_place(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = root.glob(f"videos/{CAMERAS[1]}/*/*.mp4")
    file.write_bytes(b"no video")
    assert report(root) == DONE
    told = capsys.readouterr().err
    assert "episode 2: cannot" in told
    page = parse((root / "report.html").read_text())
    episodes = page.by_id("episodes")
    assert "Not shown: cannot" in episodes.text
    assert len(episodes.all("video")) == 2  # of the other camera
    assert "could not be judged" in page.by_id("quality").text
    assert page.by_id("outcomes").all("table")


@pytest.mark.usefixtures("unjudged")
def test_numbers_that_cannot_be_read_are_told_in_their_place(root: Path) -> None:
    (root / "data/chunk-000/file-000.parquet").write_bytes(b"no table")
    (root / "meta/collection.json").write_text("{")
    assert report(root) == DONE
    page = parse((root / "report.html").read_text())
    assert "Not shown: meta/collection.json cannot be read" in page.by_id("summary").text
    assert "Not shown: cannot read episode 0 from data" in page.by_id("episodes").text
    assert not page.by_id("episodes").all("polyline")
    assert page.by_id("episodes").all("img")


@pytest.mark.parametrize("limit", [MAX_REPORT_BYTES, 900_000, 500_000, 0])
def test_clips_take_what_is_left_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    root = tmp_path / "demo"
    loud = {"preset": "ultrafast", "bf": "0", "g": "2", "crf": "1"}
    write_report_dataset(root, 2, length=90, size=(192, 144), options=loud, collection=collection_file())
    monkeypatch.setattr("sim_service.report_command.MAX_REPORT_BYTES", limit)
    dataset = open_stored(root)
    facts = make_facts(dataset, default_episodes(dataset.rows), Quality())
    page = render_report(facts)
    clips = [clip for shown in facts.shown for clip in shown.clips]
    whole = [clip for clip in clips if clip.seconds == clip.of_seconds]
    if limit == MAX_REPORT_BYTES:
        assert len(whole) == 4
    elif limit:
        assert len(page.encode()) <= limit
        assert clips
        assert len(whole) < 4
        assert "so that the page stays small" in page
    else:
        assert not clips
        assert page.count("no room for a clip") == 4


def test_clips_are_of_the_first_two_chosen_else_of_the_typical_and_the_worst(root: Path) -> None:
    dataset = open_stored(root)
    for chosen, expected in (
        (chosen_episodes(dataset, [2, 0, 1]), [2, 0]),
        (chosen_episodes(dataset, [1]), [1]),
        ({0: "the first", 1: "median placement error", 2: "largest placement error"}, [1, 2]),
    ):
        facts = make_facts(dataset, chosen, Quality())
        assert [shown.number for shown in facts.shown if shown.clips] == expected


def test_more_than_a_thousand_episodes_are_one_small_page(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    write_report_dataset(root, 1200, cameras=(), collection=collection_file())
    dataset = open_stored(root)
    page = render_report(make_facts(dataset, default_episodes(dataset.rows), Quality()))
    assert len(page) < 600_000
    assert "1,200" in parse(page).by_id("summary").text
