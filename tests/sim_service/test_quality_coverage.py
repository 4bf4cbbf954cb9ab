"""The gates on where picks and places are: what the collector draws passes, clusters and gaps do not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from collectors.objects import CUBE, YCB
from collectors.randomization import PRESETS
from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M, PickPlace
from collectors.variation import draw_variation
from sim_service.quality.coverage import LEAST_EPISODES, OWN_DISCREPANCY, CoverageGate
from sim_service.quality.coverage_discrepancy import MOST_POINTS, discrepancy, most_discrepancy
from sim_service.quality.coverage_occupancy import CELLS, EVEN, TALL, least_visited, visited_cells
from sim_service.quality.gate import EpisodeNumbers, Verdict

Points = NDArray[np.float64]
GATES = ("pick-occupancy", "pick-discrepancy", "place-occupancy", "place-discrepancy")
CORNER_M = np.array([AREA_X_M[0], AREA_Y_M[0]])
SIZE_M = np.array([AREA_X_M[1] - AREA_X_M[0], AREA_Y_M[1] - AREA_Y_M[0]])


def verdicts(picks_m: Points, places_m: Points, height_m: float = 0.04) -> dict[str, Verdict]:
    gate = CoverageGate()
    for number, (pick_m, place_m) in enumerate(zip(picks_m.tolist(), places_m.tolist(), strict=True)):
        row = {
            "collection/pick_xy_m": pick_m,
            "collection/place_xy_m": place_m,
            "collection/object_size_m": [0.04, 0.04, height_m],
        }
        gate.see(EpisodeNumbers(number, 30, row, {}, {}))
    return {verdict.gate: verdict for verdict in gate.verdicts()}


def uniform(count: int, seed: int) -> Points:
    """In the unit square."""
    return np.random.default_rng(seed).random((count, 2))


def in_area(points: Points) -> Points:
    inside: Points = CORNER_M + points * SIZE_M
    return inside


@cache
def collected(use_ycb: bool, preset: str, count: int) -> tuple[tuple[float, ...], ...]:
    """Picks, places and object heights [m] as the collector draws them."""
    task = PickPlace(tuple(YCB.values()) if use_ycb else (CUBE,))
    rows = []
    for index in range(count):
        variation = draw_variation(PRESETS[preset], (5, index, 0))
        plan = task.draw(np.random.default_rng([5, index, 0]), variation)
        rows.append((*plan.pick_xy_m, *plan.scene.goal_xy_m, plan.scene.kind.size_m[2]))
    return tuple(rows)


@pytest.mark.parametrize(("use_ycb", "preset"), [(False, "none"), (False, "full"), (True, "none"), (True, "full")])
@pytest.mark.parametrize("count", [20, 60])
def test_what_the_collector_draws_passes(use_ycb: bool, preset: str, count: int) -> None:
    rows = np.array(collected(use_ycb, preset, 60))[:count]
    assert (rows[:, 4] > 0.06).all() == use_ycb
    found = verdicts(rows[:, :2], rows[:, 2:4], float(rows[0, 4]))
    assert {name: found[name].status for name in GATES} == dict.fromkeys(GATES, "pass")


CLUSTERS: dict[str, Callable[[Points], Points]] = {
    "corner": lambda points: points / 2,
    "middle": lambda points: 0.25 + points / 2,
    "near half": lambda points: points * [0.5, 1],
    "left half": lambda points: points * [1, 0.5],
    "one spot": lambda points: points * 0.01 + 0.7,
    "few spots": lambda points: points[np.arange(len(points)) % 8],
    "beyond": lambda points: points + [0.6, 0],
}


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("spot", ["pick", "place"])
def test_clusters_of_fifty_fail(cluster: str, spot: str) -> None:
    """In every draw, and of the spot that clusters alone."""
    for seed in range(3):
        clustered, spread = in_area(CLUSTERS[cluster](uniform(50, seed))), in_area(uniform(50, 1000 + seed))
        found = verdicts(*((clustered, spread) if spot == "pick" else (spread, clustered)))
        assert "fail" in {found[f"{spot}-{kind}"].status for kind in ("occupancy", "discrepancy")}, seed
        assert {found[name].status for name in GATES if not name.startswith(spot)} == {"pass"}, seed


def test_a_corner_is_noticed_as_soon_as_anything_is() -> None:
    for seed in range(10):
        found = verdicts(in_area(uniform(LEAST_EPISODES, seed) / 2), in_area(uniform(LEAST_EPISODES, 500 + seed)))
        assert (found["pick-occupancy"].status, found["pick-discrepancy"].status) == ("fail", "fail")


def test_tall_objects_in_a_corner_fail_both_gates() -> None:
    found = verdicts(in_area(uniform(50, 0) / 2), in_area(uniform(50, 1)), height_m=0.19)
    assert (found["pick-occupancy"].status, found["pick-discrepancy"].status) == ("fail", "fail")


def test_many_tall_objects_may_avoid_what_they_have_to() -> None:
    """Spots as often in a cell as TALL has them; of cubes they were far from even."""
    rng = np.random.default_rng(6)
    cells = rng.choice(TALL.size, 2000, p=(TALL / TALL.sum()).ravel())
    points = (np.stack(np.divmod(cells, CELLS[1]), axis=1) + rng.random((2000, 2))) / CELLS
    picks, places = in_area(points[:1000]), in_area(points[1000:])
    assert {verdict.status for verdict in verdicts(picks, places, height_m=0.19).values()} == {"pass"}
    assert {verdict.status for verdict in verdicts(picks, places).values()} == {"fail"}


def test_a_strip_that_is_never_visited() -> None:
    """Half of the cells along one side, 0.1 m x 0.3 m, of many episodes."""
    points = uniform(400, 2)
    kept = points[~((points[:, 0] > 0.75) & (points[:, 1] > 0.5))]
    assert verdicts(in_area(kept), in_area(uniform(len(kept), 3)))["pick-occupancy"].status == "fail"


def test_even_draws_fail_no_more_often_than_is_stated() -> None:
    least, most = least_visited([(50, EVEN)]), most_discrepancy(50, OWN_DISCREPANCY)
    draws = [uniform(50, seed) for seed in range(4000)]
    assert sum(visited_cells(points) < least for points in draws) <= 10  # fewer than 4 expected
    assert sum(discrepancy(points) > most for points in draws[:1000]) <= 1


def test_few_episodes_are_skipped() -> None:
    few = in_area(uniform(LEAST_EPISODES - 1, 0))
    found = verdicts(few, few)
    assert {found[name].status for name in GATES} == {"skipped"}
    assert "19 episodes" in found["pick-occupancy"].found


def test_other_collectors_datasets_are_skipped() -> None:
    gate = CoverageGate()
    gate.see(EpisodeNumbers(0, 30, {"length": 5}, {}, {}))
    assert [(verdict.status, verdict.found) for verdict in gate.verdicts()] == [
        ("skipped", f"no column collection/{spot}_xy_m") for spot in ("pick", "pick", "place", "place")
    ]


def test_the_discrepancy_is_hickernells() -> None:
    """Against its integral, term by term, on a fine grid of the unit square."""
    points = uniform(7, 4)
    side = (np.arange(400) + 0.5) / 400

    def kernel(x: Points, y: Points) -> Points:
        """Of one dimension."""
        return 1 + (np.abs(x - 0.5) + np.abs(y - 0.5) - np.abs(x - y)) / 2

    between = [kernel(points[:, None, axis], points[None, :, axis]) for axis in range(2)]
    to_square = [kernel(points[:, None, axis], side).mean(axis=1) for axis in range(2)]
    square = kernel(side[:, None], side[None, :]).mean()
    expected = square**2 - 2 * np.prod(to_square, axis=0).mean() + np.prod(between, axis=0).mean()
    assert discrepancy(points) == pytest.approx(np.sqrt(expected), rel=1e-3)


def test_the_discrepancy_falls_as_even_points_fill_the_square() -> None:
    lattice = [np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2), -1).reshape(-1, 2) for n in (2, 4, 8, 16)]
    found = [discrepancy(points) for points in lattice]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.03 < found[0]


def test_many_points_cost_no_more_than_a_part_of_them() -> None:
    points = uniform(30_000, 5)
    assert discrepancy(points) < most_discrepancy(len(points), 0.0) == most_discrepancy(MOST_POINTS, 0.0)


def test_cells_are_counted_once_and_what_is_beyond_at_the_border() -> None:
    assert visited_cells(np.array([[0.1, 0.1], [0.2, 0.12], [0.9, 0.9]])) == 2
    assert visited_cells(np.array([[1.0, 1.0], [1.3, 0.99], [0.99, 0.99]])) == 1


def test_the_least_number_of_cells_grows_with_the_episodes() -> None:
    for cells in (EVEN, TALL):
        least = [least_visited([(count, cells)]) for count in (20, 50, 200, 1000, 10_000)]
        assert least == sorted(least)
        assert least[-1] > 20
    assert least_visited([(10_000, EVEN)]) == CELLS[0] * CELLS[1]
    assert least_visited([(50, EVEN), (0, TALL)]) == least_visited([(50, EVEN)]) > least_visited([(50, TALL)])
