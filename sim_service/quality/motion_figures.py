"""Speed, acceleration and jerk of joints over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectors.features import TRUE_STATE
from sim_service.quality.gate import EpisodeNumbers
from sim_service.quality.roles import ACTION, Roles, roles_of, true_state, values

Array = NDArray[np.float64]

ORDERS: Final = ("speed", "acceleration", "jerk")
TRUE: Final = "state"
MEASURED: Final = "observation.state, with its noise"
COMMAND: Final = "command"
UNITS: Final = {"speed": "rad/s", "acceleration": "rad/s2", "jerk": "rad/s3"}


@dataclass(frozen=True, eq=False)
class MotionFigures:
    """Of each joint, shape (3, joints): rows speed [rad/s], acceleration [rad/s2], jerk [rad/s3]. peak: of the absolute
    value. square_sum, count: of all samples, shape (3, joints) and (3,), from which `rms` follows."""

    peak: Array
    square_sum: Array
    count: Array

    @property
    def rms(self) -> Array:
        """Shape (3, joints); 0 where there is no sample."""
        rms: Array = np.sqrt(self.square_sum / np.maximum(self.count, 1)[:, None])
        return rms

    def joined(self, other: MotionFigures) -> MotionFigures:
        """Of both together."""
        return MotionFigures(
            np.maximum(self.peak, other.peak), self.square_sum + other.square_sum, self.count + other.count
        )

    def as_json(self) -> dict[str, Any]:
        """Per order, such as "jerk": {"unit", "peak", "rms" (a number per joint), "largest_peak", "overall_rms"}."""
        found: dict[str, Any] = {}
        for order, peak, rms in zip(ORDERS, self.peak, self.rms, strict=True):
            found[order] = {
                "unit": UNITS[order],
                "peak": peak.tolist(),
                "rms": rms.tolist(),
                "largest_peak": float(peak.max(initial=0.0)),
                "overall_rms": float(np.sqrt(np.mean(rms**2))) if rms.size else 0.0,
            }
        return found


def motion_figures(positions: ArrayLike, fps: float, velocities: ArrayLike | None = None) -> MotionFigures:
    """positions: joints [rad], shape (frames, joints). velocities: [rad/s], the same shape, where they were recorded;
    else the difference quotient of the positions stands for them. Acceleration and jerk are difference quotients."""
    position = np.asarray(positions, np.float64)
    if position.ndim != 2:
        raise ValueError(f"positions must have the shape (frames, joints), got {position.shape}")
    if velocities is None:
        velocity = np.diff(position, axis=0) * fps
    else:
        velocity = np.asarray(velocities, np.float64)
        if velocity.shape != position.shape:
            raise ValueError(f"velocities must have the shape of positions, {position.shape}, got {velocity.shape}")
    acceleration = np.diff(velocity, axis=0) * fps
    orders = (velocity, acceleration, np.diff(acceleration, axis=0) * fps)
    return MotionFigures(
        np.stack([np.abs(values).max(axis=0, initial=0.0) for values in orders]),
        np.stack([(values**2).sum(axis=0) for values in orders]),
        np.array([len(values) for values in orders], np.float64),
    )


class MotionSummary:
    """Collects the figures of a dataset. kinds: of the true state, or, where it was measured with noise and no truth is
    recorded, of observation.state, whose jerk is that noise; and of the command."""

    def __init__(self) -> None:
        self.kinds: dict[str, MotionFigures] = {}
        self.per_episode: dict[str, list[float]] = {}

    def see(self, episode: EpisodeNumbers) -> None:
        roles = roles_of(episode)
        if not roles.units_known:
            return
        for kind, figures in _of_episode(episode, roles).items():
            self.kinds[kind] = self.kinds[kind].joined(figures) if kind in self.kinds else figures
            self.per_episode.setdefault(kind, []).append(float(figures.peak[2].max(initial=0.0)))

    def as_json(self) -> dict[str, Any]:
        """By kind; besides `MotionFigures.as_json`, `peak_jerk_rad_s3`: a number per episode."""
        return {
            kind: {**figures.as_json(), "peak_jerk_rad_s3": self.per_episode[kind]}
            for kind, figures in self.kinds.items()
        }

    def lines(self) -> list[str]:
        """For a person, a line per kind: of each order the peak of the worst joint, then the RMS of all joints."""
        found = []
        for kind, figures in self.kinds.items():
            parts = []
            for order, entry in figures.as_json().items():
                parts.append(f"{order} {entry['largest_peak']:.4g} / {entry['overall_rms']:.3g} {UNITS[order]}")
            found.append(f"{kind}: {', '.join(parts)}")
        return found


def _of_episode(episode: EpisodeNumbers, roles: Roles) -> dict[str, MotionFigures]:
    state = true_state(episode)
    measured = bool(episode.row.get("collection/observation_noise")) and TRUE_STATE not in episode.columns
    return {
        MEASURED if measured else TRUE: motion_figures(state[:, roles.joints], episode.fps, state[:, roles.velocities]),
        COMMAND: motion_figures(values(episode, ACTION)[:, roles.commands], episode.fps),
    }
