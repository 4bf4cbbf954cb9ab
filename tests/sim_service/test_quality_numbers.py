"""Laws of what the gates on numbers measure, and what they make of other collectors' datasets."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from quality_damages import DAMAGES, failing, judge
from quality_datasets import FPS, clean, episode_numbers

from collectors.features import TRUE_STATE
from sim_service.quality.action_lag import fitted_lag
from sim_service.quality.duplicates import near_pairs
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.motion_figures import MotionSummary
from sim_service.quality.per_episode import PerEpisode
from sim_service.quality.report import QualityReport
from sim_service.quality.roles import dimension_names, quaternions, roles_of
from sim_service.quality.timestamps import Timestamps

NEED_COLUMNS = {"action-onset", "gripper-timing"}
"""Gates that this collector's columns and names are needed for."""
NEED_NAMES = {"velocity-consistency", "gripper-chatter", "gripper-cycles", "unit-quaternions"}
NEED_ROBOT = {"command-speed", "command-acceleration", "command-jerk"}


def smooth(frames: int = 200) -> np.ndarray:
    """Two joints on their way, shape (frames, 2)."""
    time = np.arange(frames) / FPS
    return np.stack([np.sin(1.3 * time), np.cos(0.7 * time) + 0.3 * np.sin(2.1 * time)], axis=1)


@pytest.mark.parametrize("lag", [-2, 0, 1, 5, 12])
def test_a_whole_lag_is_found_exactly(lag: int) -> None:
    path = smooth(240)
    assert fitted_lag(path[20:220], path[20 + lag : 220 + lag], -3, 15) == pytest.approx(lag, abs=1e-6)


def test_a_lag_between_two_frames_is_found_and_an_offset_does_not_count() -> None:
    path = smooth(240)
    late = 0.4 * path[20:220] + 0.6 * path[19:219]
    assert fitted_lag(late + [0.1, -0.2], path[22:222], -3, 15) == pytest.approx(2.6, abs=1e-6)


def test_shifting_the_action_by_a_row_shifts_the_lag_by_one() -> None:
    path = smooth(260)
    lags = [fitted_lag(path[20:220], path[20 + lag : 220 + lag], -3, 15) for lag in (3, 4, 5)]
    assert np.diff([lag for lag in lags if lag is not None]) == pytest.approx([1, 1])


def test_no_lag_can_be_told_of_what_is_short_or_still() -> None:
    assert fitted_lag(smooth(20), smooth(20), -3, 15) is None
    assert fitted_lag(smooth(), np.zeros((200, 2)), -3, 15) is None


def test_near_pairs_are_those_that_comparing_each_with_each_finds() -> None:
    rng = np.random.default_rng(3)
    paths = np.repeat(rng.normal(size=(60, 16)), 3, axis=0)[rng.permutation(180)]
    paths = (paths + rng.normal(0, 0.001, paths.shape)).astype(np.float32)
    distance = np.sqrt(((paths[:, None] - paths) ** 2).mean(axis=2))
    copies = {later for later in range(180) if (distance[later, :later] < 0.01).any()}
    found = near_pairs(paths, 0.01)
    assert set(found) == copies
    assert len(copies) == 120
    assert all(original < copy and distance[copy, original] < 0.01 for copy, original in found.items())


def test_ten_thousand_episodes_that_are_all_alike_take_no_square_of_time() -> None:
    paths = np.random.default_rng(1).normal(0, 1e-4, (10_000, 8)).astype(np.float32)
    assert len(near_pairs(paths, 0.01)) == 9_999


def test_a_timestamp_is_as_exact_as_float32_is() -> None:
    """After 2000 s a float32 knows no better than 0.1 ms."""
    frames = np.arange(61_000)
    for fps in (30, 50, 29):
        gate = Timestamps()
        columns = {"timestamp": np.float32(frames / fps), "frame_index": frames}
        gate.see(EpisodeNumbers(0, fps, {}, columns, {}))
        assert [verdict.status for verdict in gate.verdicts()] == ["pass"]


def test_a_figure_is_judged_at_both_ends_and_says_which_episode_is_worst() -> None:
    verdict = PerEpisode("gate", least=1, most=2, values={3: 1.0, 4: 2.5, 7: 0.0}).verdict()
    assert (verdict.status, verdict.value, verdict.episodes) == ("fail", 0.0, (4, 7))
    assert PerEpisode("gate", least=1, most=2, values={3: 1.0, 4: 2.0}).verdict().status == "pass"
    assert PerEpisode("gate", reason="why").verdict() == Verdict("gate", "skipped", "why")


def test_names_are_read_as_a_list_or_below_a_word() -> None:
    features = {"a": {"names": ["x", "y"]}, "b": {"names": {"motors": ["z"]}}, "c": {"names": None}, "d": {}}
    assert dimension_names(features) == {"a": ("x", "y"), "b": ("z",)}


