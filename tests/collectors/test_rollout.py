"""A policy in closed loop, on the fake simulator: what it sees, when it grasps, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from fake_simulator import FakeSimulator
from numpy.typing import ArrayLike

from collectors.episode import SETTLE_TICKS, EpisodeOutcome, run_episode
from collectors.features import GOAL_POSITION, OBJECT_POSE
from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD
from collectors.objects import CUBE
from collectors.policy import PolicyError, PolicyObservation
from collectors.randomization import PRESETS
from collectors.recording_noise import RecordingNoise
from collectors.rollout import AT_HOME_TICKS, CLOSES_BELOW, GRIP_TICKS, OPENS_ABOVE, Grip, run_rollout
from collectors.scene import Plant
from collectors.simulator import Tick
from collectors.tasks.pick_place import RELEASE_HEIGHT_M, PickPlace
from collectors.variation import draw_variation
from collectors.waypoints import Plan
from sim_service.collection import drive

TASK = PickPlace((CUBE,))
HALF_M = CUBE.size_m[0] / 2
MAX_FRAMES = 400


class Recorder:
    """Keeps an episode's frames."""

    def __init__(self) -> None:
        self.states: list[np.ndarray] = []
        self.actions: list[np.ndarray] = []
        self.extras: list[Mapping[str, ArrayLike]] = []
        self.pictures: dict[str, list[np.ndarray]] = {}

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: ArrayLike,
        action: ArrayLike,
        timestamp: float,
        next_done: bool,
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        self.states.append(np.array(state))
        self.actions.append(np.array(action))
        self.extras.append(extra or {})

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        self.pictures.setdefault(camera, []).append(rgb)


class OpenLoop:
    """Commands given actions, the last one for as long as it is asked."""

    def __init__(self, actions: ArrayLike, wants_images: bool = False) -> None:
        self.actions, self.wants_images = np.asarray(actions), wants_images
        self.seen: list[PolicyObservation] = []
        self.tasks: list[str] = []

    def reset(self, task: str) -> None:
        self.tasks.append(task)

    def act(self, observation: PolicyObservation) -> ArrayLike:
        self.seen.append(observation)
        row: ArrayLike = self.actions[min(len(self.seen), len(self.actions)) - 1]
        return row


def draw(seed: int = 0, **scene: Any) -> Plan:
    plan = TASK.draw(np.random.default_rng(seed), draw_variation(PRESETS["none"], (0, 0, 0)))
    return replace(plan, scene=replace(plan.scene, **scene))


@dataclass
class Expert:
    plan: Plan
    record: Recorder
    outcome: EpisodeOutcome

    @property
    def actions(self) -> np.ndarray:
        return np.stack(self.record.actions)


def expert_of(plan: Plan) -> Expert:
    simulator, record = FakeSimulator(), Recorder()
    outcome = drive(simulator, run_episode(simulator, TASK, plan, record, episode_index=0, steps_per_segment=30))
    return Expert(plan, record, outcome)


@pytest.fixture(scope="module")
def expert() -> Expert:
    return expert_of(draw())


def roll_out(
    plan: Plan, policy: Any, simulator: FakeSimulator | None = None, max_frames: int = MAX_FRAMES
) -> EpisodeOutcome:
    simulator = simulator or FakeSimulator()
    return drive(simulator, run_rollout(simulator, TASK, plan, policy, max_frames))


def test_the_experts_actions_succeed_and_grasp_by_the_rule() -> None:
    for seed in range(3):
        expert = expert_of(draw(seed))
        commands_m = expert.actions[:, 7].astype(np.float64)
        outcome = roll_out(expert.plan, OpenLoop(expert.actions), max_frames=len(expert.actions))
        assert outcome.success
        assert outcome.placement_error_m == pytest.approx(expert.outcome.placement_error_m, abs=1e-4)
        assert outcome.lifted_m == pytest.approx(expert.outcome.lifted_m, abs=1e-4)
        closes = int(np.argmax(commands_m <= CLOSES_BELOW * HALF_M))
        opens = closes + int(np.argmax(commands_m[closes:] >= OPENS_ABOVE * HALF_M))
        assert (outcome.attach_frame, outcome.detach_frame) == (closes + GRIP_TICKS, opens + 1)
        # Earlier than the plan, never later: the plan waits for the last command of the ramp.
        assert expert.outcome.attach_frame - 30 < outcome.attach_frame <= expert.outcome.attach_frame
        assert expert.outcome.detach_frame - 30 < outcome.detach_frame <= expert.outcome.detach_frame


