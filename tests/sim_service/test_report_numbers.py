"""What a report counts: outcomes, coverage, errors, distributions; and the episodes and phases that it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_simulator import FakeSimulator
from report_dataset import collected_columns, collection_file

from collectors.cameras import CAMERAS
from collectors.objects import CUBE
from collectors.randomization import PRESETS
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.collection import Collection, drive
from sim_service.config import CollectConfig
from sim_service.report.distributions import MAX_DISTRIBUTIONS, distributions
from sim_service.report.facts import Distribution
from sim_service.report.outcomes import coverage, exhausted_indices, outcomes, placement_errors
from sim_service.report.phases import PHASE_NAMES, phases, sheet_frames
from sim_service.report.shown_episodes import default_episodes
from sim_service.scene_columns import scene_columns
from sim_service.stored import open_stored

FULL = PRESETS["full"]


class SometimesOutOfReach(FakeSimulator):
    """In three of four attempts the object is not where it seems to be."""

    _resets = 0

    def reset(self, scene: Any) -> None:
        self.grasp_offset_m = 0.2 if self._resets % 4 != 3 else 0.0
        self._resets += 1
        super().reset(scene)


@pytest.mark.parametrize("keep_failures", [False, True])
def test_outcomes_are_those_of_the_ledger(tmp_path: Path, keep_failures: bool) -> None:
    config = CollectConfig(
        output=tmp_path / "ds",
        num_episodes=4,
        seed=7,
        steps_per_segment=4,
        max_attempts=3,
        simulator="mujoco",
        keep_failures=keep_failures,
    )
    simulator = SometimesOutOfReach()
    collection = Collection(config, simulator)
    drive(simulator, collection.run())
    stored = json.loads((config.output / "meta/collection.json").read_text())
    found = outcomes(open_stored(config.output).rows, exhausted_indices(stored))
    assert found is not None
    totals = stored["totals"]
    assert found.attempts == totals["attempts"]
    assert found.successes == totals["successes"] > 0
    assert found.successes_2cm == totals["successes_2cm"]
    assert dict(found.failures) == totals["failures"]
    assert found.exhausted == len(totals["exhausted"])
    assert found.recorded_failures == (totals["episodes"] - totals["successes"])
    assert (found.recorded_failures > 0) == keep_failures
    assert (found.exhausted > 0) != keep_failures
    assert found.first == 4


def test_first_attempts_are_counted_once_for_each_index() -> None:
    rows = [collected_columns(episode) for episode in range(70)]
    found = outcomes(rows, {"70": ["dropped"] * 5})
    assert found is not None
    assert found.first == 71
    # every seventh was retried, every tenth is a failure: one of 70 is both
    assert found.first_successes == 70 - 10 - 7 + 1
    assert found.attempts == 70 + 10 + 5 == found.successes + sum(found.failures.values())


def test_the_most_frequent_reasons_stand_for_all() -> None:
    rows = [{**collected_columns(0), "collection/failed_attempts": ",".join(f"r{e}" for e in range(100))}]
    found = outcomes(rows, {})
    assert found is not None
    assert len(found.failures) == 21
    assert sum(found.failures.values()) == 100
    assert found.attempts == 101


@pytest.mark.parametrize(
    "spoilt",
    [
        {"collection/success": "yes", "collection/placement_error_m": "near", "collection/pick_xy_m": "here"},
        {"collection/success": None, "collection/placement_error_m": float("nan"), "collection/pick_xy_m": [0.1]},
        {"collection/success": 3, "collection/placement_error_m": -1.0, "collection/pick_xy_m": [1e9, 0.0]},
        {"collection/success": [], "collection/placement_error_m": 1e200, "collection/pick_xy_m": [None, 0.1]},
        {"collection/success": 1.0, "collection/placement_error_m": True, "collection/pick_xy_m": [True, 0.1]},
    ],
)
def test_columns_of_another_kind_count_as_none(spoilt: dict[str, Any]) -> None:
    rows = [spoilt]
    assert (outcomes(rows, {}), coverage(rows), placement_errors(rows)) == (None, None, None)
    assert distributions(rows, {}) == ()


@pytest.mark.parametrize("found", [None, 3, [], {"exhausted": [1]}, {"exhausted": {"1": 3}}, {"exhausted": None}])
def test_a_list_of_indices_given_up_of_another_kind_is_empty(found: Any) -> None:
    assert exhausted_indices(found if isinstance(found, dict) else {"exhausted": found}) == {}


def test_a_square_of_the_area_counts_once_and_what_is_outside_not_at_all() -> None:
    base = collected_columns(0)
    spots = [[0.35, 0.25], [0.36, 0.26], [0.65, -0.25], [0.1, 0.0], [0.75, 0.0]]
    rows = [{**base, "collection/pick_xy_m": spot, "collection/place_xy_m": [0.45, 0.05]} for spot in spots]
    found = coverage(rows)
    assert found is not None
    assert (found.picks_in, found.places_in, found.cells, found.episodes) == (2, 1, 24, 5)
    np.testing.assert_array_equal(found.picks_m, spots)


def test_the_map_shows_a_part_of_very_many() -> None:
    found = coverage([collected_columns(0)] * 5001)
    assert found is not None
    assert found.episodes == 5001
    assert 1600 < len(found.picks_m) == len(found.places_m) == len(found.success) <= 2000


def test_what_is_the_same_everywhere_is_not_shown() -> None:
    assert distributions([collected_columns(3)] * 4, {}) == ()


def by_name(found: tuple[Distribution, ...]) -> dict[str, Distribution]:
    names = {f"{entry.group}: {entry.name}": entry for entry in found}
    assert len(names) == len(found)
    return names


def test_every_number_of_every_episode_is_in_its_distribution() -> None:
    rows = [collected_columns(episode) for episode in range(30)]
    found = by_name(distributions(rows, {}))
    for entry in found.values():
        if entry.values is not None:
            assert len(entry.values) == len(rows)
        if entry.counts is not None:
            assert sum(entry.counts.values()) == len(rows)
    mass = found["Object: mass"].values
    np.testing.assert_array_equal(mass, [row["collection/object_mass_kg"] for row in rows])
    assert {"Object: size", "Object: colour", "Object: colour by name", "Object: sliding friction"} <= found.keys()
    assert {"Distractors: number", "Table: height above nominal", "Table: texture"} <= found.keys()
    assert {"Light: colour temperature", "Robot: start of joint 6", "Robot: servo gain"} <= found.keys()
    assert {"Robot: command delay", "Robot: speed", "Cameras: cam_high position z"} <= found.keys()
    assert "Object: size x" not in found  # a cube has one edge


def test_episodes_stay_within_the_ranges_that_are_asked_for() -> None:
    """Of the real draws: each range, in the unit that is shown, holds all values, and nearly all of it is used."""
    task, rows = PickPlace((CUBE,)), []
    for index in range(60):
        variation = draw_variation(FULL, (7, index, 0), CAMERAS)
        plan = task.draw(np.random.default_rng(index), variation)
        columns = scene_columns(plan.scene, CAMERAS) | {
            "speed": plan.speed,
            "camera_noise_levels": plan.noise.camera_levels,
        }
        rows.append({f"collection/{name}": value for name, value in columns.items()})
    configuration = {
        "randomization": FULL.as_json(),
        "cameras": {
            camera.name: {"position_m": list(camera.position_m), "horizontal_fov_rad": camera.horizontal_fov_rad}
            for camera in CAMERAS
        },
    }
    asked = 0
    for entry in distributions(rows, configuration):
        if entry.asked is not None and entry.values is not None:
            asked += 1
            least, most = entry.asked
            slack = 1e-9 * max(abs(least), abs(most))
            assert least - slack <= entry.values.min(), entry.name
            assert entry.values.max() <= most + slack, entry.name
            assert np.ptp(entry.values) > 0.7 * (most - least), entry.name
    # object 3, distractors, table, light 4, cameras: noise and 4 each, robot: 7 joints, gain, delay, speed
    assert asked == 3 + 1 + 1 + 4 + 1 + 2 * 4 + 7 + 3


@pytest.mark.parametrize(
    "randomization", [3, {"gain": "wide"}, {"gain": [1]}, {"gain": [2, 1]}, {"gain": [None, 2]}, {"speed": True}]
)
def test_a_configuration_of_another_kind_asks_for_nothing(randomization: Any) -> None:
    rows = [collected_columns(episode) for episode in range(5)]
    cameras = {"cam_high": {"position_m": ["a", 1, 2], "horizontal_fov_rad": None}}
    found = distributions(rows, {"randomization": randomization, "cameras": cameras})
    assert found
    assert all(entry.asked is None for entry in found)


def test_columns_of_later_versions_are_shown_but_not_without_end() -> None:
    extra = [{f"collection/extra_{n}": float(episode + n) for n in range(200)} for episode in range(3)]
    rows = [{**collected_columns(episode), **more, "collection/wet": episode > 1} for episode, more in enumerate(extra)]
    found = distributions(rows, {})
    assert len(found) == MAX_DISTRIBUTIONS
    few = by_name(distributions([{**row, "collection/wet": n > 1} for n, row in enumerate(extra[:3])], {}))
    assert few["Other columns: extra_0"].values is not None


def test_many_words_are_few_bars() -> None:
    rows = [{"collection/object": f"thing {episode % 40}"} for episode in range(100)]
    (found,) = distributions(rows, {})
    assert found.counts is not None
    assert len(found.counts) == 13
    assert sum(found.counts.values()) == 100


def test_the_shown_episodes_are_the_first_the_typical_and_the_worst() -> None:
    errors = [0.3, 0.1, 0.9, 0.2, 0.4]
    rows = [{"collection/placement_error_m": error} for error in errors]
    assert default_episodes(rows) == {0: "the first, median placement error", 2: "largest placement error"}
    rows[0] = {"collection/placement_error_m": None}
    assert list(default_episodes(rows)) == [0, 3, 2]
    assert default_episodes(rows[:1]) == {0: "the first, in the middle, the last"}
    assert list(default_episodes([{}] * 9)) == [0, 4, 8]
    assert default_episodes([]) == {}


def test_the_phases_have_the_names_of_the_task_s_waypoints() -> None:
    plan = PickPlace((CUBE,)).draw(np.random.default_rng(1), draw_variation(FULL, (1, 0, 0), CAMERAS))
    assert tuple(waypoint.phase for waypoint in plan.waypoints) == PHASE_NAMES


def test_phases_follow_each_other_and_fill_the_episode() -> None:
    row = {"length": 46, "collection/segment_frames": [6, 5, 5, 5, 5, 5, 5, 5, 5]}
    found = phases(row, 10)
    assert [phase.name for phase in found] == list(PHASE_NAMES)
    assert [phase.begin_s for phase in found[1:]] == [phase.end_s for phase in found[:-1]]
    assert (found[0].begin_s, found[-1].end_s) == (0.0, 4.6)
    frames = sheet_frames(row)
    assert [frame for frame, _ in frames] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]


@pytest.mark.parametrize("told", [None, [], [5], [5, -1, 6], [2.5, 7.5], ["10"], "10", [True] * 10, [1] * 10])
def test_an_episode_whose_phases_do_not_fit_is_shown_in_even_steps(told: Any) -> None:
    row = {"length": 10 if told != [1] * 10 else 11, "collection/segment_frames": told}
    assert phases(row, 10) == ()
    assert [frame for frame, _ in sheet_frames({"length": 100})] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert [frame for frame, _ in sheet_frames({"length": 1})] == [0]
    assert len(sheet_frames(row)) == 10


def test_the_collection_s_file_of_these_tests_is_as_the_collector_writes_it() -> None:
    assert exhausted_indices(collection_file({"3": ["dropped"]})) == {"3": ["dropped"]}
