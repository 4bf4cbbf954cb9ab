"""Tables of the report, each with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sim_service.quality.gate import Verdict
from sim_service.quality.wilson import wilson_interval
from sim_service.report.facts import Outcomes, Pairs
from sim_service.report.markup import Html, element, joined, shortened

_MAX_VERDICTS: Final = 60
_MAX_EPISODES: Final = 12
_TEXT_LENGTH: Final = 400
_ORDER: Final = ("fail", "pass", "skipped")
_MARKS: Final = {"pass": "✓ pass", "fail": "✗ fail", "skipped": "– skipped"}


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0, class_: str | None = None
) -> Html:
    """The first cell of a row is its heading; the last `numbers` columns are numbers."""
    first_number = len(head) - numbers

    def class_of(column: int) -> str | None:
        return "number" if column >= first_number else None

    heads = [element("th", text, scope="col", class_=class_of(column)) for column, text in enumerate(head)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=class_of(column)) for column, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_=class_,
    )


def pairs_table(caption: str, pairs: Pairs) -> Html:
    rows = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in pairs]
    return element("table", element("caption", caption), element("tbody", *rows), class_="pairs")


def outcomes_table(outcomes: Outcomes) -> Html:
    counted = [
        ("within 5 cm", outcomes.successes, outcomes.attempts),
        ("within 2 cm", outcomes.successes_2cm, outcomes.attempts),
        ("at the first attempt", outcomes.first_successes, outcomes.first),
    ]
    rows = []
    for name, successes, trials in counted:
        low, high = wilson_interval(successes, trials)
        rate = f"{100 * successes / trials:.1f} %" if trials else "–"
        rows.append((name, f"{successes:,} of {trials:,}", rate, f"{100 * low:.1f} to {100 * high:.1f} %"))
    caption = "Success, and the interval in which the true rate lies with 95 % confidence (Wilson)"
    return table(caption, ("", "Count", "Rate", "95 %"), rows, numbers=3)


def verdicts_table(verdicts: Sequence[Verdict]) -> Html:
    """Failures first."""
    rows = []
    for verdict in sorted(verdicts, key=lambda verdict: _ORDER.index(verdict.status))[:_MAX_VERDICTS]:
        badge = element("span", _MARKS[verdict.status], class_=f"badge {verdict.status}")
        name = joined([element("span", shortened(verdict.gate, 80)), element("br"), badge])
        found = [element("span", shortened(verdict.found, _TEXT_LENGTH))]
        if verdict.episodes:
            more = len(verdict.episodes) - _MAX_EPISODES
            told = ", ".join(map(str, verdict.episodes[:_MAX_EPISODES])) + (f" and {more} more" if more > 0 else "")
            found += [element("br"), element("span", f"Episodes at fault: {told}", class_="muted")]
        rows.append((name, joined(found), shortened(verdict.allowed, _TEXT_LENGTH)))
    return table("What the quality gates found, failures first", ("Gate", "Found", "Allowed"), rows, class_="gates")
