"""Fixed joints that somebody authors while physics runs: in force from the next physics step on."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics

from collectors.geometry import Pose
from isaac_standin.physics_model import StageModel
from isaac_standin.stage_poses import pose_and_scale


class Welds:
    def __init__(self, kit: Any, mujoco: Any, model: Any, data: Any, stage_model: StageModel) -> None:
        self._kit, self._mujoco, self._model, self._data = kit, mujoco, model, data
        self._stage_model = stage_model
        self._equalities = {pair: int(model.equality(name).id) for pair, name in stage_model.welds.items()}
        self._stale = True
        self._reparsed: set[str] = set()

    def changed(self, notice: Any) -> None:
        """A prim came or went, or a property of a joint changed."""
        stage = self._kit.stage
        self._stale = (
            self._stale
            or bool(notice.GetResyncedPaths())
            or any(
                (prim := stage.GetPrimAtPath(path.GetPrimPath())) and prim.IsA(UsdPhysics.Joint)
                for path in notice.GetChangedInfoOnlyPaths()
            )
        )

    def apply(self) -> bool:
        """What the joints on the stage now ask for. True when that has the articulation parsed anew."""
        if not self._stale:
            return False
        self._stale = False
        self._data.eq_active[list(self._equalities.values())] = 0
        cache = UsdGeom.XformCache(Usd.TimeCode.Default())
        reparsed = False
        for prim in self._kit.stage.Traverse():
            path = str(prim.GetPath())
            if not prim.IsA(UsdPhysics.Joint) or _is_of_robot(prim):
                continue
            joint = UsdPhysics.Joint(prim)
            if joint.GetJointEnabledAttr().Get() is False:
                continue
            if not joint.GetExcludeFromArticulationAttr().Get() and path not in self._reparsed:
                self._reparsed.add(path)
                self._kit.errors.append(f"{path} became part of the articulation, which was parsed anew")
                reparsed = True
            self._enforce(prim, cache)
        return reparsed

    def _enforce(self, prim: Any, cache: Any) -> None:
        joint = UsdPhysics.FixedJoint(prim)
        if not joint:
            raise NotImplementedError(f"the stand-in knows fixed joints; {prim.GetPath()} is a {prim.GetTypeName()}")
        bodies = [self._target(relation) for relation in (joint.GetBody0Rel(), joint.GetBody1Rel())]
        frames = [
            self._frame(cache, body, position.Get(), rotation.Get())
            for body, position, rotation in zip(
                bodies,
                (joint.GetLocalPos0Attr(), joint.GetLocalPos1Attr()),
                (joint.GetLocalRot0Attr(), joint.GetLocalRot1Attr()),
                strict=True,
            )
        ]
        if (bodies[0], bodies[1]) in self._equalities:
            link, body = bodies
            body_to_link = frames[0] @ frames[1].inverse()
        elif (bodies[1], bodies[0]) in self._equalities:
            body, link = bodies
            body_to_link = frames[1] @ frames[0].inverse()
        else:
            self._kit.errors.append(f"{prim.GetPath()} joins {bodies[0]} and {bodies[1]}, which is nothing to weld")
            return
        equality = self._equalities[link, body]
        slip = np.array([0.0, self._kit.faults.weld_slip_m, 0.0])
        weld = self._model.eq_data[equality]
        weld[0:3] = 0.0
        weld[3:6] = body_to_link.position + slip
        weld[6:10] = body_to_link.quat_wxyz
        weld[10] = 1.0
        self._data.eq_active[equality] = 1

    def _frame(self, cache: Any, body: str | None, position: Any, rotation: Any) -> Pose:
        """The joint in its body; PhysX scales the position with the body."""
        prim = self._kit.stage.GetPrimAtPath(body) if body else None
        _, scale = pose_and_scale(cache.GetLocalToWorldTransform(prim)) if prim else (None, np.ones(3))
        quat_wxyz = np.array([rotation.GetReal(), *rotation.GetImaginary()], dtype=np.float64)
        return Pose(np.array(position, dtype=np.float64) * scale, quat_wxyz / np.linalg.norm(quat_wxyz))

    def _target(self, relation: Any) -> str | None:
        targets = relation.GetTargets()
        return str(targets[0]) if targets else None


def _is_of_robot(prim: Any) -> bool:
    """Of the stage's robot, even of one that came after physics started."""
    while prim and not prim.IsPseudoRoot():
        if prim.HasAPI(UsdPhysics.ArticulationRootAPI):
            return True
        prim = prim.GetParent()
    return False
