"""The Isaac Sim adapter and the embedded simulator: the same seed gives the same episode.

Underneath the stand-in is the embedded simulator's own engine, with its inner steps and servos. So what differs comes
from the way there: targets and states in single precision, colliders and friction as the stage has them, the fingers'
limit while welded, and speeds that are sampled 120 instead of 240 times a second.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from isaac_cell import NEWEST, OLDEST, isaac_cell
from isaac_standin import installed
from simulator_contract import SEEING, scene

from collectors.franka import HOME_RAD
from collectors.simulator import Image, Simulator
from sim_service.collect_command import run_collect
from sim_service.config import CollectConfig
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings

SETTINGS = SimulatorSettings(render_preset="fast")

# Of an episode's columns; all others say what was drawn and planned.
MEASURED_M = ("placement_error_m", "lifted_m", "attach_error_m", "waypoint_error_m")
SPEEDS = ("max_joint_speed_rad_s", "max_joint_speed_fraction")


def collect(simulator: str, root: Path) -> Path:
    config = CollectConfig(root / simulator, 1, 11, 5, 0.05, 1, False, simulator, SETTINGS)
    assert run_collect(config) == 0
    return config.output


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same episode by the embedded simulator and by the stand-in."""
    root = tmp_path_factory.mktemp("parity")
    mujoco = collect("mujoco", root)
    with installed(NEWEST):
        return mujoco, collect("isaac", root)


def rows(root: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    return {name: np.array(table.column(name).to_pylist()) for name in table.column_names}


def episode(root: Path) -> dict[str, Any]:
    (file,) = (root / "meta/episodes").rglob("*.parquet")
    (row,) = pq.read_table(file).to_pylist()
    return {name.removeprefix("collection/"): value for name, value in row.items() if name.startswith("collection/")}


def test_the_drawn_scene_and_the_plan_are_equal(both: tuple[Path, Path]) -> None:
    mujoco, isaac = (episode(root) for root in both)
    assert mujoco["success"]
    drawn = set(mujoco) - {*MEASURED_M, *SPEEDS}
    assert {"object", "object_pose", "object_rgb", "pick_xy_m", "place_xy_m", "tilt_rad", "segment_frames"} <= drawn
    assert {"attach_frame", "detach_frame", "cam_high/camera_to_world", "cam_wrist/intrinsics"} <= drawn
    assert {name: isaac[name] for name in drawn} == {name: mujoco[name] for name in drawn}


def test_what_was_commanded_is_equal(both: tuple[Path, Path]) -> None:
    mujoco, isaac = (rows(root) for root in both)
    assert set(mujoco) == set(isaac)
    for name in ("action", "timestamp", "next.done", "privileged.goal_position"):
        np.testing.assert_array_equal(isaac[name], mujoco[name], err_msg=name)


@pytest.mark.parametrize(
    ("name", "part", "tolerance"),
    [
        ("observation.state", slice(0, 7), 1e-5),  # joints [rad]
        ("observation.state", slice(7, 14), 1e-3),  # their speeds [rad/s]
        ("observation.state", slice(14, 16), 5e-4),  # fingers [m]
        ("observation.state", slice(16, 19), 1e-5),  # hand [m]
        ("observation.state", slice(19, 23), 1e-5),  # hand, quaternion
        ("privileged.object_pose", slice(0, 3), 1e-4),  # [m]
        ("privileged.object_pose", slice(3, 7), 1e-3),
    ],
)
def test_trajectories_agree(both: tuple[Path, Path], name: str, part: slice, tolerance: float) -> None:
    mujoco, isaac = (rows(root)[name][:, part] for root in both)
    assert np.ptp(mujoco, axis=0).max() > 20 * tolerance  # there is something to agree on
    np.testing.assert_allclose(isaac, mujoco, atol=tolerance, rtol=0)


def test_what_was_measured_agrees(both: tuple[Path, Path]) -> None:
    mujoco, isaac = (episode(root) for root in both)
    for name in MEASURED_M:
        np.testing.assert_allclose(isaac[name], mujoco[name], atol=1e-5, rtol=0, err_msg=name)
    for name in SPEEDS:  # every other sample is missing
        assert 0.9 * mujoco[name] < isaac[name] <= mujoco[name] + 1e-3, name


def shot(simulator: Simulator) -> dict[str, Image]:
    simulator.reset(scene(simulator.objects[0], arm_rad=tuple(np.array(HOME_RAD) + 0.15)))
    simulator.advance(SEEING)
    return dict(simulator.observe(images=True).images)


def test_cameras_see_the_same_outlines() -> None:
    """Of the red cube and the green disc: light and surfaces differ."""
    mujoco = MujocoSimulator(SETTINGS)
    one = shot(mujoco)
    mujoco.close()
    with isaac_cell(OLDEST) as cell:
        other = shot(cell.simulator)
    for camera, channel in (("cam_high", 0), ("cam_high", 1), ("cam_wrist", 0)):
        masks = [dominated(pictures[camera].astype(int), channel) for pictures in (one, other)]
        overlap = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert masks[0].sum() > 250
        assert overlap > 0.97, (camera, channel)


def dominated(picture: np.ndarray, channel: int) -> np.ndarray:
    """Where one colour by far outshines the two others, shape (height, width)."""
    others = np.delete(picture, channel, axis=2).max(axis=2)
    return picture[:, :, channel] > 1.5 * others
