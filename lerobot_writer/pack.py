"""Join a finished dataset's files without re-encoding: one video per camera, data files of up to 100 MB.

`StreamingLeRobotDataset` reads only datasets with one video per camera (huggingface/lerobot#4524), and hubs prefer few
files. The packets and the rows stay as they are.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import av
import av.error
import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_writer import layout
from lerobot_writer.durable import disk_errors, flush
from lerobot_writer.errors import ResumeError, WriterError
from lerobot_writer.lock import holding
from lerobot_writer.swap import finish_swap, rebuilding
from lerobot_writer.tables import read_table, write_table
from lerobot_writer.video import open_mp4, time_base

_DATA_FILE_BYTES: Final = 100 * 2**20  # data_files_size_in_mb of info.json


class PackError(WriterError):
    """The dataset cannot be packed; it stays as it was."""


def pack_dataset(root: Path) -> None:
    """Build the packed dataset beside `root`, verify it and swap the two.

    Raises PackError, ResumeError or StorageError with `root` untouched. A kill at any time leaves the old or the new
    dataset; what else it left beside it is cleared by the next writer or packing.
    """
    root = root.resolve()  # a link to the folder stays one
    with disk_errors(f"cannot pack {root}"):
        finish_swap(root)
        if not (root / layout.INFO).exists() or not (root / layout.WRITER).exists():
            raise ResumeError(f"{root} holds no dataset of lerobot_writer")
        with holding(root):
            info = _finished_info(root)
            try:
                with rebuilding(root) as rebuilt:
                    _build(root, rebuilt, info)
            except (av.error.FFmpegError, pa.ArrowException) as error:
                raise PackError(f"cannot pack {root}: {error}; check it") from error


def _finished_info(root: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((root / layout.INFO).read_bytes())
    quantile_episodes = json.loads((root / layout.WRITER).read_bytes())["quantile_episodes"]
    if (root / layout.UNFINISHED).exists() or quantile_episodes != info["total_episodes"]:
        raise ResumeError(f"{root} was left unfinished; reopen it with resume=True and finalize it before packing")
    return info


def _build(root: Path, rebuilt: Path, info: dict[str, Any]) -> None:
    _copy_everything_else(root, rebuilt)
    rows = _episode_rows(root)
    lengths = rows.column("length").to_pylist()
    columns = _pack_data(root, rebuilt, len(lengths))
    for key, feature in info["features"].items():
        if feature["dtype"] == "video":
            columns |= _pack_video(root, rebuilt, key, info["fps"], rows, lengths)
    _write_episodes(rebuilt, rows, columns)
    for folder, _, _ in os.walk(rebuilt):
        flush(Path(folder))


def _copy_everything_else(root: Path, rebuilt: Path) -> None:
    """Hard-link, or copy where that is impossible, all that packing does not rewrite."""
    rewritten = {layout.DATA, layout.VIDEOS, layout.EPISODES}
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        links = [name for name in folders if (root / here / name).is_symlink() and here / name not in rewritten]
        folders[:] = [name for name in folders if here / name not in rewritten and name not in links]
        (rebuilt / here).mkdir(exist_ok=True)
        for name in links:
            (rebuilt / here / name).symlink_to((root / here / name).readlink())
        for name in files:
            try:
                os.link(root / here / name, rebuilt / here / name)
            except OSError:
                shutil.copy2(root / here / name, rebuilt / here / name)
                flush(rebuilt / here / name)


def _episode_rows(root: Path) -> pa.Table:
    files = [f for f in layout.numbered_files(root) if f.parent.parent == layout.EPISODES]
    return pa.concat_tables([read_table(root / file) for file in files])


def _row_groups(root: Path) -> Iterator[pa.Table]:
    """The episodes' rows, in order."""
    for file in layout.numbered_files(root):
        if file.parts[0] == layout.DATA.name:
            with pq.ParquetFile(root / file) as parquet:
                for group in range(parquet.num_row_groups):
                    yield parquet.read_row_group(group, use_threads=False)


