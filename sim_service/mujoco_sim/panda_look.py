"""The Panda's shapes as MJCF: materials, meshes, and the geoms of each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from sim_service.mujoco_sim import panda_shapes
from sim_service.mujoco_sim.mjcf import element
from sim_service.mujoco_sim.panda_shapes import Shape
from sim_service.mujoco_sim.shapes import Surface, joined, visible_surfaces

VISUAL_GROUP: Final = 2

_PARTS: Final[dict[str, tuple[Shape, ...]]] = {
    **{f"link{index}": shapes for index, shapes in enumerate(panda_shapes.LINKS)},
    "hand": panda_shapes.HAND,
    "finger": panda_shapes.FINGER,
}
_MATERIALS: Final = (
    element("material", name="panda_white", rgba=(0.88, 0.89, 0.90, 1), specular=0.25, shininess=0.4),
    element("material", name="panda_grey", rgba=(0.36, 0.37, 0.39, 1), specular=0.2, shininess=0.3),
    element("material", name="panda_black", rgba=(0.11, 0.11, 0.12, 1), specular=0.15, shininess=0.2),
    element("material", name="panda_blue", rgba=(0.10, 0.50, 0.85, 1), emission=0.4),
)


@dataclass(frozen=True)
class PandaLook:
    """assets: materials and meshes. geoms: what each part shows, by "link0" to "link7", "hand" and "finger"."""

    assets: tuple[Element, ...]
    geoms: dict[str, tuple[Element, ...]]


def panda_look(segments: int) -> PandaLook:
    """segments: edges around a circle of the meshes; 0 leaves every shape a primitive of MuJoCo's."""
    assets = list(_MATERIALS)
    geoms: dict[str, tuple[Element, ...]] = {}
    for part, shapes in _PARTS.items():
        if not segments:
            geoms[part] = tuple(_geom(shape.colour, **shape.solid.primitive()) for shape in shapes)
            continue
        surfaces = visible_surfaces([shape.solid for shape in shapes], segments)
        colours = dict.fromkeys(shape.colour for shape in shapes)
        of_colour = {
            colour: joined([surface for surface, shape in zip(surfaces, shapes, strict=True) if shape.colour == colour])
            for colour in colours
        }
        assets += [_mesh(f"{part}_{colour}", surface) for colour, surface in of_colour.items()]
        geoms[part] = tuple(_geom(colour, type="mesh", mesh=f"{part}_{colour}") for colour in of_colour)
    return PandaLook(tuple(assets), geoms)


def _geom(colour: str, **shape: str | tuple[float, ...]) -> Element:
    return element("geom", material=f"panda_{colour}", contype=0, conaffinity=0, group=VISUAL_GROUP, mass=0, **shape)


def _mesh(name: str, surface: Surface) -> Element:
    """inertia: only names a method that takes open and overlapping surfaces; these meshes weigh nothing."""
    return element(
        "mesh",
        name=name,
        vertex=surface.points.round(7).ravel(),
        normal=surface.normals.round(5).ravel(),
        face=" ".join(map(str, surface.faces.ravel())),
        inertia="shell",
    )
