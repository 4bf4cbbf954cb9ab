"""Writes a dataset as one HDF5 file: an episode at a time, its pictures one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lerobot_writer.durable import flush
from lerobot_writer.layout import COLLECTION as COLLECTION_FILE
from lerobot_writer.layout import WRITER
from lerobot_writer.lock import holding
from lerobot_writer.schema import ACTION, STATE
from sim_service.export.hdf5_layout import (
    COLLECTION,
    FORMAT,
    INFO,
    MAPPING,
    ROW,
    demo_arrays,
    env_args,
    mapping_back,
    picture_key,
)
from sim_service.export.hdf5_library import DiskFile, Hdf5Error, hdf5_errors, require_h5py
from sim_service.stored import StoredDataset

_GZIP: Final = {"compression": "gzip", "compression_opts": 4}  # Isaac Lab's choice; every HDF5 tool reads it
_COLUMN: Final = "collection/"
_SUCCESS: Final = "collection/success"
_SEED: Final = "collection/seed"


def write_hdf5(dataset: StoredDataset, path: Path, progress: Callable[[], None] | None = None) -> int:
    """Write the file, which must not exist, and return its number of frames. It appears whole or not at all.

    progress: called after each episode. Raises Hdf5Error, DatasetError where the dataset is damaged, and InUseError
    while another export writes the same file.
    """
    require_h5py()
    import h5py

    _require_exportable(dataset)
    _require_free(path)
    collection = _json_of(dataset.root / COLLECTION_FILE)
    frames = 0
    with hdf5_errors(f"cannot write {path}"), _staging(path) as beside:
        with closing(DiskFile(beside)) as disk:
            with h5py.File(disk, "w") as file:
                _describe(file, dataset, collection)
                for episode in range(len(dataset.rows)):
                    frames += _write_demo(file, disk, dataset, episode)
                    if progress is not None:
                        progress()
                file["data"].attrs["total"] = frames
                _write_masks(file, dataset)
            disk.raise_error()
        flush(beside)
        _require_free(path)
        beside.rename(path)
        flush(path.parent)
    return frames


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise Hdf5Error(f"{path} exists already; choose another name")
    if not path.parent.is_dir():
        raise Hdf5Error(f"{path.parent} is not a folder")


@contextmanager
def _staging(path: Path) -> Iterator[Path]:
    """A file to write in a hidden folder beside `path`, which one export at a time has, and which is gone at the end;
    what a killed one left there is removed."""
    folder = path.with_name(f".{path.name}.exporting")
    file = folder / "export.hdf5"
    folder.mkdir(exist_ok=True)
    with holding(folder):
        try:
            file.unlink(missing_ok=True)
            yield file
        finally:
            file.unlink(missing_ok=True)
            folder.rmdir()


def _require_exportable(dataset: StoredDataset) -> None:
    missing = [name for name in (STATE, ACTION) if name not in dataset.numeric]
    if missing:
        raise Hdf5Error(f"{dataset.root} has no {' and no '.join(missing)}; it has {', '.join(dataset.features)}")
    if not dataset.rows:
        raise Hdf5Error(f"{dataset.root} has no episode")
    several = [number for number, row in enumerate(dataset.rows) if len(row["tasks"]) != 1]
    if several:
        found = dataset.rows[several[0]]["tasks"]
        raise Hdf5Error(f"a demonstration has one task; episode {several[0]} of {dataset.root} has {found}")


def _describe(file: Any, dataset: StoredDataset, collection: Mapping[str, Any] | None) -> None:
    """What holds for all demonstrations."""
    configuration = None if collection is None else collection["configuration"]
    writer = _json_of(dataset.root / WRITER) or {}
    file.create_group("data").attrs["env_args"] = env_args(dataset, configuration)
    about = {"format": FORMAT, "repo_id": writer.get("repo_id"), "fps": dataset.fps, "info": dataset.info}
    file[INFO] = json.dumps(about)
    file[MAPPING] = json.dumps(mapping_back(dataset).as_json())
    if collection is not None:
        file[COLLECTION] = json.dumps(collection)


def _write_demo(file: Any, disk: DiskFile, dataset: StoredDataset, episode: int) -> int:
    """Returns the number of its frames."""
    row, columns = dataset.row(episode), dataset.numbers(episode)
    length: int = row["length"]
    success: bool | None = row.get(_SUCCESS)
    demo = file.create_group(f"data/demo_{episode}")
    demo.attrs["num_samples"] = length
    if success is not None:
        demo.attrs["success"] = success
    if isinstance(row.get(_SEED), int):
        demo.attrs["seed"] = row[_SEED]
    own = {name: value for name, value in row.items() if name.startswith(_COLUMN)}
    demo.attrs[ROW] = json.dumps({"task": row["tasks"][0], "columns": own})
    for key, values in demo_arrays(dataset, columns, success).items():
        demo.create_dataset(key, data=values, **(_GZIP if values.size else {}))
    for camera in dataset.cameras:
        shape = (length, *dataset.features[camera]["shape"])
        # A chunk per picture, so that one can be read alone.
        stored = demo.create_dataset(picture_key(camera), shape, np.uint8, chunks=(1, *shape[1:]), **_GZIP)
        for number, picture in enumerate(dataset.pictures(episode, camera, range(length))):
            if picture.shape != shape[1:]:
                raise Hdf5Error(
                    f"picture {number} of {camera}, episode {episode} of {dataset.root}, has shape {picture.shape}; "
                    f"info.json says {shape[1:]}"
                )
            stored[number] = picture
            disk.raise_error()
    disk.raise_error()
    return length


def _write_masks(file: Any, dataset: StoredDataset) -> None:
    """robomimic's filter keys: the splits of info.json, and which demonstrations succeeded."""
    masks: dict[str, list[int]] = {}
    for name, span in (dataset.info.get("splits") or {}).items():
        first, _, end = str(span).partition(":")
        if first.isdecimal() and end.isdecimal():
            masks[str(name)] = list(range(int(first), min(int(end), len(dataset.rows))))
    if all(_SUCCESS in row for row in dataset.rows):
        masks["successful"] = [number for number, row in enumerate(dataset.rows) if row[_SUCCESS]]
    for name, demos in masks.items():
        file[f"mask/{name}"] = _texts([f"demo_{number}" for number in demos])


def _texts(names: list[str]) -> NDArray[np.bytes_]:
    """As robomimic's split_train_val writes them: bytes of one length."""
    return np.array(names, dtype=f"S{max(map(len, names), default=6)}")


def _json_of(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Hdf5Error(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise Hdf5Error(f"{path} holds no JSON object")
    return content
