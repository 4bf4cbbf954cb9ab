"""What can go wrong. Every error is a `WriterError`; the dataset on disk is valid after each of them."""

from __future__ import annotations

from collections.abc import Sequence


class WriterError(Exception):
    """Base of all errors of this package."""


class SchemaError(WriterError, ValueError):
    """The description of the dataset (dimensions, names, cameras, codec) does not hold together."""


class FrameError(WriterError, ValueError):
    """A frame, an episode's length, task or columns do not fit the schema. Nothing of the call was kept."""


class OrderError(WriterError):
    """A call came out of order: a wrong frame or episode index, a verb that is not possible now."""


class DatasetExistsError(WriterError, FileExistsError):
    """The output directory holds something already."""


class ResumeError(WriterError):
    """The existing dataset cannot be continued: another schema, another writer at work, or damage."""


class InUseError(ResumeError):
    """Somebody else writes, packs or merges there now; later it may do."""


class MergeError(WriterError):
    """The datasets cannot be merged: they differ, or one is damaged. They stay as they were, and there is no output."""


class PackError(WriterError):
    """The dataset cannot be packed; it stays as it was."""


class EncodingError(WriterError):
    """A background video encoder failed; the message names camera and episode. Discard the episode to go on."""


class StorageError(WriterError, OSError):
    """The disk refused: no space, no permission, a file in the way."""


class CommitError(WriterError):
    """An episode could not be committed. The message says whether to discard it or to reopen with `resume=True`."""


def raise_all(error: type[WriterError], subject: str, problems: Sequence[str]) -> None:
    """Raise one error that lists every problem; do nothing when there is none."""
    if problems:
        raise error(f"{subject}: {'; '.join(problems)}")
