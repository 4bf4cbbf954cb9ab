"""State and action over an episode's time, with the phases behind them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from sim_service.report.drawing import drawing, figure, horizontal_axis, label, line, polyline, rectangle, vertical_axis
from sim_service.report.facts import Line, Panel, Phase
from sim_service.report.markup import Html, element, shortened
from sim_service.report.scale import Scale, around

_WIDTH_PX: Final = 340
_HEIGHT_PX: Final = 132
_LEFT_PX: Final = 40
_RIGHT_PX: Final = 332
_TOP_PX: Final = 16
_FOOT_PX: Final = 108
_MIN_NUMBER_PX: Final = 10
"""Narrower phases get no number."""
_DRAWN_ORDER: Final = ("state", "speed", "action")


def motion_figure(panel: Panel, phases: Sequence[Phase], duration_s: float) -> Html:
    across = Scale(0.0, max(duration_s, 1e-3), _LEFT_PX, _RIGHT_PX)
    least, most = around(np.concatenate([entry.values for entry in panel.lines]), margin=0.05)
    up = Scale(least, most, _FOOT_PX, _TOP_PX)
    title = f"{shortened(panel.title, 60)} [{panel.unit}]" if panel.unit else shortened(panel.title, 60)
    kinds = " and ".join(entry.kind for entry in panel.lines)
    told = f"{title}: {kinds} over {duration_s:.1f} s, {least:.3g} to {most:.3g}"
    parts = [*_bands(across, phases), vertical_axis(up, _LEFT_PX, _RIGHT_PX, up.ticks(4))]
    ordered = sorted(panel.lines, key=lambda entry: _DRAWN_ORDER.index(entry.kind))
    parts += [polyline(across(entry.times_s), up(entry.values), entry.kind) for entry in ordered]
    if panel.mark is not None:
        x_px, y_px = across.at(panel.mark.time_s), up.at(panel.mark.value)
        told += f"; {panel.mark.text}"
        anchor, aside_px = ("end", -6) if x_px > (_LEFT_PX + _RIGHT_PX) / 2 else ("start", 6)
        parts += [
            line(x_px, _TOP_PX, x_px, _FOOT_PX, "mark-line"),
            element("circle", cx=f"{x_px:.1f}", cy=f"{y_px:.1f}", r=3.5, class_="mark"),
            label(panel.mark.text, x_px + aside_px, max(_TOP_PX + 9, y_px - 5), anchor, "mark-text"),
        ]
    parts.append(horizontal_axis(across, _FOOT_PX, across.ticks(6)))
    return figure(title, drawing(_WIDTH_PX, _HEIGHT_PX, told, *parts), class_="panel")


def thinned(entry: Line, most_points: int) -> Line:
    """The same line to the eye: least and most of every short stretch stay."""
    count = len(entry.values)
    if count <= most_points:
        return entry
    edges = np.linspace(0, count, most_points // 2 + 1).astype(int)
    kept = []
    for begin, end in pairwise(edges):
        part = entry.values[begin:end]
        kept += sorted({begin + int(part.argmin()), begin + int(part.argmax())})
    kept = sorted({0, *kept, count - 1})
    return Line(entry.kind, entry.times_s[kept], entry.values[kept])


def _bands(across: Scale, phases: Sequence[Phase]) -> list[Html]:
    parts = []
    for place, phase in enumerate(phases):
        begin_px, end_px = across.at(phase.begin_s), across.at(phase.end_s)
        if place % 2 == 0:
            parts.append(rectangle(begin_px, _TOP_PX, end_px - begin_px, _FOOT_PX - _TOP_PX, "phase"))
        if end_px - begin_px >= _MIN_NUMBER_PX:
            parts.append(label(str(place + 1), (begin_px + end_px) / 2, _TOP_PX - 4, "middle", "phase-number"))
    return parts