@pytest.mark.parametrize("noise", [0.0, 2.0])
@pytest.mark.parametrize("delay_ticks", [0, 2])
def test_the_policy_sees_what_the_record_holds(noise: float, delay_ticks: int) -> None:
    plan = replace(
        draw(1, plant=Plant(delay_ticks=delay_ticks)), noise=RecordingNoise(noise, camera_levels=3.0 * noise, seed=(4,))
    )
    expert = expert_of(plan)
    policy = OpenLoop(expert.actions, wants_images=True)
    outcome = roll_out(plan, policy, max_frames=len(expert.actions))
    assert outcome.success
    assert policy.tasks == [plan.task]
    for frame, observation in enumerate(policy.seen):
        assert np.array_equal(observation.state, expert.record.states[frame])
        assert observation.state.dtype == np.float32
        assert observation.task == plan.task
        extra = expert.record.extras[frame]
        # It is let go earlier than the plan would, a little above the table.
        off_m = 0.0 if frame < outcome.attach_frame else RELEASE_HEIGHT_M
        np.testing.assert_allclose(observation.privileged_object_pose, extra[OBJECT_POSE], atol=off_m + 1e-6)
        np.testing.assert_allclose(observation.privileged_goal_position, extra[GOAL_POSITION], atol=1e-7)
        for camera, pictures in expert.record.pictures.items():
            assert np.array_equal(observation.images[camera], pictures[frame])


def test_pictures_cost_nothing_unless_the_policy_wants_them(expert: Expert) -> None:
    for wanted in (False, True):
        simulator, ticks = FakeSimulator(), list[Tick]()
        rollout = run_rollout(simulator, TASK, expert.plan, OpenLoop(expert.actions, wanted), 20)
        for tick in rollout:
            ticks.append(tick)
            simulator.advance(tick)
        first, last = SETTLE_TICKS - 1, SETTLE_TICKS + 20 - 2
        assert [tick.images for tick in ticks] == [wanted and first <= k <= last for k in range(len(ticks))]


def test_holding_still_never_grasps() -> None:
    simulator = FakeSimulator()
    outcome = roll_out(draw(), OpenLoop([[*HOME_RAD, FINGER_OPEN_M]]), simulator, max_frames=60)
    assert (outcome.failure_reason, outcome.frames, outcome.attach_frame) == ("missed_grasp", 60, -1)
    assert "attach" not in simulator.calls


def test_it_ends_at_home_after_the_release_and_not_before(expert: Expert) -> None:
    outcome = roll_out(expert.plan, OpenLoop(expert.actions))
    assert outcome.success
    # The last row is still on its way to HOME, and the rows at HOME before the grasp do not count.
    assert len(expert.actions) < outcome.frames <= len(expert.actions) + 3 + AT_HOME_TICKS


def test_time_that_is_up_is_judged_as_it_stands(expert: Expert) -> None:
    released = roll_out(expert.plan, OpenLoop(expert.actions), max_frames=215)
    assert (released.failure_reason, released.frames) == ("not_home", 215)
    simulator = FakeSimulator()
    in_hand = roll_out(expert.plan, OpenLoop(expert.actions), simulator, max_frames=150)
    assert in_hand.failure_reason == "dropped"
    assert in_hand.detach_frame == -1
    assert not simulator.welded


def test_chatter_does_not_weld(expert: Expert) -> None:
    chattering = expert.actions.copy()
    chattering[::2, 7], chattering[1::2, 7] = FINGER_CLOSED_M, FINGER_OPEN_M
    simulator = FakeSimulator()
    assert roll_out(expert.plan, OpenLoop(chattering), simulator).failure_reason == "missed_grasp"
    assert "attach" not in simulator.calls


def test_a_hand_that_closes_in_the_air_does_not_weld(expert: Expert) -> None:
    closed = expert.actions.copy()
    closed[:, 7] = FINGER_CLOSED_M
    for actions in (closed[:30], [[*HOME_RAD, FINGER_CLOSED_M]]):  # 10 cm above the object, and at HOME
        simulator = FakeSimulator()
        assert roll_out(expert.plan, OpenLoop(actions), simulator).failure_reason == "missed_grasp"
        assert "attach" not in simulator.calls


