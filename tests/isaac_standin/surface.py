"""Which names of the API there are, and what implements them."""

from __future__ import annotations

from typing import Any, Final

from pxr import Sdf, UsdGeom

from isaac_standin.articulation import ArticulationController, SingleArticulation
from isaac_standin.articulation_action import ArticulationAction
from isaac_standin.camera import Camera
from isaac_standin.camera_sensor import CameraSensor
from isaac_standin.kit import Kit
from isaac_standin.kit_app import IApp
from isaac_standin.rigid_prim import SingleRigidPrim
from isaac_standin.simulation_app import SimulationApp, default_config
from isaac_standin.world import PhysicsContext, World

_ALIASES: Final = {
    "omni.isaac.core.World": "isaacsim.core.api.World",
    "omni.isaac.sensor.Camera": "isaacsim.sensors.camera.Camera",
}
_CLASSES: Final = {
    "isaacsim.SimulationApp": SimulationApp,
    "isaacsim.core.api.World": World,
    "isaacsim.core.api.PhysicsContext": PhysicsContext,
    "isaacsim.core.api.controllers.ArticulationController": ArticulationController,
    "isaacsim.core.prims.SingleArticulation": SingleArticulation,
    "isaacsim.core.prims.SingleRigidPrim": SingleRigidPrim,
    "isaacsim.core.utils.types.ArticulationAction": ArticulationAction,
    "isaacsim.sensors.camera.Camera": Camera,
    "isaacsim.sensors.experimental.rtx.CameraSensor": CameraSensor,
    "omni.kit.app.IApp": IApp,
}


def surface(kit: Kit) -> dict[str, Any]:
    """Everything that can be imported of this version, by dotted name."""
    facts, version = kit.api.facts, kit.version
    classes = _classes(kit)
    functions = _functions(kit)
    members: dict[str, Any] = {}
    for dotted in facts.names:
        entry = facts.entry(version, dotted)
        if entry is None or dotted.rpartition(".")[0] in facts.classes:
            continue
        if entry.kind == "class":
            members[dotted] = classes[_ALIASES.get(dotted, dotted)]
        else:
            members[dotted] = kit.api.function(dotted, functions.get(dotted))
    if kit.faults.no_camera_class:
        members = {name: member for name, member in members.items() if not name.startswith("isaacsim.sensors.camera")}
    return members


def _classes(kit: Kit) -> dict[str, Any]:
    facts = kit.api.facts
    classes: dict[str, Any] = {}
    for dotted in {*facts.classes, *_CLASSES} - {*_ALIASES}:
        if dotted in _CLASSES or kit.api.has(dotted):
            classes[dotted] = kit.class_(dotted, _CLASSES.get(dotted))
    for dotted, instance in (
        ("carb.settings.ISettings", kit.settings),
        ("omni.physxfabric.IPhysxFabric", kit.fabric),
        ("omni.timeline.ITimeline", kit.timeline),
        ("omni.usd.UsdContext", kit.usd_context),
    ):
        if kit.api.has(dotted):
            classes[dotted] = type(instance)
    classes["isaacsim.core.api.World"]._slot = []
    classes["isaacsim.core.api.World"]._context_class = classes["isaacsim.core.api.PhysicsContext"]
    articulation = classes["isaacsim.core.prims.SingleArticulation"]
    articulation._controller_class = classes["isaacsim.core.api.controllers.ArticulationController"]
    articulation._controller_class._action_class = classes["isaacsim.core.utils.types.ArticulationAction"]
    app_class = classes["isaacsim.SimulationApp"]
    keys = facts.members(kit.version, "isaacsim.SimulationApp")["DEFAULT_LAUNCHER_CONFIG"].keys
    app_class._defaults = app_class.DEFAULT_LAUNCHER_CONFIG = default_config(keys)
    kit.app = classes["omni.kit.app.IApp"]()
    return classes


def _functions(kit: Kit) -> dict[str, Any]:
    def get_assets_root_path(*, skip_check: bool = False) -> Any:
        root = kit.settings.get("/persistent/isaac/asset_root/default")
        if root and (skip_check or kit.reaches(root)):
            return root
        if kit.version.startswith("4"):
            return None
        raise RuntimeError("Could not find assets root folder")

    async def create_new_stage_async() -> None:
        await kit.usd_context.new_stage_async()
        await kit.next_update()

    async def update_stage_async() -> None:
        await kit.next_update()

    def add_reference_to_stage(usd_path: str, prim_path: str, prim_type: str = "Xform") -> Any:
        prim = kit.stage.GetPrimAtPath(prim_path) or kit.stage.DefinePrim(prim_path, prim_type)
        if Sdf.Layer.FindOrOpen(usd_path) is None:
            raise FileNotFoundError(f"The usd file at path {usd_path} provided wasn't found")
        prim.GetReferences().AddReference(usd_path)
        return prim

    def set_stage_units(stage_units_in_meters: float) -> None:
        UsdGeom.SetStageMetersPerUnit(kit.stage, stage_units_in_meters)

    def set_stage_up_axis(axis: str = "z") -> None:
        UsdGeom.SetStageUpAxis(kit.stage, {"y": UsdGeom.Tokens.y, "z": UsdGeom.Tokens.z}[axis])

    def get_version() -> tuple[str, ...]:
        major, minor, patch = kit.version.split(".")
        return kit.version, "", major, minor, patch, "", "0", ""

    def run_coroutine(coroutine: Any) -> Any:
        return kit.loop.create_task(coroutine)

    stage = "isaacsim.core.utils.stage"
    extensions = "isaacsim.core.utils.extensions"
    return {
        "carb.settings.get_settings": lambda: kit.settings,
        "omni.kit.app.get_app": lambda: kit.app,
        "omni.kit.app.get_app_interface": lambda: kit.app,
        "omni.kit.async_engine.run_coroutine": run_coroutine,
        "omni.physxfabric.get_physx_fabric_interface": lambda: kit.fabric,
        "omni.timeline.get_timeline_interface": lambda: kit.timeline,
        "omni.usd.get_context": lambda name="": kit.usd_context,
        "isaacsim.core.version.get_version": get_version,
        "isaacsim.storage.native.get_assets_root_path": get_assets_root_path,
        f"{extensions}.enable_extension": lambda extension_name: kit.extensions.set_extension_enabled_immediate(
            extension_name, True
        ),
        f"{extensions}.disable_extension": lambda extension_name: kit.extensions.set_extension_enabled_immediate(
            extension_name, False
        ),
        f"{extensions}.get_extension_id": lambda extension_name: kit.extensions.get_enabled_extension_id(
            extension_name
        ),
        f"{stage}.create_new_stage": lambda: kit.usd_context.new_stage(),
        f"{stage}.create_new_stage_async": create_new_stage_async,
        f"{stage}.get_current_stage": lambda fabric=False: kit.stage,
        f"{stage}.is_stage_loading": lambda: kit.usd_context.get_stage_loading_status()[2] > 0,
        f"{stage}.update_stage": lambda: kit.turn("update_stage"),
        f"{stage}.update_stage_async": update_stage_async,
        f"{stage}.get_stage_units": lambda: UsdGeom.GetStageMetersPerUnit(kit.stage),
        f"{stage}.set_stage_units": set_stage_units,
        f"{stage}.set_stage_up_axis": set_stage_up_axis,
        f"{stage}.add_reference_to_stage": add_reference_to_stage,
    }
