"""The robot's solids as triangles."""

from collections import Counter

import numpy as np
import pytest

from sim_service.mujoco_sim.panda_look import panda_look
from sim_service.mujoco_sim.panda_shapes import HAND, LINKS
from sim_service.mujoco_sim.shapes import Box, Ellipsoid, Rod, Solid, Surface, visible_surfaces

SOLIDS: dict[str, Solid] = {
    "cylinder": Rod(0.05, (0.1, 0.0, 0.0), (0.1, 0.2, 0.3)),
    "capsule": Rod(0.05, (0.0, 0.1, -0.1), (0.0, 0.1, 0.2), round_ends=True),
    "box": Box((0.1, 0.2, 0.05), (0.3, 0.0, -0.1)),
    "ellipsoid": Ellipsoid((0.1, 0.2, 0.05), (0.0, 0.3, 0.1)),
}
VOLUMES_M3 = {
    "cylinder": np.pi * 0.05**2 * np.hypot(0.2, 0.3),
    "capsule": np.pi * 0.05**2 * 0.3 + 4 / 3 * np.pi * 0.05**3,
    "box": 8 * 0.1 * 0.2 * 0.05,
    "ellipsoid": 4 / 3 * np.pi * 0.1 * 0.2 * 0.05,
}


def corners_of(surface: Surface) -> np.ndarray:
    """Shape (m, 3, 3): face, corner, coordinate."""
    return surface.points[surface.faces]


@pytest.mark.parametrize("name", SOLIDS)
def test_a_surface_encloses_the_solid_and_nothing_else(name: str) -> None:
    """By the divergence theorem: an open surface, or one face turned inwards, has another volume."""
    corners = corners_of(SOLIDS[name].surface(256))
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(VOLUMES_M3[name], rel=2e-3)


@pytest.mark.parametrize("name", SOLIDS)
def test_every_edge_of_a_surface_has_two_faces(name: str) -> None:
    corners = corners_of(SOLIDS[name].surface(16)).round(9) + 0.0
    edges: Counter[frozenset[tuple[float, ...]]] = Counter()
    for face in corners:
        points = [tuple(point) for point in face]
        edges.update(frozenset((points[i], points[(i + 1) % 3])) for i in range(3))
    assert set(edges.values()) == {2}


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_are_unit_length_and_point_outwards(name: str) -> None:
    solid = SOLIDS[name]
    surface = solid.surface(24)
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-9)
    assert not solid.contains(surface.points + 1e-4 * surface.normals).any()
    corners = corners_of(surface)
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    at_corners = surface.normals[surface.faces]
    assert (np.einsum("ik,ijk->ij", faces, at_corners) > 0).all()


@pytest.mark.parametrize("name", SOLIDS)
def test_points_on_the_surface_are_not_inside_and_points_below_are(name: str) -> None:
    solid = SOLIDS[name]
    surface = solid.surface(24)
    assert not solid.contains(surface.points).any()
    middle = surface.points.mean(axis=0)
    assert solid.contains(middle + 0.99 * (surface.points - middle)).all()


def test_what_lies_within_another_solid_is_left_out() -> None:
    ball = Ellipsoid((0.1, 0.1, 0.1), (0.0, 0.0, 0.0))
    rod = Rod(0.02, (0.0, 0.0, 0.0), (0.0, 0.0, 0.3))
    whole_ball, whole_rod = ball.surface(16), rod.surface(16)
    seen_ball, seen_rod = visible_surfaces([ball, rod], 16)
    assert len(seen_rod.faces) == len(whole_rod.faces) - 14  # the cap of 16 edges in the ball's centre
    assert len(whole_ball.faces) >= len(seen_ball.faces) > len(whole_ball.faces) - 40
    for kept, hider in ((seen_ball, rod), (seen_rod, ball)):
        assert not hider.contains(kept.points)[kept.faces].all(axis=1).any()


def test_the_meshes_show_the_same_robot_as_the_primitives() -> None:
    """Every shape has its colour's mesh in its part, and no part is without geoms."""
    meshes, primitives = panda_look(16), panda_look(0)
    assert set(meshes.geoms) == set(primitives.geoms) == {*(f"link{n}" for n in range(8)), "hand", "finger"}
    for part in meshes.geoms:
        assert {geom.get("material") for geom in meshes.geoms[part]} == {
            geom.get("material") for geom in primitives.geoms[part]
        }
    assert sum(map(len, meshes.geoms.values())) < sum(map(len, primitives.geoms.values())) / 2
    assert len(primitives.geoms["hand"]) == len(HAND)
    assert [len(primitives.geoms[f"link{n}"]) for n in range(8)] == [len(shapes) for shapes in LINKS]
