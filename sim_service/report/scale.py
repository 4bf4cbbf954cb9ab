"""From quantities to places in a drawing: linear and logarithmic axes with round ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim_service.report.facts import Floats


@dataclass(frozen=True)
class Scale:
    """Maps `least` to `begin_px` and `most` to `end_px`."""

    least: float
    most: float
    begin_px: float
    end_px: float

    def __call__(self, values: Floats) -> Floats:
        places: Floats = self.begin_px + (values - self.least) / (self.most - self.least) * (
            self.end_px - self.begin_px
        )
        return places

    def at(self, value: float) -> float:
        return float(self(np.array([value]))[0])

    def ticks(self, count: int) -> list[float]:
        """About that many round values within the scale."""
        step = round_step((self.most - self.least) / max(1, count))
        first = math.ceil(self.least / step - 1e-9)
        last = math.floor(self.most / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def around(values: Floats, margin: float = 0.0) -> tuple[float, float]:
    """Least and most of the values, apart by more than rounding; margin: added on both sides, in parts of the
    difference."""
    least, most = float(values.min()), float(values.max())
    size = max(abs(least), abs(most), 1e-9)
    if most - least < 1e-6 * size:
        return least - 0.5 * size, most + 0.5 * size
    return least - margin * (most - least), most + margin * (most - least)


def round_step(step: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def tick_text(value: float) -> str:
    """As short as it is told from its neighbours."""
    return f"{0.0 if abs(value) < 1e-12 else value:.5g}"
