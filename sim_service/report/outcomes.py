"""What came of a collection's attempts, counted from its episodes' rows and its list of indices given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M
from sim_service.report.facts import Coverage, Floats, Outcomes, PlacementErrors
from sim_service.report.row_values import Row, flag, number, numbers, placement_error_m, word

_CELL_M: Final = 0.1  # edge of the squares that the coverage counts
_MAX_POINTS: Final = 2000  # of the map; more could not be told apart
_MAX_REASONS: Final = 20


def outcomes(rows: Sequence[Row], exhausted: Mapping[str, Sequence[str]]) -> Outcomes | None:
    """exhausted: the failure reasons of each index that was given up. None without columns of this collector."""
    judged = [(row, success) for row in rows if (success := flag(row, "success")) is not None]
    if not judged or len(judged) < len(rows):
        return None
    failures: Counter[str] = Counter()
    first = first_successes = successes_2cm = 0
    for row, success in judged:
        before = word(row, "failed_attempts")
        failures.update(reason for reason in (before or "").split(",") if reason)
        if not success:
            failures[word(row, "failure_reason") or "unknown"] += 1
        successes_2cm += flag(row, "success_2cm") is True
        first += 1
        first_successes += success and number(row, "attempt") == 0
    for reasons in exhausted.values():
        failures.update(reasons)
    successes = sum(success for _, success in judged)
    shown = dict(failures.most_common(_MAX_REASONS))
    others = failures.total() - sum(shown.values())
    return Outcomes(
        attempts=successes + failures.total(),
        successes=successes,
        successes_2cm=successes_2cm,
        first=first + len(exhausted),
        first_successes=first_successes,
        exhausted=len(exhausted),
        recorded_failures=len(judged) - successes,
        failures=shown | ({"all others": others} if others else {}),
    )


def exhausted_indices(collection: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of meta/collection.json; what is not as this collector writes it counts as nothing."""
    found = collection.get("exhausted")
    if not isinstance(found, dict):
        return {}
    return {
        index: [reason for reason in reasons if isinstance(reason, str)]
        for index, reasons in found.items()
        if isinstance(reasons, list)
    }


def coverage(rows: Sequence[Row]) -> Coverage | None:
    """None without columns of this collector."""
    found = [
        (*pick, *place, flag(row, "success") is not False)
        for row in rows
        if (pick := numbers(row, "pick_xy_m", 2)) is not None
        and (place := numbers(row, "place_xy_m", 2)) is not None
        and max(map(abs, (*pick, *place))) <= 2.0  # farther than any arm: no place on a table
    ]
    if not found:
        return None
    table = np.array(found, np.float64)
    picks_m, places_m = table[:, 0:2], table[:, 2:4]
    every = -(-len(table) // _MAX_POINTS)
    return Coverage(
        picks_m=picks_m[::every],
        places_m=places_m[::every],
        success=table[::every, 4] > 0,
        episodes=len(table),
        picks_in=_cells_with(picks_m),
        places_in=_cells_with(places_m),
        cells=round((AREA_X_M[1] - AREA_X_M[0]) * (AREA_Y_M[1] - AREA_Y_M[0]) / _CELL_M**2),
    )


def placement_errors(rows: Sequence[Row]) -> PlacementErrors | None:
    """None without columns of this collector."""
    found = [
        (error_m, flag(row, "success") is not False) for row in rows if (error_m := placement_error_m(row)) is not None
    ]
    if not found:
        return None
    table = np.array(found, np.float64)
    return PlacementErrors(table[:, 0], table[:, 1] > 0)


def _cells_with(points_m: Floats) -> int:
    corner = np.array([AREA_X_M[0], AREA_Y_M[0]])
    counts = np.round((np.array([AREA_X_M[1], AREA_Y_M[1]]) - corner) / _CELL_M).astype(int)
    cells = np.floor((points_m - corner) / _CELL_M).astype(int)
    inside = ((cells >= 0) & (cells < counts)).all(axis=1)
    return len(np.unique(cells[inside], axis=0))
