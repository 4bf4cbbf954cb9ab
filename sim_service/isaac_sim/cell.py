"""The work cell on Isaac Sim's stage and in its physics: built, started anew, stepped, seen to be gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collectors.cameras import CAMERAS
from collectors.geometry import Pose
from collectors.objects import ObjectKind
from collectors.scene import PHYSICS_PERIOD_S, Scene
from collectors.simulator import SimulatorError
from sim_service.isaac_sim import compat
from sim_service.isaac_sim.assets import Assets, find_assets
from sim_service.isaac_sim.bodies import Bodies
from sim_service.isaac_sim.camera_rig import CameraRig
from sim_service.isaac_sim.compat import World, get_current_stage, is_stage_loading
from sim_service.isaac_sim.physics_watch import PhysicsWatch
from sim_service.isaac_sim.robot import Robot
from sim_service.isaac_sim.table_textures import TableTextures
from sim_service.isaac_sim.turns import Turn
from sim_service.isaac_sim.usd.cameras import place_camera
from sim_service.isaac_sim.usd.cell import author_cell, author_extras
from sim_service.isaac_sim.usd.errors import WeldError
from sim_service.isaac_sim.usd.furniture import show_texture
from sim_service.isaac_sim.usd.look_fit import fit_look
from sim_service.isaac_sim.usd.paths import CAMERAS as CAMERA_PATHS
from sim_service.isaac_sim.usd.paths import HAND, ROBOT, TABLE_TOP, distractor_path, object_path
from sim_service.isaac_sim.usd.scene import dress_stage, refuse_scene, undress_bodies
from sim_service.isaac_sim.usd.weld import attach_weld, detach_weld
from sim_service.simulators import SimulatorSettings

FRAME_PERIOD_S: Final = 1 / 60  # of the application, where it keeps a rate; our steps do not depend on it
MAX_LOAD_TURNS: Final = 20_000  # assets may come over a network
PLAY_TRIES: Final = 3

# So that a picture shows the texture that the stage has, in its full resolution. SimulationApp sets the first two.
WHOLE_TEXTURES: Final = {
    "/rtx/materialDb/syncLoads": True,
    "/rtx/hydra/materialSyncLoads": True,
    "/rtx-transient/resourcemanager/enableTextureStreaming": False,
}

STAGE_GONE: Final = "the work cell is gone: somebody closed its stage, opened another one, or deleted a part of it"


class Cell:
    """Complete once `building` has run to its end: assets, robot, bodies, watch and rig are there then. welded: whether
    an object is in the hand's weld."""

    def __init__(self, settings: SimulatorSettings, steps_per_period: int) -> None:
        self._settings, self._steps_per_period = settings, steps_per_period
        self._objects = settings.objects
        self._textures = TableTextures()
        self.welded = False

    @property
    def playing(self) -> bool:
        """Whether the timeline plays: else no step will come."""
        return bool(self._world.is_playing())

    @property
    def stopped(self) -> bool:
        """Whether the timeline is stopped; every handle dies with that, and stays dead where it plays again."""
        return bool(self._world.is_stopped())

    def building(self, world: World | None) -> Iterator[Turn]:
        """On the stage of `world`, else on a stage of its own, up to a physics that runs. Raises SimulatorUnavailable,
        SimulatorError."""
        if world is None:
            compat.stop_timeline()  # physics must not run on the stage that goes
            yield Turn.LOAD
            yield Turn.NEW_STAGE
            World.clear_instance()
            self._world: World = World(
                physics_dt=PHYSICS_PERIOD_S, rendering_dt=FRAME_PERIOD_S, stage_units_in_meters=1.0
            )
            yield Turn.START_WORLD
        else:
            self._world = world
            self._world.set_simulation_dt(physics_dt=PHYSICS_PERIOD_S, rendering_dt=FRAME_PERIOD_S)
        self.assets = find_assets(compat.assets_root(), compat.franka_usds(), self._objects)
        stage = get_current_stage()
        if not stage.GetPrimAtPath(ROBOT).IsValid():  # a world may have our cell from the last time
            author_cell(stage, self._objects, CAMERAS, self.assets.robot_usd, self.assets.look_usd)
        author_extras(stage, self._settings.num_distractors, self._settings.textured_table)
        if self._settings.textured_table:
            for setting, value in WHOLE_TEXTURES.items():
                compat.set_setting(setting, value)
        yield from self._loading(self.assets)
        self.robot, self.bodies = Robot(), Bodies(self._objects, self._settings.num_distractors)
        self.watch = PhysicsWatch(self._world, self.robot)
        self.rig = CameraRig(CAMERAS)
        yield from self.restarting()

    def restarting(self) -> Iterator[Turn]:
        """Physics and every handle anew, on the stage as it is."""
        self.remove_weld()
        undress_bodies(get_current_stage(), self._objects)
        yield Turn.RESET
        compat.extend_timeline()
        self.robot.initialize()
        self.bodies.initialize()
        self.watch.start()
        yield from self._starting_to_play()
        self.rig.start()
        for camera in CAMERAS:
            place_camera(get_current_stage(), camera)

    def play(self) -> None:
        """Go on after a pause."""
        self._world.play()

    def step(self) -> None:
        """By one control period: each step of physics of its own. In an update of the application it would make as many
        as the application's clock and the rounding of omni.physx come to, and none while the timeline does not play."""
        for _ in range(self._steps_per_period):
            self._world.step(render=False)
        compat.publish_poses(self._world)

    def publish(self) -> None:
        """Let what was put somewhere, without a step, be where it was put: the robot's links, and what is drawn."""
        self._world.physics_sim_view.update_articulations_kinematic()
        compat.publish_poses(self._world)

    def refuse_scene(self, scene: Scene) -> None:
        """Raises ObjectError and ValueError for a scene that is of another run."""
        refuse_scene(scene, self._objects, self._settings.num_distractors, self._settings.textured_table)

    def set_up(self, scene: Scene) -> None:
        """Everything of the scene but where the arm is; kinematically. Raises SimulatorError, and changes nothing then,
        where the table's texture cannot be written."""
        try:
            texture_file = self._textures.file(scene.table)
        except OSError as error:
            raise SimulatorError(f"the picture of the table's texture cannot be written: {error}") from error
        self.remove_weld()
        self.bodies.place(scene)
        self.robot.tune(scene.plant.gain)
        num_distractors = self._settings.num_distractors
        dress_stage(get_current_stage(), scene, self._objects, CAMERAS, num_distractors, texture_file)

    def weld(self, kind: ObjectKind, hand_to_world: Pose) -> None:
        """The object to the hand, as they are. Raises SimulatorError."""
        try:
            attach_weld(get_current_stage(), kind, hand_to_world, self.bodies.pose(kind))
        except WeldError as error:
            raise SimulatorError(str(error)) from error
        self.welded = True

    def remove_weld(self) -> None:
        """Also one that is on the stage from before."""
        stage = get_current_stage()
        if stage is not None:
            detach_weld(stage)
        self.welded = False

    def refuse_lost_stage(self) -> None:
        """A stage that opens invalidates the world of the one before; the timeline, being everybody's, goes on."""
        stage = get_current_stage()
        if World.instance() is not self._world or stage is None:
            raise SimulatorError(STAGE_GONE)
        bodies = [*map(object_path, self._objects), *map(distractor_path, range(self._settings.num_distractors))]
        parts = (HAND, *CAMERA_PATHS.values(), *bodies)
        prims = {path: stage.GetPrimAtPath(path) for path in parts}
        missing = [path for path, prim in prims.items() if not (prim and prim.IsDefined())]  # physics leaves an `over`
        if missing:
            raise SimulatorError(f"{STAGE_GONE}: there is no {', '.join(missing)}")

    def close(self) -> None:
        """What was built stays on the stage; nothing of it is listened to any more."""
        if hasattr(self, "rig"):
            self.remove_weld()
            self.watch.stop()
            self.rig.close()
        stage = get_current_stage()
        if stage is not None and stage.GetPrimAtPath(TABLE_TOP).IsValid():
            show_texture(stage, "")  # the file goes
        self._textures.close()

    def _loading(self, assets: Assets) -> Iterator[Turn]:
        for _ in range(MAX_LOAD_TURNS):
            yield Turn.LOAD
            if not is_stage_loading():
                break
        else:
            raise SimulatorError(f"the assets below {assets.root} did not load in {MAX_LOAD_TURNS} turns")
        stage = get_current_stage()
        if not stage.GetPrimAtPath(HAND).IsValid():
            raise SimulatorError(f"the robot of {assets.robot_usd} has no {HAND}")
        for kind in self._objects:
            if assets.look_usd(kind) is not None:
                fit_look(stage, kind)

    def _starting_to_play(self) -> Iterator[Turn]:
        """On 6.0 without a window, play may not land: physics then stands still while everything claims to run."""
        for _ in range(PLAY_TRIES):
            if not self.playing:
                yield Turn.PLAY
            self.watch.begin()
            self.step()
            if self.watch.steps > 0:
                return
        raise SimulatorError(
            f"physics does not advance after {PLAY_TRIES} tries to play; the timeline "
            f"{'plays' if self.playing else 'does not play'}"
        )