def test_quaternions_are_found_with_w_first_or_last() -> None:
    names = ("x", *(f"eef_quat_{axis}" for axis in "wxyz"), *(f"quat_{axis}" for axis in "xyzw"), "quat_w")
    assert quaternions({"pose": names}) == [("pose", (1, 2, 3, 4)), ("pose", (5, 6, 7, 8))]


def test_a_joint_that_is_told_to_rest_is_not_stuck() -> None:
    """As joints 2 and 4 are where no noise takes the arm out of its plane."""
    still = [
        t.with_columns(
            action=np.where(np.arange(8) == 2, np.float32(0), t.columns["action"]),
            observation_state=np.where(np.arange(23) == 2, np.float32(1e-3), 1) * t.columns["observation.state"],
        )
        for t in clean("linear")
    ]
    assert "stuck-dimensions" not in failing(judge(episode_numbers(still)))


def foreign(episodes: list[EpisodeNumbers], named: bool) -> list[EpisodeNumbers]:
    """As a robot of another maker would have been recorded: joints in degrees, no columns of ours, eight dimensions on
    either side, with names or without."""
    made = []
    names = (*(f"joint_{number}.pos" for number in range(7)), "gripper.pos")
    for episode in episodes:
        state = np.rad2deg(episode.columns[TRUE_STATE if TRUE_STATE in episode.columns else "observation.state"])
        columns = {
            "observation.state": np.float32(state[:, [*range(7), 14]]),
            "action": np.float32(np.rad2deg(episode.columns["action"])),
            **{name: episode.columns[name] for name in ("timestamp", "frame_index")},
        }
        known = {"observation.state": names, "action": names} if named else {}
        made.append(replace(episode, row={"length": len(state)}, columns=columns, names=known))
    return made


@pytest.mark.parametrize("named", [True, False])
def test_what_cannot_be_judged_of_another_collectors_dataset_is_skipped_with_the_reason(named: bool) -> None:
    verdicts = judge(foreign(episode_numbers(clean("linear")), named))
    assert failing(verdicts) == set()
    skipped = {verdict.gate: verdict.found for verdict in verdicts if verdict.status == "skipped"}
    known = {"gripper-chatter"} if named else set()
    assert set(skipped) == NEED_COLUMNS | NEED_ROBOT | NEED_NAMES - known
    assert all(reason for reason in skipped.values())


@pytest.mark.parametrize(
    ("damage", "gate"),
    [
        ("the action is the next state", "action-identity"),
        ("a pause of 4 s", "idle-share"),
        ("2 s of rest at the end", "idle-ends"),
        ("the gripper opens twice for 3 rows", "gripper-chatter"),
        ("an episode twice", "duplicate-episodes"),
        ("a command cut off at its 85th percentile", "clipped-dimensions"),
        ("a joint's position constant", "stuck-dimensions"),
        ("a frame is missing", "timestamps"),
        ("an episode that ends half-way", "length-outliers"),
    ],
)
def test_defects_are_caught_in_another_collectors_dataset(damage: str, gate: str) -> None:
    damaged = foreign(episode_numbers(DAMAGES[damage].damage(clean("linear", 6))), named=True)
    assert gate in failing(judge(damaged))


def test_a_shift_by_one_row_is_not_caught_in_another_collectors_dataset() -> None:
    """Its servos' lag is not known: only a replay could tell."""
    for name in ("actions a row early", "actions a row late, the first one twice"):
        damaged = foreign(episode_numbers(DAMAGES[name].damage(clean("linear", 6))), named=True)
        assert failing(judge(damaged)) == set()


def test_nothing_is_paired_that_has_other_names() -> None:
    episode = episode_numbers(clean("linear", 1))[0]
    other = replace(episode, names={"observation.state": tuple(map(str, range(23))), "action": tuple("abcdefgh")})
    assert roles_of(other).joints == ()
    statuses = {verdict.gate: verdict.status for verdict in judge([other])}
    assert statuses["action-identity"] == statuses["action-lag"] == "skipped"


def test_the_report_is_json_and_names_episodes_by_runs() -> None:
    verdicts = [
        Verdict("one", "fail", "much", "little", float("inf"), (1, 2, 3, 7), {"worst": float("nan")}),
        Verdict("other", "skipped", "no column"),
    ]
    report = QualityReport(verdicts, MotionSummary())
    assert not report.ok
    content = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert content["gates"][0]["episodes"] == [1, 2, 3, 7]
    assert content["gates"][0]["value"] is None
    assert "1-3, 7" in report.text()
    assert "FAIL" in report.text()
    assert QualityReport(verdicts[1:]).ok
    assert not QualityReport(unread="gone").ok
