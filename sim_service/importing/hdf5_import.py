"""Makes a LeRobot v3.0 dataset of the demonstrations of an HDF5 file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lerobot_writer import DatasetExistsError, SimLeRobotWriter, VideoCodec
from lerobot_writer.durable import disk_errors, flush, make_directory, remove_folder, write_flushed
from lerobot_writer.lock import holding
from sim_service.export.hdf5_layout import COLLECTION, INFO, TIMESTAMP
from sim_service.export.hdf5_library import Hdf5Error
from sim_service.importing.demos import Demo, DemoFile
from sim_service.importing.known_layouts import draft_text, isaac_lab_mapping, own_mapping
from sim_service.importing.mapping import DemoMapping, Source, names_of
from sim_service.ledger import COLLECTION_FILE, Ledger

_FPS_TOLERANCE: Final = 1e-3  # frames/s
_NO_CAMERA_SIZE: Final = (2, 2)  # pixels; the writer asks for one, where no camera has it


@dataclass(frozen=True)
class ImportRequest:
    """output: a folder that does not exist, or is empty. mapping: None for a file that needs none. fps, task: None
    where the file says. skip_first: frames at the beginning of every demonstration that are left out. keep_failed:
    whether failed ones come along."""

    output: Path
    mapping: DemoMapping | None = None
    fps: int | None = None
    task: str | None = None
    skip_first: int = 0
    keep_failed: bool = False


@dataclass(frozen=True)
class Imported:
    """left_out: names of the failed demonstrations."""

    episodes: int
    frames: int
    left_out: tuple[str, ...]


def import_hdf5(file: DemoFile, request: ImportRequest, progress: Callable[[int], None] | None = None) -> Imported:
    """Write the dataset; it appears whole, at the end, or not at all.

    progress: called after each demonstration with how many there are in all. Raises Hdf5Error, WriterError or
    LedgerError.
    """
    own = own_mapping(file)
    mapping = request.mapping or own or isaac_lab_mapping(file)
    if mapping is None:
        raise Hdf5Error(
            f"{file.path} is neither an export by this program nor of Isaac Lab's Franka. {draft_text(file)}"
        )
    about = (file.json(INFO) or {}) if own is not None else {}
    fps = request.fps or _fps(file, about)
    demos, left_out = _chosen(file, request)
    _require_same_shapes(file, demos, mapping)
    size = _picture_size(file, demos, mapping)
    # What the columns of a collection say of frames holds for all of them alone, and for the arrays of an export.
    whole = own is not None and request.mapping is None and request.skip_first == 0
    columns = {demo.name: demo.columns if whole else _columns(demo, demos) for demo in demos}
    frames = 0
    with _staging(request.output) as staging:
        with SimLeRobotWriter(
            staging,
            str(about.get("repo_id") or f"isaac-collect/{request.output.name}"),
            fps,
            mapping.robot_type,
            len(names_of(mapping.state)),
            len(names_of(mapping.action)),
            list(mapping.cameras),
            size or _NO_CAMERA_SIZE,
            names_of(mapping.state),
            names_of(mapping.action),
            extra_features={
                name: ((len(names_of(sources)),), names_of(sources)) for name, sources in mapping.extra.items()
            },
            codec=_codec(about),
        ) as writer:
            for demo in demos:
                frames += _add_demo(writer, file, demo, mapping, fps, request, columns[demo.name], exact=whole)
                if progress is not None:
                    progress(len(demos))
        if whole:
            _restore_collection(staging, file, kept_all=not left_out)
        with disk_errors(f"cannot write {request.output}"):
            _require_free(request.output)
            staging.rename(request.output)
            flush(request.output.parent)
    return Imported(len(demos), frames, tuple(left_out))


def _chosen(file: DemoFile, request: ImportRequest) -> tuple[list[Demo], list[str]]:
    """The demonstrations to import, and the names of those that failed."""
    everything = [file.demo(name) for name in file.names]
    good = file.succeeded()
    failed = {
        demo.name
        for demo in everything
        if demo.success is False or (demo.success is None and good is not None and demo.name not in good)
    }
    left_out = [] if request.keep_failed else [demo.name for demo in everything if demo.name in failed]
    demos = [demo for demo in everything if demo.name not in left_out]
    if not demos:
        raise Hdf5Error(f"all {len(everything)} demonstrations of {file.path} failed; --keep-failed imports them")
    short = [demo for demo in demos if demo.length <= request.skip_first]
    if short:
        found = ", ".join(f"{demo.name} has {demo.length} frames" for demo in short[:5])
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        asked = f"--skip-first {request.skip_first} leaves nothing" if request.skip_first else "there is nothing"
        raise Hdf5Error(f"{asked} of {len(short)} demonstrations of {file.path}: {found}{more}")
    without_task = [demo.name for demo in demos if demo.task is None]
    if without_task and request.task is None:
        raise Hdf5Error(f"{file.path} does not say what the task was: --task 'pick up the cube'")
    return demos, left_out


def _sources(mapping: DemoMapping) -> Iterator[Source]:
    for sources in mapping.vectors.values():
        yield from sources


def _require_same_shapes(file: DemoFile, demos: Sequence[Demo], mapping: DemoMapping) -> None:
    """Apart from the number of frames, and of all arrays that the mapping names."""
    keys = [*(source.key for source in _sources(mapping)), *mapping.cameras.values()]
    first: dict[str, tuple[int, ...]] = {}
    for demo in demos:
        arrays = file.arrays(demo.name)
        shapes = {key: arrays[key][0][1:] for key in keys if key in arrays}
        first = first or shapes
        differing = [
            f"{key} has rows of shape {shapes[key]}, {first[key]} in {demos[0].name}"
            for key in shapes
            if key in first and shapes[key] != first[key]
        ]
        if differing:
            raise Hdf5Error(f"{file.path}: demonstrations of different shapes: {demo.name}: {'; '.join(differing)}")


def _picture_size(file: DemoFile, demos: Sequence[Demo], mapping: DemoMapping) -> tuple[int, int] | None:
    """(width, height) of every camera; None where there is none."""
    sizes: dict[tuple[int, int], str] = {}
    for demo in demos:
        for key in mapping.cameras.values():
            height, width = file.picture_size(demo, key)
            sizes.setdefault((width, height), f"{key} {width} x {height}")
    if len(sizes) > 1:
        raise Hdf5Error(f"{file.path}: all cameras of a dataset have one size; found {', '.join(sizes.values())}")
    return next(iter(sizes), None)


def _fps(file: DemoFile, about: Mapping[str, Any]) -> int:
    """Of an export, of Isaac Lab's sim_args, or of robosuite's control_freq [1/s]."""
    arguments = file.env_args
    simulation, of_robosuite = arguments.get("sim_args"), arguments.get("env_kwargs")
    rate: float | None = None
    if isinstance(about.get("fps"), int):
        rate = about["fps"]
    elif isinstance(simulation, dict) and {"dt", "decimation"} <= simulation.keys():
        period_s = _number(simulation["dt"]) * _number(simulation["decimation"])
        rate = 1 / period_s if period_s > 0 else None
    elif isinstance(of_robosuite, dict) and "control_freq" in of_robosuite:
        rate = _number(of_robosuite["control_freq"])
    if rate is None:
        raise Hdf5Error(f"{file.path} does not say how many frames a second it has: --fps N")
    if abs(rate - round(rate)) > _FPS_TOLERANCE or rate < 1:
        raise Hdf5Error(f"{file.path} has {rate:g} frames a second; a dataset has a whole number of them: --fps N")
    return round(rate)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _codec(about: Mapping[str, Any]) -> VideoCodec | None:
    """That of the exported dataset, where this writer encoded it."""
    features = about.get("info", {}).get("features", {})
    videos = [feature.get("info", {}) for feature in features.values() if feature.get("dtype") == "video"]
    names = ("video.codec", "video.preset", "video.crf", "video.g")
    if not videos or not all(name in videos[0] for name in names):
        return None
    codec = VideoCodec(*(videos[0][name] for name in names))
    try:
        return None if codec.problems(64, 64, 30) else codec
    except TypeError:
        return None  # another tool's words


def _add_demo(
    writer: SimLeRobotWriter,
    file: DemoFile,
    demo: Demo,
    mapping: DemoMapping,
    fps: int,
    request: ImportRequest,
    columns: Mapping[str, object],
    *,
    exact: bool,
) -> int:
    """Returns the number of its frames. columns: of its row. exact: whether its timestamps must be those of frames."""
    first, episode = request.skip_first, writer.num_episodes
    vectors = {
        name: np.concatenate([file.vector(demo, source) for source in sources], axis=1)
        for name, sources in mapping.vectors.items()
    }
    state, action = vectors.pop("state"), vectors.pop("action")
    times_s = _times_s(file, demo) if exact else None
    pictures = {camera: file.pictures(demo, key, first) for camera, key in mapping.cameras.items()}
    length = demo.length - first
    for frame in range(length):
        row = first + frame
        for camera, stream in pictures.items():
            writer.add_video_frame(camera, next(stream))
        time_s = frame / fps if times_s is None else float(times_s[row])
        extra = {name: values[row] for name, values in vectors.items()}
        writer.add_frame(episode, frame, state[row], action[row], time_s, frame == length - 1, extra)
    task = request.task or demo.task or ""
    writer.finish_episode(episode, length, task, columns)
    return length


def _times_s(file: DemoFile, demo: Demo) -> NDArray[np.float64] | None:
    """As an export holds them, for the writer to compare with its own."""
    has = TIMESTAMP in file.arrays(demo.name)
    return file.vector(demo, Source(TIMESTAMP, (TIMESTAMP,)))[:, 0] if has else None


def _columns(demo: Demo, demos: Sequence[Demo]) -> dict[str, object]:
    """Of its row, where there are no others: the same ones for all demonstrations."""
    told = all(each.success is not None for each in demos)
    return {"import/demo": demo.name, **({"import/success": demo.success} if told else {})}


def _restore_collection(dataset: Path, file: DemoFile, *, kept_all: bool) -> None:
    """meta/collection.json as it was; counted again where episodes were left out."""
    content = file.json(COLLECTION)
    if content is None:
        return
    with disk_errors(f"cannot write {dataset}"):
        write_flushed(dataset / COLLECTION_FILE, (json.dumps(content, indent=2) + "\n").encode())
    if not kept_all:
        Ledger.read(dataset).save()


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """A name beside `output` for a new folder, gone at the end unless it was renamed; what a killed import left
    there is removed. Raises InUseError while somebody else imports into `output`."""
    _require_free(output)
    beside = output.with_name(f".{output.name}.importing")
    staging = beside / "dataset"
    with disk_errors(f"cannot write {output}"):
        make_directory(beside)
    with holding(beside):
        try:
            remove_folder(staging)
            yield staging
        finally:
            remove_folder(staging)
            beside.rmdir()


def _require_free(output: Path) -> None:
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise DatasetExistsError(f"{output} exists and is not a folder")
    if output.is_dir() and any(output.iterdir()):
        raise DatasetExistsError(f"{output} exists and is not empty; import into a new folder")
