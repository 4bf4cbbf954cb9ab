"""What the Panda looks like: capsules, cylinders, boxes and ellipsoids in its white, grey and black.

Shapes are ours, fitted by eye to the published link frames. They are for the cameras alone: they neither collide nor
weigh. Each part's shapes are in its own frame (links: modified Denavit-Hartenberg, as in collectors.franka), metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sim_service.mujoco_sim.shapes import Box, Ellipsoid, Point, Rod, Solid

Colour = Literal["white", "grey", "black", "blue"]


@dataclass(frozen=True)
class Shape:
    solid: Solid
    colour: Colour


def _capsule(radius: float, start: Point, end: Point, colour: Colour = "white") -> Shape:
    return Shape(Rod(radius, start, end, round_ends=True), colour)


def _cylinder(radius: float, start: Point, end: Point, colour: Colour = "white") -> Shape:
    return Shape(Rod(radius, start, end), colour)


def _box(half_size: Point, centre: Point, colour: Colour = "white") -> Shape:
    return Shape(Box(half_size, centre), colour)


def _ellipsoid(half_axes: Point, centre: Point, colour: Colour = "white") -> Shape:
    return Shape(Ellipsoid(half_axes, centre), colour)


LINKS: Final[tuple[tuple[Shape, ...], ...]] = (
    (  # link0: the foot with its connector block
        _box((0.092, 0.094, 0.006), (-0.02, 0, 0.006), "grey"),
        _cylinder(0.09, (0, 0, 0.012), (0, 0, 0.05)),
        _capsule(0.072, (-0.005, 0, 0.045), (-0.085, 0, 0.045)),
        _ellipsoid((0.085, 0.083, 0.075), (0, 0, 0.07)),
        _box((0.02, 0.05, 0.03), (-0.155, 0, 0.045), "grey"),
        _cylinder(0.063, (0, 0, 0.07), (0, 0, 0.137)),
        _cylinder(0.0645, (0, 0, 0.134), (0, 0, 0.1415), "grey"),
    ),
    (  # link1: the turning column and the shoulder
        _cylinder(0.0605, (0, 0, -0.1915), (0, 0, -0.095)),
        _ellipsoid((0.0605, 0.072, 0.07), (0, 0, -0.085)),
        _capsule(0.060, (0, -0.018, 0), (0, -0.018, -0.085)),
        _cylinder(0.0615, (0, -0.085, 0), (0, 0.002, 0)),
        _cylinder(0.052, (0, -0.092, 0), (0, -0.084, 0), "grey"),
        _cylinder(0.063, (0, 0, 0), (0, 0.006, 0), "grey"),
    ),
    (  # link2: from the shoulder into the upper arm
        _cylinder(0.0615, (0, 0, 0.006), (0, 0, 0.075)),
        _cylinder(0.052, (0, 0, 0.074), (0, 0, 0.082), "grey"),
        _capsule(0.060, (0, 0, 0.018), (0, -0.085, 0.012)),
        _cylinder(0.060, (0, -0.085, 0), (0, -0.190, 0)),
        _ellipsoid((0.0605, 0.075, 0.072), (0, -0.085, 0)),
        _cylinder(0.0625, (0, -0.187, 0), (0, -0.195, 0), "grey"),
    ),
    (  # link3: the upper arm, to the elbow
        _cylinder(0.060, (0, 0, -0.121), (0, 0, -0.075)),
        _ellipsoid((0.062, 0.062, 0.06), (0.006, 0, -0.07)),
        _capsule(0.050, (0, 0, -0.06), (0.0775, 0.026, 0)),
        _capsule(0.046, (0, 0, -0.07), (0.0775, -0.026, 0)),
        _cylinder(0.0545, (0.0825, 0.062, 0), (0.0825, 0.003, 0)),
        _cylinder(0.046, (0.0825, 0.07, 0), (0.0825, 0.06, 0), "grey"),
        _cylinder(0.057, (0.0825, 0.004, 0), (0.0825, -0.004, 0), "grey"),
        _cylinder(0.0545, (0.0825, -0.003, 0), (0.0825, -0.062, 0)),
        _cylinder(0.046, (0.0825, -0.07, 0), (0.0825, -0.06, 0), "grey"),
    ),
    (  # link4: from the elbow into the forearm
        _cylinder(0.052, (0, 0, -0.055), (0, 0, 0.055)),
        _capsule(0.05, (0, 0, 0.02), (-0.0825, 0.075, 0)),
        _capsule(0.05, (0, 0, -0.02), (-0.0825, 0.075, 0)),
        _cylinder(0.0575, (-0.0825, 0.075, 0), (-0.0825, 0.121, 0)),
        _ellipsoid((0.0575, 0.06, 0.0575), (-0.0825, 0.08, 0)),
        _cylinder(0.0595, (-0.0825, 0.118, 0), (-0.0825, 0.126, 0), "grey"),
    ),
    (  # link5: the forearm, narrowing to the wrist
        _cylinder(0.0575, (0, 0, -0.258), (0, 0, -0.225)),
        _ellipsoid((0.0575, 0.0575, 0.055), (0, 0, -0.222)),
        _capsule(0.052, (0, 0, -0.225), (0, 0.052, -0.12)),
        _capsule(0.0445, (0, 0.058, -0.14), (0, 0.072, -0.03)),
        _capsule(0.043, (0, 0.06, -0.04), (0, 0.02, 0)),
        _cylinder(0.0505, (0, -0.06, 0), (0, 0.072, 0)),
        _cylinder(0.04, (0, 0.071, 0), (0, 0.082, 0), "grey"),
        _cylinder(0.052, (0, -0.063, 0), (0, -0.057, 0), "grey"),
        _capsule(0.03, (0, 0.075, -0.2), (0, 0.098, -0.09)),
    ),
    (  # link6: the wrist
        _cylinder(0.0465, (0, 0, -0.006), (0, 0, 0.058)),
        _cylinder(0.05, (0, 0, -0.062), (0, 0, 0)),
        _capsule(0.045, (0, 0, -0.012), (0.088, 0, 0)),
        _cylinder(0.0455, (0.088, 0.048, 0), (0.088, -0.045, 0)),
        _ellipsoid((0.047, 0.052, 0.047), (0.088, 0.04, 0)),
        _cylinder(0.0475, (0.088, -0.043, 0), (0.088, -0.049, 0), "grey"),
        _cylinder(0.0465, (0.088, 0, 0), (0.088, 0.062, 0)),
        _cylinder(0.011, (0.088, 0.0615, 0), (0.088, 0.0635, 0), "blue"),
    ),
    (  # link7: the flange with its pilot button
        _cylinder(0.0445, (0, 0, 0.047), (0, 0, 0.082)),
        _cylinder(0.046, (0, 0, 0.08), (0, 0, 0.092), "grey"),
        _cylinder(0.0315, (0, 0, 0.09), (0, 0, 0.107)),
        _capsule(0.022, (0.03, 0.03, 0.068), (0.052, 0.052, 0.068)),
        _cylinder(0.012, (0.056, 0.056, 0.068), (0.062, 0.062, 0.068), "black"),
    ),
)

HAND: Final = (
    _box((0.0315, 0.085, 0.022), (0, 0, 0.026)),
    _cylinder(0.0315, (0, -0.085, 0.004), (0, -0.085, 0.048)),
    _cylinder(0.0315, (0, 0.085, 0.004), (0, 0.085, 0.048)),
    _cylinder(0.035, (0, 0, 0), (0, 0, 0.01), "grey"),
    _box((0.0285, 0.098, 0.009), (0, 0, 0.057), "grey"),
    _box((0.02, 0.1, 0.002), (0, 0, 0.0665), "black"),
    _box((0.0325, 0.03, 0.008), (0, 0, 0.03), "grey"),
)

# One finger, its inner face at y = 0; the right one is the same, turned by half a turn about z.
FINGER: Final = (
    _box((0.0095, 0.0075, 0.0115), (0, 0.0145, 0.0115)),
    _box((0.0088, 0.0045, 0.016), (0, 0.011, 0.033)),
    _box((0.0085, 0.0042, 0.0105), (0, 0.0042, 0.0445), "black"),
)
