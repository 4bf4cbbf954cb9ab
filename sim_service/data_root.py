"""The one folder below which datasets are written, and what may be asked for as an output folder."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from sim_service.dataset_folders import MAX_DEPTH, PACKING_SUFFIXES, find_datasets, has_dataset, name_problem
from sim_service.folder_listings import FolderListings
from sim_service.ports import OutputDirError

_MAX_CHARACTERS: Final = 100  # of a whole name
_MAX_PART_BYTES: Final = 200  # file systems take 255, and packing adds a suffix
_SHOWN_CHARACTERS: Final = 120  # of what was asked for, in a message


class DataRootError(RuntimeError):
    """Datasets cannot be written below that folder; the message says why."""


class FolderDataRoot:
    """Satisfies `sim_service.ports.DataRoot`. path: where it is now; a later chdir or another target of a link on the
    way changes nothing. Any thread may use it."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(os.path.realpath(path))
        # Either spelling may be asked for; the longer one first, as a link in the root may lead to the root.
        self._spellings = sorted({Path(path).absolute().parts[1:], self._path.parts[1:]}, key=len, reverse=True)
        self._listings = FolderListings()

    @property
    def path(self) -> Path:
        """Absolute and without links."""
        return self._path

    def prepare(self) -> None:
        """Create the folder where it is missing. Raises DataRootError unless datasets can be written below it."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._path):
                pass
        except FileExistsError:
            raise DataRootError(f"the data root {self._path} is a file; it must be a folder") from None
        except OSError as error:
            raise DataRootError(f"cannot write in the data root {self._path}: {error.strerror or error}") from error
        if has_dataset(self._path):
            raise DataRootError(f"the data root {self._path} is a dataset itself; choose the folder above it")

    def name_of(self, output_dir: str) -> str:
        """The path below the root, "/" between its parts, of a relative path or an absolute one inside the root.

        Raises OutputDirError for what escapes the root, is there but is no folder, lies in a dataset, holds datasets,
        or cannot be a dataset's name.
        """
        try:
            parts = self._parts(output_dir)
            self._look_at(parts)
        except OutputDirError as error:
            asked = output_dir if len(output_dir) <= _SHOWN_CHARACTERS else f"{output_dir[:_SHOWN_CHARACTERS]}..."
            raise OutputDirError(
                f"output_dir {asked!r}: {error}. Allowed is a folder below {self._path}, relative to it or absolute, "
                f"up to {MAX_DEPTH} levels deep, such as 'pick_place_001'"
            ) from None
        return "/".join(parts)

    def resolve(self, output_dir: str) -> Path:
        """The absolute folder, after looking again. For right before it is used. Raises OutputDirError."""
        return self._path / self.name_of(output_dir)

    def _parts(self, output_dir: str) -> tuple[str, ...]:
        """Of the dataset's name, by the text alone."""
        parts = tuple(part for part in output_dir.split("/") if part not in ("", "."))
        if ".." in parts:
            raise OutputDirError("'..' is not allowed")
        if output_dir.startswith("/"):
            inside = [parts[len(root) :] for root in self._spellings if parts[: len(root)] == root]
            if not inside:
                raise OutputDirError("it is not inside the data root")
            parts = inside[0]
        if not parts:
            raise OutputDirError("it names no folder" if not output_dir else "it is the data root itself")
        if len(parts) > MAX_DEPTH:
            raise OutputDirError(f"it is {len(parts)} levels deep")
        if (length := len("/".join(parts))) > _MAX_CHARACTERS:
            raise OutputDirError(f"it has {length} characters, more than {_MAX_CHARACTERS}")
        problems = [problem for part in parts if (problem := name_problem(part) or _new_name_problem(part))]
        if problems:
            raise OutputDirError("; ".join(problems))
        return parts

    def _look_at(self, parts: tuple[str, ...]) -> None:
        """Raise OutputDirError when what is on the disk forbids a dataset there."""
        folder = self._path
        try:
            for part in parts:
                if folder != self._path and (has_dataset(folder) or (folder / "meta").is_dir()):
                    raise OutputDirError(
                        f"{self._name(folder)!r} is a dataset, and nothing else belongs into its folder"
                    )
                folder = folder / part
                mode = folder.lstat().st_mode
                if stat.S_ISLNK(mode):
                    raise OutputDirError(f"{self._name(folder)!r} is a symbolic link")
                if not stat.S_ISDIR(mode):
                    raise OutputDirError(f"{self._name(folder)!r} is no folder")
            if not has_dataset(folder):
                within = next(find_datasets(folder, self._listings, MAX_DEPTH - len(parts)), None)
                if within is not None:
                    raise OutputDirError(f"it holds datasets, such as {self._name(folder / within)!r}")
        except FileNotFoundError:
            return  # neither it nor what would be in it
        except OSError as error:
            raise OutputDirError(f"{self._name(folder)!r} cannot be looked at: {error.strerror or error}") from error

    def _name(self, folder: Path) -> str:
        return folder.relative_to(self._path).as_posix()


def _new_name_problem(part: str) -> str | None:
    """Why no new folder gets that name, though one that is there is shown."""
    if part.endswith(PACKING_SUFFIXES):
        return f"{part!r} ends like what packing puts beside a dataset ({', '.join(PACKING_SUFFIXES)})"
    if len(part.encode()) > _MAX_PART_BYTES:
        return f"{part!r} takes {len(part.encode())} bytes, more than {_MAX_PART_BYTES}"
    return None
