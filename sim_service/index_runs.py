"""Many indices in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_SHOWN: Final = 20  # runs


def index_runs(indices: Sequence[int], to: str = "-") -> str:
    """Of sorted indices, such as 3, 7-9. to: between the ends of a run."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    texts = [f"{first}" if first == last else f"{first}{to}{last}" for first, last in runs[:_SHOWN]]
    left = sum(last - first + 1 for first, last in runs[_SHOWN:])
    return ", ".join(texts) + (f" and {left} more" if left else "")
