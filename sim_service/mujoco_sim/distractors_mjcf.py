"""The distractors of a run as MJCF: free bodies whose size changes from episode to episode."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from collectors.distractors import DENSITY_KG_M3, SLOT_SHAPES
from sim_service.mujoco_sim.mjcf import element

NOMINAL_SIZE_M: Final = (0.04, 0.04, 0.04)

_FRICTION: Final = (1.0, 0.01, 0.001)


def distractor_name(slot: int) -> str:
    return f"distractor_{slot}"


def distractor_body(slot: int) -> Element:
    """One geom, which is both solid and drawn."""
    x, y, z = (edge / 2 for edge in NOMINAL_SIZE_M)
    size = (x, z) if SLOT_SHAPES[slot] == "cylinder" else (x, y, z)
    return element(
        "body",
        element("freejoint", name=distractor_name(slot)),
        element(
            "geom",
            name=distractor_name(slot),
            type=SLOT_SHAPES[slot],
            size=size,
            density=DENSITY_KG_M3,
            friction=_FRICTION,
            condim=4,
            material="object_tinted",
        ),
        name=distractor_name(slot),
    )
