"""What a collection does with success, failure, interruption and resume, on the fake simulator."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_simulator import FakeSimulator

from collectors.cameras import CAMERAS
from collectors.motion import Motion
from collectors.objects import CUBE
from collectors.randomization import PRESETS
from collectors.scene import Scene
from collectors.simulator import SimulatorError, Tick
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from lerobot_writer import CommitError, DatasetExistsError
from lerobot_writer.check import check_dataset
from sim_service.collection import Collection, drive, step
from sim_service.config import CollectConfig
from sim_service.ledger import LedgerError
from sim_service.scene_columns import scene_columns
from sim_service.shard import Shard
from sim_service.simulators import SimulatorSettings

STEPS = 4  # per segment: short episodes


def configure(output: Path, num_episodes: int = 3, **changes: Any) -> CollectConfig:
    config = CollectConfig(
        output=output,
        num_episodes=num_episodes,
        seed=7,
        steps_per_segment=STEPS,
        max_attempts=3,
        simulator="mujoco",
    )
    return dataclasses.replace(config, **changes)


class FailingAttempts(FakeSimulator):
    """The object stands out of reach in these resets, counted from 0."""

    def __init__(self, missed: set[int]) -> None:
        super().__init__()
        self._missed, self._resets = missed, 0

    def reset(self, scene: Any) -> None:
        self.grasp_offset_m = 0.2 if self._resets in self._missed else 0.0
        self._resets += 1
        super().reset(scene)


def collect(config: CollectConfig, simulator: FakeSimulator | None = None) -> Collection:
    simulator = simulator or FakeSimulator()
    collection = Collection(config, simulator)
    drive(simulator, collection.run())
    return collection


def episode_rows(root: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(root.glob("meta/episodes/*/*.parquet")) for row in pq.read_table(file).to_pylist()]


def stored(root: Path) -> Any:
    return json.loads((root / "meta/collection.json").read_text())


def interrupt_at(config: CollectConfig, ticks: int) -> Collection:
    """Close the run after that many ticks, as Ctrl-C does."""
    simulator = FakeSimulator()
    collection = Collection(config, simulator)
    run = collection.run()
    tick = next(run)
    for _ in range(ticks):
        tick = step(simulator, run, tick)
    run.close()
    return collection


def parquet_bytes(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


def test_a_collection_is_a_valid_dataset(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    collection = collect(configure(root))
    report = check_dataset(root)
    assert report.ok, report.text()
    assert collection.ledger.totals() == {
        "episodes": 3,
        "attempts": 3,
        "successes": 3,
        "successes_2cm": 3,
        "failures": {},
        "exhausted": [],
    }
    rows = episode_rows(root)
    assert [row["collection/index"] for row in rows] == [0, 1, 2]
    assert all(row["collection/success"] for row in rows)
    assert all("cube and place it on the green circle" in row["tasks"][0] for row in rows)
    assert len({tuple(row["collection/pick_xy_m"]) for row in rows}) == 3


def test_a_failed_attempt_is_tried_again_and_leaves_no_trace_in_the_data(tmp_path: Path) -> None:
    collection = collect(configure(tmp_path / "ds", 2), FailingAttempts({0, 1}))
    rows = episode_rows(tmp_path / "ds")
    assert [row["collection/attempt"] for row in rows] == [2, 0]
    assert [row["collection/failed_attempts"] for row in rows] == ["missed_grasp,missed_grasp", ""]
    assert collection.ledger.totals()["failures"] == {"missed_grasp": 2}
    assert collection.ledger.attempts == 4
    assert check_dataset(tmp_path / "ds").ok


def test_an_index_whose_attempts_all_fail_is_given_up(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    collection = collect(configure(root), FailingAttempts({1, 2, 3}))
    assert [row["collection/index"] for row in episode_rows(root)] == [0, 2]
    assert collection.ledger.exhausted == 1
    assert stored(root)["exhausted"] == {"1": ["missed_grasp"] * 3}
    again = collect(configure(root, resume=True))
    assert again.frames_recorded == 0  # given up stays given up
    assert again.ledger.totals() == collection.ledger.totals()


def test_failures_are_kept_when_asked_for(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    collect(configure(root, 2, keep_failures=True), FailingAttempts({0}))
    rows = episode_rows(root)
    assert [row["collection/success"] for row in rows] == [False, True]
    assert [row["collection/failure_reason"] for row in rows] == ["missed_grasp", ""]
    assert rows[0]["collection/attach_frame"] == -1
    assert check_dataset(root).ok


def test_a_simulator_error_costs_one_attempt(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    collection = collect(configure(root, 2), FakeSimulator(lost_ticks=frozenset([20])))
    assert collection.ledger.totals()["failures"] == {"simulator_error": 1}
    assert [row["collection/attempt"] for row in episode_rows(root)] == [1, 0]


def test_an_error_of_the_hosts_advance_costs_one_attempt(tmp_path: Path) -> None:
    class Breaking(FakeSimulator):
        def advance(self, tick: Tick) -> None:
            super().advance(tick)
            if self.advanced == 15:
                raise SimulatorError("the handle is stale")

    collection = collect(configure(tmp_path / "ds", 1), Breaking())
    assert collection.ledger.totals()["failures"] == {"simulator_error": 1}
    assert collection.ledger.episodes == 1


@pytest.mark.parametrize("ticks", [0, 5, 60, 75, 130])
def test_interrupted_and_resumed_equals_one_run(tmp_path: Path, ticks: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    collect(configure(whole))
    interrupted = interrupt_at(configure(parts), ticks)
    if interrupted.ledger.episodes:
        assert check_dataset(parts).ok
    resumed = collect(configure(parts, resume=True))
    assert resumed.ledger.episodes == 3
    assert parquet_bytes(parts) == parquet_bytes(whole)
    assert (parts / "meta/stats.json").read_bytes() == (whole / "meta/stats.json").read_bytes()
    assert stored(parts) == stored(whole)


def test_resume_of_a_complete_dataset_does_nothing(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds"))
    before = parquet_bytes(tmp_path / "ds")
    again = collect(configure(tmp_path / "ds", resume=True))
    assert (again.ledger.episodes, again.frames_recorded) == (3, 0)
    assert parquet_bytes(tmp_path / "ds") == before


def test_resume_can_ask_for_more_episodes(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 2))
    assert collect(configure(tmp_path / "ds", 4, resume=True)).ledger.episodes == 4
    collect(configure(tmp_path / "whole", 4))
    assert parquet_bytes(tmp_path / "ds") == parquet_bytes(tmp_path / "whole")


def test_an_episode_depends_on_its_index_alone(tmp_path: Path) -> None:
    """Episode 2 after a failed episode 1 equals episode 2 after a good one, its position apart."""
    collect(configure(tmp_path / "a"))
    collect(configure(tmp_path / "b"), FailingAttempts({1, 2, 3}))
    a, b = episode_rows(tmp_path / "a")[2], episode_rows(tmp_path / "b")[1]
    assert a["collection/index"] == b["collection/index"] == 2
    assert {k: v for k, v in a.items() if k.startswith("collection/")} == {
        k: v for k, v in b.items() if k.startswith("collection/")
    }
    actions = [
        np.stack(pq.read_table(tmp_path / path).column("action").to_numpy())
        for path in ("a/data/chunk-000/file-002.parquet", "b/data/chunk-000/file-001.parquet")
    ]
    assert np.array_equal(*actions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 8}, "seed: the dataset has 7, asked for 8"),
        ({"steps_per_segment": 5}, "steps_per_segment: the dataset has 4, asked for 5"),
        ({"keep_failures": True}, "keep_failures"),
        ({"settings": SimulatorSettings(render_preset="fast")}, "render_preset"),
    ],
)
def test_resume_refuses_another_configuration(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    collect(configure(tmp_path / "ds", 1))
    before = {p: p.read_bytes() for p in (tmp_path / "ds").rglob("*") if p.is_file()}
    with pytest.raises(LedgerError, match=message):
        Collection(configure(tmp_path / "ds", 2, resume=True, **change), FakeSimulator())
    assert {p: p.read_bytes() for p in (tmp_path / "ds").rglob("*") if p.is_file()} == before


def test_resume_refuses_another_fps(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 1))
    with pytest.raises(LedgerError, match="fps: the dataset has 30, asked for 20"):
        Collection(
            configure(tmp_path / "ds", 2, resume=True, settings=SimulatorSettings(fps=20)), FakeSimulator(fps=20)
        )


def test_resume_refuses_another_renderer(tmp_path: Path) -> None:
    class RayCaster(FakeSimulator):
        versions: Any = {"simulator": "fake", "renderer": "raycast", "fake": "1"}  # noqa: RUF012 - a fake's constant

    collect(configure(tmp_path / "ds", 1))
    with pytest.raises(LedgerError, match="renderer: the dataset has 'none', asked for 'raycast'"):
        Collection(configure(tmp_path / "ds", 2, resume=True), RayCaster())


def test_resume_refuses_a_lost_collection_file(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 1))
    (tmp_path / "ds/meta/collection.json").unlink()
    with pytest.raises(LedgerError, match=r"has episodes but no meta/collection\.json"):
        Collection(configure(tmp_path / "ds", 2, resume=True), FakeSimulator())


def test_resume_keeps_the_versions_it_began_with_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Newer(FakeSimulator):
        versions: Any = {"simulator": "fake", "renderer": "none: dots", "fake": "2"}  # noqa: RUF012 - likewise

    collect(configure(tmp_path / "ds", 1))
    before = stored(tmp_path / "ds")["configuration"]
    collect(configure(tmp_path / "ds", 2, resume=True), Newer())
    assert stored(tmp_path / "ds")["configuration"] == before
    assert "their last bits may differ" in caplog.text


def test_a_writer_error_ends_the_run_and_leaves_a_finalized_dataset(tmp_path: Path) -> None:
    collection = Collection(configure(tmp_path / "ds"), FakeSimulator())
    finish, calls = collection._writer.finish_episode, []

    def fail_at_the_second(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise CommitError("no space left; discard it to go on")
        finish(*arguments, **options)

    collection._writer.finish_episode = fail_at_the_second  # type: ignore[method-assign]  # a full disk
    with pytest.raises(CommitError):
        drive(collection._simulator, collection.run())
    report = check_dataset(tmp_path / "ds")
    assert report.ok, report.text()
    assert collect(configure(tmp_path / "ds", resume=True)).ledger.episodes == 3


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    collection = Collection(configure(tmp_path / "ds"), FakeSimulator())
    (tmp_path / "ds/meta/collection.json.tmp").mkdir()
    with pytest.raises(LedgerError, match="cannot write"):
        drive(collection._simulator, collection.run())
    assert check_dataset(tmp_path / "ds").ok


def test_an_index_beyond_the_asked_ones_does_not_make_up_for_a_missing_one(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 2), FailingAttempts({0, 1, 2}))
    again = collect(configure(tmp_path / "ds", 1, resume=True))
    assert (again.ledger.episodes, again.ledger.recorded_of(range(1)), again.ledger.recorded_of(range(2))) == (1, 0, 1)


FULL = {"randomization": PRESETS["full"]}


def test_a_varied_collection_records_what_it_drew(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    collect(configure(root, 4, **FULL))
    report = check_dataset(root)
    assert report.ok, report.text()
    assert stored(root)["configuration"]["randomization"] == PRESETS["full"].as_json()
    simulator = FakeSimulator()
    for row in episode_rows(root):
        index, attempt = row["collection/index"], row["collection/attempt"]
        variation = draw_variation(PRESETS["full"], (7, index, attempt), simulator.cameras)
        plan = PickPlace((CUBE,)).draw(np.random.default_rng([7, index, attempt]), variation)
        expected = {f"collection/{name}": value for name, value in scene_columns(plan.scene, ()).items()}
        assert {name: row[name] for name in expected} == expected
        assert row["collection/speed"] == variation.speed
        assert row["collection/camera_noise_levels"] == variation.noise.camera_levels
        assert row["collection/observation_noise"] == 1.0
        for camera in variation.cameras:
            assert row[f"collection/{camera.name}/intrinsics"] == list(camera.intrinsics())
            pose = np.reshape(row[f"collection/{camera.name}/camera_to_parent"], (4, 4))
            np.testing.assert_array_equal(pose, camera.camera_to_parent().matrix())
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    assert not table.column("privileged.state").equals(table.column("observation.state"))


@pytest.mark.parametrize("ticks", [30, 110])
def test_a_varied_collection_interrupted_and_resumed_equals_one_run(tmp_path: Path, ticks: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    collect(configure(whole, **FULL))
    interrupt_at(configure(parts, **FULL), ticks)
    collect(configure(parts, resume=True, **FULL))
    assert parquet_bytes(parts) == parquet_bytes(whole)
    assert stored(parts) == stored(whole)


def test_shards_draw_what_the_whole_draws(tmp_path: Path) -> None:
    collect(configure(tmp_path / "whole", 4, **FULL))
    whole = {row["collection/index"]: row for row in episode_rows(tmp_path / "whole")}
    seen = 0
    for part in range(2):
        root = tmp_path / f"part{part}"
        collect(configure(root, 4, shard=Shard(part, 2), **FULL))
        for row in episode_rows(root):
            expected = whole[row["collection/index"]]
            names = [name for name in row if name.startswith("collection/")]
            assert {name: row[name] for name in names} == {name: expected[name] for name in names}
            seen += 1
    assert seen == 4


def test_a_collection_without_variation_is_that_of_the_task_alone(tmp_path: Path) -> None:
    """What is commanded is the plain line between the waypoints, and the record has no column more."""
    root = tmp_path / "ds"
    collect(configure(root, 2))
    simulator, task = FakeSimulator(), PickPlace((CUBE,), 0.05)
    for index in range(2):
        plan = task.draw(np.random.default_rng([7, index, 0]), draw_variation(PRESETS["none"], (0, 0, 0)))
        rows = [np.append(plan.scene.arm_rad, 0.04)]
        for segment, waypoint in zip(plan.segments(STEPS, 1 / 30), plan.waypoints, strict=True):
            end, start, steps = np.append(waypoint.arm_rad, waypoint.finger_m), rows[-1], len(segment.actions)
            rows += [end - (steps - 1 - step) / steps * (end - start) for step in range(steps)]
        table = pq.read_table(root / f"data/chunk-000/file-{index:03d}.parquet")
        actions = np.stack(table.column("action").to_numpy())
        np.testing.assert_array_equal(actions, np.stack(rows[1:]).astype(np.float32))
        assert "privileged.state" not in table.column_names
    assert plan.scene == dataclasses.replace(
        Scene(CUBE, plan.scene.object_pose, plan.scene.object_rgb, plan.scene.goal_xy_m),
        cameras=CAMERAS,
        table=plan.scene.table,  # whose texture has a seed, though it is plain
    )
    assert (plan.speed, plan.scene.table.texture, simulator.objects) == (1.0, "plain", (CUBE,))


def test_resume_refuses_another_randomization_and_another_motion(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 1))
    with pytest.raises(LedgerError, match="randomization"):
        Collection(configure(tmp_path / "ds", 2, resume=True, **FULL), FakeSimulator())
    with pytest.raises(LedgerError, match="interpolation: the dataset has 'linear', asked for 'min-jerk'"):
        Collection(configure(tmp_path / "ds", 2, resume=True, motion=Motion("min-jerk")), FakeSimulator())


def test_a_curriculum_begins_nominally_and_its_episodes_have_the_same_columns(tmp_path: Path) -> None:
    root = tmp_path / "ds"
    curriculum = dataclasses.replace(PRESETS["full"], curriculum_episodes=3)
    collect(configure(root, 4, randomization=curriculum))
    rows = episode_rows(root)
    assert rows[0]["collection/object_size_m"] == [0.04] * 3
    assert [row["collection/observation_noise"] for row in rows] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    assert table.column("privileged.state").equals(table.column("observation.state"))
    assert check_dataset(root).ok


def test_an_existing_dataset_is_not_touched_without_resume(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 1))
    with pytest.raises(DatasetExistsError, match="holds a dataset already"):
        Collection(configure(tmp_path / "ds"), FakeSimulator())


def test_cameras_are_recorded(tmp_path: Path) -> None:
    collect(configure(tmp_path / "ds", 1))
    row = episode_rows(tmp_path / "ds")[0]
    high = np.reshape(row["collection/cam_high/camera_to_world"], (4, 4))
    np.testing.assert_allclose(high[:3, 3], (0.3, -0.3, 1.3))
    np.testing.assert_allclose(high[:3, 2], (0.0, np.sin(np.radians(25)), -np.cos(np.radians(25))), atol=1e-12)
    wrist = np.reshape(row["collection/cam_wrist/camera_to_world"], (4, 4))
    np.testing.assert_allclose(wrist[:3, 2], (0, 0, -1), atol=2e-3)  # looks down at HOME
    assert row["collection/cam_high/intrinsics"][2:] == [32.0, 24.0]
