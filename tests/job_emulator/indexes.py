"""Sets of completion indexes as the text in a Job's status: `1,3-5,7`."""

from __future__ import annotations

from collections.abc import Iterable


def format_indexes(indexes: Iterable[int]) -> str:
    """Three or more in a row become `first-last`, two stay `first,second` (indexed_job_utils.go, String)."""
    runs: list[list[int]] = []
    for index in sorted(set(indexes)):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def parse_indexes(text: str) -> set[int]:
    """Raises ValueError for what is no such text."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        found.update(range(int(first), int(last) + 1) if dash else (int(first),))
    return found
