"""The objects of a run as MJCF: free bodies whose collision shape has the published size, and what they look like.

Body frame = object frame of collectors.objects: centre of the upright bounding box, x the axis that the gripper closes
on. Every object has a weld to the hand that is inactive until a grasp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element

from collectors.inertia import solid_inertia
from collectors.objects import ObjectKind
from sim_service.mujoco_sim.mjcf import element
from sim_service.mujoco_sim.panda_mjcf import COLLISION_GROUP, HAND_BODY

VISIBLE_GROUP: Final = 1
PARKED_GROUP: Final = 4  # not drawn

_FRICTION: Final = (1.0, 0.01, 0.001)  # sliding (the design's dynamic friction), torsional [m], rolling [m]
_CONTACT_DIMENSIONS: Final = 4  # with torsional friction: an object does not spin between two fingers

# The weld is stiff: at 1/960 s a carried object of 0.1 kg stays within 0.02 mm of where it was grasped.
_WELD_SOLREF: Final = (0.004, 1.0)
_WELD_SOLIMP: Final = (0.995, 0.9999, 0.0001, 0.5, 2.0)

TINTED_MATERIAL: Final = "object_tinted"  # takes the colour of the scene
OBJECT_MATERIALS: Final = (
    element("material", name=TINTED_MATERIAL, rgba=(0.5, 0.5, 0.5, 1), specular=0.1, shininess=0.1),
    element("material", name="object_white", rgba=(0.88, 0.88, 0.86, 1), specular=0.1, shininess=0.1),
    element("material", name="object_red", rgba=(0.72, 0.10, 0.08, 1), specular=0.1, shininess=0.1),
    element("material", name="object_metal", rgba=(0.62, 0.63, 0.65, 1), specular=0.3, shininess=0.5),
)

# 006_mustard_bottle: the body keeps its full width where the fingers close, 20 to 40 mm below the top.
_BOTTLE_BODY_M: Final = 0.172
_BOTTLE_CAP_DIAMETER_M: Final = 0.036


def object_body(kind: ObjectKind) -> Element:
    """A free body named like its kind; collision shapes and visible shapes are separate geoms."""
    visible = _LOOKS.get(kind.name, _plain)(kind)
    return element(
        "body",
        element("freejoint", name=kind.name),
        element(
            "inertial",
            mass=kind.mass_kg,
            pos=(0, 0, 0),
            diaginertia=solid_inertia(kind.size_m, kind.mass_kg, kind.shape == "cylinder"),
        ),
        *_collision(kind),
        *visible,
        name=kind.name,
    )


def grasp_weld(kind: ObjectKind) -> Element:
    return element(
        "weld",
        name=weld_name(kind),
        body1=HAND_BODY,
        body2=kind.name,
        active=False,
        solref=_WELD_SOLREF,
        solimp=_WELD_SOLIMP,
    )


def weld_name(kind: ObjectKind) -> str:
    return f"grasp_{kind.name}"


def _collision(kind: ObjectKind) -> tuple[Element, ...]:
    slabs = [(kind.shape, kind.size_m, 0.0, kind.size_m[2])]
    if kind.name == "006_mustard_bottle":
        slabs = [
            (kind.shape, kind.size_m, 0.0, _BOTTLE_BODY_M),
            ("cylinder", (_BOTTLE_CAP_DIAMETER_M,) * 3, _BOTTLE_BODY_M, kind.size_m[2]),
        ]
    return tuple(
        element(
            "geom",
            friction=_FRICTION,
            priority=1,  # its friction is that of the contact; without, it is the greater one of the two
            condim=_CONTACT_DIMENSIONS,
            group=COLLISION_GROUP,
            **_slab_placement(kind, shape, size, bottom, top),
        )
        for shape, size, bottom, top in slabs
    )


def _slab(
    kind: ObjectKind,
    bottom_m: float,
    top_m: float,
    material: str,
    shape: str | None = None,
    size_m: tuple[float, ...] | None = None,
) -> Element:
    """A visible layer between two heights above the object's lowest face, by default as wide as the object."""
    return element(
        "geom",
        material=material,
        contype=0,
        conaffinity=0,
        group=VISIBLE_GROUP,
        **_slab_placement(kind, shape or kind.shape, size_m or kind.size_m, bottom_m, top_m),
    )


def _slab_placement(
    kind: ObjectKind, shape: str, size_m: tuple[float, ...], bottom_m: float, top_m: float
) -> dict[str, str | tuple[float, ...]]:
    half_height = (top_m - bottom_m) / 2
    centre = (0.0, 0.0, (bottom_m + top_m) / 2 - kind.size_m[2] / 2)
    if shape == "cylinder":
        return {"type": shape, "size": (size_m[0] / 2, half_height), "pos": centre}
    return {"type": shape, "size": (size_m[0] / 2, size_m[1] / 2, half_height), "pos": centre}


def _plain(kind: ObjectKind) -> tuple[Element, ...]:
    return (_slab(kind, 0.0, kind.size_m[2], TINTED_MATERIAL),)


def _banded_box(kind: ObjectKind) -> tuple[Element, ...]:
    height = kind.size_m[2]
    return (
        _slab(kind, 0.0, 0.3 * height, TINTED_MATERIAL),
        _slab(kind, 0.3 * height, 0.6 * height, "object_white"),
        _slab(kind, 0.6 * height, height, TINTED_MATERIAL),
    )


def _soup_can(kind: ObjectKind) -> tuple[Element, ...]:
    diameter, _, height = kind.size_m
    return (
        _slab(kind, 0.0, 0.45 * height, "object_white"),
        _slab(kind, 0.45 * height, height - 0.003, TINTED_MATERIAL),
        _slab(kind, height - 0.003, height, "object_metal", size_m=(diameter - 0.004,) * 3),
    )


def _mustard_bottle(kind: ObjectKind) -> tuple[Element, ...]:
    cap = (_BOTTLE_CAP_DIAMETER_M,) * 3
    return (
        _slab(kind, 0.0, _BOTTLE_BODY_M, TINTED_MATERIAL),
        _slab(kind, _BOTTLE_BODY_M, kind.size_m[2], "object_red", shape="cylinder", size_m=cap),
    )


def _meat_can(kind: ObjectKind) -> tuple[Element, ...]:
    width, depth, height = kind.size_m
    return (
        _slab(kind, 0.0, height - 0.003, TINTED_MATERIAL),
        _slab(kind, height - 0.003, height, "object_metal", size_m=(width - 0.004, depth - 0.004)),
    )


_LOOKS: Final[dict[str, Callable[[ObjectKind], tuple[Element, ...]]]] = {
    "004_sugar_box": _banded_box,
    "005_tomato_soup_can": _soup_can,
    "006_mustard_bottle": _mustard_bottle,
    "008_pudding_box": _banded_box,
    "010_potted_meat_can": _meat_can,
}
