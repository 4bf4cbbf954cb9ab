"""The task's measured success rate on the embedded simulator, over fixed seeds."""

import pytest

from bench.outcomes import run_attempts, summarize


def require(attempts: int, seed: int, use_ycb: bool, least_successes: int) -> None:
    table = summarize(run_attempts(attempts, seed, use_ycb))
    assert table["attempts"] == attempts
    assert table["success_5cm"] >= least_successes, table
    assert table["success_2cm"] >= least_successes, table
    assert table["placement_median_mm"] <= 1.0, table
    assert table["placement_worst_mm"] < 5.0, table
    assert table["joint_speed_worst_of_limit"] <= 1.0, table


def test_thirty_cubes() -> None:
    require(30, 1, use_ycb=False, least_successes=30)


def test_fifteen_ycb_objects() -> None:
    require(15, 1, use_ycb=True, least_successes=15)


@pytest.mark.long
def test_two_hundred_cubes() -> None:
    require(200, 42, use_ycb=False, least_successes=199)


@pytest.mark.long
def test_two_hundred_ycb_objects() -> None:
    require(200, 42, use_ycb=True, least_successes=198)
