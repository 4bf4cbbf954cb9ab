"""The robot: NVIDIA's Franka by reference."""

from __future__ import annotations

from typing import Final

from pxr import Usd, UsdGeom, UsdPhysics

from collectors.geometry import Pose
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import RobotError
from sim_service.isaac_sim.usd.xform import set_transform, world_scale

_SCALE_TOLERANCE: Final = 1e-6


def author_robot(stage: Usd.Stage, robot_usd: str) -> None:
    """Reference the robot at paths.ROBOT, base at the world's origin, with the asset's own choice of variants.

    Raises RobotError when the asset has no rigid body panda_hand right below its default prim, or a scaled one: a
    weld's frame would be scaled with it.
    """
    robot = UsdGeom.Xform.Define(stage, paths.ROBOT).GetPrim()
    robot.GetReferences().AddReference(robot_usd)
    hand = stage.GetPrimAtPath(paths.HAND)
    if not hand or not hand.HasAPI(UsdPhysics.RigidBodyAPI):
        found = ", ".join(child.GetName() for child in robot.GetAllChildren()) or "nothing"
        raise RobotError(
            f"robot {robot_usd!r} has no rigid body 'panda_hand' right below its default prim; found there: {found}"
        )
    set_transform(robot, Pose((0.0, 0.0, 0.0)))
    scale = world_scale(hand)
    if any(abs(factor - 1.0) > _SCALE_TOLERANCE for factor in scale):
        raise RobotError(f"robot {robot_usd!r}: panda_hand is scaled by {scale}; allowed: 1")
