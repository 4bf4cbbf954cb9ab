"""Which episodes are shown closely, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sim_service.quality.gate import EpisodeNumbers
from sim_service.quality.roles import dimension_names
from sim_service.report.facts import Panel, Sheet, ShownEpisode
from sim_service.report.media import sheet
from sim_service.report.panels import motion_panels
from sim_service.report.phases import phases
from sim_service.report.row_values import Row, flag, number, placement_error_m, word
from sim_service.stored import DatasetError, StoredDataset

MAX_SHOWN: Final = 6
MAX_CAMERAS: Final = 4
_MAX_FRAMES: Final = 1_000_000
_CHOSEN: Final = "chosen"
# What reading raises: DatasetError where it looked, the others where a value of a row is of another kind or size.
UNREADABLE: Final = (DatasetError, KeyError, TypeError, ValueError, OverflowError)


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
        except UNREADABLE as error:
            problems.append(said(error))
    panels: tuple[Panel, ...] = ()
    try:
        panels = motion_panels(episode_numbers(dataset, episode))
    except UNREADABLE as error:
        problems.append(said(error))
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


def said(error: Exception) -> str:
    return str(error) if isinstance(error, DatasetError) else repr(error)
