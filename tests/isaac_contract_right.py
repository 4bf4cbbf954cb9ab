"""Modules of the adapter without a mistake."""

# The compat module that these, and those with a mistake, may import from.
COMPAT = """
    from isaacsim.core.prims import SingleArticulation, SingleRigidPrim

    try:
        from isaacsim.core.api import World
    except ImportError:
        from omni.isaac.core import World

    try:
        from isaacsim.core.utils.semantics import add_labels
    except ImportError:
        add_labels = None

    def rigid_prim(path: str) -> SingleRigidPrim:
        return SingleRigidPrim(prim_path=path)
"""

RIGHT = {
    "chains": """
        import carb.settings
        import omni.kit.app
        from isaacsim.core.api import World
        async def turn(world: World) -> None:
            carb.settings.get_settings().set("/app/player/playSimulations", False)
            await omni.kit.app.get_app().next_update_async()
            await world.reset_async(soft=True)
            world.physics_sim_view.update_articulations_kinematic()
            world.stage.GetPrimAtPath("/World").IsValid()
        """,
    "optional attribute behind a guard": """
        from isaacsim.sensors.camera import Camera
        def close(camera: Camera) -> None:
            destroy = getattr(camera, "destroy", None)
            if destroy is not None:
                destroy()
            if hasattr(camera, "destroy"):
                camera.destroy()
        """,
    "keyword behind a guard": """
        import inspect
        from isaacsim import SimulationApp
        def leave(app: SimulationApp, code: int) -> None:
            if "exit_code" in inspect.signature(app.close).parameters:
                app.close(wait_for_replicator=False, exit_code=code)
            else:
                app.close(wait_for_replicator=False)
        """,
    "keywords of a function that asks": """
        import inspect
        from isaacsim.core.prims import SingleArticulation, SingleRigidPrim
        def leaving(wrapper: type) -> dict[str, bool]:
            return {"reset_xform_properties": False} if _knows(wrapper) else {}
        def _knows(wrapper: type) -> bool:
            return "reset_xform_properties" in inspect.signature(wrapper).parameters
        def arm() -> SingleArticulation:
            return SingleArticulation(prim_path="/World/Franka", **leaving(SingleArticulation))
        """,
    "name that only some versions have": """
        from sim_service.isaac_sim.compat import add_labels
        def label(prim: object) -> None:
            if add_labels is None:
                return
            add_labels(prim, ["cube"])
        """,
    "early return without the name": """
        def label(prim: object) -> None:
            try:
                from isaacsim.core.utils.semantics import add_labels
            except ImportError:
                return
            add_labels(prim, ["cube"])
        """,
    "containers and lambdas": """
        from collections.abc import Callable
        from sim_service.isaac_sim.compat import SingleRigidPrim, World, rigid_prim
        class Bodies:
            def __init__(self, paths: list[str], world: World) -> None:
                self._bodies = {path: rigid_prim(path) for path in paths}
                world.add_physics_callback("count", lambda step_s: self._count(step_s))
                self._first: SingleRigidPrim = next(iter(self._bodies.values()))
            def _count(self, step_s: float) -> None:
                for number, body in enumerate(self._bodies.values()):
                    body.set_linear_velocity(velocity=None)
                poses = [read() for read in self._readers()]
                self._first.initialize()
            def _readers(self) -> list[Callable[[], object]]:
                return [body.get_world_pose for body in self._bodies.values()]
        """,
    "names that others have too": """
        def close(stream) -> None:
            stream.update(1)
            stream.close()
        """,
    "launch configuration that grows": """
        from isaacsim import SimulationApp
        def configured(streaming: bool) -> dict[str, object]:
            config: dict[str, object] = {"headless": True}
            if streaming:
                config |= {"hide_ui": False}
            return config
        app = SimulationApp(launch_config=configured(True))
        """,
}
