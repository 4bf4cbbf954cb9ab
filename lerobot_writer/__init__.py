"""Standalone, crash-safe writer and checker of LeRobot v3.0 datasets (numpy, pyarrow, PyAV only)."""

from lerobot_writer.errors import (
    CommitError,
    DatasetExistsError,
    EncodingError,
    FrameError,
    InUseError,
    MergeError,
    OrderError,
    ResumeError,
    SchemaError,
    StorageError,
    WriterError,
)
from lerobot_writer.video import VideoCodec
from lerobot_writer.writer import SimLeRobotWriter

__all__ = [
    "CommitError",
    "DatasetExistsError",
    "EncodingError",
    "FrameError",
    "InUseError",
    "MergeError",
    "OrderError",
    "ResumeError",
    "SchemaError",
    "SimLeRobotWriter",
    "StorageError",
    "VideoCodec",
    "WriterError",
]