def _pack_data(root: Path, rebuilt: Path, episodes: int) -> dict[str, list[Any]]:
    """Copy all row groups into as few files as allowed; returns the episodes' new columns."""
    at: list[tuple[int, int]] = []
    number, path, writer = 0, Path(), None
    for table in _row_groups(root):
        if writer is None:
            path = rebuilt / layout.data_file(*layout.chunk_and_file(number))
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path, table.schema, compression="snappy", use_dictionary=True)
        writer.write_table(table, row_group_size=max(1, table.num_rows))
        at.append(layout.chunk_and_file(number))
        if path.stat().st_size >= _DATA_FILE_BYTES:
            writer.close()
            flush(path)
            number, writer = number + 1, None
    if writer is not None:
        writer.close()
        flush(path)
    if len(at) != episodes:
        raise PackError(f"{root} has {episodes} episodes but {len(at)} row groups in its data; check it")
    return {"data/chunk_index": [chunk for chunk, _ in at], "data/file_index": [file for _, file in at]}


def _pack_video(
    root: Path, rebuilt: Path, key: str, fps: int, rows: pa.Table, lengths: list[int]
) -> dict[str, list[Any]]:
    """Copy the packets of one camera into one file; returns the episodes' new columns."""
    places = rows.select([f"videos/{key}/chunk_index", f"videos/{key}/file_index"]).to_pylist()
    sources = dict.fromkeys(layout.video_file(key, *place.values()) for place in places)
    path = rebuilt / layout.video_file(key, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    ticks_per_frame = time_base(fps).denominator // fps
    frames = 0
    stream: Any = None
    parameters: bytes | None = None
    with open_mp4(path, fps) as target:
        for source in sources:
            with av.open(str(root / source)) as container:
                template = container.streams.video[0]
                if stream is None:
                    # opaque: without looking for an encoder of the decoder's name; dav1d has none
                    stream = target.add_stream_from_template(template, opaque=True)
                    stream.time_base = time_base(fps)
                    stream.codec_context.bit_rate = 0  # the first source's; unknown, as in the written files
                    parameters = template.codec_context.extradata
                elif template.codec_context.extradata != parameters:
                    raise PackError(f"{source} was encoded with other parameters: it cannot be joined unchanged")
                first = frames
                for packet in container.demux(template):
                    if packet.dts is None:
                        continue  # the empty packet that ends the file
                    if packet.time_base != time_base(fps) or packet.pts != (frames - first) * ticks_per_frame:
                        at_s = packet.pts * packet.time_base
                        raise PackError(f"{source} has frame {frames - first} at {at_s} s, not at n / {fps}")
                    packet.pts = packet.dts = frames * ticks_per_frame
                    packet.stream = stream
                    target.mux(packet)
                    frames += 1
    flush(path)
    if frames != sum(lengths):
        raise PackError(f"the videos of {key} hold {frames} frames, the episodes {sum(lengths)}; check the dataset")
    starts = [0]
    for length in lengths[:-1]:
        starts.append(starts[-1] + length)
    return {
        f"videos/{key}/chunk_index": [0] * len(lengths),
        f"videos/{key}/file_index": [0] * len(lengths),
        f"videos/{key}/from_timestamp": [start / fps for start in starts],
        f"videos/{key}/to_timestamp": [(start + length) / fps for start, length in zip(starts, lengths, strict=True)],
    }


def _write_episodes(rebuilt: Path, rows: pa.Table, columns: dict[str, list[Any]]) -> None:
    for name, values in columns.items():
        position = rows.column_names.index(name)
        rows = rows.set_column(position, rows.field(position), pa.array(values, rows.field(position).type))
    for start in range(0, rows.num_rows, layout.EPISODES_PER_META_FILE):
        file = layout.episodes_file(*layout.chunk_and_file(start // layout.EPISODES_PER_META_FILE))
        write_table(rows.slice(start, layout.EPISODES_PER_META_FILE), rebuilt / file)
