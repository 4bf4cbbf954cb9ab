"""What all tests of the writer share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from failing_encoder import PATIENCE_S, encoder_threads


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power stays on during tests: flushing only costs time. Tests of the flushing count the calls themselves."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a test's dataset goes; does not exist yet."""
    return tmp_path / "dataset"


@pytest.fixture(autouse=True)
def all_threads_end() -> Iterator[None]:
    before = set(encoder_threads())
    yield
    left = set(encoder_threads()) - before
    if left:
        gc.collect()
    for thread in left:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
