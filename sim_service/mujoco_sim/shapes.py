"""Convex solids that a picture is made of, as MuJoCo's own primitives or as triangles of ours.

MuJoCo cuts a cylinder into a grid along its length and across both caps, and draws every primitive by itself. On a
processor without a GPU that is most of the cost of a picture, so the solids of a link can also become one mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.geometry import Array

Point = tuple[float, float, float]
_BOUNDARY_M = 1e-6  # a point this near to the surface does not count as inside


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles. points [m], normals: shape (n, 3), one normal to each point. faces: indices, shape (m, 3), seen
    counter-clockwise from outside."""

    points: Array
    normals: Array
    faces: NDArray[np.int64]

    def without(self, hidden: NDArray[np.bool_]) -> Surface:
        """Only the faces that are not `hidden`, shape (m,), and the points that they use."""
        faces = self.faces[~hidden]
        used, renumbered = np.unique(faces, return_inverse=True)
        return Surface(self.points[used], self.normals[used], renumbered.reshape(faces.shape))


def joined(surfaces: list[Surface]) -> Surface:
    offsets = np.cumsum([0, *(len(surface.points) for surface in surfaces[:-1])])
    return Surface(
        np.concatenate([surface.points for surface in surfaces]),
        np.concatenate([surface.normals for surface in surfaces]),
        np.concatenate([surface.faces + offset for surface, offset in zip(surfaces, offsets, strict=True)]),
    )


