"""Whether objects and colours are drawn evenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collectors.objects import PALETTE, YCB
from sim_service.quality.gate import EpisodeNumbers, Verdict

LEAST_EPISODES: Final = 20
FALSE_ALARM: Final = 0.001
_SAMPLES: Final = 20_000


class VarietyGate:
    """Verdicts "colour-variety", of the objects whose colour is drawn, and "object-variety", of YCB objects: how
    unevenly they are drawn, by Pearson's chi-square against an even draw."""

    def __init__(self) -> None:
        self._colours = Counter[str]()
        self._objects = Counter[str]()

    def see(self, episode: EpisodeNumbers) -> None:
        colour, kind = (episode.row.get(f"collection/{name}") for name in ("object_colour", "object"))
        if colour in PALETTE:
            self._colours[colour] += 1
        if kind in YCB:
            self._objects[kind] += 1

    def verdicts(self) -> Iterator[Verdict]:
        yield _verdict("colour-variety", "colours", self._colours, PALETTE)
        yield _verdict("object-variety", "objects", self._objects, YCB)


def _verdict(gate: str, words: str, counts: Counter[str], choices: Collection[str]) -> Verdict:
    total = counts.total()
    if total < LEAST_EPISODES:
        reason = f"{total} episodes have {words} that are drawn, {LEAST_EPISODES} are needed"
        return Verdict(gate, "skipped", reason, figures={"counts": dict(sorted(counts.items()))})
    found = float(_unevenness(np.array([counts[name] for name in choices])))
    most = _most_unevenness(total, len(choices))
    return Verdict(
        gate,
        "pass" if found <= most else "fail",
        f"{len(counts)} of {len(choices)} {words}, the most frequent in {max(counts.values())} of {total} episodes: "
        f"chi-square {found:.1f}",
        f"a chi-square of at most {most:.1f}",
        found,
        figures={"counts": dict(sorted(counts.items()))},
    )


def _unevenness(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pearson's chi-square against an even draw; counts: shape (..., choices)."""
    expected = counts.sum(axis=-1, keepdims=True) / counts.shape[-1]
    result: NDArray[np.float64] = ((counts - expected) ** 2 / expected).sum(axis=-1)
    return result


def _most_unevenness(total: int, choices: int) -> float:
    """Of all but FALSE_ALARM of the even draws, by random ones."""
    samples = np.random.default_rng(0).multinomial(total, np.full(choices, 1 / choices), _SAMPLES)
    return float(np.quantile(_unevenness(samples), 1 - FALSE_ALARM))
