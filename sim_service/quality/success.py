"""How many attempts succeeded, and whether failures are among the episodes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from sim_service.ledger import COLLECTION_FILE
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.wilson import wilson_interval

# The collector's measured rate is 198 of 200 and more (docs/benchmarks.md, docs/randomization.md). A rate fails where
# its interval lies below this; of sets with a true rate of this, that is one in forty.
LEAST_RATE: Final = 0.95

NO_COLUMN: Final = "no column collection/success"


class SuccessGate:
    """Verdicts "success-rate" (within 5 cm) and "success-2cm", both of all attempts: those recorded, those that failed
    before them, and those at episodes that were given up, which meta/collection.json tells."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._attempts = 0
        self._successes = Counter[str]()
        self._failures = Counter[str]()
        self._episodes: set[int] = set()

    def see(self, episode: EpisodeNumbers) -> None:
        row = episode.row
        if row.get("collection/success") is None:
            return
        self._attempts += 1
        if row["collection/success"]:
            self._successes["success-rate"] += 1
            self._successes["success-2cm"] += bool(row.get("collection/success_2cm"))
        else:
            self._failures[row.get("collection/failure_reason") or "unknown"] += 1
        earlier = row.get("collection/failed_attempts")
        if earlier:
            self._fail(earlier.split(","))
            self._episodes.add(episode.number)

    def verdicts(self) -> Iterator[Verdict]:
        if not self._attempts:
            yield Verdict("success-rate", "skipped", NO_COLUMN)
            yield Verdict("success-2cm", "skipped", NO_COLUMN)
            return
        given_up = _given_up(self._root)
        for reasons in given_up.values():
            self._fail(reasons)
        figures = {
            "attempts": self._attempts,
            "failures": dict(sorted(self._failures.items())),
            "given_up": len(given_up),
        }
        for gate, words in (("success-rate", "succeeded"), ("success-2cm", "succeeded within 2 cm")):
            successes = self._successes[gate]
            least, most = wilson_interval(successes, self._attempts)
            yield Verdict(
                gate,
                "fail" if most < LEAST_RATE else "pass",
                f"{successes} of {self._attempts} attempts {words}; 95 % interval {least:.1%} to {most:.1%}",
                f"an interval that reaches {LEAST_RATE:.0%}",
                successes / self._attempts,
                tuple(sorted(self._episodes)) if most < LEAST_RATE else (),
                {**figures, "interval": [least, most]},
            )

    def _fail(self, reasons: Sequence[str]) -> None:
        self._attempts += len(reasons)
        self._failures.update(reasons)


class FailuresKeptGate:
    """Verdict "failures-kept": a set to imitate holds successes only."""

    def __init__(self) -> None:
        self._failed: list[int] = []
        self._episodes = 0

    def see(self, episode: EpisodeNumbers) -> None:
        success = episode.row.get("collection/success")
        if success is None:
            return
        self._episodes += 1
        if not success:
            self._failed.append(episode.number)

    def verdicts(self) -> Iterator[Verdict]:
        if not self._episodes:
            yield Verdict("failures-kept", "skipped", NO_COLUMN)
            return
        yield Verdict(
            "failures-kept",
            "fail" if self._failed else "pass",
            f"{len(self._failed)} of {self._episodes} episodes are failures",
            "none",
            float(len(self._failed)),
            tuple(self._failed),
        )


def _given_up(root: Path) -> Mapping[int, list[str]]:
    """Episode index to the reasons of its attempts, all of which failed; none where no collection's file tells."""
    try:
        exhausted: dict[str, list[str]] = json.loads((root / COLLECTION_FILE).read_bytes())["exhausted"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {int(index): reasons for index, reasons in exhausted.items()}
