"""Wilson's interval of a rate."""

from __future__ import annotations

import math
from typing import Final

_Z: Final = 1.959964  # of a 95 % interval


def wilson_interval(successes: int, attempts: int) -> tuple[float, float]:
    """In which 95 % of the time the true success rate lies; (0, 1) without an attempt. Wilson: "Probable inference, the
    law of succession, and statistical inference", Journal of the American Statistical Association 22, 1927."""
    if not 0 <= successes <= attempts:
        raise ValueError(f"0 to {attempts} of {attempts} attempts can succeed, got {successes}")
    if attempts == 0:
        return 0.0, 1.0
    rate, z2 = successes / attempts, _Z**2 / attempts
    centre = (rate + z2 / 2) / (1 + z2)
    reach = math.sqrt(z2 * rate * (1 - rate) + z2 * z2 / 4) / (1 + z2)
    return max(0.0, centre - reach), min(1.0, centre + reach)
