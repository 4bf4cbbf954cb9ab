"""The cameras on the stage see what the cameras of collectors see."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom
from usd_franka import write_franka
from usd_stage import THREE_OPS, cell_stage, ops

from collectors.cameras import CAM_HIGH, CAM_WRIST, CAMERAS, Camera
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.objects import CUBE
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.cameras import author_camera, place_camera
from sim_service.isaac_sim.usd.cell import author_cell
from sim_service.isaac_sim.usd.errors import CameraError
from sim_service.isaac_sim.usd.xform import set_transform

PARENT_TO_WORLD = {CAM_HIGH.name: Pose((0, 0, 0)), CAM_WRIST.name: hand_pose(np.zeros(7))}
ODD = replace(CAM_HIGH, width_px=640, height_px=360, horizontal_fov_rad=math.radians(60))


def by_pinhole(camera: Camera, points_m: Array) -> Array:
    """Pixels, shape (n, 2), of points in the world, shape (n, 3)."""
    world_to_camera = (PARENT_TO_WORLD[camera.name] @ camera.camera_to_parent()).inverse().matrix()
    x, y, z = (points_m @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]).T
    fx, fy, cx, cy = camera.intrinsics()
    return np.stack([fx * x / z + cx, fy * y / z + cy], axis=1)


def by_usd(camera: Camera, prim: Usd.Prim, points_m: Array) -> Array:
    """The same by what USD makes of the prim."""
    frustum = UsdGeom.Camera(prim).GetCamera(Usd.TimeCode.Default()).frustum
    matrix = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
    screen = np.array([matrix.Transform(Gf.Vec3d(*point.tolist())) for point in points_m])  # -1..1, y up
    return (screen[:, :2] * (1, -1) + 1) / 2 * (camera.width_px, camera.height_px)


def points_in_view(camera: Camera) -> Array:
    """World points [m], shape (200, 3), all over the picture, 0.2 to 2 m away."""
    rng = np.random.default_rng(5)
    depth = rng.uniform(0.2, 2.0, 200)
    fx, fy, cx, cy = camera.intrinsics()
    pixels = rng.uniform(0, 1, (200, 2)) * (camera.width_px, camera.height_px)
    seen = np.stack([(pixels[:, 0] - cx) / fx * depth, (pixels[:, 1] - cy) / fy * depth, depth], axis=1)
    camera_to_world = (PARENT_TO_WORLD[camera.name] @ camera.camera_to_parent()).matrix()
    return seen @ camera_to_world[:3, :3].T + camera_to_world[:3, 3]


@pytest.mark.parametrize("camera", [CAM_HIGH, CAM_WRIST, ODD], ids=["cam_high", "cam_wrist", "not-square"])
def test_points_appear_at_the_same_pixels(tmp_path: Path, camera: Camera) -> None:
    stage = Usd.Stage.CreateInMemory()
    author_cell(stage, (CUBE,), (camera,), str(write_franka(tmp_path / "f.usda", variants=False)), lambda _: None)
    points = points_in_view(camera)
    seen = by_usd(camera, stage.GetPrimAtPath(paths.CAMERAS[camera.name]), points)
    assert np.allclose(seen, by_pinhole(camera, points), rtol=0, atol=1e-3)  # apertures are single precision


def test_paths_lens_and_ops_are_the_specified_ones(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    high = stage.GetPrimAtPath("/World/OverheadCam")
    wrist = stage.GetPrimAtPath("/World/Franka/panda_hand/wrist_cam")
    for prim in (high, wrist):
        assert prim.IsA(UsdGeom.Camera)
        assert ops(prim) == THREE_OPS
        camera = UsdGeom.Camera(prim)
        assert camera.GetProjectionAttr().Get() == "perspective"
        assert camera.GetHorizontalApertureAttr().Get() == pytest.approx(20.955, rel=1e-7)
        assert camera.GetVerticalApertureAttr().Get() == pytest.approx(20.955, rel=1e-7)
        assert camera.GetClippingRangeAttr().Get() == Gf.Vec2f(0.01, 100)
    assert UsdGeom.Camera(high).GetFocalLengthAttr().Get() == pytest.approx(14.0, rel=1e-7)
    assert Gf.Camera().horizontalAperture == pytest.approx(20.955)  # USD's own default
    position, forward, up = (
        np.array(high.GetAttribute("xformOp:translate").Get()),
        *(
            np.array(high.GetAttribute("xformOp:orient").Get().Transform(Gf.Vec3d(*axis)))
            for axis in ((0, 0, -1), (0, 1, 0))
        ),
    )
    sin, cos = math.sin(math.radians(25)), math.cos(math.radians(25))
    assert np.allclose(position, (0.3, -0.3, 1.3), rtol=0, atol=0)
    assert np.allclose(forward, (0, sin, -cos), rtol=0, atol=1e-15)
    assert np.allclose(up, (0, cos, sin), rtol=0, atol=1e-15)


def test_pixels_are_square() -> None:
    stage = Usd.Stage.CreateInMemory()
    author_camera(stage, ODD)
    camera = UsdGeom.Camera(stage.GetPrimAtPath(paths.CAMERAS[ODD.name]))
    ratio = camera.GetHorizontalApertureAttr().Get() / camera.GetVerticalApertureAttr().Get()
    assert ratio == pytest.approx(640 / 360, rel=1e-6)


def test_camera_that_was_displaced_is_put_back(tmp_path: Path) -> None:
    stage = cell_stage(tmp_path, (CUBE,))
    for camera in CAMERAS:
        prim = stage.GetPrimAtPath(paths.CAMERAS[camera.name])
        points = points_in_view(camera)
        set_transform(prim, Pose((0.1, 0.2, 0.3), (0.5, 0.5, 0.5, 0.5)))
        assert not np.allclose(by_usd(camera, prim, points), by_pinhole(camera, points), rtol=0, atol=1)
        place_camera(stage, camera)
        assert np.allclose(by_usd(camera, prim, points), by_pinhole(camera, points), rtol=0, atol=1e-3)
        assert ops(prim) == THREE_OPS


def test_every_camera_of_the_collectors_has_its_place() -> None:
    assert set(paths.CAMERAS) == {camera.name for camera in CAMERAS}


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (replace(CAM_HIGH, name="cam_side"), r"'cam_side' has no path.*cam_high, cam_wrist"),
        (replace(CAM_HIGH, parent="panda_hand"), r"carried by 'panda_hand'.*/World/OverheadCam"),
        (replace(CAM_WRIST, parent="world"), r"carried by 'world'.*panda_hand/wrist_cam"),
    ],
)
def test_camera_without_a_place_is_refused(camera: Camera, message: str) -> None:
    with pytest.raises(CameraError, match=message):
        author_camera(Usd.Stage.CreateInMemory(), camera)
