"""The episode's loop: what is valid when, on the fake simulator."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fake_simulator import FakeSimulator
from numpy.typing import ArrayLike

from collectors.episode import (
    ATTACH_MAX_XY_M,
    MIN_JUDGE_TICKS,
    SETTLE_TICKS,
    EpisodeOutcome,
    EpisodeProgress,
    run_episode,
)
from collectors.features import ACTION_NAMES, GOAL_POSITION, OBJECT_POSE, STATE_NAMES
from collectors.franka import HOME_RAD
from collectors.objects import CUBE
from collectors.randomization import PRESETS
from collectors.simulator import SimulatorError, Tick
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from collectors.waypoints import Plan

PLAIN = draw_variation(PRESETS["none"], (0, 0, 0))
TASK = PickPlace((CUBE,))


class Recorder:
    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.pictures: dict[str, list[Any]] = {}

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
        assert episode_index == 5
        assert frame_index == len(self.frames)
        self.frames.append(
            {"state": np.array(state), "action": np.array(action), "t": timestamp, "done": next_done, **(extra or {})}
        )

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        self.pictures.setdefault(camera, []).append(rgb)

    def column(self, name: str) -> np.ndarray:
        return np.stack([frame[name] for frame in self.frames])


def draw(seed: int = 0) -> Plan:
    return TASK.draw(np.random.default_rng(seed), PLAIN)


def start(simulator: FakeSimulator, recorder: Recorder, plan: Plan | None = None, **options: Any) -> Any:
    settings: dict[str, Any] = {"episode_index": 5, "steps_per_segment": 30, **options}
    return run_episode(simulator, TASK, plan or draw(), recorder, **settings)


def run(simulator: FakeSimulator, episode: Any, ticks: list[Tick] | None = None) -> EpisodeOutcome:
    try:
        tick = next(episode)
        while True:
            if ticks is not None:
                ticks.append(tick)
            simulator.advance(tick)
            tick = next(episode)
    except StopIteration as stop:
        outcome: EpisodeOutcome = stop.value
        return outcome


def test_a_planned_episode_succeeds_and_records_every_frame() -> None:
    simulator, recorder = FakeSimulator(), Recorder()
    outcome = run(simulator, start(simulator, recorder))
    assert outcome.success
    assert outcome.frames == len(recorder.frames) == sum(outcome.segment_frames) >= 270
    assert {camera: len(pictures) for camera, pictures in recorder.pictures.items()} == {
        "cam_high": outcome.frames,
        "cam_wrist": outcome.frames,
    }
    assert recorder.column("state").shape[1:] == (len(STATE_NAMES),) == (23,)
    assert recorder.column("action").shape[1:] == (len(ACTION_NAMES),) == (8,)
    assert outcome.lifted_m > 0.05
    assert len(outcome.waypoint_error_m) == 9


def test_row_0_is_home_at_rest_and_its_action_already_leaves_it() -> None:
    simulator, recorder = FakeSimulator(), Recorder()
    run(simulator, start(simulator, recorder))
    state, action = recorder.frames[0]["state"], recorder.frames[0]["action"]
    np.testing.assert_allclose(state[:7], HOME_RAD, atol=1e-6)
    np.testing.assert_allclose(state[7:14], 0.0, atol=1e-6)
    assert np.abs(action[:7] - state[:7]).max() > 1e-3


def test_the_action_of_a_row_causes_the_state_of_the_next_row() -> None:
    """The fake covers a fixed share of the way to the target per tick, so the cause can be computed."""
    simulator, recorder = FakeSimulator(), Recorder()
    run(simulator, start(simulator, recorder))
    joints = recorder.column("state")[:, :7].astype(np.float64)
    targets = recorder.column("action")[:, :7].astype(np.float64)
    predicted = joints[:-1] + 0.6 * (targets[:-1] - joints[:-1])
    np.testing.assert_allclose(joints[1:], predicted, atol=1e-6)
    assert np.abs(joints[1:] - (joints[:-1] + 0.6 * (targets[1:] - joints[:-1]))).max() > 1e-3


def test_the_command_is_exactly_what_is_recorded() -> None:
    simulator, recorder = FakeSimulator(), Recorder()
    commanded = []
    original = simulator.command

    def remember(action: Any) -> None:
        commanded.append(np.append(action.arm_rad, action.finger_m))
        original(action)

    simulator.command = remember  # type: ignore[method-assign]  # spying on the fake
    outcome = run(simulator, start(simulator, recorder))
    recorded = recorder.column("action").astype(np.float64)
    assert np.array_equal(np.stack(commanded)[SETTLE_TICKS : SETTLE_TICKS + outcome.frames], recorded)


def test_time_and_done() -> None:
    simulator, recorder = FakeSimulator(), Recorder()
    run(simulator, start(simulator, recorder))
    np.testing.assert_allclose(recorder.column("t"), np.arange(len(recorder.frames)) / 30, atol=1e-12)
    done = recorder.column("done")
    assert done[-1]
    assert not done[:-1].any()


def test_pictures_are_rendered_only_for_recorded_rows() -> None:
    simulator, ticks = FakeSimulator(), []
    outcome = run(simulator, start(simulator, Recorder()), ticks)
    images = [tick.images for tick in ticks]
    first, last = SETTLE_TICKS - 1, SETTLE_TICKS + outcome.frames - 2
    assert images == [first <= k <= last for k in range(len(images))]
    assert len(ticks) >= SETTLE_TICKS + outcome.frames + MIN_JUDGE_TICKS


def test_weld_is_closed_after_the_gripper_and_opened_after_it_opens() -> None:
    simulator, recorder = FakeSimulator(), Recorder()
    outcome = run(simulator, start(simulator, recorder))
    ends = np.cumsum(outcome.segment_frames)
    assert (outcome.attach_frame, outcome.detach_frame) == (ends[2], ends[6])
    positions = recorder.column(OBJECT_POSE)[:, :3]
    assert np.ptp(positions[: outcome.attach_frame], axis=0).max() == 0
    assert np.ptp(positions[outcome.detach_frame + 1 :], axis=0).max() == 0
    assert np.ptp(positions[outcome.attach_frame : outcome.detach_frame, 2]) > 0.05
    assert not simulator.welded


def test_privileged_truth_is_the_scene() -> None:
    simulator, recorder, plan = FakeSimulator(), Recorder(), draw(3)
    run(simulator, start(simulator, recorder, plan))
    np.testing.assert_allclose(recorder.column(GOAL_POSITION), [plan.scene.goal_position_m] * len(recorder.frames))
    np.testing.assert_allclose(recorder.frames[0][OBJECT_POSE][:3], plan.scene.object_pose.position, atol=1e-6)


def test_quaternions_never_jump() -> None:
    for seed in range(5):
        simulator, recorder = FakeSimulator(), Recorder()
        run(simulator, start(simulator, recorder, draw(seed)))
        hand = recorder.column("state")[:, 19:23]
        assert (np.abs(np.diff(hand, axis=0)) < 0.2).all()
        assert hand[0][np.argmax(np.abs(hand[0]))] > 0
        assert (np.abs(np.diff(recorder.column(OBJECT_POSE)[:, 3:], axis=0)) < 0.2).all()


@pytest.mark.parametrize(
    ("offset_m", "reason"), [(ATTACH_MAX_XY_M - 0.002, "off"), (ATTACH_MAX_XY_M + 0.002, "missed_grasp")]
)
def test_attach_gate(offset_m: float, reason: str) -> None:
    simulator, recorder = FakeSimulator(grasp_offset_m=offset_m), Recorder()
    outcome = run(simulator, start(simulator, recorder))
    assert (outcome.failure_reason == "missed_grasp") == (reason == "missed_grasp")
    assert outcome.attach_error_m == pytest.approx(offset_m, abs=2e-3)
    if reason == "missed_grasp":
        assert not outcome.grasped
        assert "attach" not in simulator.calls
        assert outcome.frames == sum(outcome.segment_frames) < 270  # it ended there


def test_a_missed_grasp_can_be_carried_through_to_be_kept() -> None:
    simulator, recorder = FakeSimulator(grasp_offset_m=0.05), Recorder()
    outcome = run(simulator, start(simulator, recorder, finish_failures=True))
    assert outcome.failure_reason == "missed_grasp"
    assert outcome.frames >= 270
    assert recorder.frames[-1]["done"]


def test_a_slipping_weld_fails_the_episode() -> None:
    simulator = FakeSimulator(slip_m=0.0015)
    with pytest.raises(SimulatorError, match=r"welded object moved by 3\.00 mm"):
        run(simulator, start(simulator, Recorder()))
    assert not simulator.welded


def test_time_that_stands_still_fails_the_episode() -> None:
    simulator = FakeSimulator(lost_ticks=frozenset([50]))
    with pytest.raises(SimulatorError, match=r"simulated time advanced by 0\.000000 s"):
        run(simulator, start(simulator, Recorder()))


def test_closing_the_generator_removes_the_weld() -> None:
    simulator = FakeSimulator()
    episode = start(simulator, Recorder())
    tick = next(episode)
    while not simulator.welded:
        simulator.advance(tick)
        tick = next(episode)
    episode.close()
    assert not simulator.welded


def test_a_left_over_weld_is_removed_before_the_reset() -> None:
    simulator = FakeSimulator()
    next(start(simulator, Recorder()))
    assert simulator.calls.index("detach") < simulator.calls.index("reset")


def test_progress_names_the_phase() -> None:
    simulator, progress, seen = FakeSimulator(), EpisodeProgress(), []
    episode = start(simulator, Recorder(), progress=progress)
    for tick in episode:
        if not seen or seen[-1] != progress.phase:
            seen.append(progress.phase)
        simulator.advance(tick)
    assert seen == [
        "SETTLE", "APPROACH_PICK", "DOWN_PICK", "CLOSE_GRIPPER", "LIFT", "MOVE_TO_PLACE", "DOWN_PLACE",
        "OPEN_GRIPPER", "RETRACT", "HOME", "JUDGE",
    ]  # fmt: skip
    assert progress.frame >= 270
