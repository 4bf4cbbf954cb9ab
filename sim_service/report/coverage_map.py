"""Where the object was picked and placed, seen from above."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from collectors.kinematics import least_tilt
from collectors.objects import CUBE
from collectors.scene import TABLE_CENTRE_M, TABLE_SIZE_M, TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import AREA_X_M, AREA_Y_M, MAX_TILT_RAD
from sim_service.report.drawing import drawing, horizontal_axis, label, rectangle
from sim_service.report.facts import Coverage, Floats
from sim_service.report.markup import Html, element, joined
from sim_service.report.scale import Scale, tick_text

_WIDTH_PX: Final = 360
_MARGIN_PX: Final = 36
_AROUND_M: Final = 0.06
_TABLE_X_M: Final = (TABLE_CENTRE_M[0] - TABLE_SIZE_M[0] / 2, TABLE_CENTRE_M[0] + TABLE_SIZE_M[0] / 2)
_TABLE_Y_M: Final = (TABLE_CENTRE_M[1] - TABLE_SIZE_M[1] / 2, TABLE_CENTRE_M[1] + TABLE_SIZE_M[1] / 2)
_CROWD: Final = 150  # episodes from which on their marks get smaller
_LEAST_MARK: Final = 0.4
_MARK_PX: Final = 3.0


def coverage_map(coverage: Coverage) -> Html:
    """x, forward, points up and y, left, to the left, as one stands behind the robot."""
    points_m = np.concatenate([coverage.picks_m, coverage.places_m])
    reach_m = reach_at_table_m()
    x_least = min(-0.1, float(points_m[:, 0].min()) - _AROUND_M)
    x_most = max(_TABLE_X_M[1], reach_m, float(points_m[:, 0].max())) + _AROUND_M
    y_most = max(_TABLE_Y_M[1], float(np.abs(points_m[:, 1]).max())) + _AROUND_M
    px_per_m = (_WIDTH_PX - _MARGIN_PX - 8) / (2 * y_most)
    foot_px = 8 + px_per_m * (x_most - x_least)
    height_px = math.ceil(foot_px + 36)
    across = Scale(y_most, -y_most, _MARGIN_PX, _WIDTH_PX - 8)
    up = Scale(x_least, x_most, foot_px, 8)
    ground = [
        _box(across, up, _TABLE_X_M, _TABLE_Y_M, "table"),
        _box(across, up, AREA_X_M, AREA_Y_M, "area"),
        _reach(across, up, reach_m, y_most, x_least),
        _base(across, up),
    ]
    good, bad = coverage.success, ~coverage.success
    failed_m = np.concatenate([coverage.places_m[bad], coverage.picks_m[bad]])
    half_px = _MARK_PX * max(_LEAST_MARK, min(1.0, math.sqrt(_CROWD / len(good))))
    points = [
        _points(across, up, coverage.places_m[good], _diamond(half_px), "place", half_px / 2),
        _points(across, up, coverage.picks_m[good], _dot(half_px), "pick"),
        _points(across, up, failed_m, _cross(half_px), "failed", half_px / 2),
    ]
    x_ticks = [
        joined(
            [
                element("line", x1=_MARGIN_PX, x2=_MARGIN_PX - 4, y1=up.at(x_m), y2=up.at(x_m), class_="axis"),
                label(tick_text(x_m), _MARGIN_PX - 6, up.at(x_m) + 3.5, "end"),
            ]
        )
        for x_m in up.ticks(6)
    ]
    backwards = Scale(-y_most, y_most, _WIDTH_PX - 8, _MARGIN_PX)
    told = (
        f"Map from above of picks and places of {len(coverage.picks_m)} episodes; picks in {coverage.picks_in} and "
        f"places in {coverage.places_in} of {coverage.cells} squares of the area"
    )
    return drawing(
        _WIDTH_PX,
        height_px,
        told,
        *ground,
        *points,
        element("line", x1=_MARGIN_PX, x2=_MARGIN_PX, y1=8, y2=foot_px, class_="axis"),
        *x_ticks,
        horizontal_axis(backwards, foot_px, backwards.ticks(6)[::-1]),
        label("← y left [m]", _MARGIN_PX, height_px - 4),
        label("↑ x forward [m]", _MARGIN_PX + 6, 18),
    )


def map_legend(coverage: Coverage) -> Html:
    entries = [("pick", _dot(_MARK_PX), "pick"), ("place", _diamond(_MARK_PX), "place")]
    if not coverage.success.all():
        entries.append(("failed", _cross(_MARK_PX), "pick or place of a failed episode"))
    parts = [
        element(
            "li",
            element("svg", element("path", d=f"M7 7{shape}", class_=class_), viewBox="0 0 14 14", aria_hidden="true"),
            text,
        )
        for class_, shape, text in entries
    ]
    return element("ul", *parts, class_="legend")


def reach_at_table_m() -> float:
    """Radius about the base up to which the fingertips can stand at a cube's centre on the table, with the largest tilt
    that is drawn; joint limits aside."""
    height_m = TABLE_SURFACE_Z_M + CUBE.size_m[2] / 2
    near_m, far_m = 0.3, 2.0
    while far_m - near_m > 1e-4:
        middle_m = (near_m + far_m) / 2
        tilt_rad = least_tilt((middle_m, 0.0, height_m))
        if tilt_rad is not None and tilt_rad <= MAX_TILT_RAD:
            near_m = middle_m
        else:
            far_m = middle_m
    return near_m


def _box(across: Scale, up: Scale, x_m: tuple[float, float], y_m: tuple[float, float], class_: str) -> Html:
    left_px, top_px = across.at(y_m[1]), up.at(x_m[1])
    return rectangle(left_px, top_px, across.at(y_m[0]) - left_px, up.at(x_m[0]) - top_px, class_)


def _reach(across: Scale, up: Scale, reach_m: float, y_most_m: float, x_least_m: float) -> Html:
    """The part of the circle that is on the map, from right to left."""
    angles = np.linspace(-math.pi, math.pi, 721)
    x_m, y_m = reach_m * np.cos(angles), reach_m * np.sin(angles)
    shown = (np.abs(y_m) <= y_most_m) & (x_m >= max(0.0, x_least_m))
    x_px, y_px = across(y_m[shown]), up(x_m[shown])
    path = " ".join(f"{right:.1f},{down:.1f}" for right, down in zip(x_px, y_px, strict=True))
    top_px = up.at(reach_m)
    return joined(
        [
            element("polyline", points=path, class_="reach"),
            label("reach", across.at(0.0), top_px - 4, "middle"),
        ]
    )


def _base(across: Scale, up: Scale) -> Html:
    x_px, y_px = across.at(0.0), up.at(0.0)
    return joined(
        [
            element("circle", cx=f"{x_px:.1f}", cy=f"{y_px:.1f}", r=7, class_="base"),
            label("base", x_px + 11, y_px + 4),
        ]
    )


def _points(
    across: Scale, up: Scale, points_m: Floats, shape: str, class_: str, stroke_px: float | None = None
) -> Html:
    if not len(points_m):
        return Html("")
    right, down = across(points_m[:, 1]), up(points_m[:, 0])
    path = "".join(f"M{x:.1f} {y:.1f}{shape}" for x, y in zip(right, down, strict=True))
    return element("path", d=path, class_=class_, stroke_width=stroke_px)


# Shapes differ, so that no colour is needed to tell them apart. Each is a path about the point that it marks.


def _dot(half_px: float) -> str:
    arc = f"a{half_px:.2g} {half_px:.2g} 0 1 0"
    return f"m{-half_px:.2g} 0{arc} {2 * half_px:.2g} 0{arc}{-2 * half_px:.2g} 0"


def _diamond(half_px: float) -> str:
    side = f"{1.4 * half_px:.2g}"
    return f"m0-{side}l{side} {side}l-{side} {side}l-{side}-{side}z"


def _cross(half_px: float) -> str:
    side = f"{2.3 * half_px:.2g}"
    return f"m{-1.15 * half_px:.2g}{-1.15 * half_px:.2g}l{side} {side}m0-{side}l-{side} {side}"