def test_fingers_that_are_told_to_close_and_have_not_do_not_weld(expert: Expert) -> None:
    class Jammed(FakeSimulator):
        def advance(self, tick: Tick) -> None:
            super().advance(tick)
            self._fingers = HALF_M + 0.004

    simulator = Jammed()
    assert roll_out(expert.plan, OpenLoop(expert.actions), simulator).failure_reason == "missed_grasp"
    assert "attach" not in simulator.calls


def test_a_policy_may_try_again(expert: Expert) -> None:
    at_pick, opened = expert.actions[89], expert.actions[89].copy()
    opened[7] = FINGER_OPEN_M
    again = np.concatenate([expert.actions[:90], [opened] * 10, [at_pick] * 10, expert.actions[90:]])
    simulator = FakeSimulator()
    outcome = roll_out(expert.plan, OpenLoop(again), simulator)
    assert outcome.success
    assert simulator.calls.count("attach") == 2
    assert outcome.attach_frame < 90 < outcome.detach_frame - 100


def test_closing_the_generator_removes_the_weld(expert: Expert) -> None:
    simulator = FakeSimulator()
    rollout = run_rollout(simulator, TASK, expert.plan, OpenLoop(expert.actions), MAX_FRAMES)
    tick = next(rollout)
    while not simulator.welded:
        simulator.advance(tick)
        tick = next(rollout)
    rollout.close()
    assert not simulator.welded


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([0.0] * 7, r"frame 100: an action must have the shape \(8,\), got \(7,\)"),
        ([[0.0] * 8], r"frame 100: an action must have the shape \(8,\), got \(1, 8\)"),
        ([*HOME_RAD, float("nan")], r"frame 100: an action must be finite, got action_gripper = nan"),
        ([float("inf"), *HOME_RAD[1:], 0.0], r"frame 100: an action must be finite, got action_joint_0 = inf"),
        (None, r"frame 100: an action must have the shape \(8,\), got \(\)"),
        ("closed", r"frame 100: an action must be 8 numbers, got 'closed'"),
    ],
)
def test_what_is_no_action_is_said(expert: Expert, answer: Any, message: str) -> None:
    class Wrong(OpenLoop):
        def act(self, observation: PolicyObservation) -> ArrayLike:
            row = super().act(observation)
            if len(self.seen) <= 100:
                return row
            wrong: ArrayLike = answer
            return wrong

    simulator = FakeSimulator()
    with pytest.raises(PolicyError, match=message):
        roll_out(expert.plan, Wrong(expert.actions), simulator)
    assert "attach" in simulator.calls
    assert not simulator.welded


def test_an_error_of_the_policy_is_told_with_its_cause(expert: Expert) -> None:
    class Broken(OpenLoop):
        def act(self, observation: PolicyObservation) -> ArrayLike:
            raise KeyError("weights")

    with pytest.raises(PolicyError, match=r"frame 0: the policy failed: KeyError: 'weights'") as caught:
        roll_out(expert.plan, Broken(expert.actions))
    assert isinstance(caught.value.__cause__, KeyError)

    class Unready(OpenLoop):
        def reset(self, task: str) -> None:
            raise RuntimeError("no weights")

    with pytest.raises(PolicyError, match=r"the policy failed in reset: RuntimeError: no weights"):
        roll_out(expert.plan, Unready(expert.actions))


def test_no_frames_are_refused(expert: Expert) -> None:
    with pytest.raises(ValueError, match="max_frames must be at least 1, got 0"):
        roll_out(expert.plan, OpenLoop(expert.actions), max_frames=0)


def test_a_grip_needs_time_and_has_hysteresis() -> None:
    grip = Grip(2 * HALF_M)
    closed_m, between_m, open_m = CLOSES_BELOW * HALF_M, 0.9 * OPENS_ABOVE * HALF_M, OPENS_ABOVE * HALF_M

    def holds_after(finger_m: float, ticks: int) -> bool:
        for _ in range(ticks):
            grip.command(finger_m)
        return grip.holds

    assert not holds_after(between_m, 50)
    assert not holds_after(closed_m, GRIP_TICKS - 1)
    assert holds_after(between_m, 1)
    assert holds_after(between_m, 50)
    assert not holds_after(open_m, 1)
    assert not holds_after(between_m, 50)
