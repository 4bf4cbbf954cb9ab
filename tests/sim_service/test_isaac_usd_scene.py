"""What an episode changes of the stage: sizes, masses, friction, table, lights, cameras. By the real USD."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pxr import Usd, UsdGeom, UsdLux, UsdPhysics, UsdShade
from usd_franka import write_franka
from usd_stage import complaints, faults, parsed, to_world, world_box

from collectors.cameras import CAMERAS
from collectors.geometry import Pose, quat_about_axis, quat_rotate
from collectors.objects import CUBE, YCB, ObjectError
from collectors.randomization import MAX_DISTRACTORS, PRESETS
from collectors.scene import TABLE_SURFACE_Z_M, Distractor, Light, Plant, Scene, Table
from collectors.table_texture import table_texture
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.isaac_sim.table_textures import TableTextures
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.cell import author_cell
from sim_service.isaac_sim.usd.scene import dress_stage, refuse_scene, undress_bodies

NOMINAL = Scene(CUBE, Pose((0.5, 0.1, TABLE_SURFACE_Z_M + 0.02)), (0.8, 0.1, 0.08), (0.45, -0.2))
BIG = replace(CUBE, size_m=(0.05, 0.05, 0.05), mass_kg=0.3, grasp_below_top_m=0.025)


@pytest.fixture
def stage(tmp_path: Path) -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory()
    robot = write_franka(tmp_path / "franka.usda", variants=False)
    author_cell(stage, (CUBE,), CAMERAS, str(robot), lambda _: None, MAX_DISTRACTORS, textured_table=True)
    return stage


@pytest.fixture
def textures() -> Iterator[TableTextures]:
    textures = TableTextures()
    yield textures
    textures.close()


def drawn(index: int) -> Scene:
    task = TASKS["pick_place"]((CUBE,), 0.05)
    variation = draw_variation(PRESETS["full"], (3, index, 0))
    return task.draw(np.random.default_rng([3, index, 0]), variation).scene


def dress(stage: Usd.Stage, scene: Scene, texture_file: str = "") -> None:
    dress_stage(stage, scene, (CUBE,), CAMERAS, MAX_DISTRACTORS, texture_file)


def composed(stage: Usd.Stage) -> dict[str, Any]:
    """Every attribute's value, authored or not."""
    return {
        str(attribute.GetPath()): attribute.Get() for prim in stage.Traverse() for attribute in prim.GetAttributes()
    }


def drawn_box(stage: Usd.Stage, body: str) -> np.ndarray:
    """Edges [m] of what is seen and solid of a body, which stands upright."""
    there = []
    for shape in Usd.PrimRange(stage.GetPrimAtPath(body)):
        solid = shape.HasAPI(UsdPhysics.CollisionAPI) and UsdPhysics.CollisionAPI(shape).GetCollisionEnabledAttr().Get()
        seen = shape.IsA(UsdGeom.Gprim) and UsdGeom.Imageable(shape).GetVisibilityAttr().Get() != "invisible"
        assert solid == seen, shape
        if solid:
            there.append(shape)
    [shape] = there
    lower, upper = world_box(shape)
    return upper - lower


def test_a_nominal_scene_changes_nothing_but_what_it_always_did(stage: Usd.Stage) -> None:
    """Not one opinion more on the stage than object colour and goal took before there was a randomization."""
    before = stage.GetRootLayer().ExportToString()
    dress(stage, replace(NOMINAL, object_rgb=(0.5, 0.5, 0.5), goal_xy_m=(0.5, 0.0)))
    assert stage.GetRootLayer().ExportToString() == before


def test_a_run_without_randomization_has_no_prim_for_it(tmp_path: Path) -> None:
    stages = []
    for arguments in ((), (0, False)):
        stages.append(Usd.Stage.CreateInMemory())
        robot = write_franka(tmp_path / "franka.usda", variants=False)
        author_cell(stages[-1], (CUBE,), CAMERAS, str(robot), lambda _: None, *arguments)
    assert stages[0].GetRootLayer().ExportToString() == stages[1].GetRootLayer().ExportToString()
    names = {prim.GetName() for prim in stages[0].Traverse()}
    assert not any(name.startswith(("Distractor", "distractor", "TableTop")) for name in names)


@pytest.mark.parametrize("index", range(4))
def test_validators_find_nothing_wrong(stage: Usd.Stage, textures: TableTextures, index: int) -> None:
    scene = drawn(index)
    dress(stage, scene, textures.file(scene.table))
    assert complaints(stage) == []
    assert faults(stage) == []


def test_the_order_of_scenes_does_not_matter(stage: Usd.Stage, textures: TableTextures) -> None:
    scenes = [NOMINAL, *(drawn(index) for index in range(5)), replace(NOMINAL, kind=BIG)]
    alone: list[dict[str, str]] = []
    for scene in scenes:
        undress_bodies(stage, (CUBE,))
        dress(stage, scene, textures.file(scene.table))
        alone.append({path: str(value) for path, value in composed(stage).items()})
    for before in (5, 2, 6, 0):
        for number, scene in enumerate(scenes):
            dress(stage, scenes[before], textures.file(scenes[before].table))
            dress(stage, scene, textures.file(scene.table))
            assert {path: str(value) for path, value in composed(stage).items()} == alone[number]


