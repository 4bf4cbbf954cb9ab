"""The report as one page: no script, nothing from elsewhere."""

from __future__ import annotations

from typing import Final

from sim_service.report.episode_section import episodes_section
from sim_service.report.facts import ReportFacts
from sim_service.report.markup import Html, element, joined
from sim_service.report.sections import (
    motion_section,
    outcomes_section,
    places_section,
    quality_section,
    summary_section,
    variation_section,
)
from sim_service.report.style import STYLE

GENERATOR: Final = "isaac-collect report"
# As the service sends it; where the file is opened from the disk, this holds.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
_SECTIONS: Final = (
    *(("summary", "Summary"), ("outcomes", "Outcomes"), ("places", "Picks and places"), ("quality", "Quality")),
    *(("motion", "Motion"), ("episodes", "Episodes"), ("variation", "What varies")),
)


def render_report(facts: ReportFacts) -> str:
    """A whole HTML document in the order of `_SECTIONS`."""
    links = [element("li", element("a", title, href=f"#{name}")) for name, title in _SECTIONS]
    body = element(
        "body",
        element(
            "header",
            element("h1", facts.name or "Dataset"),
            element("p", "What was collected, and how good it is.", class_="lead muted"),
            element("nav", element("ul", *links), aria_label="Sections"),
        ),
        element(
            "main",
            summary_section(facts),
            outcomes_section(facts),
            places_section(facts),
            quality_section(facts.quality),
            motion_section(facts.quality),
            episodes_section(facts),
            variation_section(facts),
        ),
        element("footer", element("p", "Written by isaac-collect report. This page loads nothing.")),
        _hatch(),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=GENERATOR),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Report on {facts.name}"),
        element("style", Html(STYLE)),
    )
    return joined([Html("<!doctype html>\n"), element("html", head, body, lang="en"), Html("\n")])


def _hatch() -> Html:
    """For what is told apart without colour."""
    stripe = element("line", x1=0, y1=0, x2=0, y2=5, class_="hatching")
    pattern = element(
        "pattern", stripe, id="hatch", width=5, height=5, patternUnits="userSpaceOnUse", patternTransform="rotate(45)"
    )
    return element("svg", element("defs", pattern), width=0, height=0, aria_hidden="true", class_="unseen")
