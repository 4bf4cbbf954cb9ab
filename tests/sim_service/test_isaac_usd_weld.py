"""The weld: frames that agree in the world, the right bodies, complete before it is enabled, gone afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Tf, Usd, UsdPhysics
from usd_stage import KINDS, cell_stage, object_prim, parsed, to_world

from collectors.geometry import IDENTITY_QUAT_WXYZ, Pose, quat_from_matrix, rotation_angle
from collectors.objects import CUBE, ObjectKind
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.errors import StageError, WeldError
from sim_service.isaac_sim.usd.weld import attach_weld, detach_weld, is_welded, weld_frames
from sim_service.isaac_sim.usd.xform import set_transform

HAND = Pose((0.5, 0.0, 0.6), (0.0, 1.0, 0.0, 0.0))
OBJECT = Pose((0.5, 0.0, 0.5))


def frames_apart(stage: Usd.Stage) -> tuple[float, float]:
    """Distance [m] and angle [rad] in the world between the two frames of the weld, from what is on the stage alone:
    the joint's attributes and the transforms of its bodies."""
    (joint,) = [UsdPhysics.Joint(stage.GetPrimAtPath(paths.WELD))]
    sides = (
        (joint.GetBody0Rel(), joint.GetLocalPos0Attr(), joint.GetLocalRot0Attr()),
        (joint.GetBody1Rel(), joint.GetLocalPos1Attr(), joint.GetLocalRot1Attr()),
    )
    frames = []
    for body, position, rotation in sides:
        (path,) = body.GetTargets()
        local = np.array(Gf.Matrix4d(Gf.Rotation(rotation.Get()), Gf.Vec3d(position.Get()))).T
        frames.append(to_world(stage.GetPrimAtPath(path)) @ local)
    distance = float(np.linalg.norm(frames[0][:3, 3] - frames[1][:3, 3]))
    return distance, rotation_angle(*(quat_from_matrix(frame[:3, :3]) for frame in frames))


def random_view_pose(rng: np.random.Generator) -> Pose:
    """As a physics view gives it: single precision, the quaternion slightly off unit length; up to 1 m from the
    origin along each axis."""
    quat = rng.normal(size=4)
    quat *= (1 + rng.uniform(-1e-5, 1e-5)) / np.linalg.norm(quat)
    return Pose(rng.uniform(-1, 1, 3).astype(np.float32), quat.astype(np.float32))


def put(stage: Usd.Stage, hand_to_world: Pose, object_to_world: Pose) -> None:
    """The bodies on the stage, in double precision; the robot stands at the origin."""
    for path, pose in ((paths.HAND, hand_to_world), (paths.object_path(CUBE), object_to_world)):
        unit = pose.quat_wxyz / np.linalg.norm(pose.quat_wxyz)
        set_transform(stage.GetPrimAtPath(path), Pose(pose.position, unit))


def test_frames_agree_in_the_world_for_500_poses(tmp_path: Path) -> None:
    """Within a micrometre and a microradian, single-precision attributes and poses 1 m apart notwithstanding."""
    rng = np.random.default_rng(11)
    stage = cell_stage(tmp_path, (CUBE,))
    worst = np.zeros(2)
    for _ in range(500):
        hand_to_world, object_to_world = random_view_pose(rng), random_view_pose(rng)
        put(stage, hand_to_world, object_to_world)
        attach_weld(stage, CUBE, hand_to_world, object_to_world)
        worst = np.maximum(worst, frames_apart(stage))
        detach_weld(stage)
    assert worst[0] < 1e-6
    assert worst[1] < 1e-6
    assert worst[0] > 1e-9  # of single precision: the comparison is not of a thing with itself


@pytest.mark.parametrize("attribute", ["physics:localPos0", "physics:localPos1"])
def test_frames_that_disagree_by_two_micrometres_are_noticed(tmp_path: Path, attribute: str) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    put(stage, HAND, OBJECT)
    attach_weld(stage, CUBE, HAND, OBJECT)
    position = stage.GetPrimAtPath(paths.WELD).GetAttribute(attribute)
    position.Set(position.Get() + Gf.Vec3f(2e-6, 0, 0))
    assert frames_apart(stage)[0] > 1e-6


