"""Write datasets of known truth and merge them: `python tests/judges/merged_datasets.py OUT`.

Runs in the product's environment. Beside each merged dataset DIR lies DIR.truth.json, what it holds; the parts lie in a
folder of their own. Prints a line per merged dataset.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from make_dataset import AV1_TO_EDIT, write
from truth import Truth, truth_path

from lerobot_writer.merge import Episode, merge_datasets
from lerobot_writer.merge_source import open_source
from lerobot_writer.pack import pack_dataset

SMALL = Truth((4, 12, 7, 6, 10), width=128, height=96, fps=30)
"""Lengths 31, 29, 23, 16, 15; three tasks, in an order that no part has."""
TURNS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1))
"""The part and the position there of each episode of `SMALL`."""


def merge(
    out: Path, expected: Truth, order: Sequence[tuple[int, int]], *, packs: Sequence[bool], pack: bool, **options: Any
) -> Path:
    """Write the parts, some of them packed, and merge them; with `pack`, pack the result."""
    roots = []
    for part, packed in enumerate(packs):
        held = sorted((position, number) for number, (of, position) in enumerate(order) if of == part)
        root = out.with_name(f"parts of {out.name}") / str(part)
        write(root, replace(expected, episodes=tuple(expected.episodes[n] for _, n in held)), pack=packed, **options)
        roots.append(root)
    merge_datasets(out, [open_source(root) for root in roots], [Episode(*place) for place in order])
    if pack:
        pack_dataset(out)
    expected.save(truth_path(out))
    return out


def merge_all(out: Path) -> list[Path]:
    """Every variant, each in its own folder of `out`."""
    av1 = Truth((4, 7, 6), width=64, height=64, fps=50)
    in_order = ((0, 0), (1, 0), (1, 1))
    return [
        merge(out / "merged", SMALL, TURNS, packs=(False, False, False), pack=False),
        merge(out / "merged_of_packed", SMALL, TURNS, packs=(True, False, True), pack=False),
        merge(out / "merged_and_packed", SMALL, TURNS, packs=(True, True, False), pack=True),
        merge(out / "merged_av1_and_packed", av1, in_order, packs=(True, False), pack=True, codec=AV1_TO_EDIT),
    ]


def main(words: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="an empty or missing folder")
    arguments = parser.parse_args(words if words is None else list(words))
    for dataset in merge_all(arguments.out):
        print(dataset)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
