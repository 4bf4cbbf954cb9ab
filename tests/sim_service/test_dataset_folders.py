"""Which folders are datasets: the walk over all and the look at one agree."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import sim_service.dataset_folders
from sim_service.catalogue import DatasetCatalogue
from sim_service.dataset_folders import MAX_DEPTH, find_datasets, is_dataset
from sim_service.folder_listings import FolderListings


def begin_dataset(folder: Path) -> None:
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    (folder / "meta/info.json").touch()


def test_what_is_listed_is_what_can_be_asked_for(tmp_path: Path) -> None:
    """Over random trees."""
    pieces = ["a", "b", ".h", "x.pack", "x.pack.journal", "x", "x.old", "meta"]
    rng = np.random.default_rng(3)
    found = 0
    for tree in range(60):
        folder = tmp_path / str(tree)
        folder.mkdir()
        candidates = {"/".join(rng.choice(pieces, rng.integers(1, MAX_DEPTH + 2))) for _ in range(25)}
        for name in candidates:
            (folder / name).mkdir(parents=True, exist_ok=True)
            if rng.random() < 0.5:
                begin_dataset(folder / name)
        every = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} | candidates
        listed = list(find_datasets(folder, FolderListings()))
        assert len(listed) == len(set(listed))
        assert set(listed) == {name for name in every if is_dataset(folder, name)}
        found += len(listed)
    assert found > 50


def test_a_root_chosen_by_mistake_costs_a_bounded_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what lies near is found first."""
    monkeypatch.setattr(sim_service.dataset_folders, "_MAX_FOLDERS", 30)
    for branch in range(10):
        begin_dataset(tmp_path / f"b{branch}/c/dataset")
        for leaf in range(10):
            (tmp_path / f"b{branch}/d{leaf}").mkdir()
    begin_dataset(tmp_path / "b9/near")
    begin_dataset(tmp_path / "here")
    listings, looked_at = FolderListings(), []
    listing_of = listings.of
    monkeypatch.setattr(listings, "of", lambda folder: looked_at.append(folder) or listing_of(folder))
    ends: list[int] = []
    found = list(find_datasets(tmp_path, listings, when_too_many=ends.append))
    assert found[0] == "here"
    assert len(looked_at) <= 30
    assert ends == [30]


def test_a_folder_is_read_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change within the file system's clock tick is not missed either."""
    scans: list[Path] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scans.append(Path(path)) or scandir(path))
    listings = FolderListings()
    (tmp_path / "a").mkdir()
    assert listings.of(tmp_path).folders == ("a",)
    now = tmp_path.stat().st_mtime_ns
    (tmp_path / "b").mkdir()
    os.utime(tmp_path, ns=(now, now))
    assert sorted(listings.of(tmp_path).folders) == ["a", "b"]

    long_ago = time.time_ns() - 10**11
    os.utime(tmp_path, ns=(long_ago, long_ago))
    listings.of(tmp_path)
    scans.clear()
    assert sorted(listings.of(tmp_path).folders) == ["a", "b"]
    assert scans == []
    (tmp_path / "file").write_bytes(b"12345")
    assert listings.of(tmp_path).files_bytes == 5
    assert scans == [tmp_path]


def test_the_catalogue_says_once_that_it_does_not_see_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abc":
        begin_dataset(tmp_path / name)
    catalogue = DatasetCatalogue(tmp_path)
    assert len(catalogue.datasets()) == 3
    assert caplog.messages == []
    monkeypatch.setattr(sim_service.dataset_folders, "_MAX_FOLDERS", 2)
    assert len(catalogue.datasets()) == len(catalogue.datasets()) == 2
    assert caplog.messages == [
        f"only 2 folders below {tmp_path} were searched for datasets; choose a data root with less in it"
    ]
