"""What all tests of the writer share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power stays on during tests: flushing only costs time. Tests of the flushing count the calls themselves."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a test's dataset goes; does not exist yet."""
    return tmp_path / "dataset"
