"""Rays against primitives, judged by MuJoCo's own caster of single rays."""

import mujoco
import numpy as np
import pytest

from sim_service.mujoco_sim import ray_shapes

SIZES = {
    mujoco.mjtGeom.mjGEOM_PLANE: (0.0, 0.3, 1.0),
    mujoco.mjtGeom.mjGEOM_BOX: (0.1, 0.2, 0.3),
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: (0.1, 0.2, 0.3),
    mujoco.mjtGeom.mjGEOM_CAPSULE: (0.1, 0.3, 0.0),
    mujoco.mjtGeom.mjGEOM_CYLINDER: (0.1, 0.3, 0.0),
}


@pytest.mark.parametrize("kind", SIZES, ids=lambda kind: kind.name)
def test_rays_meet_a_shape_where_mujoco_says(kind: mujoco.mjtGeom) -> None:
    rng = np.random.default_rng(3)
    size = np.array(SIZES[kind])
    met = 0
    for _ in range(20):
        origin = rng.normal(size=3)
        origin *= 0.8 / np.linalg.norm(origin)
        directions = rng.uniform(-0.35, 0.35, (50, 3)) - origin
        found = ray_shapes.distances(kind, size, origin, directions)
        for direction, distance in zip(directions, found, strict=True):
            expected = mujoco.mju_rayGeom(np.zeros(3), np.eye(3).reshape(9), size, origin, direction, kind)
            assert distance == (pytest.approx(expected) if expected >= 0 else np.inf)
        hit = np.isfinite(found)
        met += int(hit.sum())
        points = origin + directions[hit] * found[hit, None]
        normals = ray_shapes.normals(kind, size, points)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-9)
        if kind == mujoco.mjtGeom.mjGEOM_PLANE:
            continue
        # Outwards: seen from just above the surface it is behind, and a ray back meets it there.
        above = points + 1e-3 * normals
        for point, normal in zip(above, normals, strict=True):
            back = ray_shapes.distances(kind, size, point, -normal[None, :])[0]
            assert back == pytest.approx(1e-3, rel=1e-3)
    assert 200 < met < 1000  # some meet it, some pass


def test_shapes_behind_the_origin_are_not_met() -> None:
    for kind, size in SIZES.items():
        origin = np.array([0.0, 0.0, 2.0])
        assert ray_shapes.distances(kind, np.array(size), origin, np.array([[0.0, 0.01, 1.0]]))[0] == np.inf
        assert ray_shapes.distances(kind, np.array(size), origin, np.array([[0.0, 0.01, -1.0]]))[0] < 2.1


def test_other_kinds_are_refused_by_name() -> None:
    mesh = mujoco.mjtGeom.mjGEOM_MESH
    with pytest.raises(ValueError, match="mjGEOM_MESH"):
        ray_shapes.distances(mesh, np.ones(3), np.ones(3), np.ones((1, 3)))
    with pytest.raises(ValueError, match="mjGEOM_MESH"):
        ray_shapes.normals(mesh, np.ones(3), np.ones((1, 3)))
