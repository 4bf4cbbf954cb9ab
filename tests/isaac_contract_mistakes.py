"""Mistakes in modules of the adapter, each in the line marked `# here`, and how the problem that is told begins."""

MISTAKES = {
    "wrong keyword": (
        """
        from sim_service.isaac_sim.compat import SingleRigidPrim
        SingleRigidPrim(prim_path="/World/Cube", pose=None)  # here
        """,
        "isaacsim.core.prims.SingleRigidPrim in 4.5.0: got an unexpected keyword argument 'pose'; its signature is "
        "(prim_path, name='rigid_prim', position=None,",
    ),
    "keyword of newer versions": (
        """
        from isaacsim.core.prims import SingleRigidPrim
        SingleRigidPrim(prim_path="/World/Cube", reset_xform_properties=False)  # here
        """,
        "isaacsim.core.prims.SingleRigidPrim in 4.5.0: got an unexpected keyword argument 'reset_xform_properties'",
    ),
    "removed function": (
        """
        from isaacsim.core.utils.semantics import add_update_semantics  # here
        """,
        "isaacsim.core.utils.semantics.add_update_semantics in 6.0.1: there is none; it is in 4.5.0, 5.0.0, 5.1.0",
    ),
    "removed function of a module": (
        """
        import isaacsim.core.utils.semantics as semantics
        def label(prim: object) -> None:
            semantics.add_update_semantics(prim, "cube")  # here
        """,
        "isaacsim.core.utils.semantics.add_update_semantics in 6.0.1: there is none",
    ),
    "positional argument that shifts": (
        """
        from isaacsim.core.prims import SingleRigidPrim
        SingleRigidPrim("/World/Cube", "cube", None, None, None, None, None, 0.1)  # here
        """,
        "isaacsim.core.prims.SingleRigidPrim in 4.5.0, 5.0.0, 5.1.0, 6.0.1: positional argument 8 is 'mass' in 4.5.0, "
        "'reset_xform_properties' in 5.0.0",
    ),
    "too many arguments": (
        """
        from isaacsim.core.api import World
        World.instance().step(True, True, False)  # here
        """,
        "isaacsim.core.api.World.step in 4.5.0, 5.0.0: too many positional arguments; its signature is "
        "(render=True, step_sim=True)",
    ),
    "keyword-only by position": (
        """
        from isaacsim.storage.native import get_assets_root_path
        root = get_assets_root_path(True)  # here
        """,
        "isaacsim.storage.native.get_assets_root_path in 5.1.0, 6.0.1: too many positional arguments; its signature is "
        "(*, skip_check=False)",
    ),
    "missing argument": (
        """
        from isaacsim.core.api import World
        World().add_physics_callback("count")  # here
        """,
        "isaacsim.core.api.World.add_physics_callback in 4.5.0, 5.0.0, 5.1.0, 6.0.1: missing a required argument: "
        "'callback_fn'; its signature is (callback_name, callback_fn)",
    ),
    "unknown attribute": (
        """
        from isaacsim.core.prims import SingleArticulation
        dofs = SingleArticulation(prim_path="/World/Franka").dof_count  # here
        """,
        "isaacsim.core.prims.SingleArticulation.dof_count in 4.5.0, 5.0.0, 5.1.0, 6.0.1: tests/isaac_api has no such",
    ),
    "self attribute": (
        """
        from isaacsim.core.api import World
        class Watch:
            def __init__(self, world: World) -> None:
                self._world = world
            def stop(self) -> None:
                self._world.remove_physics_callback(name="count")  # here
        """,
        "isaacsim.core.api.World.remove_physics_callback in 4.5.0, 5.0.0, 5.1.0, 6.0.1: missing a required argument",
    ),
    "annotated self attribute": (
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from isaacsim import SimulationApp
        class Application:
            def __init__(self) -> None:
                self._app: SimulationApp | None = None
            def close(self) -> None:
                if self._app is not None:
                    self._app.close(exit_code=3)  # here
        """,
        "isaacsim.SimulationApp.close in 4.5.0, 5.0.0: got an unexpected keyword argument 'exit_code'",
    ),
    "dataclass field": (
        """
        from dataclasses import dataclass
        from isaacsim.core.api import World
        @dataclass
        class Cell:
            worlds: dict[str, World]
            def reset(self) -> None:
                for name, world in self.worlds.items():
                    world.reset(hard=True)  # here
        """,
        "isaacsim.core.api.World.reset in 4.5.0, 5.0.0, 5.1.0, 6.0.1: got an unexpected keyword argument 'hard'",
    ),
    "local alias": (
        """
        from isaacsim.core.api import World
        def run(world: World) -> None:
            advance = world.step
            advance(draw=True)  # here
        """,
        "isaacsim.core.api.World.step in 4.5.0, 5.0.0: got an unexpected keyword argument 'draw'",
    ),
    "compat import": (
        """
        from sim_service.isaac_sim.compat import World as TheWorld
        TheWorld(physics_hz=120)  # here
        """,
        "isaacsim.core.api.World in 4.5.0, 5.0.0, 5.1.0, 6.0.1: got an unexpected keyword argument 'physics_hz'",
    ),
    "compat module": (
        """
        from sim_service.isaac_sim import compat
        body = compat.rigid_prim("/World/Cube")
        body.set_pose(position=None)  # here
        """,
        "isaacsim.core.prims.SingleRigidPrim.set_pose in 4.5.0, 5.0.0, 5.1.0, 6.0.1: tests/isaac_api has no such name; "
        "isaacsim.core.prims.SingleRigidPrim has set_",
    ),
    "none in some versions": (
        """
        from sim_service.isaac_sim.compat import add_labels
        def label(prim: object) -> None:
            add_labels(prim, ["cube"])  # here
        """,
        "add_labels in 4.5.0: it is None",
    ),
    "nothing to fall back to": (
        """
        try:  # here
            from isaacsim.core.utils.stage import use_stage
        except ImportError as error:
            raise RuntimeError("no stage") from error
        """,
        "isaacsim.core.utils.stage.use_stage in 4.5.0: there is none, and nothing else is tried",
    ),
    "misspelt on the way to something else": (
        """
        try:
            from isaacsim.core.api import Wrold  # here
        except ImportError as error:
            raise RuntimeError("no world") from error
        """,
        "isaacsim.core.api.Wrold in 4.5.0, 5.0.0, 5.1.0, 6.0.1: tests/isaac_api has no such name; isaacsim.core.api "
        "has World",
    ),
    "not awaited": (
        """
        from isaacsim.core.api import World
        async def restart(world: World) -> None:
            world.reset_async()  # here
        """,
        "isaacsim.core.api.World.reset_async in 4.5.0, 5.0.0, 5.1.0, 6.0.1: it is to be awaited",
    ),
    "awaited in vain": (
        """
        from isaacsim.core.api import World
        async def restart(world: World) -> None:
            await world.reset()  # here
        """,
        "isaacsim.core.api.World.reset in 4.5.0, 5.0.0, 5.1.0, 6.0.1: it is not to be awaited",
    ),
    "async call that does not bind": (
        """
        import asyncio
        from isaacsim.core.api import World
        async def restart(world: World) -> None:
            task = asyncio.ensure_future(world.reset_async(seed=1))  # here
        """,
        "isaacsim.core.api.World.reset_async in 4.5.0, 5.0.0, 5.1.0, 6.0.1: got an unexpected keyword argument 'seed'",
    ),
    "unresolved receiver": (
        """
        def aim(robot) -> None:
            robot.apply_action(None)  # here
        """,
        "unresolved: nothing says what robot.apply_action belongs to; annotate it",
    ),
    "unresolved behind Any": (
        """
        from typing import Any
        class Robot:
            def __init__(self, arm: Any) -> None:
                self._arm = arm
            def positions(self) -> Any:
                return self._arm.get_joint_positions  # here
        """,
        "unresolved: nothing says what self._arm.get_joint_positions belongs to",
    ),
    "hidden by a protocol": (
        """
        from typing import Protocol
        class Body(Protocol):
            def get_world_pose(self, frame: str) -> object: ...  # here
        """,
        "Body.get_world_pose is of a protocol, but a name of Isaac Sim's",
    ),
    "result that nothing is said of": (
        """
        from isaacsim.core.api import World
        def log(world: World) -> None:
            world.get_data_logger().start()  # here
        """,
        "isaacsim.core.api.World.get_data_logger() gives what tests/isaac_api/return_types.json does not say",
    ),
    "chain of results": (
        """
        import omni.kit.app
        stream = omni.kit.app.get_app().get_update_event_stream()
        stream.create_subscription_to_pop(print, label="x")  # here
        """,
        "carb.events.IEventStream.create_subscription_to_pop in 4.5.0, 5.0.0, 5.1.0, 6.0.1: got an unexpected keyword",
    ),
    "module that is not imported": (
        """
        import omni.kit.app
        context = omni.usd.get_context()  # here
        """,
        "omni.usd is used, but this file does not import it",
    ),
    "expanded keywords": (
        """
        from isaacsim.core.prims import SingleRigidPrim
        options = {"mass": 0.1, "friction": 1.0}
        SingleRigidPrim(prim_path="/World/Cube", **options)  # here
        """,
        "isaacsim.core.prims.SingleRigidPrim in 4.5.0: got an unexpected keyword argument 'friction'",
    ),
    "expanded keywords that are not written out": (
        """
        from isaacsim.core.prims import SingleRigidPrim
        def body(**options: object) -> SingleRigidPrim:
            return SingleRigidPrim(prim_path="/World/Cube", **options)  # here
        """,
        "isaacsim.core.prims.SingleRigidPrim is called with arguments that are not written out",
    ),
    "expanded arguments": (
        """
        from isaacsim.core.api import World
        def step(world: World, flags: list[bool]) -> None:
            world.step(*flags)  # here
        """,
        "isaacsim.core.api.World.step is called with arguments that are not written out",
    ),
    "callback of the wrong shape": (
        """
        from isaacsim.core.api import World
        class Watch:
            def start(self, world: World) -> None:
                world.add_physics_callback(callback_name="count", callback_fn=self._count)  # here
            def _count(self) -> None:
                pass
        """,
        "Watch._count will be called back with 1 arguments: too many positional arguments",
    ),
    "lambda of the wrong shape": (
        """
        from isaacsim.core.api import World
        World().add_physics_callback("count", lambda: None)  # here
        """,
        "a lambda will be called back with 1 arguments: too many positional arguments",
    ),
    "method handed over for another call": (
        """
        from collections.abc import Callable
        from isaacsim.core.api import World
        def read(source: Callable[[], object]) -> object:
            return source()
        read(World().remove_physics_callback)  # here
        """,
        "isaacsim.core.api.World.remove_physics_callback in 4.5.0, 5.0.0, 5.1.0, 6.0.1: missing a required argument",
    ),
    "method overridden by another shape": (
        """
        import omni.ext
        class Extension(omni.ext.IExt):
            def on_startup(self) -> None:  # here
                pass
        """,
        "Extension.on_startup is called by Isaac Sim as omni.ext.IExt.on_startup(ext_id, /): too many positional",
    ),
    "method as a condition": (
        """
        from isaacsim.core.api import World
        def pause(world: World) -> None:
            if world.is_playing:  # here
                world.pause()
        """,
        "isaacsim.core.api.World.is_playing is not called here, so it is always true",
    ),
    "property that is called": (
        """
        from isaacsim.core.api import World
        view = World().physics_sim_view()  # here
        """,
        "omni.physics.tensors.SimulationView is not called",
    ),
    "property that is set": (
        """
        from isaacsim.core.api import World
        World().stage = None  # here
        """,
        "isaacsim.core.api.World.stage in 4.5.0, 5.0.0, 5.1.0, 6.0.1: a property that cannot be set",
    ),
    "method of the class": (
        """
        from isaacsim.core.api import World
        World.step(render=True)  # here
        """,
        "isaacsim.core.api.World.step belongs to an instance, not to the class",
    ),
    "key that is ignored": (
        """
        from isaacsim import SimulationApp
        app = SimulationApp({"headless": True, "disable_viewport_updates": True})  # here
        """,
        "isaacsim.SimulationApp in 4.5.0: launch_config has no 'disable_viewport_updates', it is ignored",
    ),
    "attribute by a name that is computed": (
        """
        from isaacsim.core.api import World
        def ask(world: World, what: str) -> object:
            return getattr(world, what)  # here
        """,
        "getattr(world, what): the attribute's name is not written out",
    ),
    "attribute that no version has": (
        """
        from isaacsim.core.api import World
        shutdown = getattr(World(), "shut_down", None)  # here
        """,
        "isaacsim.core.api.World.shut_down in 4.5.0, 5.0.0, 5.1.0, 6.0.1: tests/isaac_api has no such name",
    ),
    "optional attribute without a guard": (
        """
        from isaacsim.sensors.camera import Camera
        destroy = getattr(Camera(prim_path="/World/Camera"), "destroy", None)
        destroy()  # here
        """,
        "destroy in 4.5.0: it is None",
    ),
    "guard the wrong way round": (
        """
        from isaacsim.sensors.camera import Camera
        def close(camera: Camera) -> None:
            if not hasattr(camera, "destroy"):
                camera.destroy()  # here
        """,
        "isaacsim.sensors.camera.Camera.destroy in 4.5.0: there is none",
    ),
    "import by a computed name": (
        """
        import importlib
        app = importlib.import_module("omni.kit.app")  # here
        """,
        "importlib.import_module('omni.kit.app'): import what is meant by a statement",
    ),
    "module that nothing is known of": (
        """
        import omni.kit.viewport.utility  # here
        """,
        "omni.kit.viewport.utility in 4.5.0, 5.0.0, 5.1.0, 6.0.1: tests/isaac_api has no such name",
    ),
}
