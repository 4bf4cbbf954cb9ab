"""Isaac Sim behind the seam of collectors.simulator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from collectors.cameras import CAMERAS, Camera
from collectors.franka import FINGER_OPEN_M, NUM_ARM_JOINTS, NUM_FINGERS
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.objects import ObjectKind
from collectors.scene import PHYSICS_PERIOD_S, TABLE_SURFACE_Z_M, Scene
from collectors.simulator import Action, Image, Observation, SimulatorError, Tick
from sim_service.isaac_sim import compat
from sim_service.isaac_sim.assets import Assets, find_assets
from sim_service.isaac_sim.bodies import Bodies
from sim_service.isaac_sim.camera_rig import CameraRig
from sim_service.isaac_sim.compat import World, get_current_stage, is_stage_loading
from sim_service.isaac_sim.physics_watch import PhysicsWatch
from sim_service.isaac_sim.robot import Joints, Robot
from sim_service.isaac_sim.turns import Turn
from sim_service.isaac_sim.usd.cameras import place_camera
from sim_service.isaac_sim.usd.cell import author_cell
from sim_service.isaac_sim.usd.errors import WeldError
from sim_service.isaac_sim.usd.look_fit import fit_look
from sim_service.isaac_sim.usd.objects import move_goal, set_object_rgb
from sim_service.isaac_sim.usd.paths import CAMERAS as CAMERA_PATHS
from sim_service.isaac_sim.usd.paths import HAND, ROBOT, object_path
from sim_service.isaac_sim.usd.weld import attach_weld, detach_weld
from sim_service.simulators import SimulatorSettings

FRAME_PERIOD_S: Final = 1 / 60  # of the application, where it keeps a rate; our steps do not depend on it
MAX_LOAD_TURNS: Final = 20_000  # assets may come over a network
PLAY_TRIES: Final = 3
SQUEEZE_M: Final = 0.001  # a finger's drive aims so deep into a welded object: contact, without fighting the weld
PAUSED: Final = "somebody paused or stopped the timeline"
STAGE_GONE: Final = "the work cell is gone: somebody closed its stage, opened another one, or deleted a part of it"
_SWING_RAD: Final = 0.8  # of joint 1, by which the delay of pictures is measured; the wrist camera must see a change

_log = logging.getLogger(__name__)


class IsaacSimulator:
    """Satisfies `collectors.simulator.Simulator` once `building` has run to its end. Whatever takes turns of the
    application is an iterator of them. Everything belongs to the application's main thread.

    carry_out: carries out a turn before it returns; None where the application's loop is somebody else's, who then
    drives `advancing` and `drawing` in place of `advance` and `refresh`. every_turn_draws: whether somebody watches the
    application's own window or stream, so that no turn may pass unseen.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        carry_out: Callable[[Turn], None] | None,
        every_turn_draws: bool = False,
    ) -> None:
        self._settings, self._carry_out = settings, carry_out
        self._every_turn_draws = every_turn_draws
        self._steps_per_period = round(self.control_period_s / PHYSICS_PERIOD_S)
        self._versions: dict[str, str] = {}
        self._picture_delay = 0  # turns of drawing
        self._kind: ObjectKind | None = None  # the object in the scene
        self._welded = False
        self._ticks = 0
        self._hand: Pose | None = None  # hand to world, where the links in physics are not where the joints are
        self._drawable = False  # the application would draw the present instant
        self._peak: Array = np.zeros(NUM_ARM_JOINTS)
        self._images: Mapping[str, Image] | None = None
        self._closed = False

    @property
    def control_period_s(self) -> float:
        return 1 / self._settings.fps

    @property
    def cameras(self) -> tuple[Camera, ...]:
        return CAMERAS

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        return self._settings.objects

    @property
    def versions(self) -> Mapping[str, str]:
        return MappingProxyType(self._versions)

    @property
    def steps_per_period(self) -> int:
        """Of physics."""
        return self._steps_per_period

    @property
    def steps_made(self) -> int:
        """Of physics, since the turn under way began."""
        return self._watch.steps

    @property
    def playing(self) -> bool:
        """Whether the timeline plays: else no step will come."""
        return bool(self._world.is_playing())

    @property
    def picture_delay(self) -> int:
        """Turns of drawing by which pictures lag behind the state, as measured when the cell was built."""
        return self._picture_delay

    # Opening

    def building(self, world: World | None = None) -> Iterator[Turn]:
        """The cell on the stage of `world`, else on a stage of its own, up to the first pictures. Raises
        SimulatorUnavailable, SimulatorError."""
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
        assets = find_assets(compat.assets_root(), compat.franka_usds(), self.objects)
        stage = get_current_stage()
        if not stage.GetPrimAtPath(ROBOT).IsValid():  # a world may have our cell from the last time
            author_cell(stage, self.objects, CAMERAS, assets.robot_usd, assets.look_usd)
        yield from self._loading(assets)
        self._robot, self._bodies = Robot(), Bodies(self.objects)
        self._watch = PhysicsWatch(self._world, self._robot)
        self._rig = CameraRig(CAMERAS)
        yield from self._restarting()
        yield from self._measuring()
        self._versions = {
            "simulator": "isaac",
            "isaacsim": compat.version(),
            "renderer": "rtx",
            "robot": assets.robot_usd.removeprefix(assets.root),
        }
        _log.info("Isaac Sim %s: pictures lag by %d turns", compat.version(), self._picture_delay)

    def recovering(self) -> Iterator[Turn]:
        """From a stopped physics: every handle anew, on the stage as it is, up to the first pictures."""
        yield from self._restarting()
        yield from self._rig.warming_up()

    def _restarting(self) -> Iterator[Turn]:
        self._remove_weld()
        yield Turn.RESET
        compat.extend_timeline()
        self._robot.initialize()
        self._bodies.initialize()
        self._watch.start()
        yield from self._playing()
        self._rig.start()
        for camera in CAMERAS:
            place_camera(get_current_stage(), camera)

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
        for kind in self.objects:
            if assets.look_usd(kind) is not None:
                fit_look(stage, kind)

    def _playing(self) -> Iterator[Turn]:
        """On 6.0 without a window, play may not land: physics then stands still while everything claims to run."""
        for _ in range(PLAY_TRIES):
            if not self._world.is_playing():
                yield Turn.PLAY
            self._watch.begin()
            self._step()
            if self._watch.steps > 0:
                return
        raise SimulatorError(
            f"physics does not advance after {PLAY_TRIES} tries to play; the timeline "
            f"{'plays' if self._world.is_playing() else 'does not play'}"
        )

    def _measuring(self) -> Iterator[Turn]:
        """The first pictures, and by how much they lag: the arm stands still up to one swing."""
        kind = self.objects[0]
        resting = Pose((0.5, 0.0, TABLE_SURFACE_Z_M + kind.size_m[2] / 2))
        scene = Scene(kind, resting, (0.5, 0.5, 0.5), (0.5, 0.2))
        swung = (scene.arm_rad[0] + _SWING_RAD, *scene.arm_rad[1:])
        self._show(scene)
        yield from self._rig.warming_up()
        self._picture_delay = yield from self._rig.measuring_delay(lambda: self._show(replace(scene, arm_rad=swung)))
        self._kind = None

    # The seam

    def reset(self, scene: Scene) -> None:
        self._refuse_if_closed()
        _checked_arm(scene.arm_rad)
        self._refuse_lost_stage()
        if self._world.is_stopped() or not self._robot.alive:
            self._carry(self.recovering(), "physics was stopped")
        elif not self._world.is_playing():
            self._world.play()
        self._put(scene)

    def command(self, action: Action) -> None:
        self._in_scene()
        if not np.isfinite(action.finger_m):
            raise ValueError(f"finger target {action.finger_m} m is not a number")
        self._target = Action(_checked_arm(action.arm_rad), float(action.finger_m))
        self._aim()

    def advance(self, tick: Tick) -> None:
        self._carry(self.advancing(tick), "advance was called")

    def advancing(self, tick: Tick) -> Iterator[Turn]:
        """What `advance` does. Raises SimulatorError where it was not exactly one control period."""
        self._in_scene()
        self._images = None
        self._refuse_lost_stage()
        if not self.playing:
            raise SimulatorError(PAUSED)
        self._watch.begin()
        self._step()
        self._hand = None
        self._peak = self._watch.finish(self._steps_per_period)
        self._ticks, self._drawable = self._ticks + 1, True
        if tick.images:
            yield from self._drawn()
        elif self._every_turn_draws:
            yield Turn.DRAW

    def refresh(self, images: bool) -> None:
        self._in_scene()
        if images:
            self._carry(self.drawing(), "refresh was called")
        elif self._carry_out is not None:
            self._carry_out(Turn.DRAW)

    def drawing(self) -> Iterator[Turn]:
        """What `refresh` does to have pictures. Isaac Sim draws what the last step left on the stage: where that is not
        the present instant it steps once, and everything is put back, the links of the robot with its joints."""
        kind = self._in_scene()
        if self._images is not None:
            return
        self._refuse_lost_stage()
        if not self._drawable:
            joints, speeds, body = self._robot.positions(), self._robot.velocities(), self._bodies.state(kind)
            hand_to_world = self._hand_to_world()
            self._step()
            self._robot.put(joints, speeds)
            self._bodies.put(kind, body)
            self._aim()
            self._world.physics_sim_view.update_articulations_kinematic()
            compat.publish_poses(self._world)
            self._hand, self._drawable = hand_to_world, True
        yield from self._drawn()

    def observe(self, images: bool = False) -> Observation:
        kind = self._in_scene()
        if images and self._images is None:
            raise SimulatorError("there are no pictures of this instant: the last advance was not asked for them")
        joints, speeds = self._robot.positions(), self._robot.velocities()
        return Observation(
            time_s=self._ticks / self._settings.fps,
            arm_rad=joints.arm,
            arm_rad_s=speeds.arm,
            arm_peak_rad_s=self._peak.copy(),
            finger_m=joints.fingers,
            hand_to_world=self._hand_to_world(),
            object_to_world=self._bodies.pose(kind),
            images={name: image.copy() for name, image in self._images.items()} if images and self._images else {},
        )

    def attach(self) -> None:
        kind = self._in_scene()
        self._robot.positions()  # raises where the handles are stale: the poses would then be old ones
        try:
            attach_weld(get_current_stage(), kind, self._hand_to_world(), self._bodies.pose(kind))
        except WeldError as error:
            raise SimulatorError(str(error)) from error
        self._welded = True
        self._aim()

    def detach(self) -> None:
        if self._welded and not self._closed:
            self._remove_weld()
            if self._robot.alive:  # else there are no drives to let go, and the next reset makes everything anew
                self._aim()

    def close(self) -> None:
        """The application goes on; the next stage that it opens takes the place of ours."""
        if self._closed:
            return
        self._closed = True
        if hasattr(self, "_rig"):
            self._remove_weld()
            self._watch.stop()
            self._rig.close()

    # Inside

    def _put(self, scene: Scene) -> None:
        """Kinematically: it steps nothing."""
        stage = get_current_stage()
        detach_weld(stage)
        self._bodies.place(scene.kind, scene.object_pose)
        set_object_rgb(stage, scene.kind, scene.object_rgb)
        move_goal(stage, scene.goal_position_m)
        arm_rad = _checked_arm(scene.arm_rad)
        self._robot.put(
            Joints(arm_rad, np.full(NUM_FINGERS, FINGER_OPEN_M)),
            Joints(np.zeros(NUM_ARM_JOINTS), np.zeros(NUM_FINGERS)),
        )
        self._kind, self._welded, self._ticks, self._images = scene.kind, False, 0, None
        self._hand, self._drawable = hand_pose(arm_rad), False
        self._peak = np.zeros(NUM_ARM_JOINTS)
        self._target = Action(arm_rad, FINGER_OPEN_M)
        self._aim()

    def _show(self, scene: Scene) -> None:
        """On the stage, too: what is drawn next is this."""
        self._put(scene)
        self._step()

    def _aim(self) -> None:
        finger_m = self._target.finger_m
        if self._welded and self._kind is not None:
            finger_m = max(finger_m, self._kind.size_m[0] / 2 - SQUEEZE_M)
        self._robot.aim(self._target.arm_rad, finger_m)

    def _hand_to_world(self) -> Pose:
        return self._robot.hand_to_world() if self._hand is None else self._hand

    def _remove_weld(self) -> None:
        stage = get_current_stage()
        if stage is not None:
            detach_weld(stage)
        self._welded = False

    def _step(self) -> None:
        """By one control period: each step of physics of its own. In an update of the application it would make as many
        as the application's clock and the rounding of omni.physx come to, and none while the timeline does not play."""
        for _ in range(self._steps_per_period):
            self._world.step(render=False)
        compat.publish_poses(self._world)

    def _drawn(self) -> Generator[Turn, None, None]:
        for _ in range(1 + self._picture_delay):
            yield Turn.DRAW
        if self._world.is_stopped():  # the cameras with it: they would be blamed
            raise SimulatorError(PAUSED)
        self._images = self._rig.read()

    def _carry(self, turns: Iterator[Turn], occasion: str) -> None:
        if self._carry_out is None:
            raise SimulatorError(f"{occasion}, but the application's main loop is not ours to turn")
        for turn in turns:
            self._carry_out(turn)

    def _in_scene(self) -> ObjectKind:
        self._refuse_if_closed()
        if self._kind is None:
            raise SimulatorError("there is no scene yet: call reset first")
        return self._kind

    def _refuse_lost_stage(self) -> None:
        """A stage that opens invalidates the world of the one before; the timeline, being everybody's, goes on."""
        stage = get_current_stage()
        if World.instance() is not self._world or stage is None:
            raise SimulatorError(STAGE_GONE)
        parts = (HAND, *CAMERA_PATHS.values(), *(object_path(kind) for kind in self.objects))
        prims = {path: stage.GetPrimAtPath(path) for path in parts}
        missing = [path for path, prim in prims.items() if not (prim and prim.IsDefined())]  # physics leaves an `over`
        if missing:
            raise SimulatorError(f"{STAGE_GONE}: there is no {', '.join(missing)}")

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise SimulatorError("the simulator is closed")


def _checked_arm(arm_rad: Array | tuple[float, ...]) -> Array:
    arm = np.array(arm_rad, dtype=np.float64)
    if arm.shape != (NUM_ARM_JOINTS,) or not np.isfinite(arm).all():
        raise ValueError(f"arm joints must be {NUM_ARM_JOINTS} finite numbers [rad], got {arm_rad}")
    return arm
