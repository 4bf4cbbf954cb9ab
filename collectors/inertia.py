"""How hard a solid is to turn."""

from __future__ import annotations


def solid_inertia(size_m: tuple[float, float, float], mass_kg: float, cylinder: bool) -> tuple[float, float, float]:
    """Principal moments [kg m^2] of a solid box, or cylinder along z, of even density."""
    x, y, z = size_m
    twelfth = mass_kg / 12
    if cylinder:
        across = twelfth * (0.75 * x * x + z * z)  # 3 r^2 = 0.75 d^2
        return across, across, mass_kg * x * x / 8
    return twelfth * (y * y + z * z), twelfth * (x * x + z * z), twelfth * (x * x + y * y)
