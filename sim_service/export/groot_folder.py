"""A folder that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lerobot_writer.durable import flush, flush_file_system, make_directory
from lerobot_writer.lock import holding
from sim_service.export import ExportError


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`, which takes its name when the block ends well and is removed otherwise.

    What a killed run left of it is cleared by the next one. Raises ExportError where `out` exists, InUseError where
    somebody else builds it now.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100  # resolve() would follow a link of that name
    _require_free(out)
    beside = out.with_name(f".{out.name}.partial")
    make_directory(beside)
    with holding(beside):
        try:
            _empty(beside)
            yield beside
            flush_file_system(beside)
            _require_free(out)  # still
            beside.rename(out)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    flush(out.parent)


def _require_free(out: Path) -> None:
    if os.path.lexists(out):
        raise ExportError(f"{out} exists already: choose another folder, or remove it first")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
