"""A robot over a cube on a table, with a light and a camera, authored by plain USD: enough to try the stand-in on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import numpy as np

from collectors.geometry import Pose
from isaac_standin.faults import Faults
from isaac_standin.installation import Isaac, installed

ROBOT: Final = "/World/Robot"
HAND: Final = f"{ROBOT}/panda_hand"
CUBE: Final = "/World/Cube"
CAMERA: Final = "/World/Camera"
WELD: Final = "/World/Weld"
ZERO_DELAY: Final = ["--/app/hydraEngine/waitIdle=true", "--/app/updateOrder/checkForHydraRenderComplete=1000"]
ARM_RAD: Final = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785, 0.04, 0.04], dtype=np.float32)


@dataclass
class SmallCell:
    """Handles are those of Isaac Sim's API; `names` are its names that the cell was made with. camera: None where there
    is no such class."""

    isaac: Isaac
    world: Any
    robot: Any
    hand: Any
    cube: Any
    camera: Any
    names: SimpleNamespace

    def initialize(self) -> None:
        for handle in (self.robot, self.hand, self.cube, self.camera):
            handle.initialize()

    def reset(self) -> None:
        """Reset the world and stand the arm upright, weightless and stiff, as the adapter has it."""
        self.world.reset()
        self.initialize()
        self.robot.disable_gravity()
        self.robot.get_articulation_controller().set_gains(
            kps=np.full(9, 2000.0, dtype=np.float32), kds=np.full(9, 200.0, dtype=np.float32)
        )
        self.robot.set_joint_positions(ARM_RAD)
        self.robot.set_joint_velocities(np.zeros(9, dtype=np.float32))
        self.world.step(render=True)

    def cube_in_hand(self) -> Pose:
        hand, cube = (Pose(*handle.get_world_pose()) for handle in (self.hand, self.cube))
        return hand.inverse() @ cube

    def weld(self, cube_in_hand: Pose, excluded: bool = True) -> Any:
        """The joint, with these frames."""
        from pxr import Gf, UsdPhysics

        joint = UsdPhysics.FixedJoint.Define(self.isaac.stage, WELD)
        joint.CreateExcludeFromArticulationAttr(excluded)
        joint.CreateBody0Rel().SetTargets([HAND])
        joint.CreateBody1Rel().SetTargets([CUBE])
        joint.CreateLocalPos0Attr(Gf.Vec3f(*cube_in_hand.position.tolist()))
        joint.CreateLocalRot0Attr(Gf.Quatf(*cube_in_hand.quat_wxyz.tolist()))
        return joint


@contextmanager
def script(version: str = "5.0.0", faults: Faults | None = None, lit: bool = True) -> Iterator[SmallCell]:
    """A small cell before physics starts."""
    with installed(version, faults=faults) as isaac:
        from isaacsim import SimulationApp

        SimulationApp({"headless": True, "extra_args": ZERO_DELAY})
        yield small_cell(isaac, lit=lit)


@contextmanager
def running(version: str = "5.0.0", faults: Faults | None = None, lit: bool = True) -> Iterator[SmallCell]:
    """A small cell after `SmallCell.reset`."""
    with script(version, faults, lit) as cell:
        cell.reset()
        yield cell


def small_cell(isaac: Isaac, *, lit: bool = True, resolution: tuple[int, int] = (48, 32)) -> SmallCell:
    """In a script whose SimulationApp runs; physics has not started. resolution: width and height [px]."""
    import carb.settings
    from isaacsim.core.api import World
    from isaacsim.core.prims import SingleArticulation, SingleRigidPrim
    from isaacsim.core.utils.types import ArticulationAction

    world = World(physics_dt=1 / 120, rendering_dt=1 / 30, stage_units_in_meters=1.0)
    author_small_cell(isaac, lit=lit)
    camera = None
    if not isaac.faults.no_camera_class:
        from isaacsim.sensors.camera import Camera

        camera = Camera(prim_path=CAMERA, name="camera", resolution=resolution)
    return SmallCell(
        isaac,
        world,
        SingleArticulation(prim_path=ROBOT, name="robot"),
        SingleRigidPrim(prim_path=HAND, name="hand"),
        SingleRigidPrim(prim_path=CUBE, name="cube"),
        camera,
        SimpleNamespace(World=World, ArticulationAction=ArticulationAction, settings=carb.settings.get_settings()),
    )


def author_small_cell(isaac: Isaac, *, lit: bool = True) -> None:
    from pxr import Gf, UsdGeom, UsdLux, UsdPhysics

    stage = isaac.stage
    robot = UsdGeom.Xform.Define(stage, ROBOT).GetPrim()
    robot.GetReferences().AddReference(str(next(isaac.asset_root.rglob("franka.usd"))))
    table = UsdGeom.Cube.Define(stage, "/World/Table")
    table.CreateSizeAttr(1.0)
    _place(UsdGeom, Gf, table, (0.5, 0.0, 0.2), (0.6, 0.8, 0.4))
    UsdPhysics.CollisionAPI.Apply(table.GetPrim())
    cube = UsdGeom.Xform.Define(stage, CUBE)
    _place(UsdGeom, Gf, cube, (0.5, 0.0, 0.42))
    UsdPhysics.RigidBodyAPI.Apply(cube.GetPrim())
    UsdPhysics.MassAPI.Apply(cube.GetPrim()).CreateMassAttr(0.1)
    shape = UsdGeom.Cube.Define(stage, f"{CUBE}/shape")
    shape.CreateSizeAttr(0.04)
    shape.CreateDisplayColorAttr([(1.0, 0.0, 0.0)])
    UsdPhysics.CollisionAPI.Apply(shape.GetPrim())
    camera = UsdGeom.Camera.Define(stage, CAMERA)
    camera.CreateFocalLengthAttr(40.0)
    camera.CreateClippingRangeAttr(Gf.Vec2f(0.01, 10.0))
    _place(UsdGeom, Gf, camera, (0.5, 0.0, 1.0))  # straight down on the cube
    if lit:
        UsdLux.DomeLight.Define(stage, "/World/Light").CreateIntensityAttr(1000.0)


def _place(geom: ModuleType, gf: ModuleType, prim: Any, position: Any, scale: Any = (1.0, 1.0, 1.0)) -> None:
    double = geom.XformOp.PrecisionDouble
    prim.AddTranslateOp(double).Set(gf.Vec3d(*position))
    prim.AddOrientOp(double).Set(gf.Quatd(1.0))
    prim.AddScaleOp(double).Set(gf.Vec3d(*scale))
