"""Bars over a quantity, over words, and colours as they were drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim_service.report.drawing import drawing, figure, hint, horizontal_axis, label, line, rectangle, vertical_axis
from sim_service.report.facts import Distribution, Floats, PlacementErrors
from sim_service.report.markup import Html, element, joined, shortened
from sim_service.report.scale import Scale, around, tick_text

Ints = NDArray[np.int64]

_WIDTH_PX: Final = 320
_HEIGHT_PX: Final = 140
_LEFT_PX: Final = 34
_RIGHT_PX: Final = 302
_TOP_PX: Final = 10
_FOOT_PX: Final = 112
_MAX_BINS: Final = 20
_MAX_WHOLE: Final = 12
"""Different whole numbers that get a bar each."""
_BINS_PER_DECADE: Final = 4
_LEAST_ERROR_M: Final = 1e-6  # below it, what the simulators' numbers cannot tell apart
_NAME_LENGTH: Final = 60


def distribution_figure(distribution: Distribution) -> Html:
    unit = f" [{distribution.unit}]" if distribution.unit else ""
    title = f"{shortened(distribution.name, _NAME_LENGTH)}{unit}"
    if distribution.counts is not None:
        return figure(title, word_bars(distribution.counts, distribution.name), class_="panel")
    if distribution.swatches is not None:
        return figure(title, _swatches(distribution.swatches, title), class_="panel")
    values = distribution.values
    if values is None:
        raise ValueError(f"a distribution without values: {distribution.name}")
    return figure(title, _bars(values, title, distribution.asked), class_="panel")


def word_bars(counts: Mapping[str, int], of: str) -> Html:
    """A table with a bar for each word. of: what the words are."""
    most = max(counts.values(), default=1)
    rows = [
        element(
            "tr",
            element("th", shortened(word, _NAME_LENGTH) or "(none)", scope="row"),
            element("td", element("span", class_="bar", style=f"width:{100 * count / most:.1f}%")),
            element("td", f"{count:,}", class_="number"),
        )
        for word, count in counts.items()
    ]
    caption = element("caption", f"Episodes by {shortened(of, _NAME_LENGTH)}", class_="unseen")
    return element("table", caption, element("tbody", *rows), class_="bars")


def error_figure(errors: PlacementErrors, tolerances_m: Mapping[str, float]) -> Html:
    """On a logarithmic axis, in mm: errors differ by powers of ten. tolerances_m: name to limit, both are marked."""
    errors_m = np.maximum(errors.errors_m, _LEAST_ERROR_M)
    least = math.floor(math.log10(min(errors_m.min(), 1e-3)) + 1e-9)
    most = math.ceil(math.log10(max(errors_m.max(), 1.01 * max(tolerances_m.values()))) - 1e-9)
    edges = np.linspace(least, most, (most - least) * _BINS_PER_DECADE + 1)
    logs = np.clip(np.log10(errors_m), least, most)
    good, bad = (np.histogram(logs[chosen], edges)[0] for chosen in (errors.success, ~errors.success))
    across = Scale(least, most, _LEFT_PX, _RIGHT_PX)
    up = _count_scale(good + bad)
    hints = [f"{1000 * 10**low:.3g} to {1000 * 10**high:.3g} mm" for low, high in pairwise(edges)]
    marks = [
        joined(
            [
                line(across.at(math.log10(limit_m)), _TOP_PX, across.at(math.log10(limit_m)), _FOOT_PX, "limit"),
                label(name, across.at(math.log10(limit_m)) - 3, _TOP_PX + 9 + 13 * place, "end", "limit-name"),
            ]
        )
        for place, (name, limit_m) in enumerate(tolerances_m.items())
    ]
    axis = [line(_LEFT_PX, _FOOT_PX, _RIGHT_PX, _FOOT_PX, "axis")]
    for power in range(least, most + 1):
        axis += [
            line(across.at(power), _FOOT_PX, across.at(power), _FOOT_PX + 4, "axis"),
            label(tick_text(1000 * 10.0**power), across.at(power), _FOOT_PX + 16, "middle"),
        ]
    text = f"Histogram of {len(errors_m)} placement errors, median {1000 * np.median(errors_m):.3g} mm, largest "
    return drawing(
        _WIDTH_PX,
        _HEIGHT_PX,
        f"{text}{1000 * errors_m.max():.3g} mm",
        vertical_axis(up, _LEFT_PX, _RIGHT_PX, _count_ticks(up)),
        _columns(across(edges), np.zeros_like(good), good, up, hints, "good"),
        _columns(across(edges), good, bad, up, hints, "bad"),
        *axis,
        *marks,
    )


def _bars(values: Floats, title: str, asked: tuple[float, float] | None) -> Html:
    whole = np.unique(values)
    everything = np.concatenate([values, np.array(asked if asked else values[:1], np.float64)])
    if len(whole) <= _MAX_WHOLE and (whole == np.round(whole)).all() and np.ptp(everything) <= _MAX_WHOLE:
        least, most = float(np.floor(everything.min())) - 0.5, float(np.ceil(everything.max())) + 0.5
        bins, ticks = round(most - least), [float(value) for value in range(round(least + 0.5), round(most + 0.5))]
    else:
        least, most = around(everything)
        bins, ticks = min(_MAX_BINS, max(5, math.ceil(math.sqrt(len(values))))), []
    counts, edges = np.histogram(values, bins, (least, most))
    across, up = Scale(least, most, _LEFT_PX, _RIGHT_PX), _count_scale(counts)
    hints = [f"{tick_text(low)} to {tick_text(high)}" for low, high in pairwise(edges)]
    parts = [
        vertical_axis(up, _LEFT_PX, _RIGHT_PX, _count_ticks(up)),
        _columns(across(edges), np.zeros_like(counts), counts, up, hints, "good"),
        horizontal_axis(across, _FOOT_PX, ticks or across.ticks(6)),
    ]
    told = f"Histogram of {title}: {len(values)} episodes, {tick_text(values.min())} to {tick_text(values.max())}"
    if asked:
        begin_px = across.at(asked[0])
        parts.append(rectangle(begin_px, _HEIGHT_PX - 7, across.at(asked[1]) - begin_px, 4, "asked"))
        told += f"; asked for {tick_text(asked[0])} to {tick_text(asked[1])}"
    return drawing(_WIDTH_PX, _HEIGHT_PX, told, *parts)


def _columns(edges_px: Floats, below: Ints, counts: Ints, up: Scale, hints: list[str], class_: str) -> Html:
    parts = []
    for place, count in enumerate(counts):
        if count:
            left_px, right_px = edges_px[place] + 0.75, edges_px[place + 1] - 0.75
            foot_px, top_px = up.at(float(below[place])), up.at(float(below[place] + count))
            told = hint(f"{hints[place]}: {count:,} {'episode' if count == 1 else 'episodes'}")
            parts.append(rectangle(left_px, top_px, max(0.5, right_px - left_px), foot_px - top_px, class_, told))
    return joined(parts)


def _swatches(colours: Floats, title: str) -> Html:
    width_px = (_RIGHT_PX - 4) / len(colours)
    parts = [
        element(
            "rect",
            x=f"{4 + place * width_px:.2f}",
            y=0,
            width=f"{width_px:.2f}",
            height=28,
            fill="#" + "".join(f"{round(255 * channel):02x}" for channel in colour),
        )
        for place, colour in enumerate(colours.tolist())
    ]
    return drawing(_WIDTH_PX, 28, f"{title} of {len(colours)} episodes, as colours", *parts)


def _count_scale(counts: Ints) -> Scale:
    return Scale(0.0, max(1.0, float(counts.max())), _FOOT_PX, _TOP_PX)


def _count_ticks(up: Scale) -> list[float]:
    return [tick for tick in up.ticks(4) if tick == round(tick)]
