"""Stand-ins, written with usd-core, for what the adapter references from the asset server: the Franka and the looks of
the YCB objects. Prim names, nesting, units and axes are the real ones; the shapes are boxes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from collectors.franka import (
    DH_CRAIG,
    FINGER_CLOSED_M,
    FINGER_OPEN_M,
    FLANGE_OFFSET_M,
    HAND_YAW_ON_FLANGE_RAD,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
)
from collectors.geometry import IDENTITY_QUAT_WXYZ, Pose, quat_about_axis
from collectors.objects import ObjectKind

ROOT: Final = "/panda"
HAND: Final = "panda_hand"
FINGERS: Final = ("panda_leftfinger", "panda_rightfinger")
LINKS: Final = (*(f"panda_link{index}" for index in range(9)), HAND, *FINGERS)

_ARM_MASS_KG: Final = (0.63, 4.97, 0.65, 3.23, 3.59, 1.23, 1.67, 0.74)  # about those of franka_description
_MASS_KG: Final = {
    **{f"panda_link{index}": mass for index, mass in enumerate(_ARM_MASS_KG)},
    **{"panda_link8": 0.1, HAND: 0.73, **dict.fromkeys(FINGERS, 0.015)},
}
_FINGER_ORIGIN_M: Final = (0.0, 0.0, 0.0584)  # franka_description, franka_hand.xacro
_BOX_M: Final = {HAND: (0.05, 0.20, 0.06), **dict.fromkeys(FINGERS, (0.02, 0.015, 0.045))}  # else a cube of 8 cm


def write_franka(path: Path, *, variants: bool) -> Path:
    """A Franka at its zero configuration, fingers closed: default prim /panda with twelve links side by side below it.

    variants: with the variant sets Gripper and Mesh that Isaac Sim 6.0 ships, each with a selection.
    """
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, ROOT)
    stage.SetDefaultPrim(root.GetPrim())
    UsdPhysics.ArticulationRootAPI.Apply(root.GetPrim())
    _transform(root, Pose((0, 0, 0)))
    link_to_root: dict[str, Pose] = {}
    for name, parent, child_to_parent in _tree():
        link_to_root[name] = link_to_root[parent] @ child_to_parent if parent else child_to_parent
        _link(stage, name, link_to_root[name])
    for name, parent, child_to_parent in _tree():
        _joint(stage, name, parent, child_to_parent)
    if variants:
        _author_variants(stage, root.GetPrim())
    stage.GetRootLayer().Export(str(path))
    return path


def write_ycb_look(
    path: Path,
    kind: ObjectKind,
    *,
    units_per_metre: float = 1.0,
    centre_m: tuple[float, float, float] = (0.01, 0.07, -0.02),
    yaw_rad: float = 0.0,
) -> Path:
    """The look of an object as its published box or cylinder, Y up, without any physics.

    centre_m: middle of the shape in the asset's own frame, [m] whatever its units. yaw_rad: how far the shape is turned
    about its upright axis, a multiple of a quarter turn. A small cube inside, `top`, marks the upper end.
    """
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0 / units_per_metre)
    root = UsdGeom.Xform.Define(stage, f"/_{kind.name}")
    stage.SetDefaultPrim(root.GetPrim())
    z_up_to_y_up = quat_about_axis((1, 0, 0), -math.pi / 2)
    shape_to_asset = Pose(centre_m, z_up_to_y_up) @ Pose((0, 0, 0), quat_about_axis((0, 0, 1), yaw_rad))
    size = [edge * units_per_metre for edge in kind.size_m]
    body = root.GetPath().AppendChild("body")
    shape: Any
    if kind.shape == "cylinder":
        shape = UsdGeom.Cylinder.Define(stage, body)
        shape.CreateAxisAttr("Z")
        shape.CreateRadiusAttr(size[0] / 2)
        shape.CreateHeightAttr(size[2])
        _transform(shape, shape_to_asset, units_per_metre=units_per_metre)
    else:
        shape = UsdGeom.Cube.Define(stage, body)
        shape.CreateSizeAttr(1.0)
        _transform(shape, shape_to_asset, scale=size, units_per_metre=units_per_metre)
    _author_extent(shape)
    top = UsdGeom.Cube.Define(stage, root.GetPath().AppendChild("top"))
    top.CreateSizeAttr(0.002 * units_per_metre)
    top_in_shape = Pose((0, 0, kind.size_m[2] / 2 - 0.002))
    _transform(top, shape_to_asset @ top_in_shape, units_per_metre=units_per_metre)
    _author_extent(top)
    stage.GetRootLayer().Export(str(path))
    return path


def _tree() -> list[tuple[str, str, Pose]]:
    """Every link with its parent ('' for none) and its pose in that at the zero configuration; parents come first."""
    links = [("panda_link0", "", Pose((0, 0, 0)))]
    for index, (a_m, d_m, alpha_rad) in enumerate(DH_CRAIG, start=1):
        position = (a_m, -d_m * math.sin(alpha_rad), d_m * math.cos(alpha_rad))
        pose = Pose(position, quat_about_axis((1, 0, 0), alpha_rad))
        links.append((f"panda_link{index}", f"panda_link{index - 1}", pose))
    links.append(("panda_link8", "panda_link7", Pose((0, 0, FLANGE_OFFSET_M))))
    links.append((HAND, "panda_link8", Pose((0, 0, 0), quat_about_axis((0, 0, 1), HAND_YAW_ON_FLANGE_RAD))))
    for finger, turn_rad in zip(FINGERS, (0.0, math.pi), strict=True):
        links.append((finger, HAND, Pose(_FINGER_ORIGIN_M, quat_about_axis((0, 0, 1), turn_rad))))
    return links


def _link(stage: Any, name: str, link_to_root: Pose) -> None:
    link = UsdGeom.Xform.Define(stage, f"{ROOT}/{name}")
    _transform(link, link_to_root)
    UsdPhysics.RigidBodyAPI.Apply(link.GetPrim())
    UsdPhysics.MassAPI.Apply(link.GetPrim()).CreateMassAttr(_MASS_KG[name])
    box = UsdGeom.Cube.Define(stage, link.GetPath().AppendChild("collision"))
    box.CreateSizeAttr(1.0)
    _transform(box, Pose((0, 0, 0)), scale=_BOX_M.get(name, (0.08, 0.08, 0.08)))
    _author_extent(box)
    UsdPhysics.CollisionAPI.Apply(box.GetPrim())


def _joint(stage: Any, name: str, parent: str, child_to_parent: Pose) -> None:
    """The joint of a link, below its parent link; link0's holds it to the world."""
    joint: Any
    if name in FINGERS:
        joint = UsdPhysics.PrismaticJoint.Define(stage, f"{ROOT}/{parent}/panda_finger_joint{FINGERS.index(name) + 1}")
        _author_limits(joint, "Y", FINGER_CLOSED_M, FINGER_OPEN_M)
        _author_drive(joint, "linear", stiffness=400.0, damping=80.0)
    elif name.removeprefix("panda_link") in "1234567" and parent:
        index = int(name.removeprefix("panda_link"))
        joint = UsdPhysics.RevoluteJoint.Define(stage, f"{ROOT}/{parent}/panda_joint{index}")
        lower, upper = (math.degrees(limits[index - 1]) for limits in (JOINT_LOWER_RAD, JOINT_UPPER_RAD))
        _author_limits(joint, "Z", lower, upper)
        _author_drive(joint, "angular", stiffness=400.0, damping=40.0)
    else:
        fixed = {"panda_link0": "root_joint", "panda_link8": "panda_joint8", HAND: "panda_hand_joint"}[name]
        joint = UsdPhysics.FixedJoint.Define(stage, f"{ROOT}/{parent or name}/{fixed}")
    if parent:
        joint.CreateBody0Rel().SetTargets([Sdf.Path(f"{ROOT}/{parent}")])
    joint.CreateBody1Rel().SetTargets([Sdf.Path(f"{ROOT}/{name}")])
    joint.CreateLocalPos0Attr(Gf.Vec3f(*child_to_parent.position.tolist()))
    joint.CreateLocalRot0Attr(Gf.Quatf(*child_to_parent.quat_wxyz.tolist()))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0.0))
    joint.CreateLocalRot1Attr(Gf.Quatf(*IDENTITY_QUAT_WXYZ))


