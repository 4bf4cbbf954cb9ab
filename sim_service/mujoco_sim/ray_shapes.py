"""Where rays meet MuJoCo's primitives, in the primitive's own frame.

MuJoCo has a ray caster of its own, `mj_multiRay`; it leaves out shapes that lie above or below the rays' origin (seen
in 3.3 and 4.0), which is where everything lies under a camera that looks down.
"""

from __future__ import annotations

import mujoco
import numpy as np

from collectors.geometry import Array

_SHAPES = mujoco.mjtGeom


def distances(kind: int, size: Array, origin: Array, directions: Array) -> Array:
    """How far along each ray, in units of its direction, it first meets the shape; infinity where it does not.

    kind, size: as in `mjModel.geom_type` and `geom_size`. origin: shape (3,), outside of the shape. directions: shape
    (..., 3). Raises ValueError for a kind that is no plane, box, ellipsoid, capsule or cylinder.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # rays along a face: infinities compare as they should
        if kind == _SHAPES.mjGEOM_PLANE:
            return _rectangle(size, origin, directions)
        if kind == _SHAPES.mjGEOM_BOX:
            return _box(size, origin, directions)
        if kind == _SHAPES.mjGEOM_ELLIPSOID:
            return _ball(1.0, origin / size, directions / size)
        if kind == _SHAPES.mjGEOM_CYLINDER:
            side = _tube(size[0], size[1], origin, directions)
            return np.minimum(side, _caps(size[0], size[1], origin, directions))
        if kind == _SHAPES.mjGEOM_CAPSULE:
            side = _tube(size[0], size[1], origin, directions)
            for end in (-size[1], size[1]):
                side = np.minimum(side, _ball(size[0], origin - (0.0, 0.0, end), directions))
            return side
    raise ValueError(f"no rays against a geom of type {_SHAPES(kind).name}")


def normals(kind: int, size: Array, points: Array) -> Array:
    """Outward unit normals at points on the surface, shape (n, 3)."""
    if kind == _SHAPES.mjGEOM_PLANE:
        return np.tile([0.0, 0.0, 1.0], (len(points), 1))
    if kind == _SHAPES.mjGEOM_BOX:
        nearest_face = np.argmax(np.abs(points) / size, axis=1)
        rows = np.arange(len(points))
        outward = np.zeros_like(points)
        outward[rows, nearest_face] = np.sign(points[rows, nearest_face])
        return outward
    if kind == _SHAPES.mjGEOM_ELLIPSOID:
        return _unit(points / size**2)
    radius, half_length = size[0], size[1]
    across = points * (1.0, 1.0, 0.0)
    along = points * (0.0, 0.0, 1.0)
    if kind == _SHAPES.mjGEOM_CAPSULE:
        return _unit(across + along - np.clip(along, -half_length, half_length))
    if kind == _SHAPES.mjGEOM_CYLINDER:
        on_cap = np.abs(points[:, 2:]) / half_length > np.linalg.norm(across, axis=1, keepdims=True) / radius
        return _unit(np.where(on_cap, along, across))
    raise ValueError(f"no normals of a geom of type {_SHAPES(kind).name}")


def _rectangle(size: Array, origin: Array, directions: Array) -> Array:
    """A plane, seen from above alone. A half edge of 0 stands for infinity."""
    reach = -origin[2] / directions[..., 2]
    half_edges = np.where(size[:2] > 0, size[:2], np.inf)
    within = np.abs(origin[:2] + reach[..., None] * directions[..., :2]) <= half_edges
    return np.where((origin[2] > 0) & (reach > 0) & within[..., 0] & within[..., 1], reach, np.inf)


def _box(half_size: Array, origin: Array, directions: Array) -> Array:
    """Slabs: the ray is inside while it is between all three pairs of faces."""
    enters, leaves = np.array(0.0), np.array(np.inf)
    for axis in range(3):
        per_length = 1 / directions[..., axis]
        one, other = (-half_size[axis] - origin[axis]) * per_length, (half_size[axis] - origin[axis]) * per_length
        enters = np.maximum(enters, np.minimum(one, other))
        leaves = np.minimum(leaves, np.maximum(one, other))
    return np.where((enters <= leaves) & (enters > 0), enters, np.inf)


def _ball(radius: float, origin: Array, directions: Array) -> Array:
    return _nearer_root(
        np.einsum("...i,...i->...", directions, directions), directions @ origin, float(origin @ origin) - radius**2
    )


def _tube(radius: float, half_length: float, origin: Array, directions: Array) -> Array:
    """The side of a cylinder along z, without its caps."""
    across = directions[..., :2]
    reach = _nearer_root(
        np.einsum("...i,...i->...", across, across),
        across @ origin[:2],
        float(origin[:2] @ origin[:2]) - radius**2,
    )
    return np.where(np.abs(origin[2] + reach * directions[..., 2]) <= half_length, reach, np.inf)


def _caps(radius: float, half_length: float, origin: Array, directions: Array) -> Array:
    """The one cap of a cylinder along z that faces the origin."""
    reach = (np.copysign(half_length, origin[2]) - origin[2]) / directions[..., 2]
    across = origin[:2] + reach[..., None] * directions[..., :2]
    hit = (reach > 0) & (abs(origin[2]) > half_length) & (np.einsum("...i,...i->...", across, across) <= radius**2)
    return np.where(hit, reach, np.inf)


def _nearer_root(a: Array, half_b: Array, c: float) -> Array:
    """The smaller solution of a t^2 + 2 half_b t + c = 0 where it is positive, else infinity."""
    discriminant = half_b**2 - a * c
    root = (-half_b - np.sqrt(np.maximum(discriminant, 0.0))) / a
    return np.where((discriminant >= 0) & (root > 0), root, np.inf)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
