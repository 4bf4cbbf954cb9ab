"""Puts a dataset on the Hugging Face Hub, where LeRobot finds it by the tag of its format."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sim_service
from lerobot_writer import layout
from lerobot_writer.check import check_dataset
from lerobot_writer.lock import holding
from lerobot_writer.schema import CODEBASE_VERSION
from lerobot_writer.swap import is_being_swapped
from sim_service.export.card import CARD_FILE, license_of, require_license, write_card
from sim_service.stored import DatasetError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

INSTALL: Final = "pip install 'isaac-collect[push]'"
# A commit takes at most 25,000 large files (huggingface_hub, `create_commit`); a smaller one loses less when it fails.
_FILES_PER_COMMIT: Final = 1000
_FOLDERS: Final = ("data/", "videos/", "meta/")  # whose files on the Hub are those of the dataset and no others
_LEFT_OUT: Final = re.compile(r"\..*|.*\.(tmp|lock|partial)")  # names of what is being written, and hidden ones
# huggingface_hub, `validate_repo_id`, of a user's and a repository's name.
_NAME: Final = re.compile(r"(?!.*(--|\.\.))(?![.-])[A-Za-z0-9_.-]{1,96}(?<![.-])(?<!\.git)")


class PushError(RuntimeError):
    """The dataset is not on the Hub, or not all of it; the message says why. again: whether another try may do."""

    def __init__(self, message: str, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


def push_dataset(root: Path, repo_id: str, private: bool, license: str | None, report: Callable[[str], None]) -> str:
    """Check the dataset at `root`, bring its card up to date, upload everything and tag the commit "v3.0", where
    LeRobot looks; returns the commit's address.

    Of the Hub's files below data, videos and meta those that the dataset does not have are deleted. The tag moves last:
    until then LeRobot goes on reading what was there before. private: a repository that does not exist becomes a
    private one; one that exists and is public is refused. report: told what is done next.

    Raises PushError, DatasetError, CardError, InUseError while somebody writes to the dataset, or OSError.
    """
    api = _open_api()
    _require_repo_id(repo_id)
    if license is not None:
        require_license(license)
    _require_dataset(root)
    with holding(root):
        report(f"checking {root}")
        checked = check_dataset(root)
        if not checked.ok:
            raise PushError(f"{root} is not valid, so it stays here:\n{checked.text()}")
        _bring_card(root, license, report)
        files = _files(root)
        report(f"uploading {len(files)} files to {repo_id}")
        return _talking(repo_id, lambda: _upload(api, root, repo_id, files, private, report))


def _open_api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise PushError(f"pushing needs huggingface_hub, which is not installed ({error}): {INSTALL}") from None
    return HfApi(library_name="isaac-collect", library_version=sim_service.__version__)


def _require_repo_id(repo_id: str) -> None:
    user, slash, name = repo_id.partition("/")
    if not slash or not _NAME.fullmatch(user) or not _NAME.fullmatch(name) or len(repo_id) > 96:
        raise PushError(
            "REPO_ID must be USER/NAME of letters, digits, '_', '-' and '.', 96 at most, with none of '-' and '.' at "
            f"either end or twice in a row, and no .git at the end; got {repo_id!r}"
        )


def _require_dataset(root: Path) -> None:
    if is_being_swapped(root):
        raise DatasetError(f"{root} is being packed, or a packing was interrupted: pack it again, then push")
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    if not (root / layout.INFO).exists():
        raise DatasetError(f"{root} holds no dataset with episodes: no {layout.INFO}")


def _bring_card(root: Path, license: str | None, report: Callable[[str], None]) -> None:
    if write_card(root, license):
        return
    found = license_of(root)
    if license is not None and found != license:
        raise PushError(
            f"--license {license}: {root / CARD_FILE} was edited by its owner and says {found or 'no license'}; "
            "say it there, or remove the file to have it written anew"
        )
    report(f"{CARD_FILE} was edited by its owner: it is uploaded as it is")


def _files(root: Path) -> list[str]:
    """Below the root, "/"-separated: pictures and numbers first, then what speaks of them."""
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not _LEFT_OUT.fullmatch(name)]
        found += [Path(folder, name).relative_to(root).as_posix() for name in names if not _LEFT_OUT.fullmatch(name)]
    return sorted(found, key=lambda name: (not name.startswith(("data/", "videos/")), name))


def _upload(
    api: HfApi, root: Path, repo_id: str, files: Sequence[str], private: bool, report: Callable[[str], None]
) -> str:
    """Returns the address of the tagged commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import RevisionNotFoundError

    where: dict[str, Any] = {"repo_id": repo_id, "repo_type": "dataset"}
    api.create_repo(**where, private=private or None, exist_ok=True)
    if private and not api.repo_info(**where).private:
        raise PushError(
            f"{repo_id} exists and is public: nothing was uploaded; make it private on the Hub, or push without "
            "--private"
        )
    kept = set(files)
    gone = [name for name in api.list_repo_files(**where) if name.startswith(_FOLDERS) and name not in kept]
    if gone:
        report(f"{len(gone)} files of what was there before are deleted, such as {gone[0]}")
    batches = list(_batches(files))
    for number, batch in enumerate(batches, 1):
        operations: list[Any] = [CommitOperationAdd(name, str(root / name)) for name in batch]
        if number == len(batches):
            operations += [CommitOperationDelete(name) for name in gone]
        part = f" ({number} of {len(batches)})" if len(batches) > 1 else ""
        commit = api.create_commit(**where, operations=operations, commit_message=f"Upload dataset{part}")
    with suppress(RevisionNotFoundError):  # it is the first push
        api.delete_tag(**where, tag=CODEBASE_VERSION)
    api.create_tag(**where, tag=CODEBASE_VERSION, revision=commit.oid)
    return str(commit.commit_url)


def _batches(files: Sequence[str]) -> Iterator[list[str]]:
    left = iter(files)
    while batch := list(islice(left, _FILES_PER_COMMIT)):
        yield batch


def _talking(repo_id: str, run: Callable[[], str]) -> str:
    """Run what talks to the Hub; its errors, without what was sent, as PushErrors."""
    from huggingface_hub.errors import HfHubHTTPError

    # Its base is that of all errors of the HTTP library below, which another one is in each version.
    network_errors: tuple[type[BaseException], ...] = (OSError, *HfHubHTTPError.__bases__)
    try:
        return run()
    except PushError:
        raise
    except HfHubHTTPError as error:
        raise _refusal(repo_id, error) from None
    except network_errors as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # of a file of the dataset
        raise PushError(f"cannot reach the Hub for {repo_id}: {_told(error)}", again=True) from None
    except (ValueError, RuntimeError) as error:  # the latter where one file of many failed
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(repo_id, error.__cause__) from None
        cause = f" ({_told(error.__cause__)})" if error.__cause__ is not None else ""
        raise PushError(f"the push to {repo_id} failed: {error}{cause}", again=bool(cause)) from None


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _refusal(repo_id: str, error: HfHubHTTPError) -> PushError:
    status = error.response.status_code
    said = f" ({error.server_message})" if error.server_message else ""
    if status == 401:
        return PushError(
            f"the Hub does not know who you are (401){said}: run `hf auth login`, or set HF_TOKEN to a token that may "
            "write"
        )
    if status == 403:
        return PushError(f"your token may not write to {repo_id} (403){said}: it needs the right to write there")
    return PushError(f"the Hub refused the push to {repo_id} ({status}){said}", status >= 500 or status in (408, 429))