def _author_limits(joint: Any, axis: str, lower: float, upper: float) -> None:
    joint.CreateAxisAttr(axis)
    joint.CreateLowerLimitAttr(lower)
    joint.CreateUpperLimitAttr(upper)


def _author_drive(joint: Any, kind: str, *, stiffness: float, damping: float) -> None:
    drive = UsdPhysics.DriveAPI.Apply(joint.GetPrim(), kind)
    drive.CreateStiffnessAttr(stiffness)
    drive.CreateDampingAttr(damping)
    drive.CreateTargetPositionAttr(0.0)


def _author_variants(stage: Any, root: Any) -> None:
    """Finger shapes by Gripper and link shapes by Mesh, as overrides of what is there."""
    for name, selections, links, edges in (
        ("Gripper", ("Default", "AlternateFinger"), FINGERS, (0.045, 0.050)),
        ("Mesh", ("Quality", "Performance"), ("panda_link1",), (0.080, 0.085)),
    ):
        variant_set = root.GetVariantSets().AddVariantSet(name)
        for selection, edge in zip(selections, edges, strict=True):
            variant_set.AddVariant(selection)
            variant_set.SetVariantSelection(selection)
            with variant_set.GetVariantEditContext():
                for link in links:
                    visual = UsdGeom.Cube.Define(stage, root.GetPath().AppendPath(f"{link}/visual"))
                    visual.CreateSizeAttr(edge)
                    _author_extent(visual)
        variant_set.SetVariantSelection(selections[0])


def _transform(xformable: Any, pose: Pose, *, scale: Any = (1.0, 1.0, 1.0), units_per_metre: float = 1.0) -> None:
    """Double-precision translate, orient and scale, as the Franka of Isaac Sim has them."""
    double = UsdGeom.XformOp.PrecisionDouble
    xformable.AddTranslateOp(double).Set(Gf.Vec3d(*(pose.position * units_per_metre).tolist()))
    xformable.AddOrientOp(double).Set(Gf.Quatd(*pose.quat_wxyz.tolist()))
    xformable.AddScaleOp(double).Set(Gf.Vec3d(*scale))


def _author_extent(shape: Any) -> None:
    shape.CreateExtentAttr(UsdGeom.Boundable.ComputeExtentFromPlugins(shape, Usd.TimeCode.Default()))
