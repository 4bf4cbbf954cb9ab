"""Turns, scales and centres the referenced look of an object so that it fills the object's published box.

Assets come in metres or centimetres, Y up or lying, with their origin anywhere. The bounding box tells all of that but
which end is up, and there the assets' habit decides: Y is up.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics

from collectors.geometry import Array, Pose, quat_from_matrix
from collectors.objects import ObjectKind
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import LookError
from sim_service.isaac_sim.usd.xform import set_transform

MAX_MISMATCH: Final = 1.2  # ratio of found to published edge; a scan is not exactly as long as its data sheet says
_AS_GOOD: Final = 1.05  # rotations whose mismatch is within this factor of the best one's fit equally well


@dataclass(frozen=True, eq=False)
class _Fit:
    """rotation: look to object, shape (3, 3). mismatch: the worst ratio, 1 or more, of a fitted to a published edge."""

    rotation: Array
    scale: float
    mismatch: float

    @property
    def turns_y_up(self) -> bool:
        return bool(self.rotation[2, 1] == 1)


def fit_look(stage: Usd.Stage, kind: ObjectKind) -> None:
    """Author the transform of paths.look_path, after its reference is loaded.

    The rotation is the one of the 24 along the axes with which the look's box fits best at one scale for all axes; of
    equally good ones one that turns Y up, then the least. Fitting again changes nothing. Raises LookError when the
    object has no look, when the look is empty or has physics of its own, or when an edge differs by more than
    MAX_MISMATCH from the published.
    """
    look = stage.GetPrimAtPath(paths.look_path(kind))
    if not look:
        raise LookError(f"object {kind.name!r} has no look: there is no prim {paths.look_path(kind)}")
    _refuse_physics(look, kind)
    centre, edges = _bounding_box(look, kind)
    fit = _best_fit(edges, np.asarray(kind.size_m))
    if fit.mismatch > MAX_MISMATCH:
        fitted = np.abs(fit.rotation) @ edges * fit.scale
        raise LookError(
            f"look of {kind.name!r}, {_source(look)}: its box {_text(edges)} is {_text(fitted)} m at best when turned "
            f"and scaled; published: {_text(kind.size_m)} m; allowed: within {MAX_MISMATCH - 1:.0%} on each axis"
        )
    position = -fit.scale * (fit.rotation @ centre)
    set_transform(look, Pose(position, quat_from_matrix(fit.rotation)), (fit.scale,) * 3)


def _refuse_physics(look: Usd.Prim, kind: ObjectKind) -> None:
    """A second body or collider inside the object would be simulated without a word."""
    for prim in Usd.PrimRange(look, Usd.TraverseInstanceProxies()):
        if prim.HasAPI(UsdPhysics.RigidBodyAPI) or prim.HasAPI(UsdPhysics.CollisionAPI):
            raise LookError(
                f"look of {kind.name!r}, {_source(look)}: {prim.GetPath()} is a rigid body or collider; allowed: an "
                "asset without physics"
            )


def _bounding_box(look: Usd.Prim, kind: ObjectKind) -> tuple[Array, Array]:
    """Centre and edges, shape (3,) each, in the look's own frame and units."""
    purposes = [UsdGeom.Tokens.default_, UsdGeom.Tokens.render, UsdGeom.Tokens.proxy]
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), purposes)
    box = cache.ComputeUntransformedBound(look).ComputeAlignedRange()
    if box.IsEmpty():
        raise LookError(f"look of {kind.name!r}, {_source(look)}: nothing visible is in it, or it did not load")
    centre, edges = np.array(box.GetMidpoint()), np.array(box.GetSize())
    if not np.all(edges > 0):
        raise LookError(
            f"look of {kind.name!r}, {_source(look)}: its box {_text(edges)} is flat; published: {_text(kind.size_m)} m"
        )
    return centre, edges


def _best_fit(edges: Array, size_m: Array) -> _Fit:
    fits = [_fit(rotation, edges, size_m) for rotation in _axis_rotations()]
    limit = _AS_GOOD * min(fit.mismatch for fit in fits)
    equally_good = [fit for fit in fits if fit.mismatch <= limit]
    return min(equally_good, key=lambda fit: (not fit.turns_y_up, -np.trace(fit.rotation)))


def _fit(rotation: Array, edges: Array, size_m: Array) -> _Fit:
    log_ratios = np.log(size_m / (np.abs(rotation) @ edges))
    log_scale = float(log_ratios.mean())
    return _Fit(rotation, math.exp(log_scale), math.exp(float(np.abs(log_ratios - log_scale).max())))


def _axis_rotations() -> list[Array]:
    """The 24 rotations that take axes to axes."""
    matrices = [
        np.eye(3)[list(order)] * np.array(signs)
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    return [matrix for matrix in matrices if np.linalg.det(matrix) > 0]


def _source(look: Usd.Prim) -> str:
    """The asset that the look references, as it was asked for."""
    references = look.GetChild("asset").GetMetadata("references")
    return ", ".join(repr(reference.assetPath) for reference in references.prependedItems)


def _text(lengths: object) -> str:
    return " x ".join(f"{length:.4g}" for length in np.asarray(lengths).tolist())