def test_frame_is_the_pose_of_the_object_in_the_hand() -> None:
    """pos0 = R0^T (p1 - p0), rot0 = q0^-1 q1."""
    frame = weld_frames(Pose((1.0, 2.0, 3.0), (np.sqrt(0.5), 0, 0, np.sqrt(0.5))), Pose((1.0, 2.5, 3.25)))
    assert np.allclose(frame.position, (0.5, 0.0, 0.25), rtol=0, atol=1e-15)
    assert np.allclose(frame.quat_wxyz, (np.sqrt(0.5), 0, 0, -np.sqrt(0.5)), rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_joint_is_what_the_engine_will_parse(tmp_path: Path, kind: ObjectKind) -> None:
    stage = cell_stage(tmp_path)
    others = set(parsed(stage, "FixedJoint"))
    attach_weld(stage, kind, HAND, OBJECT)
    joints = parsed(stage, "FixedJoint")
    assert set(joints) - others == {"/World/GraspWeld"}
    joint = joints["/World/GraspWeld"]
    assert (str(joint.body0), str(joint.body1)) == ("/World/Franka/panda_hand", paths.object_path(kind))
    assert joint.excludeFromArticulation
    assert joint.jointEnabled
    assert joint.breakForce == joint.breakTorque == float("inf")
    assert (joint.localPose1Position, joint.localPose1Orientation) == (Gf.Vec3f(0), Gf.Quatf(*IDENTITY_QUAT_WXYZ))


def test_joint_is_complete_when_it_is_enabled(tmp_path: Path) -> None:
    """Whatever listens to the stage sees it authored as enabled only with bodies, frames and exclusion in place."""
    stage = cell_stage(tmp_path, (CUBE,))
    authored: list[set[str]] = []

    def look(_notice: Usd.Notice.ObjectsChanged, _sender: Usd.Stage) -> None:
        joint = stage.GetPrimAtPath(paths.WELD)
        enabled = joint.GetAttribute("physics:jointEnabled") if joint else None
        if enabled and enabled.HasAuthoredValue() and enabled.Get():
            authored.append({prop.GetName().removeprefix("physics:") for prop in joint.GetAuthoredProperties()})

    listener = Tf.Notice.Register(Usd.Notice.ObjectsChanged, look, stage)
    attach_weld(stage, CUBE, HAND, OBJECT)
    listener.Revoke()
    frames = {f"local{noun}{side}" for noun in ("Pos", "Rot") for side in (0, 1)}
    assert authored
    assert all(names == {"body0", "body1", "jointEnabled", "excludeFromArticulation", *frames} for names in authored)


def test_second_weld_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    attach_weld(stage, CUBE, HAND, OBJECT)
    before = stage.GetRootLayer().ExportToString()
    with pytest.raises(WeldError, match=r"'004_sugar_box'.*/World/GraspWeld already"):
        attach_weld(stage, KINDS[1], HAND, OBJECT)
    assert stage.GetRootLayer().ExportToString() == before


def test_detached_weld_leaves_the_stage_as_it_was(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path)
    before = stage.GetRootLayer().ExportToString()
    assert not is_welded(stage)
    attach_weld(stage, CUBE, HAND, OBJECT)
    assert is_welded(stage)
    detach_weld(stage)
    assert not is_welded(stage)
    detach_weld(stage)
    assert stage.GetRootLayer().ExportToString() == before


def test_weld_of_another_layer_is_not_passed_over(tmp_path: Path) -> None:
    """Someone edits another layer meanwhile: then removing the prim there removes nothing."""
    stage = cell_stage(tmp_path, (CUBE,))
    attach_weld(stage, CUBE, HAND, OBJECT)
    stage.SetEditTarget(stage.GetSessionLayer())
    with pytest.raises(WeldError, match="still there"):
        detach_weld(stage)


def test_missing_bodies_are_named(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    with pytest.raises(WeldError, match=r"no rigid body at /World/PickObject_004_sugar_box"):
        attach_weld(stage, KINDS[1], HAND, OBJECT)
    object_prim(stage, CUBE).RemoveAPI(UsdPhysics.RigidBodyAPI)
    with pytest.raises(WeldError, match=r"no rigid body at /World/PickObject"):
        attach_weld(stage, CUBE, HAND, OBJECT)
    assert not is_welded(stage)


@pytest.mark.parametrize(
    "pose",
    [
        Pose((0, 0, 0), (0, 0, 0, 0)),
        Pose((0, 0, 0), (1, 0.1, 0, 0)),
        Pose((0, 0, 0), (float("nan"), 0, 0, 0)),
        Pose((float("nan"), 0, 0)),
        Pose((float("inf"), 0, 0)),
    ],
    ids=["zero", "long", "nan-quaternion", "nan-position", "infinite"],
)
def test_pose_that_is_none_is_refused(tmp_path: Path, pose: Pose) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    for poses, name in (((pose, OBJECT), "hand"), ((HAND, pose), "object")):
        with pytest.raises(WeldError, match=f"pose of the {name} is"):
            attach_weld(stage, CUBE, *poses)
    assert not is_welded(stage)
    assert issubclass(WeldError, StageError)


def test_attributes_have_the_types_of_the_schema(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    attach_weld(stage, CUBE, HAND, OBJECT)
    joint = stage.GetPrimAtPath(paths.WELD)
    types = {attribute.GetName(): attribute.GetTypeName() for attribute in joint.GetAuthoredAttributes()}
    assert types == {
        "physics:jointEnabled": Sdf.ValueTypeNames.Bool,
        "physics:excludeFromArticulation": Sdf.ValueTypeNames.Bool,
        "physics:localPos0": Sdf.ValueTypeNames.Point3f,
        "physics:localPos1": Sdf.ValueTypeNames.Point3f,
        "physics:localRot0": Sdf.ValueTypeNames.Quatf,
        "physics:localRot1": Sdf.ValueTypeNames.Quatf,
    }
