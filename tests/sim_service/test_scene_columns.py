"""A scene is written down whole: what is read back is what was set up, also through a Parquet file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.cameras import CAMERAS
from collectors.objects import CUBE, YCB, ObjectKind
from collectors.randomization import MAX_DISTRACTORS, PRESETS
from collectors.scene import Scene
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.scene_columns import scene_columns, scene_of_row

KINDS = (CUBE, *YCB.values())


def drawn(kinds: tuple[ObjectKind, ...], preset: str, index: int) -> Scene:
    seed = (9, index, 0)
    return PickPlace(kinds).draw(np.random.default_rng(seed), draw_variation(PRESETS[preset], seed)).scene


def row_of(scene: Scene) -> dict[str, Any]:
    return {f"collection/{name}": value for name, value in scene_columns(scene, CAMERAS).items()}


def same(one: Scene, other: Scene) -> bool:
    """To the bit; poses hold arrays, which do not compare."""

    def plain(scene: Scene) -> list[Any]:
        poses = [scene.object_pose, *(distractor.pose for distractor in scene.distractors)]
        numbers = [(*pose.position.tolist(), *pose.quat_wxyz.tolist()) for pose in poses]
        things = [(thing.slot, thing.size_m, thing.rgb) for thing in scene.distractors]
        rest = (scene.kind, scene.object_rgb, scene.goal_xy_m, scene.arm_rad, scene.friction)
        return [numbers, sorted(things), rest, scene.table, scene.light, scene.cameras, scene.plant]

    return plain(one) == plain(other)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_scene_of_a_row_is_the_scene(preset: str, tmp_path: Path) -> None:
    scenes = [drawn(KINDS, preset, index) for index in range(30)]
    assert len({scene.kind.name for scene in scenes}) > 3
    pq.write_table(pa.Table.from_pylist([row_of(scene) for scene in scenes]), tmp_path / "rows.parquet")
    rows = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    for scene, row in zip(scenes, rows, strict=True):
        by_slot = sorted(scene.distractors, key=lambda thing: thing.slot)
        read = scene_of_row(row, CAMERAS)
        assert [thing.slot for thing in read.distractors] == [thing.slot for thing in by_slot]
        for one, other in zip(read.distractors, by_slot, strict=True):
            np.testing.assert_array_equal(one.pose.matrix(), other.pose.matrix())
        assert row_of(read) == row_of(scene)
        assert same(read, _sorted(scene, by_slot))


def _sorted(scene: Scene, distractors: list[Any]) -> Scene:
    return replace(scene, distractors=tuple(distractors))


def test_all_rows_have_the_same_columns_of_the_same_lengths() -> None:
    """Whatever was drawn, as a file's columns must be."""
    shapes = set()
    for index in range(20):
        columns = scene_columns(drawn((CUBE,), "full", index), CAMERAS)
        assert len(columns["distractor_present"]) == MAX_DISTRACTORS  # type: ignore[arg-type]  # a list
        shapes.add(
            tuple(
                (name, type(value).__name__, len(value) if isinstance(value, list) else 0)
                for name, value in columns.items()
            )
        )
    assert len(shapes) == 1


@pytest.mark.parametrize("name", list(scene_columns(drawn((CUBE,), "full", 0), CAMERAS)))
def test_no_column_is_idle(name: str) -> None:
    """A changed number is a changed scene, so that none is written and not read."""
    scene = next(scene for index in range(40) if len((scene := drawn((CUBE,), "full", index)).distractors) == 4)
    row = row_of(scene)
    before, key = scene_of_row(row, CAMERAS), f"collection/{name}"
    value = row[key]
    if name == "num_distractors":  # a count of what `distractor_present` says
        assert value == sum(row["collection/distractor_present"])
        return
    row[key] = {
        "object": "004_sugar_box",
        "table_texture": "plain" if value != "plain" else "grain",
        "distractor_present": [False] * MAX_DISTRACTORS,
    }.get(name, _other(value))
    assert not same(before, scene_of_row(row, CAMERAS))


def _other(value: Any) -> Any:
    if isinstance(value, list):
        return [number + 1 for number in value]
    return value if isinstance(value, str) else value + 1
