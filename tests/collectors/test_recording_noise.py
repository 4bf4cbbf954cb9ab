"""What the sensors add: as much as they say, the same again for the same episode, and nothing when switched off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fake_simulator import FakeSimulator
from numpy.typing import ArrayLike

from collectors.episode import run_episode
from collectors.features import GOAL_POSITION, OBJECT_POSE, TRUE_STATE
from collectors.geometry import rotation_angle
from collectors.objects import CUBE
from collectors.randomization import PRESETS, Randomization
from collectors.recording_noise import FINGER_M, HAND_M, HAND_RAD, JOINT_RAD, JOINT_RAD_S, NO_NOISE, RecordingNoise, Row
from collectors.simulator import Image
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.collection import drive

ROWS = 4000


class Recorder:
    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

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
        self.frames.append({"state": np.array(state), "action": np.array(action), **(extra or {})})

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        pass

    def column(self, name: str) -> np.ndarray:
        return np.stack([frame[name] for frame in self.frames])


def true_row() -> Row:
    rng = np.random.default_rng(1)
    quat = rng.normal(size=4)
    return np.concatenate([rng.uniform(-1, 1, 19), quat / np.linalg.norm(quat)]).astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_state_s_noise_has_its_standard_deviations_and_no_bias(factor: float) -> None:
    sensors, row = RecordingNoise(observation=factor, seed=(1, 2)).sensors(), true_row()
    kept = row.copy()
    measured = np.stack([sensors.state(row) for _ in range(ROWS)])
    np.testing.assert_array_equal(row, kept)
    assert measured.dtype == np.float32
    off = measured.astype(np.float64) - row
    for part, deviation in (
        (slice(0, 7), JOINT_RAD),
        (slice(7, 14), JOINT_RAD_S),
        (slice(14, 16), FINGER_M),
        (slice(16, 19), HAND_M),
    ):
        np.testing.assert_allclose(off[:, part].std(axis=0), factor * deviation, rtol=0.06)
        assert np.abs(off[:, part].mean(axis=0)).max() < 4 * factor * deviation / np.sqrt(ROWS)
    turns = [rotation_angle(row[19:23].astype(float), quat.astype(float)) for quat in measured[:, 19:23]]
    assert np.sqrt(np.mean(np.square(turns)) / 3) == pytest.approx(factor * HAND_RAD, rel=0.06)
    np.testing.assert_allclose(np.linalg.norm(measured[:, 19:23], axis=1), 1, atol=1e-6)
    assert np.abs(np.corrcoef(off[:, :19].T) - np.eye(19)).max() < 0.1  # each number by itself
    assert abs(float(np.corrcoef(off[:-1, 0], off[1:, 0])[0, 1])) < 0.1  # each row by itself


def test_a_quaternion_keeps_the_sign_that_the_record_chose() -> None:
    sensors, row = RecordingNoise(observation=1.0).sensors(), true_row()
    assert all(float(sensors.state(row)[19:23] @ row[19:23]) > 0.99 for _ in range(200))


def grey(level: int, height: int = 96, width: int = 128) -> Image:
    return np.full((height, width, 3), level, dtype=np.uint8)


def test_a_picture_s_noise_has_its_standard_deviation_and_keeps_the_mean() -> None:
    sensors, picture = RecordingNoise(camera_levels=6.0, seed=(3,)).sensors(), grey(128)
    taken = np.stack([sensors.picture(picture) for _ in range(40)]).astype(float)
    assert np.array_equal(picture, grey(128))
    assert taken.std() == pytest.approx(6.0, rel=0.02)
    assert taken.mean() == pytest.approx(128, abs=0.1)
    assert [taken[..., channel].mean() for channel in range(3)] == pytest.approx([128] * 3, abs=0.1)
    assert len(np.unique(taken, axis=0)) == 40  # no two alike
    assert abs(float(np.corrcoef(taken[0, :, :-1, 0].ravel(), taken[0, :, 1:, 0].ravel())[0, 1])) < 0.05


def test_what_is_black_or_white_stays_within_what_a_byte_holds() -> None:
    sensors = RecordingNoise(camera_levels=20.0).sensors()
    dark, light = sensors.picture(grey(0)), sensors.picture(grey(255))
    assert dark.dtype == light.dtype == np.uint8
    assert dark.max() < 120
    assert light.min() > 135


def test_a_picture_larger_than_the_noise_s_own_has_other_noise_each_time() -> None:
    sensors, large = RecordingNoise(camera_levels=5.0).sensors(), grey(100, 700, 700)
    one, other = sensors.picture(large), sensors.picture(large)
    assert one.shape == large.shape
    assert not np.array_equal(one, other)


def test_the_same_seed_measures_the_same_and_another_does_not() -> None:
    def record(noise: RecordingNoise) -> list[bytes]:
        sensors = noise.sensors()
        return [part.tobytes() for _ in range(3) for part in (sensors.state(true_row()), sensors.picture(grey(90)))]

    noise = RecordingNoise(1.0, 4.0, (1, 2, 3))
    assert record(noise) == record(RecordingNoise(1.0, 4.0, (1, 2, 3)))
    assert not set(record(noise)) & set(record(RecordingNoise(1.0, 4.0, (1, 2, 4))))


def test_pictures_change_nothing_in_the_state_s_noise() -> None:
    with_pictures, without = (RecordingNoise(1.0, levels, (5,)).sensors() for levels in (6.0, 0.0))
    for _ in range(3):
        with_pictures.picture(grey(10))
        np.testing.assert_array_equal(with_pictures.state(true_row()), without.state(true_row()))


def test_without_noise_nothing_is_copied() -> None:
    row, picture = true_row(), grey(1)
    assert NO_NOISE.sensors().state(row) is row
    assert NO_NOISE.sensors().picture(picture) is picture


def recorded(randomization: Randomization, seed: tuple[int, int, int] = (2, 0, 0)) -> Recorder:
    recorder, task = Recorder(), PickPlace((CUBE,))
    plan = task.draw(np.random.default_rng(seed), draw_variation(randomization, seed))
    simulator = FakeSimulator()
    drive(simulator, run_episode(simulator, task, plan, recorder, episode_index=0, steps_per_segment=4))
    return recorder


def test_the_truth_stands_beside_the_measured_state() -> None:
    """And it is what the same episode records without noise."""
    noisy = recorded(Randomization(observation_noise=1.0))
    true = recorded(PRESETS["none"])
    np.testing.assert_array_equal(noisy.column(TRUE_STATE), true.column("state"))
    off = noisy.column("state") - noisy.column(TRUE_STATE)
    assert off[:, :7].std() == pytest.approx(JOINT_RAD, rel=0.1)
    for name in ("action", OBJECT_POSE, GOAL_POSITION):
        np.testing.assert_array_equal(noisy.column(name), true.column(name))
    assert TRUE_STATE not in true.frames[0]


def test_an_episode_before_a_curriculum_s_noise_has_the_truth_too() -> None:
    first = recorded(Randomization(observation_noise=1.0, curriculum_episodes=10))
    np.testing.assert_array_equal(first.column(TRUE_STATE), first.column("state"))
