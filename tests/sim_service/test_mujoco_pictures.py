"""What the cameras of the embedded simulator show, and where."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray
from simulator_contract import arm_above, scene

from collectors.cameras import CAM_HIGH, CAM_WRIST, CAMERAS, Camera
from collectors.franka import HOME_RAD
from collectors.geometry import Array, Pose, quat_about_axis, quat_rotate
from collectors.objects import CUBE, YCB, ObjectKind
from collectors.randomization import PRESETS
from collectors.scene import GOAL_HEIGHT_M, GOAL_RADIUS_M, TABLE_RGB, TABLE_SURFACE_Z_M, Light, Table
from collectors.simulator import Action, Image, Observation, Simulator, Tick
from collectors.variation import draw_variation
from sim_service.mujoco_sim.gl import check_gl
from sim_service.mujoco_sim.object_slot import ObjectSlot
from sim_service.mujoco_sim.presets import QUALITY
from sim_service.mujoco_sim.raycast import RAYCAST_QUALITY, RaycastRenderer
from sim_service.mujoco_sim.renderer import GlRenderer
from sim_service.mujoco_sim.scene_mjcf import scene_xml
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.scene_columns import scene_columns
from sim_service.simulators import RENDER_PRESETS, RenderPreset, SimulatorSettings

GL = check_gl()
needs_gl = pytest.mark.skipif(GL.backend is None, reason=GL.problem)
GOAL_XY = (0.45, -0.2)
RIM = np.linspace(0, 2 * np.pi, 400, endpoint=False)
SEEN_FROM_THE_HAND = tuple(arm_above(CUBE, (0.47, -0.1), 0.16))


@pytest.fixture(scope="module", params=[pytest.param("gl", marks=needs_gl), "raycast"])
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "raycast":
            patch.setenv("MUJOCO_GL", "disable")
        opened = MujocoSimulator(SimulatorSettings())
    assert opened.versions["renderer"].startswith(GL.backend if request.param == "gl" and GL.backend else "raycast")
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=[pytest.param("gl", marks=needs_gl), "raycast"])
def varied(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Of a run whose table may have a texture."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "raycast":
            patch.setenv("MUJOCO_GL", "disable")
        opened = MujocoSimulator(SimulatorSettings(render_preset="fast", textured_table=True))
    yield opened
    opened.close()


def look(simulator: Simulator, **changes: object) -> Observation:
    simulator.reset(scene(CUBE, (0.5, 0.05), **{"goal_xy_m": GOAL_XY, **changes}))
    simulator.advance(Tick(images=True))
    return simulator.observe(images=True)


def pixels_of(points_m: Array, camera: Camera, hand_to_world: Pose) -> Array:
    """Where world points, shape (n, 3), are in the picture [px], shape (n, 2): x right, y down from the upper left
    corner."""
    camera_to_world = camera.camera_to_parent()
    if camera.parent != "world":
        camera_to_world = hand_to_world @ camera_to_world
    world_to_camera = camera_to_world.inverse().matrix()
    local = points_m @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    assert (local[:, 2] > 0).all()
    fx, fy, cx, cy = camera.intrinsics()
    return np.stack([fx * local[:, 0] / local[:, 2] + cx, fy * local[:, 1] / local[:, 2] + cy], axis=1)


def greenish(image: Image) -> NDArray[np.bool_]:
    red, green, blue = np.moveaxis(image.astype(int), 2, 0)
    return np.asarray((green > 2 * red) & (green > 2 * blue) & (green > 40))


def reddish(image: Image) -> NDArray[np.bool_]:
    red, green, blue = np.moveaxis(image.astype(int), 2, 0)
    return np.asarray((red > 4 * green) & (red > 4 * blue) & (red > 30))


def extent(mask: NDArray[np.bool_]) -> Array:
    """First and last edge [px] of the marked pixels: left, top, right, bottom."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=float)


