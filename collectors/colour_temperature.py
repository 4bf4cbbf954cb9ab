"""The colour of a light from its temperature."""

from __future__ import annotations

from typing import Final

import numpy as np

from collectors.geometry import Array

WHITE_KELVIN: Final = 6500.0

# IEC 61966-2-1: linear sRGB from CIE XYZ.
_RGB_OF_XYZ: Final = (
    (3.2406, -1.5372, -0.4986),
    (-0.9689, 1.8758, 0.0415),
    (0.0557, -0.2040, 1.0570),
)


def rgb_of_kelvin(kelvin: float) -> tuple[float, float, float]:
    """How a black body's light at 1667 to 25000 K tints what a camera sees, relative to WHITE_KELVIN, which gives
    (1, 1, 1), at about the same luminance. The camera balances half of it out, as automatic white balance does. Not
    clipped: a warm light has more red than 1."""
    if kelvin == WHITE_KELVIN:
        return (1.0, 1.0, 1.0)
    r, g, b = np.sqrt(_linear_rgb(kelvin) / _linear_rgb(WHITE_KELVIN)).tolist()
    return r, g, b


def _linear_rgb(kelvin: float) -> Array:
    """At luminance 1. Chromaticity of the Planckian locus by the cubic splines of Kim et al., US patent 7024034."""
    t = 1000 / kelvin
    if kelvin < 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin < 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin < 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    return np.asarray(np.array(_RGB_OF_XYZ) @ xyz)
