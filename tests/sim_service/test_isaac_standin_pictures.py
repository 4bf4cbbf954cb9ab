"""The stand-in for Isaac Sim draws what is on the stage, as late as the real one."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from isaac_standin import Faults
from isaac_standin.small_cell import CAMERA, CUBE, SmallCell, running, script

ALL = pytest.mark.parametrize("version", ["4.5.0", "5.0.0", "5.1.0", "6.0.1"])


def picture(cell: SmallCell) -> Any:
    return np.array(cell.camera.get_rgba())


@ALL
def test_a_camera_without_a_picture(version: str) -> None:
    with script(version) as cell:
        if version == "4.5.0":
            with pytest.raises(AttributeError):
                cell.camera.get_rgba()
        else:
            assert cell.camera.get_rgba() is None
        cell.reset()
        early = cell.camera.get_rgba()
        assert early is None if version == "6.0.1" else early.shape == (0,)
        for _ in range(3):
            cell.world.render()
        assert (picture(cell).shape, picture(cell).dtype) == ((32, 48, 4), np.uint8)
        cell.world.reset()
        for _ in range(5):
            cell.world.render()
        silent = cell.camera.get_rgba()
        assert silent is None if version == "6.0.1" else silent.shape == (0,)


@pytest.mark.parametrize(("delay", "settled"), [(None, True), (None, False), (3, True)])
def test_pictures_lag_behind(delay: int | None, settled: bool) -> None:
    """By one update, unless the settings make the renderer wait."""
    with running(faults=Faults(picture_delay=delay)) as cell:
        cell.names.settings.set("/app/hydraEngine/waitIdle", settled)
        for _ in range(8):
            cell.world.render()
        before = picture(cell)
        cell.cube.set_world_pose(position=np.array([0.55, 0.0, 0.42]))
        cell.world.step(render=False)
        assert np.array_equal(picture(cell), before)
        lag = 0
        cell.world.render()
        while np.array_equal(picture(cell), before):
            cell.world.render()
            lag += 1
        assert lag == (3 if delay else 0 if settled else 1)


def test_a_picture_is_what_the_camera_prim_sees() -> None:
    with running() as cell:
        for _ in range(4):
            cell.world.step()
        red = np.argwhere(picture(cell)[:, :, 1] < 60)
        assert red.mean(axis=0) == pytest.approx([15.5, 23.5], abs=1.0)  # the middle: row, column
        seen_width_m = 20.955 / 40.0 * (1.0 - 0.44)
        assert np.ptp(red[:, 1]) + 1 == pytest.approx(0.04 / seen_width_m * 48, abs=1.0)
        cell.isaac.stage.GetPrimAtPath(CAMERA).GetAttribute("xformOp:translate").Set((0.52, 0.01, 1.0))
        cell.world.render()
        moved = np.argwhere(picture(cell)[:, :, 1] < 60).mean(axis=0) - red.mean(axis=0)
        assert moved[0] > 0.5  # the camera went to +y, which is up in the picture
        assert moved[1] < -1.0


@pytest.mark.parametrize("axis", ["X", "Y", "Z"])
def test_shapes_are_drawn_as_large_as_they_are(axis: str) -> None:
    with script() as cell:
        from pxr import UsdGeom

        rod = UsdGeom.Cylinder.Define(cell.isaac.stage, "/World/Rod")
        rod.CreateAxisAttr(axis)
        rod.CreateRadiusAttr(0.05)
        rod.CreateHeightAttr(0.3)
        rod.CreateDisplayColorAttr([(0.0, 0.0, 1.0)])
        rod.AddTranslateOp().Set((0.5, 0.0, 0.4))  # half in the table
        rod.AddScaleOp().Set((0.5, 0.5, 0.5))
        cell.isaac.stage.RemovePrim(CUBE)
        cell.world.reset()
        cell.camera.initialize()
        for _ in range(3):
            cell.world.render()
        blue = np.argwhere(picture(cell)[:, :, 0] < 60)
        px_per_m = 48 / (20.955 / 40.0 * 0.6)
        height, width = np.ptp(blue, axis=0) + 1
        assert width == pytest.approx((0.15 if axis == "X" else 0.05) * px_per_m, abs=2.0)
        assert height == pytest.approx((0.15 if axis == "Y" else 0.05) * px_per_m, abs=2.0)


@pytest.mark.parametrize("lit", [True, False])
def test_without_light_pictures_are_black(lit: bool) -> None:
    with running(lit=lit, faults=Faults(black_frames=2)) as cell:
        means = []
        for _ in range(6):
            cell.world.step()
            pixels = cell.camera.get_rgba()
            if pixels.size:
                means.append(pixels[:, :, :3].mean())
        assert means[:2] == [0.0, 0.0]
        assert means[-1] > 50 if lit else means[-1] == 0.0


def test_a_camera_sensor_takes_height_before_width() -> None:
    with script("6.0.1", Faults(no_camera_class=True)) as cell:
        with pytest.raises(ImportError):
            importlib.import_module("isaacsim.sensors.camera")
        cell.world.reset()
        from isaacsim.sensors.experimental.rtx import CameraSensor

        sensor = CameraSensor(CAMERA, resolution=(32, 48), annotators=["rgb"])
        assert sensor.get_data("rgb") == (None, {})
        for _ in range(3):
            cell.world.render()
        pixels, _ = sensor.get_data("rgb")
        assert pixels.numpy().shape == (32, 48, 3)
        assert pixels.numpy().mean() > 50


def test_one_picture_may_be_missing() -> None:
    with running() as cell:
        cell.isaac.faults.empty_frame_at = cell.isaac.updates + 5
        sizes = []
        for _ in range(8):
            cell.world.render()
            sizes.append(cell.camera.get_rgba().size > 0)
        assert sizes[1:] == [True, True, True, False, True, True, True]
