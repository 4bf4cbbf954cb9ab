"""The sections of the report, each from the facts that it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from collectors.tasks.pick_place import GOAL_TOLERANCE_M, STRICT_GOAL_TOLERANCE_M
from sim_service.report.coverage_map import coverage_map, map_legend, reach_at_table_m
from sim_service.report.drawing import figure
from sim_service.report.facts import Coverage, PlacementErrors, Quality, ReportFacts
from sim_service.report.histogram import distribution_figure, error_figure, word_bars
from sim_service.report.markup import Html, element, joined, shortened
from sim_service.report.tables import outcomes_table, pairs_table, table, verdicts_table

NOT_OURS = (
    "This dataset does not have the columns that this collector writes for every episode, so there is nothing to show "
    "here."
)


def section(name: str, title: str, *content: Html) -> Html:
    return element(
        "section", element("h2", title, id=f"{name}-title"), *content, id=name, aria_labelledby=f"{name}-title"
    )


def paragraph(text: str, class_: str | None = None) -> Html:
    return element("p", text, class_=class_)


def problems_list(problems: Sequence[str]) -> Html:
    return joined(paragraph(f"Not shown: {shortened(problem, 300)}", "problem") for problem in problems)


def summary_section(facts: ReportFacts) -> Html:
    tiles = [element("div", element("dt", name), element("dd", value)) for name, value in facts.totals]
    parts = [
        element("dl", *tiles, class_="tiles"),
        problems_list(facts.problems),
        element(
            "div",
            pairs_table("How it was recorded", facts.recording),
            element("div", _tasks(facts), pairs_table("Versions", facts.versions)),
            class_="two",
        ),
    ]
    return section("summary", "Summary", *parts)


def _tasks(facts: ReportFacts) -> Html:
    rows = [(text or "(no text)", f"{count:,}") for text, count in facts.tasks]
    more = facts.total_tasks - len(rows)
    caption = f"The {len(rows)} most frequent of {facts.total_tasks:,} task texts" if more > 0 else "Task texts"
    return table(caption, ("Text", "Episodes"), rows, numbers=1)


def outcomes_section(facts: ReportFacts) -> Html:
    outcomes = facts.outcomes
    if outcomes is None:
        return section("outcomes", "Outcomes", paragraph(NOT_OURS, "muted"))
    told = f"{outcomes.attempts:,} attempts for {outcomes.first:,} episode indices."
    if outcomes.exhausted:
        told += f" Given up after their last attempt: {outcomes.exhausted:,}."
    if outcomes.recorded_failures:
        told += f" Failed attempts in the dataset: {outcomes.recorded_failures:,}."
    failures = (
        joined([element("h3", "Failures by reason"), word_bars(outcomes.failures, "reason of failure")])
        if outcomes.failures
        else paragraph("No attempt failed.", "muted")
    )
    return section(
        "outcomes",
        "Outcomes",
        paragraph(told),
        element("div", element("div", outcomes_table(outcomes)), element("div", failures), class_="two"),
    )


def places_section(facts: ReportFacts) -> Html:
    if facts.coverage is None or facts.errors is None:
        return section("places", "Picks and places", paragraph(NOT_OURS, "muted"))
    return section(
        "places",
        "Picks and places",
        element("div", _map(facts.coverage), _errors(facts.errors), class_="two"),
    )


def _map(coverage: Coverage) -> Html:
    shown = len(coverage.picks_m)
    sampled = f" The map shows {shown:,} of {coverage.episodes:,} episodes." if shown < coverage.episodes else ""
    told = (
        f"Of the area's {coverage.cells} squares of 10 cm, {coverage.picks_in} have a pick and {coverage.places_in} a "
        f"place.{sampled} Grey: the table. Dashed box: the area that is drawn from. Dashed arc: the fingertips' reach "
        f"at a cube's height, {reach_at_table_m():.2f} m."
    )
    return element(
        "div",
        figure("Seen from above; the robot looks up the page", coverage_map(coverage)),
        map_legend(coverage),
        paragraph(told, "muted"),
    )


def _errors(errors: PlacementErrors) -> Html:
    millimetres = 1000 * np.quantile(errors.errors_m, [0.5, 0.95, 1.0])
    limits_m = {"2 cm": STRICT_GOAL_TOLERANCE_M, "5 cm": GOAL_TOLERANCE_M}
    told = (
        f"From the object's centre to the goal's, in the plane, after settling. Median {millimetres[0]:.3g} mm, 95 % "
        f"below {millimetres[1]:.3g} mm, largest {millimetres[2]:.3g} mm."
    )
    hatched = "" if errors.success.all() else " Hatched: failed episodes."
    return element(
        "div",
        figure("Placement error [mm], episodes per bar; logarithmic", error_figure(errors, limits_m)),
        paragraph(told + hatched, "muted"),
    )


def variation_section(facts: ReportFacts) -> Html:
    if not facts.distributions:
        told = "Nothing that is recorded of the episodes differs between them." if facts.collected else NOT_OURS
        return section("variation", "What varies", paragraph(told, "muted"))
    parts: list[Html] = []
    if facts.preset:
        parts.append(paragraph(f"Randomization: {facts.preset}."))
    parts.append(
        paragraph("Episodes per bar. A grey strip below an axis is the range that the configuration asks for.", "muted")
    )
    for group, found in groupby(facts.distributions, key=lambda entry: entry.group):
        figures = [distribution_figure(entry) for entry in found]
        parts += [element("h3", group), element("div", *figures, class_="grid")]
    if facts.randomization:
        ranges = pairs_table("Ranges, bounds and choices as configured", facts.randomization)
        parts.append(element("details", element("summary", "Configuration of the randomization"), ranges))
    return section("variation", "What varies", *parts)


def quality_section(quality: Quality) -> Html:
    parts: list[Html] = []
    if quality.verdicts:
        counts = Counter(verdict.status for verdict in quality.verdicts)
        told = f"{counts['pass']} passed, {counts['fail']} failed, {counts['skipped']} skipped"
        parts += [paragraph(f"Gates: {told}."), verdicts_table(quality.verdicts)]
    if quality.problem:
        parts.append(paragraph(quality.problem, "problem"))
    return section("quality", "Quality", *parts)


def motion_section(quality: Quality) -> Html:
    if not quality.motion:
        told = "Joint speeds are told for datasets whose state and action have this collector's names and units."
        return section("motion", "Motion", paragraph(told, "muted"))
    head, *rows = quality.motion
    caption = "Joint motion of all episodes: the largest of any joint, and the root mean square over joints and time"
    return section("motion", "Motion", table(caption, head, rows, numbers=len(head) - 1))
