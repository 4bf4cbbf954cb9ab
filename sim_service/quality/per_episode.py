"""One figure per episode, each judged by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sim_service.quality.gate import Verdict


@dataclass
class PerEpisode:
    """least, most: what is allowed, both included. unit: behind a number, such as " frames". reason: why an episode
    could not be judged; of the last one that could not."""

    gate: str
    least: float = -math.inf
    most: float = math.inf
    unit: str = ""
    values: dict[int, float] = field(default_factory=dict)
    reason: str = "no episode"

    def verdict(self) -> Verdict:
        """Skipped where no episode could be judged."""
        if not self.values:
            return Verdict(self.gate, "skipped", self.reason)
        numbers = np.array(list(self.values.values()))
        at_fault = [episode for episode, value in self.values.items() if not self.least <= value <= self.most]
        worst = float(numbers[np.argmax(np.maximum(numbers - self.most, self.least - numbers))])
        median = float(np.median(numbers))
        return Verdict(
            self.gate,
            "fail" if at_fault else "pass",
            f"{worst:.3g}{self.unit}" + ("" if worst == median else f" at worst, {median:.3g} in the median episode"),
            self.allowed,
            value=worst,
            episodes=tuple(sorted(at_fault)),
            figures={
                "median": median,
                "least": float(numbers.min()),
                "most": float(numbers.max()),
                "episodes": len(numbers),
            },
        )

    @property
    def allowed(self) -> str:
        if math.isinf(self.least):
            return f"at most {self.most:.3g}"
        if math.isinf(self.most):
            return f"at least {self.least:.3g}"
        return f"{self.least:.3g}" if self.least == self.most else f"{self.least:.3g} to {self.most:.3g}"
