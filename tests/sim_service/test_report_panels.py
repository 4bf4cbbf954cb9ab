"""What a report says of motion: state and action side by side, the fastest joint, peaks and RMS; and its totals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from report_dataset import write_report_dataset

from collectors.features import ACTION_NAMES, STATE_NAMES, TRUE_STATE
from collectors.franka import JOINT_VELOCITY_LIMIT_RAD_S
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.motion_figures import MotionSummary
from sim_service.quality.report import QualityReport
from sim_service.report.facts import Quality
from sim_service.report.gathering import gather
from sim_service.report.panels import motion_panels
from sim_service.report.quality_facts import quality_facts
from sim_service.report.summary import totals
from sim_service.stored import open_stored

FRAMES, FPS = 40, 20


def ours(true_state: bool = False) -> EpisodeNumbers:
    """Numbers of this collector's shape, each column different; joint 5 is the fastest, at frame 17."""
    rng = np.random.default_rng(3)
    state = rng.uniform(-1, 1, (FRAMES, len(STATE_NAMES)))
    state[:, 7:14] = 0.1
    state[17, 12] = -2.0
    columns = {"observation.state": state, "action": rng.uniform(-1, 1, (FRAMES, len(ACTION_NAMES)))}
    if true_state:
        columns[TRUE_STATE] = np.where(np.arange(len(STATE_NAMES)) == 12, state / 2, state)
    names = {"observation.state": STATE_NAMES, "action": ACTION_NAMES}
    return EpisodeNumbers(0, FPS, {"length": FRAMES}, columns, names)


def foreign(state: tuple[str, ...], action: tuple[str, ...], sizes: tuple[int, int]) -> EpisodeNumbers:
    rng = np.random.default_rng(4)
    columns = {"observation.state": rng.normal(size=(9, sizes[0])), "action": rng.normal(size=(9, sizes[1]))}
    names = {name: told for name, told in (("observation.state", state), ("action", action)) if told}
    return EpisodeNumbers(0, FPS, {"length": 9}, columns, names)


def test_each_action_is_drawn_over_the_state_that_it_commands() -> None:
    episode = ours()
    *joints, gripper, _ = motion_panels(episode)
    state, action = episode.columns["observation.state"], episode.columns["action"]
    assert [(panel.title, panel.unit) for panel in joints] == [(f"joint {joint}", "rad") for joint in range(7)]
    for joint, panel in enumerate(joints):
        assert [line.kind for line in panel.lines] == ["state", "action"]
        np.testing.assert_array_equal(panel.lines[0].values, state[:, joint])
        np.testing.assert_array_equal(panel.lines[1].values, action[:, joint])
        np.testing.assert_array_equal(panel.lines[1].times_s, np.arange(FRAMES) / FPS)
    assert (gripper.title, gripper.unit) == ("gripper", "mm, each finger")
    np.testing.assert_allclose(gripper.lines[0].values, 1000 * state[:, 14:16].mean(axis=1))
    np.testing.assert_array_equal(gripper.lines[1].values, 1000 * action[:, 7])


@pytest.mark.parametrize("true_state", [False, True])
def test_the_peak_is_of_the_joint_nearest_to_its_limit(true_state: bool) -> None:
    """Of the true state, where the one that is observed is noisy."""
    speed_rad_s = 1.0 if true_state else 2.0
    panel = motion_panels(ours(true_state))[-1]
    assert panel.mark is not None
    assert panel.mark.time_s == 17 / FPS
    assert panel.mark.value == pytest.approx(100 * speed_rad_s / JOINT_VELOCITY_LIMIT_RAD_S[5])
    assert panel.mark.value == panel.lines[0].values.max()
    assert panel.mark.text == f"peak {speed_rad_s:.2f} rad/s, joint 5"


