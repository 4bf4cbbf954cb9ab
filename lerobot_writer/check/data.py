"""The files of `data/`: rules D1 and D2, and their order (F3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_writer.check.episodes import Episodes, type_text
from lerobot_writer.check.files import Tree
from lerobot_writer.check.info import Column, Info
from lerobot_writer.check.reading import ParquetRows, Unreadable, shown
from lerobot_writer.check.report import Report

_AFTER_D1 = ("D2", "D3", "D4", "D5")


@dataclass(frozen=True)
class Data:
    """The rows of all data files, in the order of the frames; a column at a time is read from the disk.

    files: Paths, sorted by the first `index` in them. bounds: File f holds rows bounds[f] up to bounds[f + 1].
    row_groups: The lengths of each file's row groups.
    sound: The columns that every file has in the type that `features` says (D1), without nulls, NaN and infinity (D2).
    """

    tree: Tree
    files: tuple[str, ...]
    bounds: tuple[int, ...]
    row_groups: tuple[list[int], ...]
    sound: dict[str, Column]

    @property
    def num_rows(self) -> int:
        return self.bounds[-1]

    def values(self, column: Column, dims: slice = slice(None)) -> npt.NDArray[Any]:
        """A column of all files: shape (rows,) if its width is 1, else (rows, dimensions in dims)."""
        parts = []
        for path in self.files:
            with ParquetRows(self.tree.root / path) as rows:
                part = rows.numbers(column.name, column.width)
                # A copy, so that the dimensions left out do not stay in memory.
                parts.append(part if column.width == 1 else part[:, dims].copy())
        return np.concatenate(parts)


@dataclass(frozen=True)
class _File:
    """first: The first `index`, None if the file does not count up from it. unsound: Columns that break D1 or D2."""

    path: str
    row_groups: list[int]
    first: int | None
    unsound: set[str]

    @property
    def rows(self) -> int:
        return sum(self.row_groups)


def check_data_files(tree: Tree, info: Info, episodes: Episodes | None, report: Report) -> Data | None:
    """Checks D1 (but for the row groups), D2 and F3 for the data files.

    These are the files that the episode rows name, or all if they do not say. Returns None if one is missing or does
    not read.
    """
    named = None if episodes is None else episodes.data_paths()
    paths = sorted(set(named)) if named is not None else [p for p in tree.below("data/") if p.endswith(".parquet")]
    missing = [path for path in paths if path not in tree]
    if missing or not paths:
        report.skip(("D1", *_AFTER_D1), f"{missing[0]} is missing" if missing else "data has no parquet file")
        return None
    if info.unusable:
        report.skip(("D2",), f"{', '.join(info.unusable)}: described wrongly in meta/info.json")
    read = [_read(tree, path, info, report) for path in paths]
    report.ran("D1", "D2")
    files = _in_order([file for file in read if file is not None], report)
    if len(files) < len(paths):
        report.skip(_AFTER_D1, "a data file does not read")
        return None
    bounds = np.cumsum([0, *(file.rows for file in files)]).tolist()
    unsound = {name for file in files for name in file.unsound}
    sound = {column.name: column for column in info.columns if column.name not in unsound}
    row_groups = tuple(file.row_groups for file in files)
    return Data(tree, tuple(file.path for file in files), tuple(bounds), row_groups, sound)


def _read(tree: Tree, path: str, info: Info, report: Report) -> _File | None:
    """Checks D1 and D2 on one file. None if it does not read."""
    try:
        with ParquetRows(tree.root / path) as rows:
            unsound = _check_schema(path, rows, info, report)
            unsound |= _check_values(path, rows, info, unsound, report)
            return _File(path, rows.row_group_lengths(), _first_index(rows), unsound)
    except Unreadable as error:
        report.add("D1", path, "a parquet file of frames", str(error))
        return None


def _check_schema(path: str, rows: ParquetRows, info: Info, report: Report) -> set[str]:
    """Checks D1 but for the row groups. Returns the names of the columns that are missing or of a wrong type."""
    names = [name for name in info.features if name not in info.videos]
    found = list(rows.schema.names)
    if found != names:
        report.add("D1", path, f"the columns {shown(names, 600)}", shown(found, 600))
    unsound = {name for name in names if found.count(name) != 1}
    described: dict[str, object] = {}
    for column in info.columns:
        expected = type_text(column.arrow_type())
        if column.name not in unsound and type_text(rows.schema.field(column.name).type) != expected:
            report.add("D1", path, f"{column.name} of type {expected}", type_text(rows.schema.field(column.name).type))
            unsound.add(column.name)
        value = {"dtype": column.dtype, "_type": "Value"}
        described[column.name] = value if column.width == 1 else {"feature": value, "length": column.width}
    try:
        huggingface = rows.json_metadata("huggingface")
    except Unreadable as error:
        report.add("D1", path, "the features for the datasets library", str(error))
    else:
        if set(names) - {column.name for column in info.columns}:
            report.skip(("D1",), "the metadata for the datasets library: features are described wrongly")
        elif (told := _described(huggingface)) != described:
            report.add("D1", path, f"huggingface metadata with {shown(described, 600)}", shown(told, 600))
    if rows.compressions() - {"SNAPPY"}:
        report.add("D1", path, "Snappy compression", ", ".join(sorted(rows.compressions())))
    if plain := rows.undictionaried():
        report.add("D1", path, "dictionary encoding", f"none in {', '.join(sorted(plain))}")
    return unsound


def _described(huggingface: object) -> object:
    """The features in the `huggingface` metadata, without the name of their lists.

    That is "List" since version 4 of the datasets library and "Sequence" before.
    """
    info = huggingface.get("info") if isinstance(huggingface, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return huggingface
    return {
        name: {key: value for key, value in feature.items() if key != "_type"}
        if isinstance(feature, dict) and feature.get("_type") in ("List", "Sequence")
        else feature
        for name, feature in features.items()
    }


def _check_values(path: str, rows: ParquetRows, info: Info, unsound: set[str], report: Report) -> set[str]:
    """Checks D2. Returns the columns that break it."""
    breaking: set[str] = set()
    for column in info.columns:
        if column.name in unsound:
            report.skip(("D2",), f"{column.name} has not the type of its feature")
            continue
        read = rows.column(column.name)
        values = read.flatten() if column.width > 1 else read
        nulls = read.null_count + values.null_count
        bad = 0 if column.dtype != "float32" or nulls else int((~np.isfinite(values.to_numpy())).sum())
        if nulls or bad:
            found = f"{nulls} nulls" if nulls else f"{bad} values that are NaN or infinite"
            report.add("D2", path, f"{column.name} without nulls, NaN and infinity", found)
            breaking.add(column.name)
    return breaking


def _first_index(rows: ParquetRows) -> int | None:
    """The first `index` of a file in which it counts up by one, else None."""
    if "index" not in rows.schema.names or rows.num_rows == 0:
        return None
    try:
        index = rows.numbers("index", 1)
    except Unreadable:
        return None  # D1 or D2 says so
    if index.dtype != np.int64 or not (np.diff(index) == 1).all():
        return None
    return int(index[0])


def _in_order(files: list[_File], report: Report) -> list[_File]:
    """The files in the order of their frames.

    If each file counts up but the files joined in another order would count from 0 to the end, that is F3; any other
    disorder is D3, which `check_frames` finds.
    """
    order = sorted(files, key=lambda file: -1 if file.first is None else file.first)
    joined = np.cumsum([0, *(file.rows for file in order)])[:-1].tolist()
    if [file.first for file in order] != joined or order == files:
        return files
    found = ", ".join(f"{file.path} starts with frame {file.first}" for file in files)
    report.add("F3", "data", "files that hold the frames in the order of their names", found[:300])
    return order
