"""The weld that carries a grasped object: a fixed joint between panda_hand and the object.

It is no part of the robot's articulation. A joint that were would have the articulation parsed anew, and with it every
handle to the robot would die.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from pxr import Gf, Usd, UsdPhysics

from collectors.geometry import IDENTITY_QUAT_WXYZ, Pose
from collectors.objects import ObjectKind
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import WeldError

_UNIT_TOLERANCE: Final = 1e-3  # far above the rounding of single precision, far below any mistake


def weld_frames(hand_to_world: Pose, object_to_world: Pose) -> Pose:
    """The joint's frame on the hand's side: the pose of the object in the hand. On the object's side it is the
    object's own frame, so that the object's scale does not matter.

    The poses may come in single precision: their quaternions are made unit length. Raises WeldError for one that is
    not within 0.1 % of it, or for a position that is not finite.
    """
    return _unit(hand_to_world, "hand").inverse() @ _unit(object_to_world, "object")


def attach_weld(stage: Usd.Stage, kind: ObjectKind, hand_to_world: Pose, object_to_world: Pose) -> None:
    """Weld the object to the hand at these poses, which are those of the physics engine at this instant.

    The joint is authored disabled and enabled when all of it is there. Raises WeldError when there is a weld already,
    when one of the bodies is missing, or for the poses that `weld_frames` refuses; then nothing is authored.
    """
    if is_welded(stage):
        raise WeldError(f"cannot weld {kind.name!r}: there is a weld at {paths.WELD} already; detach it first")
    bodies = (paths.HAND, paths.object_path(kind))
    missing = [path for path in bodies if not _is_rigid_body(stage.GetPrimAtPath(path))]
    if missing:
        raise WeldError(f"cannot weld {kind.name!r}: no rigid body at {', '.join(missing)}")
    object_to_hand = weld_frames(hand_to_world, object_to_world)
    joint = UsdPhysics.FixedJoint.Define(stage, paths.WELD)
    joint.CreateJointEnabledAttr(False)
    joint.CreateExcludeFromArticulationAttr(True)
    joint.CreateBody0Rel().SetTargets([bodies[0]])
    joint.CreateBody1Rel().SetTargets([bodies[1]])
    joint.CreateLocalPos0Attr(Gf.Vec3f(*object_to_hand.position.tolist()))
    joint.CreateLocalRot0Attr(Gf.Quatf(*object_to_hand.quat_wxyz.tolist()))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0.0))
    joint.CreateLocalRot1Attr(Gf.Quatf(*IDENTITY_QUAT_WXYZ))
    joint.GetJointEnabledAttr().Set(True)


def detach_weld(stage: Usd.Stage) -> None:
    """Remove the weld; does nothing when there is none."""
    if not is_welded(stage):
        return
    stage.RemovePrim(paths.WELD)
    if is_welded(stage):
        layer = stage.GetEditTarget().GetLayer().identifier
        raise WeldError(f"the weld at {paths.WELD} is still there: another layer than the edited one, {layer}, has it")


def is_welded(stage: Usd.Stage) -> bool:
    return bool(stage.GetPrimAtPath(paths.WELD))


def _is_rigid_body(prim: Usd.Prim) -> bool:
    return bool(prim) and bool(prim.HasAPI(UsdPhysics.RigidBodyAPI))


def _unit(pose: Pose, name: str) -> Pose:
    length = float(np.linalg.norm(pose.quat_wxyz))
    if not abs(length - 1.0) <= _UNIT_TOLERANCE or not np.all(np.isfinite(pose.position)):
        raise WeldError(
            f"pose of the {name} is position {pose.position.tolist()} m, quaternion {pose.quat_wxyz.tolist()} of "
            f"length {length:.6g}; allowed: finite, length 1"
        )
    return Pose(pose.position, pose.quat_wxyz / length)