@dataclass(frozen=True)
class Rod:
    """A cylinder from start to end, or a capsule whose half balls lie beyond them. [m]"""

    radius: float
    start: Point
    end: Point
    round_ends: bool = False

    def primitive(self) -> dict[str, str | tuple[float, ...]]:
        shape = "capsule" if self.round_ends else "cylinder"
        return {"type": shape, "size": (self.radius,), "fromto": (*self.start, *self.end)}

    def contains(self, points: Array) -> NDArray[np.bool_]:
        local = (points - self._centre()) @ self._axes()
        half = self._half_length()
        beyond = np.abs(local[:, 2]) - half
        across = np.hypot(local[:, 0], local[:, 1])
        if self.round_ends:
            return np.hypot(across, np.maximum(beyond, 0.0)) < self.radius - _BOUNDARY_M
        return (beyond < -_BOUNDARY_M) & (across < self.radius - _BOUNDARY_M)

    def surface(self, segments: int) -> Surface:
        circle = _circle(segments)
        half = self._half_length()
        up = np.array([0.0, 0.0, 1.0])
        if self.round_ends:
            latitudes = np.linspace(-np.pi / 2, 0.0, max(2, segments // 4) + 1)
            lower = [circle * np.cos(angle) + up * np.sin(angle) for angle in latitudes]
            upper = [circle * np.cos(angle) - up * np.sin(angle) for angle in latitudes[::-1]]
            normals = np.array([*lower, *upper])
            shift = np.array([-half] * len(lower) + [half] * len(upper))
            shell = _rings(self.radius * normals + shift[:, None, None] * up, normals)
        else:
            ends = [circle * self.radius + side * half * up for side in (-1, 1)]
            sides = _rings(np.array(ends), np.array([circle, circle]))
            shell = joined([sides, _fan(ends[0][::-1], -up), _fan(ends[1], up)])
        axes = self._axes()
        return Surface(shell.points @ axes.T + self._centre(), shell.normals @ axes.T, shell.faces)

    def _centre(self) -> Array:
        return np.add(self.start, self.end) / 2

    def _half_length(self) -> float:
        return float(np.linalg.norm(np.subtract(self.end, self.start))) / 2

    def _axes(self) -> Array:
        """Columns: two directions across, then along; right-handed."""
        along: Array = np.subtract(self.end, self.start) / (2 * self._half_length())
        helper = np.eye(3)[int(np.argmin(np.abs(along)))]
        first = np.cross(helper, along)
        first /= np.linalg.norm(first)
        return np.stack([first, np.cross(along, first), along], axis=1)


@dataclass(frozen=True)
class Box:
    """half_size along x, y and z. [m]"""

    half_size: Point
    centre: Point

    def primitive(self) -> dict[str, str | tuple[float, ...]]:
        return {"type": "box", "size": self.half_size, "pos": self.centre}

    def contains(self, points: Array) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = np.all(
            np.abs(points - self.centre) < np.array(self.half_size) - _BOUNDARY_M, axis=1
        )
        return inside

    def surface(self, segments: int) -> Surface:  # noqa: ARG002 - a box has none; the solids share one signature
        faces = []
        for axis in range(3):
            outward = np.eye(3)[axis]
            first, second = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            corners = [outward + a * first + b * second for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            faces.append(_fan(np.array(corners), outward))
            faces.append(_fan(-np.array(corners)[::-1], -outward))
        unit = joined(faces)
        return Surface(unit.points * self.half_size + self.centre, unit.normals, unit.faces)


@dataclass(frozen=True)
class Ellipsoid:
    """Half axes along x, y and z. [m]"""

    half_axes: Point
    centre: Point

    def primitive(self) -> dict[str, str | tuple[float, ...]]:
        return {"type": "ellipsoid", "size": self.half_axes, "pos": self.centre}

    def contains(self, points: Array) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = np.linalg.norm((points - self.centre) / self.half_axes, axis=1) < 1 - 1e-4
        return inside

    def surface(self, segments: int) -> Surface:
        latitudes = np.linspace(-np.pi / 2, np.pi / 2, max(2, segments // 2) + 1)
        up = np.array([0.0, 0.0, 1.0])
        ball = np.array([_circle(segments) * np.cos(angle) + up * np.sin(angle) for angle in latitudes])
        normals = ball / self.half_axes
        normals /= np.linalg.norm(normals, axis=2, keepdims=True)
        return _rings(ball * self.half_axes + self.centre, normals)


Solid = Rod | Box | Ellipsoid


def visible_surfaces(solids: list[Solid], segments: int) -> list[Surface]:
    """Each solid's surface without the triangles that lie wholly within another solid. Exact, as solids are convex.

    segments: triangles' edges around a circle. A solid that disappears within another keeps its surface.
    """
    surfaces = []
    for index, solid in enumerate(solids):
        surface = solid.surface(segments)
        hidden = np.zeros(len(surface.faces), dtype=np.bool_)
        for other in (*solids[:index], *solids[index + 1 :]):
            hidden |= np.all(other.contains(surface.points)[surface.faces], axis=1)
        surfaces.append(surface if hidden.all() else surface.without(hidden))
    return surfaces


def _circle(segments: int) -> Array:
    angles = np.arange(segments) * (2 * np.pi / segments)
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(segments)], axis=1)


def _rings(points: Array, normals: Array) -> Surface:
    """The side between consecutive rings, each counter-clockwise about the direction from the first to the last.

    points, normals: shape (rings, segments, 3). A ring that is a single point makes triangles, not quads.
    """
    rings, segments, _ = points.shape
    is_point = np.ptp(points, axis=1).max(axis=1) < 1e-9
    here = np.arange(segments)
    following = (here + 1) % segments
    faces: list[NDArray[np.int64]] = []
    for ring in range(rings - 1):
        low, high = ring * segments, (ring + 1) * segments
        if not is_point[ring]:
            faces.append(np.stack([low + here, low + following, high + following], axis=1))
        if not is_point[ring + 1]:
            faces.append(np.stack([low + here, high + following, high + here], axis=1))
    return Surface(points.reshape(-1, 3), normals.reshape(-1, 3), np.concatenate(faces))


def _fan(corners: Array, normal: Array) -> Surface:
    """A flat convex face; corners counter-clockwise seen against the normal, shape (n, 3)."""
    faces = [(0, index, index + 1) for index in range(1, len(corners) - 1)]
    return Surface(corners, np.tile(normal, (len(corners), 1)), np.array(faces))