def test_dimensions_of_equal_names_belong_together() -> None:
    panels = motion_panels(foreign(("a.pos", "b.pos", "c"), ("b.pos", "a.pos", "x"), (3, 3)))
    assert [[line.kind for line in panel.lines] for panel in panels] == [["state", "action"]] * 2 + [["action"]]
    episode = foreign(("a.pos", "b.pos", "c"), ("b.pos", "a.pos", "x"), (3, 3))
    np.testing.assert_array_equal(panels[0].lines[0].values, episode.columns["observation.state"][:, 1])
    assert {panel.unit for panel in panels} == {""}
    assert all(panel.mark is None for panel in panels)  # nobody knows the limits


def test_dimensions_without_names_are_shown_and_few_of_very_many() -> None:
    assert [panel.title for panel in motion_panels(foreign((), (), (2, 2)))] == ["action 0", "action 1"]
    assert [len(panel.lines) for panel in motion_panels(foreign((), (), (3, 2)))] == [1, 1]
    assert len(motion_panels(foreign((), (), (60, 60)))) == 15
    assert motion_panels(dataclasses.replace(ours(), columns={"observation.state": np.zeros((3, 23))})) == ()


def test_numbers_that_are_not_finite_are_left_out() -> None:
    episode = ours()
    episode.columns["action"][3] = np.nan
    episode.columns["observation.state"][5, 8] = np.inf
    *joints, gripper = motion_panels(episode)  # no peak of what is not a speed
    assert gripper.title == "gripper"
    assert {len(panel.lines[1].values) for panel in joints} == {FRAMES - 1}
    episode.columns["action"][:, 0] = np.nan
    assert [line.kind for line in motion_panels(episode)[0].lines] == ["state"]


def test_the_motion_of_the_whole_dataset_is_peak_joint_and_rms() -> None:
    motion = MotionSummary()
    motion.see(ours())
    found = quality_facts(QualityReport([Verdict("idle", "pass", "0")], motion))
    head, speed, *others = found.motion
    assert head == ("", "Peak", "At joint", "RMS")
    rms = float(np.sqrt(np.mean(ours().columns["observation.state"][:, 7:14] ** 2)))
    assert speed[0].endswith(", speed [rad/s]")
    assert speed[1:] == ("2", "5", f"{rms:.4g}")
    assert [row[0].partition(", ")[2] for row in others[:2]] == ["acceleration [rad/s²]", "jerk [rad/s³]"]
    assert len(others) == 5
    assert found.verdicts == (Verdict("idle", "pass", "0"),)
    assert found.problem == ""


def test_a_dataset_without_known_joints_has_no_motion() -> None:
    found = quality_facts(QualityReport(unread="the disk is gone"))
    assert found == Quality(problem="The dataset could not be judged: the disk is gone")


@pytest.mark.parametrize(("length", "duration"), [(90, "0.1 min"), (9000, "10.0 min"), (324_000, "6.00 h")])
def test_the_totals_are_counted_from_the_rows(tmp_path: Path, length: int, duration: str) -> None:
    write_report_dataset(tmp_path / "ds", 2, cameras=())
    dataset = open_stored(tmp_path / "ds")
    size_bytes = sum(path.stat().st_size for path in dataset.root.rglob("*") if path.is_file())
    (dataset.root / "report.html").write_bytes(b"x" * 10**6)  # no part of the dataset
    rows = [row | {"length": length} for row in dataset.rows]
    found = totals(dataclasses.replace(dataset, rows=rows))
    assert dict(found) == {
        "Episodes": "2",
        "Frames": f"{2 * length:,}",
        "Duration": duration,
        "Size": f"{size_bytes / 1e6:,.1f} MB",
    }


def test_pictures_beyond_the_room_for_them_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report_dataset(tmp_path / "ds", 2)
    dataset = open_stored(tmp_path / "ds")
    whole = gather(dataset, {0: "a", 1: "b"}, Quality())
    sizes = [sum(len(picture.jpeg) for picture in sheet.pictures) for shown in whole.shown for sheet in shown.sheets]
    monkeypatch.setattr("sim_service.report.gathering._MAX_PICTURES_BYTES", sum(sizes[:3]) + 10)
    found = gather(dataset, {0: "a", 1: "b"}, Quality())
    assert [len(shown.sheets) for shown in found.shown] == [2, 1]
    assert "pictures of observation.images.cam_wrist are left out" in found.shown[1].problems[0]
