"""A dataset's card: README.md in its folder, as the Hugging Face Hub shows it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

import pyarrow as pa
import yaml

from lerobot_writer.durable import flush, write_flushed
from sim_service.export.card_facts import read_facts
from sim_service.export.card_text import UNKNOWN_LICENSE, card_text

CARD_FILE: Final = Path("README.md")
_BESIDE: Final = Path(".README.md.tmp")
_LICENSE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # of the Hub's identifiers
_LICENSE_LINE: Final = re.compile(rf"\A(---\n)license: ({_LICENSE.pattern})\n")
_DIGEST_LINE: Final = re.compile(r"<!-- isaac-collect: ([0-9a-f]{64})[^\n]*-->\n\Z")
# What files raise whose content is not as it should be.
_OF_CONTENT: Final = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
    *(pa.ArrowException, yaml.YAMLError),
)
_NOTE: Final = "a card that was edited, but for its license, is left alone"


class CardError(RuntimeError):
    """The card cannot be written: there is no dataset, it cannot be read, or the disk refuses. Nothing was changed."""


def write_card(root: Path, license: str | None = None) -> bool:
    """Write README.md of the dataset at `root`, from what is in the dataset alone; returns False where it stays as it
    is because somebody edited it.

    license: an identifier of the Hugging Face Hub (https://huggingface.co/docs/hub/repositories-licenses); without one
    that of the card that is there, else "unknown". Replaces the file in one step. Raises CardError and nothing else.
    """
    if license is not None:
        require_license(license)
    try:
        kept = _license_of_ours(root / CARD_FILE)
        if kept is None:
            return False
        text = card_text(read_facts(root), license or kept)
        content = f"{text}\n<!-- isaac-collect: {_digest(text)}; {_NOTE} -->\n".encode()
        write_flushed(root / _BESIDE, content)
        (root / _BESIDE).replace(root / CARD_FILE)
        flush(root)
    except (OSError, *_OF_CONTENT) as error:
        raise CardError(f"cannot write the card of {root}: {type(error).__name__}: {error}") from error
    return True


def license_of(root: Path) -> str | None:
    """What the card says in its head, be it edited or not; None where it says none that could be read."""
    try:
        _, head, _ = (root / CARD_FILE).read_text(encoding="utf-8").split("---\n", 2)
        content = yaml.safe_load(head)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    license = content.get("license") if isinstance(content, dict) else None
    return license if isinstance(license, str) else None


def require_license(license: str) -> None:
    """Raise CardError unless it has the form of an identifier; which ones there are, the Hub knows."""
    if not _LICENSE.fullmatch(license) or not isinstance(yaml.safe_load(license), str):
        raise CardError(
            f"the license must be an identifier such as apache-2.0, mit or cc-by-4.0, got {license!r}; all of them: "
            "https://huggingface.co/docs/hub/repositories-licenses"
        )


def _license_of_ours(path: Path) -> str | None:
    """Of the card that is there, "unknown" where there is none; None where it is its owner's."""
    if not os.path.lexists(path):
        return UNKNOWN_LICENSE
    try:
        text = path.read_bytes().decode()
    except (IsADirectoryError, UnicodeDecodeError):
        return None
    digest, license = _DIGEST_LINE.search(text), _LICENSE_LINE.match(text)
    if digest is None or license is None or _digest(text[: digest.start() - 1]) != digest[1]:
        return None
    return license[2]


def _digest(text: str) -> str:
    """Of a card without its line of the license, so that an owner who writes another one there keeps a card of ours."""
    return hashlib.sha256(_LICENSE_LINE.sub(r"\1", text).encode()).hexdigest()
