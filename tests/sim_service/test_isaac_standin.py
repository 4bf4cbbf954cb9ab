"""The stand-in for Isaac Sim is as strict as the signatures of a version, and turns like its application."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading

import pytest
from isaac_standin import Faults, ProcessEnded, installed
from isaac_standin.small_cell import CAMERA, HAND, running, script

ALL = pytest.mark.parametrize("version", ["4.5.0", "5.0.0", "5.1.0", "6.0.1"])


# Strictness


def test_what_a_version_lacks_is_not_there() -> None:
    with script("4.5.0") as cell:
        assert not hasattr(cell.camera, "destroy")
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = cell.world.no_such_thing
        with pytest.raises(AttributeError, match="no_such_thing"):
            cell.world.no_such_thing = 1
        with pytest.raises(ImportError):
            importlib.import_module("isaacsim.no_such_thing")
    with script("6.0.1") as cell:
        assert callable(cell.camera.destroy)
        with pytest.raises(ImportError):
            importlib.import_module("omni.isaac.core")


def test_a_call_that_does_not_bind_is_refused() -> None:
    with script("4.5.0") as cell, pytest.raises(TypeError, match="reset_xform_properties"):
        type(cell.hand)(prim_path=HAND, reset_xform_properties=False)
    with script("5.0.0") as cell:
        type(cell.hand)(prim_path=HAND, reset_xform_properties=False)
        with pytest.raises(TypeError, match="draw"):
            cell.world.step(draw=True)


def test_what_the_stand_in_has_not_says_so() -> None:
    with script() as cell, pytest.raises(NotImplementedError, match=r"Camera\.get_pointcloud"):
        cell.camera.get_pointcloud()


@ALL
def test_nothing_can_be_imported_before_the_application_runs_nor_after(version: str) -> None:
    names = ["pxr", "omni.kit.app", "carb.settings", "isaacsim.core.api"]
    with installed(version):
        for name in names:
            with pytest.raises(ModuleNotFoundError, match="SimulationApp"):
                importlib.import_module(name)
        from isaacsim import SimulationApp

        SimulationApp()
        for name in names:
            importlib.import_module(name)
    assert not [name for name in sys.modules if name.partition(".")[0] in ("omni", "carb", "isaacsim")]
    importlib.import_module("pxr")


def test_the_application_is_started_once() -> None:
    for _ in range(2):
        with installed("5.0.0") as isaac:
            from isaacsim import SimulationApp

            SimulationApp({"headless": True, "no_such_key": 1})
            assert (isaac.launch_config, isaac.ignored_config) == (
                {"headless": True, "no_such_key": 1},
                ["no_such_key"],
            )
            with pytest.raises(RuntimeError, match="once"):
                SimulationApp()


def test_calls_belong_to_the_main_thread() -> None:
    caught: list[BaseException] = []
    with script() as cell:

        def call() -> None:
            try:
                cell.world.is_playing()
            except RuntimeError as error:
                caught.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert "main thread" in str(caught[0])


# The application


def test_an_extension_is_inside_the_applications_turn() -> None:
    with installed("5.1.0", host="extension") as isaac:
        import omni.kit.app
        from isaacsim import SimulationApp
        from isaacsim.core.api import World

        app, world = omni.kit.app.get_app(), World()
        for turn in (app.update, world.step, world.render, world.reset):
            with pytest.raises(RuntimeError, match="re-entrant"):
                turn()
        with pytest.raises(RuntimeError, match="already runs"):
            SimulationApp()
        assert isaac.updates == 0


def test_a_coroutine_resumes_in_the_next_update() -> None:
    with installed("4.5.0", host="extension") as isaac:
        import omni.kit.app

        app, resumed = omni.kit.app.get_app(), []

        async def task() -> None:
            for _ in range(3):
                await app.next_update_async()
                resumed.append(isaac.updates)

        isaac.app_update()
        asyncio.ensure_future(task())  # noqa: RUF006  # the loop has it, as Kit's has
        isaac.app_update(5)
        assert resumed == [3, 4, 5]


def test_an_extensions_world_is_set_up_by_the_applications_updates() -> None:
    with installed("6.0.1", host="extension", faults=Faults(stage_after_updates=3)) as isaac:
        from isaacsim.core.api import World
        from isaacsim.core.utils.stage import create_new_stage_async, get_current_stage

        steps: list[float] = []

        async def task() -> None:
            await create_new_stage_async()
            world = World(physics_dt=1 / 120, rendering_dt=1 / 30)
            with pytest.raises(AttributeError):
                world.add_physics_callback("early", steps.append)
            await world.initialize_simulation_context_async()
            await world.reset_async()
            world.add_physics_callback("count", steps.append)

        isaac.app_update(2)
        assert get_current_stage() is None
        isaac.app_update()
        assert get_current_stage() is not None
        begun = asyncio.ensure_future(task())
        while not begun.done():
            isaac.app_update()
        begun.result()
        assert isaac.stages_opened == 2
        isaac.kit.settings.set("/app/player/playSimulations", False)
        steps.clear()
        isaac.app_update()
        assert steps == []
        isaac.kit.settings.set("/app/player/playSimulations", True)
        isaac.app_update()
        assert steps == [1 / 120] * 4


@pytest.mark.parametrize("physics_first", [True, False])
def test_physics_may_come_before_or_after_the_subscribers(physics_first: bool) -> None:
    with running("5.1.0", Faults(physics_first=physics_first)) as cell:
        import omni.kit.app

        happened: list[str] = []
        cell.world.add_physics_callback("step", lambda _: happened.append("step"))
        stream = omni.kit.app.get_app().get_update_event_stream()
        subscription = stream.create_subscription_to_pop(lambda _: happened.append("update"))
        cell.world.step()
        assert happened == (["step"] * 4 + ["update"] if physics_first else ["update"] + ["step"] * 4)
        subscription.unsubscribe()


def test_subscriptions_are_called_by_order_and_live_as_long_as_they_are_held() -> None:
    with installed("5.1.0", host="extension") as isaac:
        import omni.kit.app

        stream, called = omni.kit.app.get_app().get_update_event_stream(), []
        late = stream.create_subscription_to_pop(lambda _: called.append("late"), order=5, name="late")
        early = stream.create_subscription_to_pop(lambda _: called.append("early"), order=-5, name="early")
        isaac.app_update()
        assert isaac.subscriptions == ["early", "late"]
        early.unsubscribe()
        del late
        isaac.app_update()
        assert (called, isaac.subscriptions) == (["early", "late"], [])


def test_what_is_left_behind_is_told() -> None:
    with running("4.5.0") as cell:
        import omni.kit.app

        cell.world.add_physics_callback("step", lambda _: None)
        stream = omni.kit.app.get_app().get_update_event_stream()
        subscription = stream.create_subscription_to_pop(lambda _: None, name="update")
        done = threading.Event()
        thread = threading.Thread(target=done.wait, name="thread")
        thread.start()
    done.set()
    thread.join()
    assert cell.isaac.left_behind == {
        "subscriptions": ["update"],
        "physics_callbacks": ["step"],
        "cameras": [CAMERA],
        "threads": ["thread"],
    }
    subscription.unsubscribe()


def test_what_a_callback_lets_out_fails_the_test() -> None:
    def raises(event: object) -> None:
        raise ValueError("lost")

    def lose() -> None:
        with installed("5.1.0", host="extension") as isaac:
            import omni.kit.app

            subscription = omni.kit.app.get_app().get_update_event_stream().create_subscription_to_pop(raises)
            isaac.app_update()
            del subscription

    with pytest.raises(AssertionError, match="lost"):
        lose()


@pytest.mark.parametrize(("version", "code"), [("4.5.0", 0), ("5.1.0", 0), ("6.0.1", 7)])
def test_the_process_ends_inside_close(version: str, code: int) -> None:
    with installed(version) as isaac:
        from isaacsim import SimulationApp

        app = SimulationApp()
        with pytest.raises(ProcessEnded) as ended:
            app.close(**({"exit_code": 7} if version == "6.0.1" else {}))
        assert (ended.value.code, isaac.exit_code, app.is_running()) == (code, code, False)


def test_close_hangs_until_it_is_released() -> None:
    with installed("5.1.0", faults=Faults(close_hangs=True)) as isaac:
        from isaacsim import SimulationApp

        threading.Timer(0.05, isaac.release_close.set).start()
        with pytest.raises(ProcessEnded):
            SimulationApp().close()
        assert isaac.release_close.is_set()


@ALL
def test_which_live_stream_can_be_enabled(version: str) -> None:
    with script(version):
        from isaacsim.core.utils.extensions import enable_extension

        can = {name for name in ("omni.services.livestream.nvcf", "omni.kit.livestream.app") if enable_extension(name)}
        assert can == {"omni.kit.livestream.app" if version == "6.0.1" else "omni.services.livestream.nvcf"}


def test_assets_take_updates_to_load() -> None:
    with script(faults=Faults(loading_updates=3)) as cell:
        from isaacsim.core.utils.stage import create_new_stage, is_stage_loading, update_stage

        create_new_stage()
        loading = []
        for _ in range(4):
            loading.append(is_stage_loading())
            update_stage()
        assert loading == [True, True, True, False]
        assert cell.isaac.stages_opened == 2


@ALL
def test_without_assets(version: str) -> None:
    with script(version, Faults(no_asset_root=True)):
        from isaacsim.storage.native import get_assets_root_path

        if version == "4.5.0":
            assert get_assets_root_path() is None
        else:
            with pytest.raises(RuntimeError):
                get_assets_root_path()
