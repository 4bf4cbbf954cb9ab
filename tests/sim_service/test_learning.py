"""What `bench.learning` trains and `examples/rollout_policy.py` runs: kinematics, gradient, and one way through it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.learning_data import Demonstration, Recording, actions_late, collect, states_as_actions
from bench.learning_policy import Examples, Network, hand_poses, save, train
from bench.outcomes import BlindSimulator
from collectors.franka import FINGER_OPEN_M, FINGERTIP_OFFSET_M, JOINT_LOWER_RAD, JOINT_UPPER_RAD
from collectors.geometry import matrix_from_quat
from collectors.kinematics import hand_pose
from collectors.policy import PolicyObservation, checked_action
from examples.rollout_policy import NetworkPolicy, features, load, rotation, yaw_rad
from sim_service.simulators import SimulatorSettings

EPISODES = 6


@pytest.fixture(scope="module")
def demonstrations() -> list[Demonstration]:
    simulator = BlindSimulator(SimulatorSettings(render_preset="fast"))
    try:
        return collect(simulator, EPISODES, 3, Recording(failed_share=0.5))
    finally:
        simulator.close()


def test_hand_poses_are_those_of_the_kinematics() -> None:
    joints_rad = np.random.default_rng(0).uniform(JOINT_LOWER_RAD, JOINT_UPPER_RAD, (20, 7)).astype(np.float32)
    positions, rotations = hand_poses(joints_rad)
    for arm_rad, position, found in zip(joints_rad, positions, rotations, strict=True):
        pose = hand_pose(arm_rad)
        np.testing.assert_allclose(position, pose.position, atol=1e-5)
        np.testing.assert_allclose(found, matrix_from_quat(pose.quat_wxyz), atol=1e-5)
        np.testing.assert_allclose(rotation(pose.quat_wxyz[None])[0], found, atol=1e-5)


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    inputs, wanted = rng.normal(size=(64, 5)), rng.normal(size=(64, 3))
    network = Network(rng, inputs.astype(np.float32), wanted.astype(np.float32))
    network.weights = {name: part.astype(np.float64) for name, part in network.weights.items()}  # type: ignore[misc]  # to differentiate
    gradient = network.gradient(inputs, wanted)  # type: ignore[arg-type]  # likewise
    for name, slope in gradient.items():
        weight = network.weights[name]
        direction = rng.normal(size=weight.shape)
        step = 1e-6
        losses = []
        for sign in (1, -1):
            network.weights[name] = weight + sign * step * direction  # type: ignore[assignment]  # likewise
            losses.append(network.loss(inputs, wanted))  # type: ignore[arg-type]  # likewise
        network.weights[name] = weight
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float((slope * direction).sum()), rel=1e-3)


def test_half_of_the_attempts_miss(demonstrations: list[Demonstration]) -> None:
    held = [bool(one.held.any()) for one in demonstrations]
    assert 0 < sum(held) < EPISODES
    for one in demonstrations:
        lifted = one.object_poses[:, 2] > one.object_poses[0, 2] + 0.02
        assert lifted.any() == one.held.any()
        assert (one.held | ~lifted).all()


def test_what_is_spoilt_is_the_action_alone(demonstrations: list[Demonstration]) -> None:
    one = demonstrations[0]
    late, identity = actions_late(one), states_as_actions(one)
    assert np.array_equal(late.actions[1:], one.actions[:-1])
    assert np.array_equal(identity.actions[:, :7], one.states[:, :7])
    assert identity.actions.shape == one.actions.shape
    assert late.states is identity.states is one.states


def test_what_is_trained_runs_from_its_file(
    demonstrations: list[Demonstration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = train(demonstrations, 3, seed=0)
    again = train(demonstrations, 3, seed=0)
    assert all(np.array_equal(part, again[name]) for name, part in weights.items())
    save(tmp_path / "policy.npz", weights)
    monkeypatch.setenv("POLICY_WEIGHTS", str(tmp_path / "policy.npz"))
    loaded, fresh = load(), NetworkPolicy(weights)
    one = demonstrations[0]
    for policy in (loaded, fresh):
        policy.reset("")
    for frame in range(0, 90, 10):
        observation = PolicyObservation("", one.states[frame], {}, one.object_poses[frame], one.goal_m)
        action = checked_action(loaded.act(observation))
        assert np.array_equal(action, fresh.act(observation))
        assert 0 <= action[7] <= 0.04


def test_what_it_shall_answer_leads_to_the_recorded_action(demonstrations: list[Demonstration]) -> None:
    """From joints that are a little off, and from the command before."""
    one = demonstrations[0]
    inputs, wanted = Examples.of([one]).batch(np.random.default_rng(0), 200)
    reached = inputs[:, 1:8] + wanted[:, :7]
    offs = np.abs(reached[:, None] - one.actions[None, :, :7]).max(axis=2)
    assert offs.min(axis=1).max() < 1e-5
    before_m = np.append(np.float32(FINGER_OPEN_M), one.actions[:-1, 7])
    changes_m = np.append(one.actions[:, 7] - before_m, np.float32(0))
    assert np.abs(wanted[:, 7, None] - changes_m).min(axis=1).max() < 1e-7
    assert np.abs(wanted[:, 7]).max() > 0


def test_what_is_in_the_hand_moves_with_it(demonstrations: list[Demonstration]) -> None:
    one = next(one for one in demonstrations if one.held.any())
    rows = np.flatnonzero(one.held)
    held = replace(one, **{name: getattr(one, name)[rows] for name in ("states", "actions", "object_poses", "held")})
    columns = Examples.of([held]).batch(np.random.default_rng(0), 200)[0]
    tips_m, object_m = columns[:, 10:13], columns[:, 13:16]
    hand_m, hand_rotation = hand_poses(held.states[:, :7])
    recorded_m = hand_m + FINGERTIP_OFFSET_M * hand_rotation[:, :, 2] - held.object_poses[:, :3]
    assert np.ptp(tips_m, axis=0).max() > 0.1
    np.testing.assert_allclose(
        np.linalg.norm(tips_m - object_m, axis=1), np.linalg.norm(recorded_m, axis=1).mean(), atol=2e-3
    )


def test_features_do_not_tell_quarter_turns_of_the_cube_apart() -> None:
    rng = np.random.default_rng(2)
    joints_rad = rng.normal(size=(4, 7)).astype(np.float32)
    hand_m, hand_rotation = hand_poses(joints_rad)
    object_m, goal_m = rng.normal(size=(2, 4, 3)).astype(np.float32)

    def seen(yaw: float) -> np.ndarray:
        return features(
            gripper_m=np.zeros((4, 1), np.float32),
            joints_rad=joints_rad,
            fingers_m=np.zeros((4, 2), np.float32),
            hand_m=hand_m,
            hand_rotation=hand_rotation,
            object_m=object_m,
            object_yaw_rad=np.full(4, yaw, np.float32),
            goal_m=goal_m,
        )

    assert seen(0.3).shape == (4, 43)
    np.testing.assert_allclose(seen(0.3), seen(0.3 + np.pi / 2), atol=1e-5)
    assert np.abs(seen(0.3) - seen(0.4)).max() > 0.1
    half = 0.35
    quat_wxyz = np.array([[np.cos(half), 0, 0, np.sin(half)]], dtype=np.float32)
    np.testing.assert_allclose(yaw_rad(quat_wxyz), 2 * half, atol=1e-6)