def test_size_and_mass_of_the_cube(stage: Usd.Stage) -> None:
    body = paths.object_path(CUBE)
    for kind in (BIG, CUBE, replace(CUBE, size_m=(0.03,) * 3, mass_kg=0.05), replace(CUBE, mass_kg=0.4)):
        dress(stage, replace(NOMINAL, kind=kind))
        np.testing.assert_allclose(drawn_box(stage, body), kind.size_m, atol=1e-9)
        shapes = [shape for path, shape in parsed(stage, "CubeShape").items() if path.startswith(body)]
        enabled = [np.array(shape.halfExtents) for shape in shapes if shape.collisionEnabled]
        np.testing.assert_allclose(enabled, [np.array(kind.size_m) / 2], rtol=1e-6)
        mass = UsdPhysics.MassAPI(stage.GetPrimAtPath(body))
        assert mass.GetMassAttr().Get() == pytest.approx(kind.mass_kg)
        assert mass.GetDensityAttr().Get() == 0  # says nothing
        moment = kind.mass_kg * kind.size_m[0] ** 2 / 6
        inertia = 0 if kind == CUBE else moment  # nothing: the engine takes it from the shape
        np.testing.assert_allclose(mass.GetDiagonalInertiaAttr().Get(), [inertia] * 3, rtol=1e-6)
        material, _ = UsdShade.MaterialBindingAPI(stage.GetPrimAtPath(body)).ComputeBoundMaterial("physics")
        assert str(material.GetPath()) == paths.GRIP_MATERIAL


def test_the_episodes_collider_has_the_objects_look_and_grip(stage: Usd.Stage) -> None:
    dress(stage, replace(NOMINAL, kind=BIG, friction=0.4))
    shape = stage.GetPrimAtPath(f"{paths.object_path(CUBE)}/{paths.EPISODE_COLLISION}")
    bound = UsdShade.MaterialBindingAPI(shape)
    assert str(bound.ComputeBoundMaterial()[0].GetPath()) == f"{paths.MATERIALS}/PickObject"
    grip = UsdPhysics.MaterialAPI(bound.ComputeBoundMaterial("physics")[0].GetPrim())
    assert grip.GetDynamicFrictionAttr().Get() == pytest.approx(0.4)
    assert grip.GetStaticFrictionAttr().Get() == pytest.approx(0.6)


def test_bodies_are_as_they_were_authored_before_physics_starts(stage: Usd.Stage) -> None:
    for index in range(5):
        dress(stage, drawn(index))
    undress_bodies(stage, (CUBE,))
    assert not any(prim.GetName() == paths.EPISODE_COLLISION for prim in stage.Traverse())
    np.testing.assert_allclose(drawn_box(stage, paths.object_path(CUBE)), CUBE.size_m, atol=1e-9)


def test_distractors(stage: Usd.Stage) -> None:
    things = tuple(
        Distractor(slot, size_m, Pose((0.4, 0.1 * slot, 0.43)), (0.1, 0.2, 0.8))
        for slot, size_m in ((0, (0.03, 0.05, 0.02)), (3, (0.03, 0.03, 0.05)))
    )
    dress(stage, replace(NOMINAL, distractors=things))
    volumes = {0: 0.03 * 0.05 * 0.02, 3: math.pi / 4 * 0.03 * 0.03 * 0.05, 1: math.pi / 4 * 0.04**3, 2: 0.04**3}
    for slot, volume in volumes.items():
        body = paths.distractor_path(slot)
        size_m = next((thing.size_m for thing in things if thing.slot == slot), (0.04, 0.04, 0.04))
        np.testing.assert_allclose(drawn_box(stage, body), size_m, atol=1e-9)
        mass = UsdPhysics.MassAPI(stage.GetPrimAtPath(body)).GetMassAttr().Get()
        assert mass == pytest.approx(800 * volume)
    grip = UsdPhysics.MaterialAPI(stage.GetPrimAtPath(paths.DISTRACTOR_MATERIAL))
    dress(stage, replace(NOMINAL, friction=0.3))
    assert grip.GetDynamicFrictionAttr().Get() == 1.0


def test_table(stage: Usd.Stage, textures: TableTextures) -> None:
    for height_m in (0.03, -0.02, 0.0):
        table = Table(height_m, (0.5, 0.45, 0.3), "checker", 7)
        dress(stage, replace(NOMINAL, table=table), textures.file(table))
        _, upper = world_box(stage.GetPrimAtPath(paths.TABLE))
        assert upper[2] == pytest.approx(TABLE_SURFACE_Z_M + height_m)
        sheet, _ = world_box(stage.GetPrimAtPath(paths.TABLE_TOP))
        assert 0 < sheet[2] - upper[2] < 0.0005
        goal, _ = world_box(stage.GetPrimAtPath(paths.GOAL))
        assert goal[2] == pytest.approx(upper[2])


