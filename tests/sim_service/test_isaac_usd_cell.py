"""The cell as a whole: valid for usd-core and for the adapter, complete, authored once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics
from usd_franka import LINKS, write_franka
from usd_stage import KINDS, THREE_OPS, cell_stage, complaints, faults, object_prim, ops, parsed, to_world

from collectors.cameras import CAM_HIGH, CAMERAS
from collectors.geometry import Pose
from collectors.kinematics import hand_pose
from collectors.objects import CUBE
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.cell import author_cell
from sim_service.isaac_sim.usd.errors import CellExistsError, RobotError
from sim_service.isaac_sim.usd.weld import attach_weld


@pytest.mark.parametrize("variants", [False, True])
@pytest.mark.parametrize("looks", [False, True])
def test_validators_find_nothing(tmp_path: Path, looks: bool, variants: bool) -> None:
    """All of usd-core's, physics included; each of them applies."""
    stage = cell_stage(tmp_path, looks=looks, variants=variants)
    assert complaints(stage) == []
    assert faults(stage) == []


def test_validators_find_nothing_in_a_welded_cell(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    attach_weld(stage, CUBE, Pose((0.5, 0.0, 0.6)), Pose((0.5, 0.0, 0.5)))
    assert complaints(stage) == []
    assert faults(stage) == []


def _dangle(stage: Usd.Stage) -> None:
    UsdPhysics.Joint(stage.GetPrimAtPath(paths.WELD)).GetBody1Rel().SetTargets(["/World/Nothing"])


def _shear(stage: Usd.Stage) -> None:
    cube = UsdGeom.Xformable(object_prim(stage, CUBE))
    cube.AddRotateXYZOp().Set(Gf.Vec3f(30.0, 0.0, 0.0))
    cube.GetPrim().GetAttribute("xformOp:scale").Set(Gf.Vec3d(1.0, 2.0, 1.0))


def _stretch_cylinder(stage: Usd.Stage) -> None:
    can = stage.GetPrimAtPath("/World/PickObject_005_tomato_soup_can/collision")
    can.GetAttribute("xformOp:scale").Set(Gf.Vec3d(1.0, 2.0, 1.0))


def _nest_articulation(stage: Usd.Stage) -> None:
    UsdPhysics.ArticulationRootAPI.Apply(stage.GetPrimAtPath(paths.WORLD))


def _forget_up_axis(stage: Usd.Stage) -> None:
    stage.ClearMetadata("upAxis")


def _forget_default_prim(stage: Usd.Stage) -> None:
    stage.ClearDefaultPrim()


def _unapply_material(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath(paths.TABLE).RemoveAppliedSchema("MaterialBindingAPI")


def _lose_asset(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath(paths.GOAL).GetReferences().AddReference("not_there.usda")


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (_dangle, "JointInvalidPrimRel"),
        (_shear, "RigidBodyOrientationScale"),
        (_stretch_cylinder, "ColliderNonUniformScale"),
        (_nest_articulation, "NestedArticulation"),
        (_forget_up_axis, "MissingUpAxis"),
        (_forget_default_prim, "MissingDefaultPrim"),
        (_unapply_material, "MissingMaterialBindingAPI"),
        (_lose_asset, "UnresolvableDependency"),
    ],
)
def test_validators_find_a_planted_mistake(tmp_path: Path, mistake: Callable[[Usd.Stage], None], error: str) -> None:
    stage = cell_stage(tmp_path)
    attach_weld(stage, CUBE, Pose((0.5, 0.0, 0.6)), Pose((0.5, 0.0, 0.5)))
    mistake(stage)
    assert error in " ".join(complaints(stage))


def _join_articulation(stage: Usd.Stage) -> None:
    UsdPhysics.Joint(stage.GetPrimAtPath(paths.WELD)).GetExcludeFromArticulationAttr().Set(False)


def _scale(stage: Usd.Stage) -> None:
    object_prim(stage, CUBE).GetAttribute("xformOp:scale").Set(Gf.Vec3d(1.001))


def _nest_body(stage: Usd.Stage) -> None:
    UsdPhysics.RigidBodyAPI.Apply(stage.GetPrimAtPath(paths.WORLD))


def _use_float(stage: Usd.Stage) -> None:
    cube = object_prim(stage, CUBE)
    cube.RemoveProperty("xformOp:orient")
    cube.CreateAttribute("xformOp:orient", Sdf.ValueTypeNames.Quatf).Set(Gf.Quatf(1.0))


@pytest.mark.parametrize(
    ("mistake", "fault"),
    [
        (_join_articulation, "/World/GraspWeld is part of an articulation"),
        (_scale, "/World/PickObject is a scaled rigid body"),
        (_nest_body, "/World/PickObject is below the rigid body /World"),
        (_use_float, "'quatf'"),
    ],
)
def test_faults_find_a_planted_mistake(tmp_path: Path, mistake: Callable[[Usd.Stage], None], fault: str) -> None:
    """Valid USD all the same: that is why `faults` is there."""
    stage = cell_stage(tmp_path)
    attach_weld(stage, CUBE, Pose((0.5, 0.0, 0.6)), Pose((0.5, 0.0, 0.5)))
    mistake(stage)
    assert fault in " ".join(faults(stage))
    assert complaints(stage) == []


def test_stage_is_metric_and_z_up(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdPhysics.GetStageKilogramsPerUnit(stage) == 1.0
    assert UsdPhysics.StageHasAuthoredKilogramsPerUnit(stage)
    assert stage.GetDefaultPrim().GetPath() == "/World"
    assert np.array_equal(to_world(stage.GetDefaultPrim()), np.eye(4))


def test_gravity_points_down(tmp_path: Path) -> None:
    (scene,) = parsed(cell_stage(tmp_path), "Scene").values()
    assert scene.gravityDirection == Gf.Vec3f(0, 0, -1)
    assert scene.gravityMagnitude == pytest.approx(9.81, rel=1e-7)


def test_physics_scene_that_is_there_is_kept(tmp_path: Path) -> None:
    """Isaac Sim's World makes its own before the cell is authored."""
    stage = Usd.Stage.CreateInMemory()
    UsdPhysics.Scene.Define(stage, paths.PHYSICS_SCENE).CreateGravityMagnitudeAttr(9.80665)
    author_cell(stage, (CUBE,), CAMERAS, str(write_franka(tmp_path / "f.usda", variants=False)), lambda _: None)
    (scene,) = parsed(stage, "Scene").values()
    assert scene.gravityMagnitude == pytest.approx(9.80665, rel=1e-7)


def test_world_that_is_there_is_used(tmp_path: Path) -> None:
    stage = Usd.Stage.CreateInMemory()
    stage.DefinePrim(paths.WORLD)
    author_cell(stage, (CUBE,), CAMERAS, str(write_franka(tmp_path / "f.usda", variants=False)), lambda _: None)
    assert complaints(stage) == []


def test_second_cell_is_refused_and_leaves_the_first(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    before = stage.GetRootLayer().ExportToString()
    with pytest.raises(CellExistsError, match=r"/World/Franka, /World/Table.*new stage"):
        author_cell(stage, KINDS, CAMERAS, "other.usda", lambda _: None)
    assert stage.GetRootLayer().ExportToString() == before


@pytest.mark.parametrize("path", [paths.TABLE, paths.LIGHTS, paths.WELD, paths.CAMERAS[CAM_HIGH.name]])
def test_any_part_of_a_cell_is_refused(path: str) -> None:
    stage = Usd.Stage.CreateInMemory()
    stage.DefinePrim(path)
    with pytest.raises(CellExistsError, match=path):
        author_cell(stage, (CUBE,), CAMERAS, "robot.usda", lambda _: None)


@pytest.mark.parametrize("variants", [False, True])
def test_robot_stands_at_the_origin(tmp_path: Path, variants: bool) -> None:
    stage = cell_stage(tmp_path, variants=variants)
    robot = stage.GetPrimAtPath(paths.ROBOT)
    assert ops(robot) == THREE_OPS
    assert np.array_equal(to_world(robot), np.eye(4))
    assert np.allclose(to_world(stage.GetPrimAtPath(paths.HAND)), hand_pose(np.zeros(7)).matrix(), rtol=0, atol=1e-12)
    assert set(parsed(stage, "Articulation")) == {paths.ROBOT}
    assert {f"{paths.ROBOT}/{link}" for link in LINKS} < set(parsed(stage, "RigidBody"))


def test_robot_keeps_the_variants_that_its_asset_chose(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, variants=True)
    sets = stage.GetPrimAtPath(paths.ROBOT).GetVariantSets()
    assert sets.GetAllVariantSelections() == {"Gripper": "Default", "Mesh": "Quality"}
    assert len(stage.GetRootLayer().GetPrimAtPath(paths.ROBOT).variantSelections) == 0


def test_robot_whose_ops_differ_is_put_at_the_origin_too(tmp_path: Path) -> None:
    """Its single-precision translate is kept and its rotateXYZ does not count."""
    path = write_franka(tmp_path / "franka.usda", variants=False)
    asset = Usd.Stage.Open(str(path))
    root = UsdGeom.Xformable(asset.GetDefaultPrim())
    root.ClearXformOpOrder()
    for name in ("xformOp:translate", "xformOp:orient"):
        root.GetPrim().RemoveProperty(name)
    root.AddTranslateOp(UsdGeom.XformOp.PrecisionFloat).Set(Gf.Vec3f(1, 2, 3))
    root.AddRotateXYZOp().Set(Gf.Vec3f(10, 20, 30))
    asset.GetRootLayer().Save()
    stage = Usd.Stage.CreateInMemory()
    author_cell(stage, (CUBE,), CAMERAS, str(path), lambda _: None)
    robot = stage.GetPrimAtPath(paths.ROBOT)
    assert ops(robot) == [("xformOp:translate", "float3"), *THREE_OPS[1:]]
    assert np.array_equal(to_world(robot), np.eye(4))


def test_robot_without_a_hand_is_refused(tmp_path: Path) -> None:
    asset = Usd.Stage.CreateInMemory()
    asset.SetDefaultPrim(UsdGeom.Xform.Define(asset, "/ur10").GetPrim())
    UsdGeom.Xform.Define(asset, "/ur10/tool0")
    asset.GetRootLayer().Export(str(tmp_path / "ur10.usda"))
    with pytest.raises(RobotError, match=r"ur10\.usda.*panda_hand.*found there: tool0"):
        author_cell(Usd.Stage.CreateInMemory(), (), CAMERAS, str(tmp_path / "ur10.usda"), lambda _: None)


def test_robot_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RobotError, match=r"'nowhere\.usda'.*found there: nothing"):
        author_cell(Usd.Stage.CreateInMemory(), (), CAMERAS, "nowhere.usda", lambda _: None)


def test_scaled_robot_is_refused(tmp_path: Path) -> None:
    path = write_franka(tmp_path / "franka.usda", variants=False)
    asset = Usd.Stage.Open(str(path))
    asset.GetPrimAtPath("/panda").GetAttribute("xformOp:scale").Set(Gf.Vec3d(0.01))
    asset.GetRootLayer().Save()
    with pytest.raises(RobotError, match=r"panda_hand is scaled by \(0\.01"):
        author_cell(Usd.Stage.CreateInMemory(), (), CAMERAS, str(path), lambda _: None)
