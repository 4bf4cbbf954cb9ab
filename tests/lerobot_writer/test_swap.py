"""The exchange of two folders, as the kernel does it, and what stands for it where the kernel cannot."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from lerobot_writer import ResumeError
from lerobot_writer.lock import holding
from lerobot_writer.swap import _exchange, finish_swap, rebuilding


def make_folder(path: Path, content: str) -> Path:
    (path / "meta").mkdir(parents=True)
    (path / "meta/info.json").write_text(content)
    return path


def content_of(path: Path) -> str:
    return (path / "meta/info.json").read_text()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_kernel_exchanges_two_folders(tmp_path: Path) -> None:
    a, b = make_folder(tmp_path / "a ä", "a"), make_folder(tmp_path / "b", "b")
    numbers = a.stat().st_ino, b.stat().st_ino
    if not _exchange(a, b):
        pytest.skip("this file system has no RENAME_EXCHANGE")
    assert (content_of(a), content_of(b)) == ("b", "a")
    assert (b.stat().st_ino, a.stat().st_ino) == numbers


def test_an_exchange_that_fails_says_so_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = make_folder(tmp_path / "a", "a")
    assert not _exchange(a, tmp_path / "missing")
    assert names_in(tmp_path) == ["a"]
    make_folder(tmp_path / "b", "b")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # a C library without renameat2
    assert not _exchange(a, tmp_path / "b")
    assert (content_of(a), content_of(tmp_path / "b")) == ("a", "b")


@pytest.mark.parametrize("has_exchange", [True, False])
def test_what_was_built_takes_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_exchange: bool) -> None:
    root = make_folder(tmp_path / "x", "old")
    if not has_exchange:
        monkeypatch.setattr("lerobot_writer.swap._exchange", lambda a, b: False)
    with rebuilding(root) as rebuilt:
        assert rebuilt.is_dir()
        assert not any(rebuilt.iterdir())
        make_folder(rebuilt, "new")
        with pytest.raises(ResumeError, match=r"x.pack.journal is being written or packed by somebody else"):
            finish_swap(root)
        assert content_of(root) == "old"
    assert content_of(root) == "new"
    assert names_in(tmp_path) == ["x"]


def test_an_exception_leaves_the_old_one_alone(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "x", "old")

    def build() -> None:
        with rebuilding(root) as rebuilt:
            make_folder(rebuilt, "new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()
    assert content_of(root) == "old"
    assert names_in(tmp_path) == ["x"]


def test_without_a_journal_folders_of_these_names_are_somebody_elses(tmp_path: Path) -> None:
    for name in ("x", "x.pack", "x.old"):
        make_folder(tmp_path / name, name)
    finish_swap(tmp_path / "x")
    finish_swap(tmp_path / "missing")
    assert names_in(tmp_path) == ["x", "x.old", "x.pack"]


def test_a_lock_is_given_back_by_whatever_ends_its_block(tmp_path: Path) -> None:
    def fail() -> None:
        with holding(tmp_path):
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail()
    with holding(tmp_path), pytest.raises(ResumeError), holding(tmp_path):
        pass