def test_the_texture_lies_on_the_table_as_in_mujoco(stage: Usd.Stage, textures: TableTextures) -> None:
    """The picture's right is the world's x, its top the world's y."""
    table = Table(0.0, (0.5, 0.45, 0.3), "speckle", 7)
    dress(stage, replace(NOMINAL, table=table), textures.file(table))
    sheet = UsdGeom.Mesh(stage.GetPrimAtPath(paths.TABLE_TOP))
    assert UsdGeom.Imageable(sheet).ComputeVisibility() == "inherited"
    corners = np.array(sheet.GetPointsAttr().Get())
    st = np.array(UsdGeom.PrimvarsAPI(sheet).GetPrimvar("st").Get())
    np.testing.assert_allclose(st * (0.6, 0.8) - (0.3, 0.4), corners[:, :2], atol=1e-6)
    material, _ = UsdShade.MaterialBindingAPI(sheet.GetPrim()).ComputeBoundMaterial()
    surface, _, _ = material.ComputeSurfaceSource()
    source, name, _ = surface.GetInput("diffuseColor").GetConnectedSource()
    texture = UsdShade.Shader(source.GetPrim())
    assert (texture.GetIdAttr().Get(), name) == ("UsdUVTexture", "rgb")
    with Image.open(texture.GetInput("file").Get().path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), table_texture(table))
    dress(stage, NOMINAL)
    assert UsdGeom.Imageable(sheet).ComputeVisibility() == "invisible"


def test_texture_files_are_named_by_content_few_and_gone_in_the_end(textures: TableTextures) -> None:
    files = [Path(textures.file(Table(texture="grain", texture_seed=seed))) for seed in (1, 2, 1, 3)]
    assert files[0] == files[2] != files[1]
    assert files[3].exists()
    assert len(list(files[3].parent.iterdir())) == 2
    assert textures.file(Table()) == ""
    textures.close()
    assert not files[3].parent.exists()
    with pytest.raises(ValueError, match="unknown table texture"):
        textures.file(Table(texture="marble"))


def test_lights(stage: Usd.Stage) -> None:
    def read() -> list[tuple[float, np.ndarray]]:
        lights = [UsdLux.LightAPI(stage.GetPrimAtPath(f"{paths.LIGHTS}/{name}")) for name in ("Dome", "Key", "Lamp")]
        return [(light.GetIntensityAttr().Get(), np.array(light.GetColorAttr().Get())) for light in lights]

    key = stage.GetPrimAtPath(f"{paths.LIGHTS}/Key")
    nominal, towards = read(), to_world(key)[:3, 2]
    light = Light((0.3, -0.2), 0.8, 4000.0, (1.2, 1.0, 0.7))
    dress(stage, replace(NOMINAL, light=light))
    turned = quat_rotate(quat_about_axis((1, 0, 0), 0.3), quat_rotate(quat_about_axis((0, 1, 0), -0.2), towards))
    np.testing.assert_allclose(to_world(key)[:3, 2], turned, atol=1e-9)
    for (before, _), (after, colour) in zip(nominal, read(), strict=True):
        assert colour.max() == 1.0
        seen = (after / before / 0.8 * colour) ** (1 / 2.2)  # about sRGB
        np.testing.assert_allclose(seen, light.rgb, atol=0.02)
    dress(stage, NOMINAL)
    assert str(read()) == str(nominal)


def test_cameras(stage: Usd.Stage) -> None:
    scene = drawn(1)
    dress(stage, scene)
    for camera in scene.cameras:
        prim = stage.GetPrimAtPath(paths.CAMERAS[camera.name])
        lens = UsdGeom.Camera(prim)
        fov = 2 * math.atan(lens.GetHorizontalApertureAttr().Get() / 2 / lens.GetFocalLengthAttr().Get())
        assert fov == pytest.approx(camera.horizontal_fov_rad, rel=1e-6)
        local = np.array(UsdGeom.Xformable(prim).GetLocalTransformation()).T
        np.testing.assert_allclose(local[:3, 3], camera.position_m, atol=1e-9)
        np.testing.assert_allclose(-local[:3, 2], camera.forward, atol=1e-9)
        np.testing.assert_allclose(local[:3, 1], camera.up, atol=1e-9)
    assert scene.cameras != CAMERAS


def test_scenes_of_another_run_are_refused() -> None:
    sugar = YCB["004_sugar_box"]
    thing = Distractor(2, (0.03,) * 3, Pose((0, 0, 0)), (0, 0, 0))
    for scene, objects, message in (
        (NOMINAL, (sugar,), "'cube' is not part of this run; its objects: 004_sugar_box"),
        (replace(NOMINAL, distractors=(thing,)), (CUBE,), r"distractors \[2\] are not part of this run, which has 2"),
        (replace(NOMINAL, table=Table(texture="grain")), (CUBE,), "texture 'grain' needs a run with textures"),
        (replace(NOMINAL, kind=replace(sugar, size_m=(0.1,) * 3)), (sugar,), "the size of 004_sugar_box is fixed"),
    ):
        with pytest.raises((ObjectError, ValueError), match=message):
            refuse_scene(scene, objects, 2, textured=False)
    refuse_scene(replace(NOMINAL, kind=BIG, plant=Plant(1.2)), (CUBE,), 0, textured=False)
