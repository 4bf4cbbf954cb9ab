"""The whole work cell on a stage: robot, furniture, goal disc, lights, cameras and the objects of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pxr import Gf, Usd, UsdGeom, UsdPhysics

from collectors.cameras import Camera
from collectors.objects import ObjectKind
from collectors.randomization import MAX_DISTRACTORS
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.cameras import author_camera
from sim_service.isaac_sim.usd.distractors import author_distractors
from sim_service.isaac_sim.usd.errors import CellExistsError
from sim_service.isaac_sim.usd.furniture import author_furniture, author_table_top
from sim_service.isaac_sim.usd.lights import author_lights
from sim_service.isaac_sim.usd.materials import author_grip
from sim_service.isaac_sim.usd.objects import author_goal, author_objects
from sim_service.isaac_sim.usd.robot import author_robot

GRAVITY_M_S2: Final = 9.81


def author_cell(
    stage: Usd.Stage,
    objects: Sequence[ObjectKind],
    cameras: Sequence[Camera],
    robot_usd: str,
    look_usd: Callable[[ObjectKind], str | None],
    num_distractors: int = 0,
    textured_table: bool = False,
) -> None:
    """Put the cell on a stage that may have /World and a physics scene, and nothing of ours; objects stand parked.

    robot_usd: asset of the Franka. look_usd: asset that an object is to look like, or None for a plain shape; such
    looks need `look_fit.fit_look` once they are loaded. Raises CellExistsError, and changes nothing, when a part of
    the cell is there already; RobotError and CameraError as author_robot and author_camera do.
    """
    own = [paths.ROBOT, paths.TABLE, paths.TABLE_TOP, paths.DISTRACTOR_MATERIAL, paths.FLOOR, paths.PARKING, paths.GOAL]
    own += [paths.GRIP_MATERIAL, paths.MATERIALS, *map(paths.distractor_path, range(MAX_DISTRACTORS))]
    own += [paths.LIGHTS, paths.WELD, *paths.CAMERAS.values(), *(paths.object_path(kind) for kind in objects)]
    present = [path for path in own if stage.GetPrimAtPath(path)]
    if present:
        raise CellExistsError(f"the stage has a cell already: {', '.join(present)}; author it on a new stage")
    _author_stage(stage)
    author_robot(stage, robot_usd)
    UsdGeom.Scope.Define(stage, paths.MATERIALS)
    author_furniture(stage)
    author_goal(stage)
    author_lights(stage)
    author_objects(stage, objects, [look_usd(kind) for kind in objects], author_grip(stage))
    author_extras(stage, num_distractors, textured_table)
    for camera in cameras:
        author_camera(stage, camera)


def author_extras(stage: Usd.Stage, num_distractors: int, textured_table: bool) -> None:
    """What only some runs need, on a stage that has the cell; what is there already stays."""
    author_distractors(stage, num_distractors)
    if textured_table and not stage.GetPrimAtPath(paths.TABLE_TOP):
        author_table_top(stage)


def _author_stage(stage: Usd.Stage) -> None:
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, paths.WORLD).GetPrim())
    if not any(prim.IsA(UsdPhysics.Scene) for prim in stage.Traverse()):  # a world may have its own elsewhere
        scene = UsdPhysics.Scene.Define(stage, paths.PHYSICS_SCENE)
        scene.CreateGravityDirectionAttr(Gf.Vec3f(0.0, 0.0, -1.0))
        scene.CreateGravityMagnitudeAttr(GRAVITY_M_S2)
