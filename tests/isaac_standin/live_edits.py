"""Edits of the stage while physics runs: what omni.physx takes over at the next step, what it takes no notice of, and
what costs every physics view. As omni.physx and omni.physx.tensors of 107.3 and 110.0 have it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics

from isaac_standin.physics_model import StageModel, friction_of, is_solid, shape_of, spare_name
from isaac_standin.stage_poses import pose_and_scale
from sim_service.mujoco_sim.bounding_boxes import refit_boxes
from sim_service.mujoco_sim.geom_size import resize_geom

_MASS: Final = tuple(f"physics:{name}" for name in ("mass", "diagonalInertia", "principalAxes", "centerOfMass"))
_FRICTION: Final = ("physics:dynamicFriction", "physics:staticFriction")
_ENABLED: Final = "physics:collisionEnabled"
_VIEWS_DIED: Final = (
    "prim '{}' was deleted while being used by a shape in a tensor view class. The physics.tensors simulationView was "
    "invalidated."
)


class LiveEdits:
    """A size, radius or height that changes is not noticed, as in omni.physx."""

    def __init__(self, kit: Any, mujoco: Any, model: Any, stage_model: StageModel) -> None:
        self._kit, self._mujoco, self._model, self._stage_model = kit, mujoco, model, stage_model
        self._scratch = mujoco.MjData(model)
        self._bodies = {path: int(model.body(path).id) for path in stage_model.bodies}
        self._compiled = {
            body: (float(model.body_mass[body]), model.body_inertia[body].copy(), model.body_iquat[body].copy())
            for body in self._bodies.values()
        }
        self._known = {path: int(model.geom(path).id) for path in stage_model.colliders}  # which views have, too
        self._spares = {path: int(model.geom(spare_name(path)).id) for path in stage_model.bodies}
        self._added: dict[str, int] = {}
        self._statics = {path: int(model.geom(path).id) for path in stage_model.statics}
        self._paths: set[Any] = set()
        self._derive = False
        for spare in self._spares.values():
            model.geom_contype[spare] = model.geom_conaffinity[spare] = 0
        for path in self._bodies:
            if any(_attribute(self._prim(path), "physics:diagonalInertia") or ()):
                self._weigh(path)

    def changed(self, notice: Any) -> None:
        for paths in (notice.GetResyncedPaths(), notice.GetChangedInfoOnlyPaths()):
            self._paths.update(path for path in paths if self._concerns(path))

    def apply(self) -> bool:
        """True when every physics view died of it."""
        paths, self._paths = self._paths, set()
        died = False
        for path in sorted(paths, key=lambda path: (path.IsPropertyPath(), path)):  # first which prims there are
            owner = str(path.GetPrimPath())
            if path.IsPrimPath():
                died |= self._reconcile(self._body_above(owner))
            elif not self._prim(owner):
                continue
            elif path.name in _MASS and owner in self._bodies:
                self._weigh(owner)
            elif path.name in _FRICTION:
                for collider, geom in {**self._known, **self._added, **self._statics}.items():
                    self._model.geom_friction[geom, 0] = friction_of(self._prim(collider))
            elif path.name == _ENABLED and owner in {**self._known, **self._added}:
                self._switch({**self._known, **self._added}[owner], is_solid(self._prim(owner)))
            elif path.name.startswith("xformOp"):
                died |= self._moved(owner)
        if self._derive:  # of masses, and of what can touch what
            self._mujoco.mj_setConst(self._model, self._scratch)
            self._derive = False
        return died

    def _concerns(self, path: Any) -> bool:
        if not path.IsPropertyPath():
            return bool(path.IsPrimPath())
        return not path.name.startswith("xformOp") or str(path.GetPrimPath()) in (
            self._known.keys() | self._added.keys() | self._statics.keys()
        )

    def _moved(self, collider: str) -> bool:
        """A static one is put elsewhere; one of a body is made anew."""
        if collider in self._statics:
            pose, _ = _pose(self._prim(collider))
            geom = self._statics[collider]
            self._model.geom_pos[geom], self._model.geom_quat[geom] = pose.position, pose.quat_wxyz
            refit_boxes(self._model, int(self._model.geom_bodyid[geom]))
            return False
        if collider in self._added:
            self._shape(self._added[collider], self._prim(collider))
            return False
        self._kit.errors.append(_VIEWS_DIED.format(collider))
        return True

    def _reconcile(self, body: str | None) -> bool:
        """The colliders of a body with those of its prim."""
        if body is None:
            return False
        prims = Usd.PrimRange(self._prim(body)) if self._prim(body) else ()
        there = {str(prim.GetPath()) for prim in prims if prim.HasAPI(UsdPhysics.CollisionAPI)}
        gone = [path for path in self._known if path.startswith(f"{body}/") and path not in there]
        for path in gone:
            self._kit.errors.append(_VIEWS_DIED.format(path))
            self._switch(self._known.pop(path), False)
        for path in [path for path in self._added if path.startswith(f"{body}/") and path not in there]:
            self._switch(self._added.pop(path), False)
        for path in sorted(there - self._known.keys() - self._added.keys()):
            if self._spares[body] in self._added.values():
                raise NotImplementedError(f"{path}: while physics runs the stand-in takes one more collider per body")
            self._added[path] = self._spares[body]
        for path in there & self._added.keys():  # anew where it was replaced at its place
            self._shape(self._added[path], self._prim(path))
        return bool(gone)

    def _shape(self, geom: int, prim: Any) -> None:
        _, scale = _pose(prim)
        kind, half, _ = shape_of(prim, scale)
        types = {"box": self._mujoco.mjtGeom.mjGEOM_BOX, "cylinder": self._mujoco.mjtGeom.mjGEOM_CYLINDER}
        self._model.geom_type[geom] = types[kind]
        self._model.geom_size[geom] = 0
        x, y, z = half if kind == "box" else (half[0], half[0], half[1])
        resize_geom(self._model, geom, (2 * x, 2 * y, 2 * z))
        self._model.geom_friction[geom, 0] = friction_of(prim)
        self._switch(geom, is_solid(prim))

    def _switch(self, geom: int, on: bool) -> None:
        self._model.geom_contype[geom] = self._model.geom_conaffinity[geom] = int(on)
        self._derive = True

    def _weigh(self, path: str) -> None:
        """The inertia is that of the collider from the start, unless the prim has one."""
        body, prim = self._bodies[path], self._prim(path)
        compiled_mass, compiled_inertia, compiled_quat = self._compiled[body]
        mass = float(_attribute(prim, "physics:mass"))
        inertia = np.array(_attribute(prim, "physics:diagonalInertia"), dtype=np.float64)
        explicit = bool(inertia.any())
        self._model.body_mass[body] = mass
        self._model.body_inertia[body] = inertia if explicit else compiled_inertia * mass / compiled_mass
        self._derive = True
        self._model.body_iquat[body] = (1.0, 0.0, 0.0, 0.0) if explicit else compiled_quat

    def _body_above(self, path: str) -> str | None:
        return next((body for body in self._bodies if path == body or path.startswith(f"{body}/")), None)

    def _prim(self, path: str) -> Any:
        return self._kit.stage.GetPrimAtPath(path)


def _attribute(prim: Any, name: str) -> Any:
    return prim.GetAttribute(name).Get()


def _pose(prim: Any) -> Any:
    return pose_and_scale(UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default()))
