"""Parts that every drawing of the report shares: the SVG itself, its axes, a caption with the drawing."""

from __future__ import annotations

from collections.abc import Sequence

from sim_service.report.facts import Floats
from sim_service.report.markup import Html, element, joined
from sim_service.report.scale import Scale, tick_text

TICK_PX = 4


def drawing(width_px: int, height_px: int, label: str, *content: Html) -> Html:
    """label: what it shows, for those who do not see it."""
    return element("svg", *content, viewBox=f"0 0 {width_px} {height_px}", role="img", aria_label=label)


def figure(title: str, *content: Html, class_: str | None = None) -> Html:
    return element("figure", element("figcaption", title), *content, class_=class_)


def hint(text: str) -> Html:
    """What is shown while the pointer rests on the part of a drawing that has it inside."""
    return element("title", text)


def horizontal_axis(scale: Scale, y_px: float, ticks: Sequence[float]) -> Html:
    """At the foot of a panel; a label that would not fit beside the one before is left out."""
    parts = [line(scale.begin_px, y_px, scale.end_px, y_px, "axis")]
    free_px = -1e9
    for value in ticks:
        x_px, text = scale.at(value), tick_text(value)
        parts.append(line(x_px, y_px, x_px, y_px + TICK_PX, "axis"))
        half_px = 3.2 * len(text)  # 11 px digits are about 6 px wide
        if x_px - half_px >= free_px:
            parts.append(label(text, x_px, y_px + 16, "middle"))
            free_px = x_px + half_px + 4
    return joined(parts)


def vertical_axis(scale: Scale, x_px: float, end_px: float, ticks: Sequence[float]) -> Html:
    """At the left of a panel, with a faint line to `end_px` from every tick."""
    parts = []
    for value in ticks:
        y_px = scale.at(value)
        parts += [
            line(x_px, y_px, end_px, y_px, "grid"),
            label(tick_text(value), x_px - 5, y_px + 3.5, "end"),
        ]
    return joined(parts)


def line(x1_px: float, y1_px: float, x2_px: float, y2_px: float, class_: str) -> Html:
    return element("line", x1=_short(x1_px), y1=_short(y1_px), x2=_short(x2_px), y2=_short(y2_px), class_=class_)


def rectangle(x_px: float, y_px: float, width_px: float, height_px: float, class_: str, *content: Html) -> Html:
    return element(
        "rect",
        *content,
        x=_short(x_px),
        y=_short(y_px),
        width=_short(width_px),
        height=_short(height_px),
        class_=class_,
    )


def label(text: str, x_px: float, y_px: float, anchor: str = "start", class_: str | None = None) -> Html:
    return element("text", text, x=_short(x_px), y=_short(y_px), text_anchor=anchor, class_=class_)


def polyline(x_px: Floats, y_px: Floats, class_: str) -> Html:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(x_px, y_px, strict=True))
    return element("polyline", points=points, class_=class_)


def _short(value_px: float) -> str:
    return f"{value_px:.2f}".rstrip("0").rstrip(".")
