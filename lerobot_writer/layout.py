"""Where every file of a dataset lies, relative to its root (FORMAT.md, "Files")."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

FILES_PER_CHUNK: Final = 1000
MAX_FILES: Final = 1000 * FILES_PER_CHUNK  # three digits for the chunk and for the file
EPISODES_PER_META_FILE: Final = 1000  # bounds the rewrite per episode
# Of packed datasets:
DATA_FILE_BYTES: Final = 100 * 2**20  # data_files_size_in_mb of info.json
HISTOGRAMS_PER_FILE: Final = 1000  # episodes; 20 to 30 kB each with three cameras

INFO: Final = Path("meta/info.json")
STATS: Final = Path("meta/stats.json")
TASKS: Final = Path("meta/tasks.parquet")
TASKS_JSONL: Final = Path("meta/tasks.jsonl")
WRITER: Final = Path("meta/writer.json")
COLLECTION: Final = Path("meta/collection.json")  # the collector's own, never touched here
UNFINISHED: Final = Path(".unfinished")

DATA: Final = Path("data")
VIDEOS: Final = Path("videos")
EPISODES: Final = Path("meta/episodes")
HISTOGRAMS: Final = Path("meta/image_histograms")

# LeRobot's default templates; its merge and feature tools have them hard-coded.
DATA_TEMPLATE: Final = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_TEMPLATE: Final = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

_OUR_FILE: Final = re.compile(
    r"(data|meta/episodes|meta/image_histograms)/chunk-\d{3}/file-\d{3}\.parquet|videos/[^/]+/chunk-\d{3}/file-\d{3}\.mp4"
)


def chunk_and_file(number: int) -> tuple[int, int]:
    """Chunk and file index of the number-th file of a kind."""
    return number // FILES_PER_CHUNK, number % FILES_PER_CHUNK


def chunk_and_file_of(path: Path) -> tuple[int, int]:
    """Of a numbered file."""
    return int(path.parent.name.removeprefix("chunk-")), int(path.stem.removeprefix("file-"))


def _numbered(folder: Path, chunk: int, file: int, suffix: str) -> Path:
    return folder / f"chunk-{chunk:03d}" / f"file-{file:03d}{suffix}"


def data_file(chunk: int, file: int) -> Path:
    return _numbered(DATA, chunk, file, ".parquet")


def episodes_file(chunk: int, file: int) -> Path:
    return _numbered(EPISODES, chunk, file, ".parquet")


def histogram_file(chunk: int, file: int) -> Path:
    return _numbered(HISTOGRAMS, chunk, file, ".parquet")


def video_file(video_key: str, chunk: int, file: int) -> Path:
    return _numbered(VIDEOS / video_key, chunk, file, ".mp4")


def numbered_files(root: Path, *kinds: Path) -> list[Path]:
    """The files that a writer numbers, as they are found, relative to the root and sorted. Others are not ours.

    kinds: the folders to look in, such as DATA; all of them where none is named.
    """
    found = []
    for folder in kinds or (DATA, VIDEOS, EPISODES, HISTOGRAMS):
        for path in (root / folder).rglob("*"):
            relative = path.relative_to(root)
            if _OUR_FILE.fullmatch(str(PurePosixPath(relative))):
                found.append(relative)
    return sorted(found)
