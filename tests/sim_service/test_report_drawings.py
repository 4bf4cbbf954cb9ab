"""Drawings of the report: that they show what they are given, where it belongs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from html_page import Element, parse

from collectors.kinematics import least_tilt
from collectors.tasks.pick_place import MAX_TILT_RAD
from sim_service.report.coverage_map import coverage_map, reach_at_table_m
from sim_service.report.facts import Coverage, Distribution, Line, Mark, Panel, Phase, PlacementErrors
from sim_service.report.histogram import distribution_figure, error_figure
from sim_service.report.markup import Html
from sim_service.report.motion_plot import motion_figure, thinned
from sim_service.report.scale import Scale, around, round_step

LIMITS_M = {"2 cm": 0.02, "5 cm": 0.05}


def bars(drawing: Html, class_: str) -> list[int]:
    """What the bars say that they count."""
    found = [entry for entry in parse(drawing).all("rect") if entry.attributes.get("class") == class_]
    return [int(re.search(r": ([\d,]+) episode", entry.text).group(1).replace(",", "")) for entry in found]  # type: ignore[union-attr]  # every bar has it


def points_of(drawing: Element, class_: str) -> list[tuple[float, float]]:
    (path,) = (entry for entry in drawing.all("path") if entry.attributes.get("class") == class_)
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.-]+) ([\d.-]+)m", path.attributes["d"] or "")]


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (-3.5, 900.0), (0.0412, 0.0413), (1e6, 1e6 + 7)])
def test_ticks_are_round_few_and_within_the_scale(least: float, most: float) -> None:
    scale = Scale(least, most, 300.0, 20.0)
    assert (scale.at(least), scale.at(most)) == (300.0, 20.0)
    for count in range(1, 12):
        ticks = scale.ticks(count)
        slack = 1e-9 * (most - least)
        assert all(least - slack <= tick <= most + slack for tick in ticks)
        assert len(ticks) <= count + 1
        steps = np.diff(ticks)
        assert np.allclose(steps, steps[:1])


def test_a_round_step_is_the_least_that_is_not_below() -> None:
    assert [round_step(step) for step in (1.0, 1.1, 2.0, 4.9, 5.1, 0.011)] == pytest.approx([1, 2, 2, 5, 10, 0.02])


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-3.0, -3.0 - 1e-12], [0.0, 1e-300]])
def test_values_that_hardly_differ_still_have_a_range(values: Sequence[float]) -> None:
    least, most = around(np.array(values))
    assert least < min(values)
    assert max(values) < most


@pytest.mark.parametrize("size", [1, 2, 17, 2000])
@pytest.mark.parametrize("asked", [None, (-1.0, 12.0)])
def test_no_episode_is_missing_from_a_histogram(size: int, asked: tuple[float, float] | None) -> None:
    values = np.random.default_rng(size).normal(5.0, 3.0, size)
    drawing = distribution_figure(Distribution("Object", "mass", "kg", values=values, asked=asked))
    assert sum(bars(drawing, "good")) == size
    whole = np.random.default_rng(size).integers(0, 5, size).astype(float)
    drawing = distribution_figure(Distribution("Robot", "delay", values=whole))
    assert sum(bars(drawing, "good")) == size
    assert bars(drawing, "good") == [int(count) for count in np.bincount(whole.astype(int)) if count]


def test_values_outside_of_what_was_asked_for_are_drawn_too() -> None:
    values = np.array([0.0, 1.0, 30.0])
    drawing = distribution_figure(Distribution("Robot", "gain", values=values, asked=(0.9, 1.1)))
    assert sum(bars(drawing, "good")) == 3
    assert len([entry for entry in parse(drawing).all("rect") if entry.attributes.get("class") == "asked"]) == 1


def test_errors_are_told_apart_by_success_whatever_their_size() -> None:
    errors_m = np.array([0.0, 1e-12, 3e-5, 3e-5, 0.019, 0.049, 0.3, 7.0, 1e9])
    success = np.array([True] * 6 + [False] * 3)
    drawing = error_figure(PlacementErrors(errors_m, success), LIMITS_M)
    assert sum(bars(drawing, "good")) == 6
    assert sum(bars(drawing, "bad")) == 3


def test_an_error_is_left_of_the_limit_that_it_keeps() -> None:
    for name, limit_m in LIMITS_M.items():
        places = []
        for factor in (0.5, 2.0):
            drawing = parse(
                error_figure(PlacementErrors(np.array([limit_m * factor]), np.array([True])), {name: limit_m})
            )
            (bar,) = (entry for entry in drawing.all("rect") if entry.attributes["class"] == "good")
            (limit,) = (entry for entry in drawing.all("line") if entry.attributes["class"] == "limit")
            middle = float(bar.attributes["x"] or "") + float(bar.attributes["width"] or "") / 2
            places.append(middle - float(limit.attributes["x1"] or ""))
        assert places[0] < 0 < places[1]


def test_forward_is_up_and_left_is_left_on_the_map() -> None:
    picks_m = np.array([[0.3, 0.0], [0.7, 0.0], [0.5, 0.3], [0.5, -0.3]])
    coverage = Coverage(picks_m, picks_m[::-1] + 0.01, np.ones(4, bool), 4, 4, 4, 24)
    drawing = parse(coverage_map(coverage))
    near, far, left, right = points_of(drawing, "pick")
    assert far[1] < left[1] < near[1]
    assert left[0] < near[0] == far[0] < right[0]
    assert left[1] == right[1]
    # as long forward as sideways
    assert near[1] - far[1] == pytest.approx(0.4 / 0.6 * (right[0] - left[0]), rel=0.01)
    (base,) = (entry for entry in drawing.all("circle") if entry.attributes["class"] == "base")
    assert float(base.attributes["cx"] or "") == pytest.approx(near[0], abs=0.1)
    assert float(base.attributes["cy"] or "") > near[1]


def test_failed_episodes_are_crosses_on_the_map() -> None:
    picks_m = np.array([[0.3, 0.0], [0.7, 0.1]])
    drawing = parse(coverage_map(Coverage(picks_m, picks_m + 0.05, np.array([True, False]), 2, 2, 2, 24)))
    assert [len(points_of(drawing, class_)) for class_ in ("pick", "place", "failed")] == [1, 1, 2]


def test_the_reach_is_where_the_arm_ends() -> None:
    reach_m = reach_at_table_m()
    near, far = least_tilt((reach_m - 1e-3, 0.0, 0.43)), least_tilt((reach_m + 1e-3, 0.0, 0.43))
    assert near is not None
    assert near <= MAX_TILT_RAD
    assert far is None or far > MAX_TILT_RAD


def test_a_thinned_line_keeps_its_ends_and_its_extremes() -> None:
    times_s = np.arange(5000) / 30
    values = np.random.default_rng(1).normal(size=5000)
    values[1234] = 99.0
    values[4321] = -99.0
    found = thinned(Line("state", times_s, values), 400)
    assert len(found.values) <= 402
    assert {99.0, -99.0} <= set(found.values)
    assert (np.diff(found.times_s) > 0).all()
    assert (found.times_s[0], found.times_s[-1]) == (times_s[0], times_s[-1])
    assert all(values[round(time * 30)] == value for time, value in zip(found.times_s, found.values, strict=True))
    assert thinned(found, 402) is found


def test_a_plot_has_its_lines_phases_and_peak_in_their_places() -> None:
    times_s = np.linspace(0.0, 3.0, 91)
    lines = (Line("action", times_s, times_s * 2), Line("state", times_s, times_s))
    panel = Panel("joint 1", "rad", lines, Mark(1.5, 1.5, "peak"))
    phases = (Phase("A", 0.0, 1.0), Phase("B", 1.0, 3.0))
    drawing = parse(motion_figure(panel, phases, 3.0))
    state, action = drawing.all("polyline")  # the action over the state
    assert (state.attributes["class"], action.attributes["class"]) == ("state", "action")
    points = [tuple(map(float, pair.split(","))) for pair in (state.attributes["points"] or "").split()]
    (mark,) = drawing.all("circle")
    place = float(mark.attributes["cx"] or ""), float(mark.attributes["cy"] or "")
    assert place == pytest.approx(points[45], abs=0.11)
    (band,) = (entry for entry in drawing.all("rect") if entry.attributes["class"] == "phase")
    begin, width = float(band.attributes["x"] or ""), float(band.attributes["width"] or "")
    assert begin + width == pytest.approx(points[30][0], abs=0.1)
    assert begin == pytest.approx(points[0][0], abs=0.1)
    assert points[0][1] > points[-1][1]  # larger is higher up
