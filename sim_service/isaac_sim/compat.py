"""Every difference between the versions of Isaac Sim, 4.5 to 6.0, found by trying what is there.

To be imported once the application runs: before that, none of these names can be imported. Elsewhere in this package
Isaac's names come from here; what only some versions have is wrapped by a function.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, Protocol

import carb.settings
import numpy as np
import omni.kit.app
import omni.timeline
from isaacsim.core.api.controllers import ArticulationController
from isaacsim.core.prims import SingleArticulation, SingleRigidPrim
from isaacsim.core.utils.extensions import enable_extension
from isaacsim.core.utils.stage import create_new_stage, create_new_stage_async, get_current_stage, is_stage_loading
from isaacsim.core.utils.types import ArticulationAction
from isaacsim.core.version import get_version
from isaacsim.storage.native import get_assets_root_path

from collectors.cameras import Camera
from collectors.simulator import Image, SimulatorError
from sim_service.simulators import SimulatorUnavailable

if TYPE_CHECKING:
    from omni.kit.app import IExtensionManager

try:
    from isaacsim.core.api import World
except ImportError:  # an experience without it may still have the older name, up to 5.1
    from omni.isaac.core import World

try:
    from isaacsim.sensors.camera import Camera as IsaacCamera
except ImportError:  # deprecated since 6.0, and a stub later
    IsaacCamera = None

__all__ = [
    "ArticulationAction",
    "ArticulationController",
    "SingleArticulation",
    "SingleRigidPrim",
    "World",
    "create_new_stage",
    "create_new_stage_async",
    "enable_extension",
    "get_current_stage",
    "is_stage_loading",
]

MAX_TIMELINE_S: Final = 1e9

ASSET_ROOT_SETTING: Final = "/persistent/isaac/asset_root/default"

# Below the asset root; NVIDIA moved it between 4.5 and 5.0.
FRANKA_USD: Final = (
    "/Isaac/Robots/FrankaRobotics/FrankaPanda/franka.usd",
    "/Isaac/Robots/Franka/franka.usd",
)


def version() -> str:
    """Of Isaac Sim, such as "4.5.0"; the release alone, without the build."""
    return str(get_version()[0]).partition("-")[0]


def assets_root() -> str:
    """Folder or URL that NVIDIA's assets are below. Where Isaac Sim finds none, the one of the setting: it also asks
    for folders that we do not need. Raises SimulatorUnavailable where there is no setting either."""
    configured = setting(ASSET_ROOT_SETTING)
    try:
        root, reason = get_assets_root_path(), "Isaac Sim found none"
    except RuntimeError as error:  # from 5.0 on; 4.5 returns None
        root, reason = None, str(error)
    if not (root or configured):
        raise SimulatorUnavailable(
            f"NVIDIA's assets cannot be reached: {reason}, and the setting {ASSET_ROOT_SETTING} is {configured!r}. "
            f"Give the machine access to them, or a copy and --{ASSET_ROOT_SETTING}=FOLDER"
        )
    return str(root or configured).rstrip("/")


def franka_usds() -> tuple[str, ...]:
    """Where the Franka may be below the asset root, the likeliest path of this version first."""
    return FRANKA_USD[::-1] if version().startswith("4.") else FRANKA_USD


def setting(path: str) -> Any:
    return carb.settings.get_settings().get(path)


def set_setting(path: str, value: bool | int | float | str) -> None:
    carb.settings.get_settings().set(path, value)


def publish_poses(world: World) -> None:
    """Let the renderer have what the last step of physics came to. Physics writes it to the stage by itself, unless
    Fabric is enabled: that takes it in updates in which physics steps, and ours are made between the updates."""
    manager: IExtensionManager = omni.kit.app.get_app().get_extension_manager()
    if manager.is_extension_enabled("omni.physx.fabric"):
        from omni.physxfabric import get_physx_fabric_interface

        get_physx_fabric_interface().force_update(world.get_physics_dt(), world.current_time)


def stop_timeline() -> None:
    """From the application's next turn on. Every handle of physics dies with it."""
    omni.timeline.get_timeline_interface().stop()