@pytest.mark.parametrize(
    ("camera", "arm"), [(CAM_HIGH, HOME_RAD), (CAM_WRIST, SEEN_FROM_THE_HAND)], ids=["high", "wrist"]
)
def test_the_goal_is_where_the_camera_model_says(simulator: Simulator, camera: Camera, arm: tuple[float, ...]) -> None:
    seen = look(simulator, arm_rad=arm)
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    rim = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1) * GOAL_RADIUS_M
    rim += (*GOAL_XY, 0.41 + GOAL_HEIGHT_M)
    expected = pixels_of(rim, camera, seen.hand_to_world)
    green = greenish(seen.images[camera.name])
    rows, columns = np.nonzero(green)
    centroid = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    assert np.linalg.norm(centroid - expected.mean(axis=0)) < 1.0
    # 1 px of rounding and 1 px for the flat sides of a disc of 16 edges.
    np.testing.assert_allclose(extent(green), [*expected.min(axis=0), *expected.max(axis=0)], atol=2.0)


@pytest.mark.parametrize(
    ("camera", "arm"), [(CAM_HIGH, HOME_RAD), (CAM_WRIST, SEEN_FROM_THE_HAND)], ids=["high", "wrist"]
)
def test_the_cube_is_where_the_camera_model_says(simulator: Simulator, camera: Camera, arm: tuple[float, ...]) -> None:
    turn = quat_about_axis((0, 0, 1), 0.5)
    centre = (0.5, -0.18, 0.43)
    seen = look(simulator, arm_rad=arm, object_pose=Pose(centre, turn), goal_xy_m=(0.6, 0.2))
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = np.array([quat_rotate(turn, 0.02 * sign) for sign in signs]) + centre
    expected = pixels_of(corners, camera, seen.hand_to_world)
    found = extent(reddish(seen.images[camera.name]))
    np.testing.assert_allclose(found, [*expected.min(axis=0), *expected.max(axis=0)], atol=1.0)


@pytest.mark.parametrize(
    ("camera", "arm"), [(CAM_HIGH, HOME_RAD), (CAM_WRIST, SEEN_FROM_THE_HAND)], ids=["high", "wrist"]
)
@pytest.mark.parametrize("index", range(3))
def test_goal_and_object_are_where_the_columns_of_a_varied_episode_say(
    varied: Simulator, camera: Camera, arm: tuple[float, ...], index: int
) -> None:
    """By what an episode's row has of cameras that are moved, turned and zoomed, over a table of another height."""
    axes = ("camera_position_m", "camera_angle_rad", "camera_fov", "table_height_m")
    randomization = replace(PRESETS["none"], **{name: getattr(PRESETS["full"], name) for name in axes})
    variation = draw_variation(randomization, (21, index, 0), varied.cameras)
    surface_z_m = TABLE_SURFACE_Z_M + variation.table.height_m
    common = {"table": variation.table, "cameras": variation.cameras, "arm_rad": arm}
    cube = (0.5, -0.18, surface_z_m + 0.02)
    with_cube = look(varied, object_pose=Pose(cube), goal_xy_m=(0.6, 0.2), **common)
    aside = Pose((0.5, 0.05, surface_z_m + 0.02))
    with_goal = look(varied, object_pose=aside, **common)
    columns = scene_columns(scene(CUBE, **common), varied.cameras)
    drawn: dict[str, Any] = {
        name: columns[f"{camera.name}/{name}"] for name in ("position_m", "forward", "up", "horizontal_fov_rad")
    }
    recorded = replace(camera, **drawn)
    rim = GOAL_RADIUS_M * np.stack([np.cos(RIM), np.sin(RIM), np.zeros_like(RIM)], axis=1)
    rim += (*GOAL_XY, surface_z_m + GOAL_HEIGHT_M)
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.02 + cube
    for found, points in (
        (greenish(with_goal.images[camera.name]), rim),
        (reddish(with_cube.images[camera.name]), corners),
    ):
        expected = pixels_of(points, recorded, with_goal.hand_to_world)
        np.testing.assert_allclose(extent(found), [*expected.min(axis=0), *expected.max(axis=0)], atol=2.0)
        assert np.abs(pixels_of(points, camera, with_goal.hand_to_world) - expected).max() > 3  # the nominal camera's


