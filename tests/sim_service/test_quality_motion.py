"""Speed, acceleration and jerk: exact where the motion is known, and additive over episodes."""

from __future__ import annotations

import numpy as np
import pytest
from quality_datasets import clean, episode_numbers

from collectors.features import TRUE_STATE
from sim_service.quality.motion_figures import COMMAND, MEASURED, TRUE, MotionSummary, motion_figures

FPS = 100


def sine(amplitude: float = 0.5, rate: float = 3.0, frames: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities of two joints; the second at rest."""
    time = np.arange(frames) / FPS
    positions = np.stack([amplitude * np.sin(rate * time), np.ones(frames)], axis=1)
    velocities = np.stack([amplitude * rate * np.cos(rate * time), np.zeros(frames)], axis=1)
    return positions, velocities


@pytest.mark.parametrize("recorded", [True, False])
def test_a_sine_has_the_figures_of_its_derivatives(recorded: bool) -> None:
    positions, velocities = sine()
    figures = motion_figures(positions, FPS, velocities if recorded else None)
    expected = np.array([0.5 * 3, 0.5 * 9, 0.5 * 27])
    assert figures.peak[:, 0] == pytest.approx(expected, rel=1e-2)
    assert figures.rms[:, 0] == pytest.approx(expected / np.sqrt(2), rel=1e-2)
    assert figures.peak[:, 1] == pytest.approx([0, 0, 0])


def test_twice_as_fast_is_2_4_and_8_times_the_figures() -> None:
    positions = sine()[0]
    once, twice = motion_figures(positions, FPS), motion_figures(positions, 2 * FPS)
    assert np.allclose(twice.peak, once.peak * [[2], [4], [8]])
    assert np.allclose(twice.rms, once.rms * [[2], [4], [8]])


def test_figures_of_two_episodes_join_to_the_largest_peak_and_the_common_rms() -> None:
    a, b = motion_figures(sine()[0], FPS), motion_figures(sine(1.0, 2.0, 500)[0], FPS)
    joined = a.joined(b)
    assert np.array_equal(joined.peak, np.maximum(a.peak, b.peak))
    square = (a.rms**2 * a.count[:, None] + b.rms**2 * b.count[:, None]) / (a.count + b.count)[:, None]
    assert np.allclose(joined.rms, np.sqrt(square))


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_few_rows_have_figures_as_far_as_they_go(frames: int) -> None:
    figures = motion_figures(np.zeros((frames, 2)), FPS)
    assert figures.peak.shape == figures.rms.shape == (3, 2)
    assert np.isfinite(figures.rms).all()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(frames, joints\), got \(5,\)"):
        motion_figures(np.zeros(5), FPS)
    with pytest.raises(ValueError, match=r"the shape of positions, \(5, 7\), got \(5, 6\)"):
        motion_figures(np.zeros((5, 7)), FPS, np.zeros((5, 6)))


def test_the_truth_is_measured_where_it_is_recorded_and_noise_is_called_noise() -> None:
    episodes = episode_numbers(clean("full", 2))
    true, measured = MotionSummary(), MotionSummary()
    for episode in episodes:
        true.see(episode)
        columns = {name: column for name, column in episode.columns.items() if name != TRUE_STATE}
        measured.see(type(episode)(episode.number, episode.fps, episode.row, columns, episode.names))
    assert set(true.kinds) == {TRUE, COMMAND}
    assert set(measured.kinds) == {MEASURED, COMMAND}
    smooth, noisy = true.as_json()[TRUE], measured.as_json()[MEASURED]
    assert noisy["jerk"]["overall_rms"] > 2 * smooth["jerk"]["overall_rms"]
    assert len(smooth["peak_jerk_rad_s3"]) == 2
    assert any(MEASURED in line for line in measured.lines())


def test_minimum_jerk_is_smoother_than_linear() -> None:
    peaks = []
    for kind in ("linear", "min-jerk"):
        summary = MotionSummary()
        for episode in episode_numbers(clean(kind, 2)):
            summary.see(episode)
        peaks.append(summary.as_json()[COMMAND]["jerk"]["largest_peak"])
    assert peaks[0] > 10 * peaks[1]