def extend_timeline() -> None:
    """It counts on while it plays, and would begin anew after some hours of a service."""
    omni.timeline.get_timeline_interface().set_end_time(MAX_TIMELINE_S)


def articulation(prim_path: str, name: str) -> SingleArticulation:
    return SingleArticulation(prim_path=prim_path, name=name, **_leaving_xforms(SingleArticulation))


def rigid_prim(prim_path: str, name: str) -> SingleRigidPrim:
    return SingleRigidPrim(prim_path=prim_path, name=name, **_leaving_xforms(SingleRigidPrim))


def _leaving_xforms(wrapper: type) -> dict[str, bool]:
    """From 5.0 on a wrapper can be told to leave a prim's transform operations as they are authored."""
    return (
        {"reset_xform_properties": False} if "reset_xform_properties" in inspect.signature(wrapper).parameters else {}
    )


class PictureSource(Protocol):
    """One camera prim on the stage, as pictures."""

    def start(self) -> None:
        """After every reset of the world: what was started before is silent then."""

    def read(self) -> Image | None:
        """The picture that was drawn last: RGB, uint8, shape (height, width, 3), the caller's own; None while there
        is none. Raises SimulatorError for anything else."""

    def close(self) -> None:
        """Before the prim goes away. May be called twice."""


def picture_source(prim_path: str, camera: Camera) -> PictureSource:
    """The camera prim must be on the stage."""
    if IsaacCamera is not None:
        return _CameraPictures(prim_path, camera)
    return _SensorPictures(prim_path, camera)


class _CameraPictures:
    """By `isaacsim.sensors.camera.Camera`: 4.5 to 6.0."""

    def __init__(self, prim_path: str, camera: Camera) -> None:
        self._spec = camera
        self._started = False
        # Neither frequency nor dt: it takes every frame that is drawn, and we choose.
        self._camera = IsaacCamera(
            prim_path=prim_path, name=camera.name, resolution=(camera.width_px, camera.height_px)
        )

    def start(self) -> None:
        self._camera.initialize()
        self._started = True

    def read(self) -> Image | None:
        if not self._started:
            raise SimulatorError(f"camera {self._spec.name} was not started")
        return rgb_of(self._camera.get_rgba(), self._spec)

    def close(self) -> None:
        self._started = False
        destroy = getattr(self._camera, "destroy", None)  # from 5.0 on
        if destroy is not None:
            destroy()


class _SensorPictures:
    """By `isaacsim.sensors.experimental.rtx.CameraSensor`, where the older class is gone."""

    def __init__(self, prim_path: str, camera: Camera) -> None:
        self._path, self._spec = prim_path, camera
        self._sensor: Any = None

    def start(self) -> None:
        from isaacsim.sensors.experimental.rtx import CameraSensor

        self._sensor = CameraSensor(
            self._path, resolution=(self._spec.height_px, self._spec.width_px), annotators=["rgb"]
        )

    def read(self) -> Image | None:
        if self._sensor is None:
            raise SimulatorError(f"camera {self._spec.name} was not started")
        data, _ = self._sensor.get_data("rgb")
        return rgb_of(None if data is None else data.numpy(), self._spec)

    def close(self) -> None:
        self._sensor = None


def rgb_of(frame: Any, camera: Camera) -> Image | None:
    """A frame as Isaac Sim gives it, as RGB, uint8, shape (height, width, 3); None for the ways in which it says that
    there is none yet: None, or an array without elements. Raises SimulatorError for a frame of another shape."""
    if frame is None or np.size(frame) == 0:
        return None
    pixels = np.asarray(frame)
    wanted = (camera.height_px, camera.width_px)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[:2] != wanted or pixels.shape[2] not in (3, 4):
        raise SimulatorError(
            f"camera {camera.name} gave {pixels.dtype} pixels of shape {pixels.shape}; expected uint8 of shape "
            f"{(*wanted, 4)}"
        )
    return np.array(pixels[:, :, :3])
