"""The assets that stand in for NVIDIA's are valid, and the Franka is where its kinematics say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pxr import Usd, UsdGeom
from usd_franka import FINGERS, LINKS, write_franka, write_ycb_look
from usd_stage import THREE_OPS, complaints, faults, ops, parsed, to_world

from collectors.franka import NUM_ARM_JOINTS
from collectors.kinematics import hand_pose
from collectors.objects import YCB, ObjectKind

both = pytest.mark.parametrize("variants", [False, True])


@both
def test_franka_is_valid(tmp_path: Path, variants: bool) -> None:
    stage = Usd.Stage.Open(str(write_franka(tmp_path / "franka.usda", variants=variants)))
    assert complaints(stage) == []
    assert [fault for fault in faults(stage) if "joint" not in fault] == []  # its own joints are its articulation


@both
def test_franka_has_its_links_joints_and_drives(tmp_path: Path, variants: bool) -> None:
    stage = Usd.Stage.Open(str(write_franka(tmp_path / "franka.usda", variants=variants)))
    assert stage.GetDefaultPrim().GetPath() == "/panda"
    assert set(parsed(stage, "RigidBody")) == {f"/panda/{link}" for link in LINKS}
    assert set(parsed(stage, "Articulation")) == {"/panda"}
    revolute, prismatic = parsed(stage, "RevoluteJoint"), parsed(stage, "PrismaticJoint")
    names = sorted(path.rpartition("/")[2] for path in (*revolute, *prismatic))
    arm = [f"panda_joint{number}" for number in range(1, NUM_ARM_JOINTS + 1)]
    assert names == sorted([*arm, "panda_finger_joint1", "panda_finger_joint2"])
    assert all(joint.drive.enabled and joint.limit.enabled for joint in (*revolute.values(), *prismatic.values()))
    assert all(ops(stage.GetPrimAtPath(f"/panda/{link}")) == THREE_OPS for link in LINKS)


def test_hand_is_where_the_kinematics_put_it(tmp_path: Path) -> None:
    stage = Usd.Stage.Open(str(write_franka(tmp_path / "franka.usda", variants=False)))
    hand = to_world(stage.GetPrimAtPath("/panda/panda_hand"))
    assert np.allclose(hand, hand_pose(np.zeros(NUM_ARM_JOINTS)).matrix(), rtol=0, atol=1e-12)
    left, right = (to_world(stage.GetPrimAtPath(f"/panda/{finger}")) for finger in FINGERS)
    assert np.allclose(left[:3, 1], -right[:3, 1], rtol=0, atol=1e-12)  # they move in opposite senses


def test_joint_frames_agree_with_the_links(tmp_path: Path) -> None:
    """At the zero configuration each joint's two frames are one."""
    stage = Usd.Stage.Open(str(write_franka(tmp_path / "franka.usda", variants=False)))
    joints = {**parsed(stage, "RevoluteJoint"), **parsed(stage, "PrismaticJoint"), **parsed(stage, "FixedJoint")}
    for joint in joints.values():
        if joint.body0:
            local = np.eye(4)
            local[:3, 3] = joint.localPose0Position
            parent, child = (to_world(stage.GetPrimAtPath(body)) for body in (joint.body0, joint.body1))
            assert np.allclose((parent @ local)[:3, 3], child[:3, 3], rtol=0, atol=1e-6)


def test_only_the_newer_franka_has_variant_sets(tmp_path: Path) -> None:
    found = []
    for variants in (False, True):
        stage = Usd.Stage.Open(str(write_franka(tmp_path / f"franka_{variants}.usda", variants=variants)))
        found.append(sorted(stage.GetDefaultPrim().GetVariantSets().GetNames()))
    assert found == [[], ["Gripper", "Mesh"]]


@pytest.mark.parametrize("kind", YCB.values(), ids=lambda kind: kind.name)
def test_ycb_look_is_valid_y_up_and_off_centre(tmp_path: Path, kind: ObjectKind) -> None:
    stage = Usd.Stage.Open(str(write_ycb_look(tmp_path / "look.usda", kind, units_per_metre=100.0)))
    assert complaints(stage) == []
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), [UsdGeom.Tokens.default_])
    box = cache.ComputeWorldBound(stage.GetDefaultPrim()).ComputeAlignedRange()
    x, y, z = kind.size_m
    assert np.allclose(np.array(box.GetSize()) * UsdGeom.GetStageMetersPerUnit(stage), (x, z, y), rtol=1e-6)
    assert np.linalg.norm(np.array(box.GetMidpoint())) > 1
