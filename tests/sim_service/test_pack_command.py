"""`isaac-collect pack`: what it prints, its exit codes, and that a refused dataset stays as it was."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_dataset import write_dataset
from writing import Take, add_frames, files_of, open_writer, record

from lerobot_writer.check import check_dataset
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.pack_command import add_pack_flags, run_pack


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def pack(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_pack_flags(parser)
    return run_pack(parser.parse_args([str(word) for word in words]))


def counted(root: Path) -> str:
    sizes = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
    return f"{len(sizes)} files of {sum(sizes):,} bytes"


def test_it_says_what_was_there_and_what_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(root)
    before = counted(root)
    assert pack(root) == DONE
    told = capsys.readouterr().err
    assert told.startswith(f"{root}: {before} before, {counted(root)} now, packed in ")
    assert before != counted(root)
    assert check_dataset(root).ok
    assert pack(root) == DONE
    assert capsys.readouterr().err == f"{root}: packed already, {counted(root)}; nothing changed\n"


def test_video_files_get_no_larger_than_asked(root: Path) -> None:
    write_dataset(root)
    sizes = sorted(path.stat().st_size for path in root.glob("videos/*/*/*"))
    largest = 8_500
    assert sizes[-1] < 4000
    assert pack(root, "--max-video-mb", largest / 2**20) == DONE
    packed = [path.stat().st_size for path in root.glob("videos/*/*/*")]
    assert max(packed) <= largest
    assert 2 < len(packed) < len(sizes)
    assert check_dataset(root).ok


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf"])
def test_a_size_that_cannot_be_is_a_bad_argument(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        pack("dataset", "--max-video-mb", text)
    assert stopped.value.code == BAD_ARGUMENTS
    assert f"must be a number of megabytes above 0, got '{text}'" in capsys.readouterr().err


def no_dataset(root: Path) -> object:
    return root.mkdir()


def being_written(root: Path) -> object:
    writer = open_writer(root)
    record(writer, Take(1))
    return writer


def unfinished(root: Path) -> object:
    writer = being_written(root)
    add_frames(writer, Take(2))  # type: ignore[arg-type]  # it is a writer
    del writer
    gc.collect()
    return None


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: None, "holds no dataset of lerobot_writer"),
        (no_dataset, "holds no dataset of lerobot_writer"),
        (lambda root: root.write_text("mine"), "holds no dataset of lerobot_writer"),
        (being_written, "is being written or packed by somebody else; try again when that has ended"),
        (unfinished, "was left unfinished; resume it to its end (resume=True, collect --resume) before packing"),
    ],
)
def test_what_cannot_be_packed_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object], told: str
) -> None:
    held = make(root)
    before = files_of(root.parent)
    assert pack(root) == (FAILED if make is being_written else BAD_ARGUMENTS)  # another try may do for that one
    assert capsys.readouterr().err == f"isaac-collect: {root} {told}\n"
    assert files_of(root.parent) == before
    del held


def test_a_full_disk_leaves_it_as_it_was(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(root)
    before = files_of(root.parent)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lerobot_writer.pack_video.flush", full)
        assert pack(root) == FAILED
    told = capsys.readouterr().err
    assert told == f"isaac-collect: cannot pack {root}: [Errno 28] No space left on device\n"
    assert files_of(root.parent) == before
