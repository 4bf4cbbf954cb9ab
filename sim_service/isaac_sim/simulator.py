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
from collectors.simulator import Action, Image, Observation, SimulatorError, Tick, checked_arm
from sim_service.isaac_sim import compat
from sim_service.isaac_sim.cell import Cell
from sim_service.isaac_sim.compat import World
from sim_service.isaac_sim.robot import Joints
from sim_service.isaac_sim.turns import Turn
from sim_service.simulators import SimulatorSettings

SQUEEZE_M: Final = 0.001  # a finger's drive aims so deep into a welded object: contact, without fighting the weld
PAUSED: Final = "somebody paused or stopped the timeline"
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
        self._cell = Cell(settings, self._steps_per_period)
        self._versions: dict[str, str] = {}
        self._picture_delay = 0  # turns of drawing
        self._kind: ObjectKind | None = None  # the object in the scene
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
        return self._cell.watch.steps

    @property
    def playing(self) -> bool:
        """Whether the timeline plays: else no step will come."""
        return self._cell.playing

    @property
    def picture_delay(self) -> int:
        """Turns of drawing by which pictures lag behind the state, as measured when the cell was built."""
        return self._picture_delay

    # Opening

    def building(self, world: World | None = None) -> Iterator[Turn]:
        """The cell on the stage of `world`, else on a stage of its own, up to the first pictures. Raises
        SimulatorUnavailable, SimulatorError."""
        yield from self._cell.building(world)
        yield from self._measuring()
        self._versions = {
            "simulator": "isaac",
            "isaacsim": compat.version(),
            "renderer": "rtx",
            "robot": self._cell.assets.robot_usd.removeprefix(self._cell.assets.root),
        }
        _log.info("Isaac Sim %s: pictures lag by %d turns", compat.version(), self._picture_delay)

    def recovering(self) -> Iterator[Turn]:
        """From a stopped physics: every handle anew, on the stage as it is, up to the first pictures."""
        yield from self._cell.restarting()
        yield from self._cell.rig.warming_up()

    def _measuring(self) -> Iterator[Turn]:
        """The first pictures, and by how much they lag: the arm stands still up to one swing."""
        kind = self.objects[0]
        resting = Pose((0.5, 0.0, TABLE_SURFACE_Z_M + kind.size_m[2] / 2))
        scene = Scene(kind, resting, (0.5, 0.5, 0.5), (0.5, 0.2))
        swung = (scene.arm_rad[0] + _SWING_RAD, *scene.arm_rad[1:])
        self._show(scene)
        rig = self._cell.rig
        yield from rig.warming_up()
        self._picture_delay = yield from rig.measuring_delay(lambda: self._show(replace(scene, arm_rad=swung)))
        self._kind = None

    # The seam

    def reset(self, scene: Scene) -> None:
        self._refuse_if_closed()
        self._cell.refuse_scene(scene)
        checked_arm(scene.arm_rad)
        self._cell.refuse_lost_stage()
        if self._cell.stopped or not self._cell.robot.alive:
            self._carry(self.recovering(), "physics was stopped")
        elif not self.playing:
            self._cell.play()
        self._put(scene)

    def command(self, action: Action) -> None:
        self._in_scene()
        if not np.isfinite(action.finger_m):
            raise ValueError(f"finger target {action.finger_m} m is not a number")
        self._target = Action(checked_arm(action.arm_rad), float(action.finger_m))
        self._aim()

    def advance(self, tick: Tick) -> None:
        self._carry(self.advancing(tick), "advance was called")

    def advancing(self, tick: Tick) -> Iterator[Turn]:
        """What `advance` does. Raises SimulatorError where it was not exactly one control period."""
        self._in_scene()
        self._images = None
        self._cell.refuse_lost_stage()
        if not self.playing:
            raise SimulatorError(PAUSED)
        self._cell.watch.begin()
        self._cell.step()
        self._hand = None
        self._peak = self._cell.watch.finish(self._steps_per_period)
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
        self._in_scene()
        if self._images is not None:
            return
        self._cell.refuse_lost_stage()
        if not self._drawable:
            robot, bodies = self._cell.robot, self._cell.bodies
            joints, speeds, states = robot.positions(), robot.velocities(), bodies.states()
            hand_to_world = self._hand_to_world()
            self._cell.step()
            robot.put(joints, speeds)
            bodies.put(states)
            self._aim()
            self._cell.publish()
            self._hand, self._drawable = hand_to_world, True
        yield from self._drawn()

    def observe(self, images: bool = False) -> Observation:
        kind = self._in_scene()
        if images and self._images is None:
            raise SimulatorError("there are no pictures of this instant: the last advance was not asked for them")
        joints, speeds = self._cell.robot.positions(), self._cell.robot.velocities()
        return Observation(
            time_s=self._ticks / self._settings.fps,
            arm_rad=joints.arm,
            arm_rad_s=speeds.arm,
            arm_peak_rad_s=self._peak.copy(),
            finger_m=joints.fingers,
            hand_to_world=self._hand_to_world(),
            object_to_world=self._cell.bodies.pose(kind),
            images={name: image.copy() for name, image in self._images.items()} if images and self._images else {},
        )

    def attach(self) -> None:
        kind = self._in_scene()
        self._cell.robot.positions()  # raises where the handles are stale: the poses would then be old ones
        self._cell.weld(kind, self._hand_to_world())
        self._aim()

    def detach(self) -> None:
        if self._cell.welded and not self._closed:
            self._cell.remove_weld()
            if self._cell.robot.alive:  # else there are no drives to let go, and the next reset makes everything anew
                self._aim()

    def close(self) -> None:
        """The application goes on; the next stage that it opens takes the place of ours."""
        if not self._closed:
            self._closed = True
            self._cell.close()

    # Inside

    def _put(self, scene: Scene) -> None:
        """Kinematically: it steps nothing."""
        self._cell.set_up(scene)
        arm_rad = checked_arm(scene.arm_rad)
        self._cell.robot.put(
            Joints(arm_rad, np.full(NUM_FINGERS, FINGER_OPEN_M)),
            Joints(np.zeros(NUM_ARM_JOINTS), np.zeros(NUM_FINGERS)),
        )
        self._kind, self._ticks, self._images = scene.kind, 0, None
        self._hand, self._drawable = hand_pose(arm_rad), False
        self._peak = np.zeros(NUM_ARM_JOINTS)
        self._target = Action(arm_rad, FINGER_OPEN_M)
        self._aim()

    def _show(self, scene: Scene) -> None:
        """On the stage, too: what is drawn next is this."""
        self._put(scene)
        self._cell.step()

    def _aim(self) -> None:
        finger_m = self._target.finger_m
        if self._cell.welded and self._kind is not None:
            finger_m = max(finger_m, self._kind.size_m[0] / 2 - SQUEEZE_M)
        self._cell.robot.aim(self._target.arm_rad, finger_m)

    def _hand_to_world(self) -> Pose:
        return self._cell.robot.hand_to_world() if self._hand is None else self._hand

    def _drawn(self) -> Generator[Turn, None, None]:
        for _ in range(1 + self._picture_delay):
            yield Turn.DRAW
        if self._cell.stopped:  # the cameras with it: they would be blamed
            raise SimulatorError(PAUSED)
        self._images = self._cell.rig.read()

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

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise SimulatorError("the simulator is closed")