def test_lights_and_table_have_the_scene_s_colours(varied: Simulator) -> None:
    table = Table(rgb=(0.3, 0.4, 0.5))
    nominal = look(varied, table=table).images["cam_high"][400, 400]
    np.testing.assert_allclose(nominal / 255, table.rgb, atol=0.03)
    dim = look(varied, table=table, light=Light(intensity=0.6)).images["cam_high"][400, 400]
    np.testing.assert_allclose(dim / 255, 0.6 * np.asarray(table.rgb), atol=0.03)
    warm = look(varied, table=table, light=Light(kelvin=4000.0, rgb=(1.0, 0.9, 0.7))).images["cam_high"][400, 400]
    np.testing.assert_allclose(warm / 255, np.multiply(table.rgb, (1.0, 0.9, 0.7)), atol=0.03)
    flat = look(varied, table=table, light=Light(turn_rad=(0.8, 0.0))).images["cam_high"][400, 400]
    assert flat.sum() < 0.95 * nominal.sum()  # the key light grazes the table
    np.testing.assert_array_equal(look(varied, table=table).images["cam_high"][400, 400], nominal)


def test_pictures_show_the_instant_of_the_observation(simulator: Simulator) -> None:
    """With the arm in full swing the wrist camera sees the goal where the observed hand pose says."""
    goal = (0.47, -0.17)
    simulator.reset(scene(CUBE, (0.5, 0.25), goal_xy_m=goal, arm_rad=SEEN_FROM_THE_HAND))
    swing = np.array(SEEN_FROM_THE_HAND) + (0.5, 0, 0, 0, 0, 0, 0)
    simulator.command(Action(swing, 0.04))
    for _ in range(3):
        simulator.advance(Tick(images=True))
    seen = simulator.observe(images=True)
    assert abs(seen.arm_rad_s[0]) > 1.0  # 3 cm a tick: a picture of the tick before would be 30 px off
    rows, columns = np.nonzero(greenish(seen.images["cam_wrist"]))
    expected = pixels_of(np.array([[*goal, 0.41 + GOAL_HEIGHT_M]]), CAM_WRIST, seen.hand_to_world)[0]
    assert np.linalg.norm(np.array([columns.mean() + 0.5, rows.mean() + 0.5]) - expected) < 1.0


def test_the_table_is_lit_to_its_own_colour_and_nothing_is_over_exposed(simulator: Simulator) -> None:
    image = look(simulator).images["cam_high"]
    wood = image[400, 400].astype(int)
    np.testing.assert_allclose(wood, np.multiply(TABLE_RGB, 255), atol=8)
    assert (image.max(axis=2) == 255).mean() < 0.001
    assert (image.max(axis=2) < 8).mean() < 0.001


def test_the_cube_takes_the_colour_of_the_scene(simulator: Simulator) -> None:
    for rgb in ((0.10, 0.25, 0.80), (0.95, 0.82, 0.10)):
        seen = look(simulator, object_rgb=rgb, arm_rad=SEEN_FROM_THE_HAND, object_pose=Pose((0.5, -0.18, 0.43)))
        off = np.abs(seen.images["cam_wrist"] / 255 - rgb).max(axis=2)
        assert (off < 0.06).sum() > 1000  # the top face


@needs_gl
def test_ray_casting_agrees_with_opengl() -> None:
    """Same robot, colours and light; edges and the facets of round shapes may differ."""
    model = mujoco.MjModel.from_xml_string(scene_xml((CUBE,), CAMERAS, RAYCAST_QUALITY))
    data = mujoco.MjData(model)
    slot = ObjectSlot(model, CUBE, 0)
    slot.place(model, data, scene(CUBE, (0.5, 0.05)))
    data.qpos[:7] = SEEN_FROM_THE_HAND
    mujoco.mj_forward(model, data)
    assert GL.backend is not None
    drawn = GlRenderer(model, CAMERAS, GL.backend, shadows=False)
    cast = RaycastRenderer(model, CAMERAS)
    one, other = drawn.render(data), cast.render(data)
    drawn.close()
    for camera in CAMERAS:
        difference = np.abs(one[camera.name].astype(int) - other[camera.name]).max(axis=2)
        assert (difference > 12).mean() < 0.03


