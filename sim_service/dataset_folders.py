"""Which folders below the data root are datasets, and which could become one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lerobot_writer import layout
from sim_service.folder_listings import FolderListings

MAX_DEPTH: Final = 4
"""Parts of a dataset's name."""
PACKING_SUFFIXES: Final = (".pack", ".old", ".pack.journal")
"""Of what packing puts beside a dataset (lerobot_writer/swap.py)."""

_JOURNAL: Final = ".pack.journal"
_RESERVED: Final = ("episodes", "report", "meta")  # two are parts of a dataset's addresses, one is in every dataset
_MAX_FOLDERS: Final = 10_000  # looked into; a root that was chosen by mistake must not cost minutes


def name_problem(part: str) -> str | None:
    """Why a folder of that name is no part of a dataset's name; None where it may be one."""
    if not part.isprintable():
        return f"{part!r} has a character that cannot be shown"
    if part.startswith("."):
        return f"{part!r} begins with a dot"
    if part != part.strip():
        return f"{part!r} begins or ends with a space"
    if "\\" in part:
        return f"{part!r} has a backslash"
    if part in _RESERVED:
        return f"{part!r} is a reserved name"
    return None


def find_datasets(
    folder: Path, listings: FolderListings, depth: int = MAX_DEPTH, when_too_many: Callable[[int], None] | None = None
) -> Iterator[str]:
    """Names of the datasets below a folder, "/" between their parts; the least deep first.

    Hidden folders, links and what packing builds are left out, and nothing is looked for inside a dataset.
    when_too_many: called with the number of folders after which the search ends. Raises OSError where the folder itself
    cannot be listed.
    """
    parents = [""]
    budget = _MAX_FOLDERS
    for level in range(depth):
        others = []
        for parent in parents:
            try:
                names = listings.of(folder / parent).folders
            except OSError:
                if level == 0:
                    raise
                continue  # deleted just now, or closed to us
            for name in names:
                path = folder / parent / name
                if name_problem(name) is not None or _is_being_packed(path):
                    continue
                budget -= 1
                if budget < 0:
                    if when_too_many is not None:
                        when_too_many(_MAX_FOLDERS)
                    return
                if has_dataset(path):
                    yield f"{parent}{name}"
                else:
                    others.append(f"{parent}{name}/")
        parents = others


def is_dataset(folder: Path, name: str) -> bool:
    """Whether `find_datasets` finds that name, however many folders there are."""
    parts = name.split("/")
    if len(parts) > MAX_DEPTH or any(not part or name_problem(part) is not None for part in parts):
        return False
    path = folder
    try:
        for part in parts:
            if path != folder and has_dataset(path):
                return False
            path = path / part
            if not stat.S_ISDIR(path.lstat().st_mode) or _is_being_packed(path):
                return False
    except OSError:
        return False
    return has_dataset(path)


def has_dataset(folder: Path) -> bool:
    """Whether a dataset lies in the folder, a broken one too."""
    return os.path.lexists(folder / layout.INFO)


def _is_being_packed(path: Path) -> bool:
    """Whether packing builds that folder or is about to delete it."""
    for suffix in PACKING_SUFFIXES:
        if path.name.endswith(suffix):
            return os.path.lexists(path.with_name(path.name.removesuffix(suffix) + _JOURNAL))
    return False
