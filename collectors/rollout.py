"""A policy in closed loop: a generator that yields once per control tick, as an episode does, judged as one is.

An episode's weld follows its plan. A policy has none, so `Grip` tells from the gripper's commands when the hand holds.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

import numpy as np

from collectors.command_delay import CommandDelay
from collectors.episode import (
    MIN_JUDGE_TICKS,
    SETTLE_TICKS,
    EpisodeOutcome,
    Measured,
    WeldWatch,
    advance,
    come_to_rest,
    grasp_error,
    may_attach,
)
from collectors.features import ContinuousQuat, Row, action_of_row, pose_row, state_row
from collectors.franka import FINGER_OPEN_M, HOME_RAD
from collectors.policy import Policy, PolicyError, PolicyObservation, checked_action
from collectors.simulator import Action, Observation, Simulator, Tick
from collectors.task import Task
from collectors.tasks.pick_place import HOME_TOLERANCE_RAD
from collectors.waypoints import Plan

# Of the object's half width: the finger stiffness makes 4 N per finger of that at the cube of 4 cm, and with a friction
# of 1 that carries every object of collectors/objects.py.
CLOSES_BELOW: Final = 0.5
OPENS_ABOVE: Final = 1.0  # of the object's half width: no force is left on it
GRIP_TICKS: Final = 3  # so long has the hand to be closing; the servos' lag at 30 fps
AT_HOME_TICKS: Final = MIN_JUDGE_TICKS


class Grip:
    """Whether a hand that is commanded so holds on to an object: with hysteresis, and not at once.

    It closes at a command of at most CLOSES_BELOW of the object's half width, opens at one of at least OPENS_ABOVE of
    it, and in between stays as it is. It holds from the GRIP_TICKS-th tick after it closed until it opens.
    """

    def __init__(self, width_m: float) -> None:
        self._half_m = width_m / 2
        self._closed_ticks = 0

    def command(self, finger_m: float) -> None:
        """To be called once per control tick with the command as the policy issued it."""
        closes = finger_m <= CLOSES_BELOW * self._half_m
        stays = self._closed_ticks > 0 and finger_m < OPENS_ABOVE * self._half_m
        self._closed_ticks = self._closed_ticks + 1 if closes or stays else 0

    @property
    def holds(self) -> bool:
        return self._closed_ticks >= GRIP_TICKS


def run_rollout(
    simulator: Simulator, task: Task, plan: Plan, policy: Policy, max_frames: int
) -> Generator[Tick, None, EpisodeOutcome]:
    """Reset the plan's scene, settle as an episode does, let the policy command for at most `max_frames`, and judge.

    Of the plan, its scene, instruction and sensor noise hold; its waypoints are not used. Delay and gain of the plant
    lie between the policy and the arm, as in a collection. The object is welded to the hand once the hand holds (see
    `Grip`) while fingertips and fingers are where a collection's grasp has to be, and let go once the hand opens; a
    policy may try again. It is over early once the arm, with the object let go, was within the judge's tolerance of
    HOME for AT_HOME_TICKS. Then the last command is held until everything rests, and the task judges as it judges
    episodes.

    Of the outcome, attach_frame is the first grasp's and detach_frame the last release's; what belongs to waypoints
    stays empty. Whatever ends the generator, its end or `close()`, the weld is gone afterwards. Raises PolicyError and
    SimulatorError.
    """
    if max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, got {max_frames}")
    try:
        return (yield from _rollout(simulator, task, plan, policy, max_frames))
    finally:
        simulator.detach()


def _rollout(
    simulator: Simulator, task: Task, plan: Plan, policy: Policy, max_frames: int
) -> Generator[Tick, None, EpisodeOutcome]:
    scene = plan.scene
    measured, weld, grip = Measured(), WeldWatch(), Grip(scene.kind.size_m[0])
    eyes = _Eyes(plan)
    images = policy.wants_images
    welded, at_home_ticks = False, 0

    simulator.detach()
    simulator.reset(scene)
    observation = simulator.observe()
    action = Action(np.array(scene.arm_rad), FINGER_OPEN_M)
    delay = CommandDelay(action, scene.plant.delay_ticks)
    for tick in range(SETTLE_TICKS):
        observation = yield from advance(simulator, observation, action, images=images and tick == SETTLE_TICKS - 1)

    _reset(policy, plan.task)
    frame = 0
    while frame < max_frames and at_home_ticks < AT_HOME_TICKS:
        action = action_of_row(_ask(policy, eyes.see(observation), frame))
        frame += 1
        observation = yield from advance(simulator, observation, delay(action), images and frame < max_frames)
        measured.see(observation, scene)
        weld.check(observation, scene)
        grip.command(action.finger_m)
        if welded and not grip.holds:
            simulator.detach()
            weld.end()
            welded, measured.detach_frame = False, frame
        elif grip.holds and not welded:
            if not measured.grasped:
                measured.attach_error_m = float(np.linalg.norm(grasp_error(observation, scene)))
            if may_attach(observation, scene):
                simulator.attach()
                weld.begin(observation)
                welded = True
                if not measured.grasped:
                    measured.grasped, measured.attach_frame = True, frame
        off_home_rad = float(np.abs(observation.arm_rad - np.asarray(HOME_RAD)).max())
        is_over = measured.grasped and not welded and off_home_rad <= HOME_TOLERANCE_RAD
        at_home_ticks = at_home_ticks + 1 if is_over else 0

    observation = yield from come_to_rest(simulator, observation, delay, action)
    judgement = task.judge(scene, observation.object_to_world, observation.arm_rad, measured.grasped, measured.lifted_m)
    return measured.outcome(judgement.failure_reason, frame, judgement.success_2cm, judgement.placement_error_m)


class _Eyes:
    """What the policy sees of an episode, as the record would show it."""

    def __init__(self, plan: Plan) -> None:
        self._task = plan.task
        self._goal: Row = np.asarray(plan.scene.goal_position_m, dtype=np.float32)
        self._sensors = plan.noise.sensors()
        self._hand_quat, self._object_quat = ContinuousQuat(), ContinuousQuat()

    def see(self, observation: Observation) -> PolicyObservation:
        state = self._sensors.state(state_row(observation, self._hand_quat(observation.hand_to_world.quat_wxyz)))
        object_to_world = observation.object_to_world
        return PolicyObservation(
            task=self._task,
            state=state,
            images={camera: self._sensors.picture(rgb) for camera, rgb in observation.images.items()},
            privileged_object_pose=pose_row(object_to_world, self._object_quat(object_to_world.quat_wxyz)),
            privileged_goal_position=self._goal.copy(),
        )


def _reset(policy: Policy, task: str) -> None:
    try:
        policy.reset(task)
    except Exception as error:  # another author's code: whatever it raises is told as what it is, with its cause
        raise PolicyError(f"the policy failed in reset: {type(error).__name__}: {error}") from error


def _ask(policy: Policy, observation: PolicyObservation, frame: int) -> Row:
    try:
        return checked_action(policy.act(observation))
    except PolicyError as error:
        raise PolicyError(f"frame {frame}: {error}") from error.__cause__
    except Exception as error:  # as above
        raise PolicyError(f"frame {frame}: the policy failed: {type(error).__name__}: {error}") from error