@needs_gl
def test_parked_objects_are_neither_drawn_nor_in_view() -> None:
    kinds = tuple(YCB.values())
    model = mujoco.MjModel.from_xml_string(scene_xml(kinds, CAMERAS, QUALITY["default"]))
    data = mujoco.MjData(model)
    slots = [ObjectSlot(model, kind, number) for number, kind in enumerate(kinds)]
    slots[0].place(model, data, scene(kinds[0], object_pose=Pose((0.5, 0.0, 0.5)), object_rgb=(0.9, 0.8, 0.1)))
    for slot in slots[1:]:
        slot.park(model, data)
    data.qpos[:7] = HOME_RAD
    assert GL.backend is not None
    renderer = GlRenderer(model, CAMERAS, GL.backend, shadows=True)
    mujoco.mj_forward(model, data)
    picture = renderer.render(data)
    for slot in slots[1:]:
        assert data.xpos[slot.body_id][0] < -2  # behind the robot: cam_high sees x > -0.8
        joint = model.joint(slot.kind.name)
        data.qpos[joint.qposadr[0] : joint.qposadr[0] + 3] = (0.5, 0.1, 0.6)  # yet even here
    mujoco.mj_forward(model, data)
    moved = renderer.render(data)
    renderer.close()
    for camera in CAMERAS:
        np.testing.assert_array_equal(picture[camera.name], moved[camera.name])


@needs_gl
@pytest.mark.parametrize("kind", YCB.values(), ids=YCB.keys())
def test_every_object_is_drawn_in_its_published_size(kind: ObjectKind) -> None:
    """Seen along each horizontal axis it fills its bounding box and no more."""
    far = 2.0
    views = [
        Camera("front", "world", (0.5, -far, 5.0), (0, 1, 0), (0, 0, 1), 0.2),
        Camera("side", "world", (0.5 + far, 0.0, 5.0), (-1, 0, 0), (0, 0, 1), 0.2),
    ]
    model = mujoco.MjModel.from_xml_string(scene_xml((kind,), views, dataclasses.replace(QUALITY["fast"], slices=64)))
    data = mujoco.MjData(model)
    aloft = scene(kind, object_pose=Pose((0.5, 0.0, 5.0)), object_rgb=(0.9, 0.1, 0.9))
    ObjectSlot(model, kind, 0).place(model, data, aloft)
    mujoco.mj_forward(model, data)
    assert GL.backend is not None
    renderer = GlRenderer(model, views, GL.backend, shadows=False)
    pictures = renderer.render(data)
    renderer.close()
    for view, across, depth in ((views[0], 0, 1), (views[1], 1, 0)):
        left, top, right, bottom = extent(pictures[view.name].max(axis=2) > 0)
        # The nearest face, half the depth before the centre, has the outline.
        scale = view.focal_length_px / (far - kind.size_m[depth] / 2 * (kind.shape == "box"))
        assert (right - left) / scale == pytest.approx(kind.size_m[across], abs=0.002)
        assert (bottom - top) / scale == pytest.approx(kind.size_m[2], abs=0.005)


@needs_gl
def test_presets_show_what_they_say() -> None:
    def pictures(preset: RenderPreset) -> tuple[Image, dict[str, str]]:
        simulator = MujocoSimulator(SimulatorSettings(render_preset=preset))
        image = look(simulator, arm_rad=SEEN_FROM_THE_HAND).images["cam_high"]
        versions = dict(simulator.versions)
        simulator.close()
        return image, versions

    taken = {preset: pictures(preset) for preset in RENDER_PRESETS}
    assert {preset: versions["render_preset"] for preset, (_, versions) in taken.items()} == {
        preset: preset for preset in RENDER_PRESETS
    }
    shade = np.multiply(TABLE_RGB, 255 * 0.62)  # what ambient and headlight leave of the wood

    def shadow_pixels(image: Image) -> int:
        return int((np.abs(image.astype(int) - shade).max(axis=2) < 6).sum())

    assert shadow_pixels(taken["fast"][0]) < 100
    assert shadow_pixels(taken["default"][0]) > 1000
    assert shadow_pixels(taken["high"][0]) > 1000
    floor = {preset: image[:120].reshape(-1, 3).std(axis=0).max() for preset, (image, _) in taken.items()}
    assert floor["fast"] < 1
    assert floor["default"] < 1
    assert floor["high"] > 3  # the checkers
