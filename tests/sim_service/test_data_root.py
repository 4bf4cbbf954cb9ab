"""What may be asked for as an output folder, and that nothing else gets through."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from writing import Take, open_writer, record

from lerobot_writer.swap import rebuilding
from sim_service.data_root import DataRootError, FolderDataRoot
from sim_service.ports import OutputDirError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def root(folder: Path) -> FolderDataRoot:
    return FolderDataRoot(folder)


def make_dataset(folder: Path) -> None:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/info.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["pick_place_001", "a/b", "a/b/c/d", "Pick Place", "Käfig/日本", "a..b", "x" * 100, "~"]
)
def test_every_spelling_of_a_folder_is_one_name(folder: Path, root: FolderDataRoot, name: str) -> None:
    spellings = [name, f"./{name}", f"{name}/", name.replace("/", "//"), name.replace("/", "/./")]
    assert {root.name_of(spelling) for spelling in spellings} == {name}
    assert {root.name_of(f"{folder}/{spelling}") for spelling in spellings} == {name}
    assert root.resolve(name) == folder / name


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("", "names no folder"),
        (".", "data root itself"),
        ("./", "data root itself"),
        ("..", r"'\.\.'"),
        ("../other", r"'\.\.'"),
        ("a/../b", r"'\.\.'"),
        ("a/..", r"'\.\.'"),
        ("/", "not inside"),
        ("/etc/passwd", "not inside"),
        ("/data", "not inside"),
        (".hidden", "begins with a dot"),
        ("a/.hidden", "begins with a dot"),
        (".isaac-collect", "begins with a dot"),
        ("...", "begins with a dot"),
        ("a\0b", "cannot be shown"),
        ("a\nb", "cannot be shown"),
        ("a\x7f", "cannot be shown"),
        ("a\u202eb", "cannot be shown"),
        ("a\u2028b", "cannot be shown"),
        ("\ud800", "cannot be shown"),
        (os.fsdecode(b"\xff"), "cannot be shown"),
        ("a\\b", "backslash"),
        ("..\\..", "dot"),
        (" a", "space"),
        ("a ", "space"),
        ("a/ /b", "space"),
        ("episodes", "reserved"),
        ("a/report", "reserved"),
        ("meta", "reserved"),
        ("a/meta/b", "reserved"),
        ("x" * 101, "101 characters"),
        ("a/" + "x" * 99, "101 characters"),
        ("a/b/c/d/e", "5 levels"),
        ("\N{GRINNING FACE}" * 60, "240 bytes"),
    ],
)
def test_what_is_no_dataset_name_is_refused(folder: Path, root: FolderDataRoot, asked: str, why: str) -> None:
    """The message says what was asked, why not, and what is allowed."""
    with pytest.raises(OutputDirError, match=why) as raised:
        root.name_of(asked)
    assert str(raised.value).startswith(f"output_dir {asked!r}: ")
    assert f"Allowed is a folder below {folder}" in str(raised.value)
    with pytest.raises(OutputDirError):
        root.resolve(asked)


def test_a_long_question_gets_a_short_answer(root: FolderDataRoot) -> None:
    for asked in ("x" * 60_000, "\ud800" * 60_000, ".x/" * 20_000):
        with pytest.raises(OutputDirError) as raised:
            root.name_of(asked)
        assert len(str(raised.value)) < 2000


def test_a_folder_whose_name_only_begins_like_the_root_is_elsewhere(folder: Path, root: FolderDataRoot) -> None:
    for asked in (f"{folder}-evil/a", f"{folder}evil", f"{folder.parent}/a", str(folder), f"{folder}/"):
        with pytest.raises(OutputDirError):
            root.name_of(asked)


def test_a_root_behind_a_link_has_two_spellings(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for given in (tmp_path / "link/root", folder):
        root = FolderDataRoot(given)
        assert root.path == folder
        assert root.name_of(f"{given}/a") == root.name_of(f"{folder}/a") == "a"
        assert root.resolve(f"{given}/a") == folder / "a"


def test_a_link_in_the_root_to_the_root_is_still_a_link(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    with pytest.raises(OutputDirError, match="symbolic link"):
        FolderDataRoot(folder).name_of(f"{folder}/loop/a")
    assert FolderDataRoot(folder / "loop").name_of(f"{folder}/loop/a") == "a"


def test_a_relative_root_stays_where_it_was(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = FolderDataRoot("other/../root")
    monkeypatch.chdir("/")
    assert root.path == folder
    assert root.resolve("a") == folder / "a"


@pytest.mark.parametrize("asked", ["link", "link/new", "a/link", "a/link/new/deep"])
@pytest.mark.parametrize("target", ["outside", "root/inside", "missing", "link"])
def test_links_are_refused(tmp_path: Path, folder: Path, asked: str, target: str) -> None:
    for path in ("outside", "root/inside", "root/a"):
        (tmp_path / path).mkdir()
    for link in (folder / "link", folder / "a/link"):
        link.symlink_to(tmp_path / target if target != "link" else link)
    with pytest.raises(OutputDirError, match="symbolic link"):
        FolderDataRoot(folder).name_of(asked)


def test_it_is_looked_at_again_right_before_use(tmp_path: Path, folder: Path, root: FolderDataRoot) -> None:
    name = root.name_of("a/b")
    (folder / "a").symlink_to(tmp_path)
    with pytest.raises(OutputDirError, match="symbolic link"):
        root.resolve(name)


def test_a_file_is_no_folder(folder: Path, root: FolderDataRoot) -> None:
    (folder / "file").touch()
    os.mkfifo(folder / "pipe")
    for asked in ("file", "file/a", "pipe"):
        with pytest.raises(OutputDirError, match="no folder"):
            root.name_of(asked)


def test_folders_that_are_there_may_be_used(folder: Path, root: FolderDataRoot) -> None:
    (folder / "group/empty").mkdir(parents=True)
    make_dataset(folder / "group/dataset")
    assert root.name_of("group/empty") == "group/empty"
    assert root.name_of("group/new") == "group/new"
    assert root.name_of("group/dataset") == "group/dataset"  # to resume it


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "with episodes"])
@pytest.mark.parametrize("inside", ["new", "data", "data/chunk-000"])
def test_nothing_is_put_into_a_dataset(folder: Path, root: FolderDataRoot, begun: bool, inside: str) -> None:
    writer = open_writer(folder / "group/dataset")
    if not begun:
        record(writer, Take(0))
    with pytest.raises(OutputDirError, match="'group/dataset' is a dataset"):
        root.name_of(f"group/dataset/{inside}")
    writer.finalize()


@pytest.mark.parametrize("inside", ["a", "a/b", "a/b/c"])
def test_a_folder_of_datasets_is_not_turned_into_one(folder: Path, root: FolderDataRoot, inside: str) -> None:
    make_dataset(folder / "group" / inside)
    with pytest.raises(OutputDirError, match=f"such as 'group/{inside}'"):
        root.name_of("group")


def test_no_new_dataset_where_packing_works(folder: Path, root: FolderDataRoot) -> None:
    """What an interrupted packing left under those names is deleted by the next one."""
    make_dataset(folder / "a")
    with rebuilding(folder / "a"):
        beside = sorted(path.name for path in folder.iterdir() if path.name != "a")
    assert beside == ["a.pack", "a.pack.journal"]
    for name in (*beside, "a.old"):
        for asked in (name, f"{name}/b", f"b/{name}"):
            with pytest.raises(OutputDirError, match="packing"):
                root.name_of(asked)


def test_whatever_gets_through_is_a_folder_below_the_root(tmp_path: Path, folder: Path) -> None:
    """Over random paths made of what tends to go wrong."""
    (folder / "out").symlink_to("/")
    (folder / "a").mkdir()
    make_dataset(folder / "a/dataset")
    root = FolderDataRoot(folder)
    pieces = ["a", "b", "dataset", "out", "..", ".", "", "/", "//", "\\", " ", "\0", "\n", "~", "%2e%2e", "é", "\udcff"]
    pieces += [str(folder), str(tmp_path), "meta", "episodes", "...", "a.pack", "root", "x" * 60]
    rng = np.random.default_rng(11)
    accepted = 0
    for _ in range(3000):
        asked = "".join(f"{pieces[n]}{'/' * int(rng.integers(0, 2))}" for n in rng.integers(0, len(pieces), 4))
        try:
            name = root.name_of(asked)
        except OutputDirError:
            continue
        accepted += 1
        path = root.resolve(name)
        assert root.name_of(name) == name
        assert path.resolve() == path
        assert folder in path.parents
        assert all(unicodedata.category(character)[0] not in "C" for character in name)
    assert accepted > 20


def test_the_root_is_created(tmp_path: Path) -> None:
    root = FolderDataRoot(tmp_path / "new/root")
    root.prepare()
    root.prepare()
    assert list(root.path.iterdir()) == []


def test_a_root_that_cannot_be_used_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").touch()
    make_dataset(tmp_path / "dataset")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, why in (
        ("file", "it must be a folder"),
        ("file/below", "cannot write"),
        ("dataset", "dataset itself"),
        ("loop", "data root"),
    ):
        with pytest.raises(DataRootError, match=why):
            FolderDataRoot(tmp_path / path).prepare()


def test_a_root_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(DataRootError, match="cannot write in the data root /proc/"):
        FolderDataRoot("/proc/self").prepare()  # not even by the superuser
