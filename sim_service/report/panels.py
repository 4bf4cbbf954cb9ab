"""State and action of an episode, dimension by dimension, as panels to draw."""

from __future__ import annotations

from typing import Final

import numpy as np

from collectors.franka import JOINT_VELOCITY_LIMIT_RAD_S
from sim_service.quality.gate import EpisodeNumbers
from sim_service.quality.roles import ACTION, STATE, Roles, roles_of, true_state, values
from sim_service.report.facts import Floats, Line, LineKind, Mark, Panel
from sim_service.report.motion_plot import thinned

_MAX_PANELS: Final = 16
_MAX_POINTS: Final = 400


def motion_panels(episode: EpisodeNumbers) -> tuple[Panel, ...]:
    """Each action with the state that it commands, where that is known; last, the fastest joint."""
    if ACTION not in episode.columns:
        return ()
    roles = roles_of(episode)
    action = values(episode, ACTION)
    state = values(episode, STATE) if STATE in episode.columns else None
    times_s = np.arange(len(action)) / episode.fps
    names = episode.names.get(ACTION, ())
    commanded_by = dict(zip(roles.commands, roles.joints, strict=True))
    fingers = [place for place, name in enumerate(episode.names.get(STATE, ())) if name.startswith("gripper_pos_")]
    panels = []
    for place in range(action.shape[1]):
        title = names[place].removeprefix("action_").replace("_", " ") if place < len(names) else f"action {place}"
        is_gripper = place in roles.gripper_commands
        factor = 1000.0 if roles.units_known and is_gripper else 1.0
        lines = [_line("action", times_s, action[:, place] * factor)]
        if state is not None and place in commanded_by:
            lines.insert(0, _line("state", times_s, state[:, commanded_by[place]]))
        elif state is not None and roles.units_known and is_gripper and fingers:
            lines.insert(0, _line("state", times_s, state[:, fingers].mean(axis=1) * factor))
        unit = ("mm, each finger" if is_gripper else "rad") if roles.units_known else ""
        panels.append(Panel(title, unit, tuple(found for found in lines if len(found.values))))
    speed = _speed_panel(episode, roles, times_s)
    kept = [panel for panel in panels if panel.lines][: _MAX_PANELS - 1]
    return (*kept, speed) if speed is not None else tuple(kept)


def _speed_panel(episode: EpisodeNumbers, roles: Roles, times_s: Floats) -> Panel | None:
    """The joint that is nearest to its limit at every instant."""
    if not roles.units_known or len(roles.velocities) != len(JOINT_VELOCITY_LIMIT_RAD_S):
        return None
    speeds_rad_s = np.abs(true_state(episode)[:, roles.velocities])
    parts = speeds_rad_s / np.array(JOINT_VELOCITY_LIMIT_RAD_S)
    if not np.isfinite(parts).all() or not len(parts):
        return None
    frame, joint = np.unravel_index(int(parts.argmax()), parts.shape)
    mark = Mark(
        float(times_s[frame]),
        float(100 * parts[frame, joint]),
        f"peak {speeds_rad_s[frame, joint]:.2f} rad/s, joint {joint}",
    )
    return Panel("fastest joint", "% of its limit", (_line("speed", times_s, 100 * parts.max(axis=1)),), mark)


def _line(kind: LineKind, times_s: Floats, numbers: Floats) -> Line:
    finite = np.isfinite(numbers) & (np.abs(numbers) < 1e30)
    return thinned(Line(kind, times_s[finite], numbers[finite]), _MAX_POINTS)
