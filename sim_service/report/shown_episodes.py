"""Which episodes are shown closely, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from collectors.franka import JOINT_VELOCITY_LIMIT_RAD_S
from sim_service.quality.gate import EpisodeNumbers
from sim_service.quality.roles import ACTION, STATE, Roles, dimension_names, roles_of, true_state, values
from sim_service.report.facts import Floats, Line, LineKind, Mark, Panel, Sheet, ShownEpisode
from sim_service.report.media import sheet
from sim_service.report.motion_plot import thinned
from sim_service.report.phases import phases
from sim_service.report.row_values import Row, flag, number, placement_error_m, word
from sim_service.stored import DatasetError, StoredDataset

MAX_SHOWN: Final = 6
MAX_CAMERAS: Final = 4
_MAX_PANELS: Final = 16
_MAX_POINTS: Final = 400
_MAX_FRAMES: Final = 1_000_000
_CHOSEN: Final = "chosen"


def default_episodes(rows: Sequence[Row]) -> dict[int, str]:
    """Episode to why: the first one, and those of the median and the largest placement error; without errors, the
    middle and the last one. Fewer where these are the same."""
    errors = sorted(
        (error_m, place) for place, row in enumerate(rows) if (error_m := placement_error_m(row)) is not None
    )
    found: dict[int, list[str]] = {}
    if rows:
        found[0] = ["the first"]
        if errors:
            found.setdefault(errors[(len(errors) - 1) // 2][1], []).append("median placement error")
            found.setdefault(errors[-1][1], []).append("largest placement error")
        else:
            found.setdefault(len(rows) // 2, []).append("in the middle")
            found.setdefault(len(rows) - 1, []).append("the last")
    return {episode: ", ".join(reasons) for episode, reasons in found.items()}


def chosen_episodes(dataset: StoredDataset, episodes: Sequence[int]) -> dict[int, str]:
    """As `default_episodes`, of those that somebody asks for. Raises DatasetError."""
    wanted = dict.fromkeys(episodes, _CHOSEN)
    if len(wanted) > MAX_SHOWN:
        raise DatasetError(f"a report shows at most {MAX_SHOWN} episodes closely, asked for {len(wanted)}")
    for episode in wanted:
        dataset.row(episode)
    return wanted


def clip_episodes(shown: Sequence[ShownEpisode]) -> list[int]:
    """The two whose clips are shown: of those that were chosen, the first two; else the typical and the worst one."""
    numbers = [episode.number for episode in shown]
    return numbers[:2] if all(episode.why == _CHOSEN for episode in shown) else numbers[-2:]


def shown_episode(dataset: StoredDataset, episode: int, why: str) -> ShownEpisode:
    """Without clips. What cannot be read is among its problems."""
    row = dataset.row(episode)
    problems: list[str] = []
    sheets: list[Sheet] = []
    for camera in dataset.cameras[:MAX_CAMERAS]:
        try:
            sheets.append(sheet(dataset, episode, camera))
        except (DatasetError, KeyError, TypeError, ValueError) as error:
            problems.append(_said(error))
    panels: tuple[Panel, ...] = ()
    try:
        panels = _panels(episode_numbers(dataset, episode))
    except (DatasetError, KeyError, TypeError, ValueError) as error:
        problems.append(_said(error))
    tasks = row.get("tasks")
    return ShownEpisode(
        number=episode,
        why=why,
        task=str(tasks[0]) if isinstance(tasks, list) and tasks else "",
        result=_result(row),
        duration_s=row["length"] / dataset.fps,
        phases=phases(row, dataset.fps),
        panels=panels,
        sheets=tuple(sheets),
        clips=(),
        problems=tuple(problems),
    )


def episode_numbers(dataset: StoredDataset, episode: int) -> EpisodeNumbers:
    """Raises DatasetError."""
    row = dataset.row(episode)
    if row["length"] > _MAX_FRAMES:
        raise DatasetError(f"episode {episode} has {row['length']} frames, too many to draw")
    columns = dataset.numbers(episode)
    return EpisodeNumbers(episode, dataset.fps, row, columns, dimension_names(dataset.features))


def _panels(episode: EpisodeNumbers) -> tuple[Panel, ...]:
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


def _result(row: Row) -> str:
    success, error_m = flag(row, "success"), placement_error_m(row)
    parts = []
    if success is not None:
        parts.append("success" if success else f"failed: {word(row, 'failure_reason') or 'unknown'}")
    if error_m is not None:
        parts.append(f"placement error {1000 * error_m:.3g} mm")
    fraction = number(row, "max_joint_speed_fraction")
    if fraction is not None:
        parts.append(f"peak joint speed {100 * fraction:.0f} % of its limit, between the frames too")
    return ", ".join(parts)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, DatasetError) else repr(error)
