"""Ways to damage a dataset: each takes what to break and returns a function that breaks it in a dataset's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from small_dataset import FPS, SIZE

Damage = Callable[[Path], None]


def delete(path: str) -> Damage:
    return lambda root: (root / path).unlink()


def add(path: str, content: bytes = b"orphan") -> Damage:
    def damage(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)

    return damage


def rewrite(path: str, text: str) -> Damage:
    return lambda root: (root / path).write_text(text, encoding="utf-8") and None


def replace(path: str, old: str, new: str) -> Damage:
    def damage(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert old in text
        (root / path).write_text(text.replace(old, new), encoding="utf-8")

    return damage


def document(path: str, edit: Callable[[Any], object]) -> Damage:
    """Edits a JSON file in place."""

    def damage(root: Path) -> None:
        content = json.loads((root / path).read_text(encoding="utf-8"))
        edit(content)
        (root / path).write_text(json.dumps(content), encoding="utf-8")

    return damage


def table(path: str, edit: Callable[[pa.Table], pa.Table], compression: str = "snappy", **options: Any) -> Damage:
    """Edits a parquet file, keeping its row groups."""

    def damage(root: Path) -> None:
        source = pq.ParquetFile(root / path)
        lengths = [source.metadata.row_group(group).num_rows for group in range(source.metadata.num_row_groups)]
        edited = edit(source.read())
        source.close()
        with pq.ParquetWriter(root / path, edited.schema, compression=compression, **options) as writer:
            start = 0
            for length in lengths:
                writer.write_table(edited.slice(start, length), row_group_size=length)
                start += length
            if start < edited.num_rows:
                writer.write_table(edited.slice(start))

    return damage


def cells(path: str, column: str, change: Callable[[list[Any]], object]) -> Damage:
    """Edits the values of a column in place, as a Python list."""

    def edit(old: pa.Table) -> pa.Table:
        values = old.column(column).to_pylist()
        change(values)
        position = old.schema.get_field_index(column)
        return old.set_column(position, old.schema.field(column), pa.array(values, old.schema.field(column).type))

    return table(path, edit)


def put(row: int, value: object) -> Callable[[list[Any]], None]:
    def change(values: list[Any]) -> None:
        values[row] = value(values[row]) if callable(value) else value

    return change


def exchange(first: int, second: int) -> Callable[[list[Any]], None]:
    def change(values: list[Any]) -> None:
        values[first], values[second] = values[second], values[first]

    return change


def metadata(path: str, key: str, value: str | None) -> Damage:
    def edit(old: pa.Table) -> pa.Table:
        kept = {name: content for name, content in (old.schema.metadata or {}).items() if name != key.encode()}
        return old.replace_schema_metadata(kept if value is None else kept | {key.encode(): value.encode()})

    return table(path, edit)


def regrouped(path: str, lengths: list[int]) -> Damage:
    def damage(root: Path) -> None:
        rows = pq.read_table(root / path)
        with pq.ParquetWriter(root / path, rows.schema, compression="snappy") as writer:
            start = 0
            for length in lengths:
                writer.write_table(rows.slice(start, length))
                start += length

    return damage


def row_groups(path: str, change: Callable[[list[pa.Table]], object]) -> Damage:
    """Edits the list of a parquet file's row groups in place."""

    def damage(root: Path) -> None:
        with pq.ParquetFile(root / path) as source:
            groups = [source.read_row_group(group) for group in range(source.num_row_groups)]
        change(groups)
        with pq.ParquetWriter(root / path, groups[0].schema, compression="snappy") as writer:
            for group in groups:
                writer.write_table(group)

    return damage


def remuxed(
    path: str,
    keep: Callable[[int], bool] = lambda _: True,
    later: Callable[[int], int] = lambda _: 0,
    ticks_per_s: int = 15360,
    form: str = "mp4",
    audio: bool = False,
) -> Damage:
    """Copies a video's packets into a new file. keep, later (in ticks of 1/15360 s): By packet number."""

    def damage(root: Path) -> None:
        target = root / "remuxed"
        options = {"video_track_timescale": str(ticks_per_s)} if form == "mp4" else {}
        with av.open(str(root / path)) as source, av.open(str(target), "w", format=form, options=options) as sink:
            stream = sink.add_stream_from_template(source.streams.video[0])
            if audio:
                sound = sink.add_stream("aac", rate=48000)
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate = 48000
            for number, packet in enumerate(source.demux(source.streams.video[0])):
                if packet.size and keep(number):
                    packet.stream = stream
                    packet.pts += later(number)
                    packet.dts += later(number)
                    sink.mux(packet)
            if audio:
                sink.mux([*sound.encode(silence), *sound.encode(None)])
        target.replace(root / path)

    return damage


def reencoded(path: str, change: Callable[[np.ndarray], np.ndarray] | None = None, **how: Any) -> Damage:
    """Decodes a video and encodes it again. how: codec, gop_size, pix_fmt, size (width, height)."""

    def damage(root: Path) -> None:
        target = root / "reencoded.mp4"
        with av.open(str(root / path)) as source, av.open(str(target), "w") as sink:
            stream = sink.add_stream(how.get("codec", "libx264"), rate=FPS)
            stream.width, stream.height = how.get("size", SIZE)
            stream.pix_fmt = how.get("pix_fmt", "yuv420p")
            stream.codec_context.gop_size = how.get("gop_size", 10)
            stream.codec_context.options = {"preset": "ultrafast", "crf": "10", "bf": "0"}
            for number, frame in enumerate(source.decode(video=0)):
                changed = frame if change is None else rgb_frame(change(frame.to_ndarray(format="rgb24")))
                changed = changed.reformat(stream.width, stream.height, stream.pix_fmt)
                changed.pts, changed.time_base = number, Fraction(1, FPS)
                changed.pict_type = 0  # else a decoded keyframe is encoded as one
                sink.mux(stream.encode(changed))
            sink.mux(stream.encode(None))
        target.replace(root / path)

    return damage


def rgb_frame(picture: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


def all_of(*damages: Damage) -> Damage:
    def damage(root: Path) -> None:
        for single in damages:
            single(root)

    return damage


def swapped_files(first: str, second: str) -> Damage:
    def damage(root: Path) -> None:
        (root / first).rename(root / "aside")
        (root / second).rename(root / first)
        (root / "aside").rename(root / second)

    return damage


def one_byte_wrong(path: str) -> Damage:
    """Damages pictures, not the container: 40 bytes in the middle of the packets."""

    def damage(root: Path) -> None:
        content = bytearray((root / path).read_bytes())
        with av.open(str(root / path)) as container:
            packets = [p for p in container.demux(video=0) if p.size]
            position = packets[1].pos + packets[1].size // 2
        content[position : position + 40] = bytes(40)
        (root / path).write_bytes(content)

    return damage


def reordered(names: Callable[[list[str]], list[str]]) -> Callable[[pa.Table], pa.Table]:
    return lambda old: old.select(names(old.schema.names))


def doubled(counts: list[Any]) -> None:
    counts[:] = [[2 * count for count in row] for row in counts]


def retyped(old: pa.Table, name: str, kind: pa.DataType) -> pa.Schema:
    return old.schema.set(old.schema.get_field_index(name), pa.field(name, kind))
