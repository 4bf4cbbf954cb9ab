"""The card of a dataset: true, the same each time, harmless, and never taken from an owner who edited it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from small_dataset import write_dataset
from writing import Take, open_writer, read_json, record

from collectors.randomization import Randomization
from lerobot_writer.check import check_dataset
from lerobot_writer.pack import pack_dataset
from sim_service.export import card_facts
from sim_service.export.card import CardError, license_of, write_card

CONFIGURATION = {
    "task": "pick_place",
    "seed": 41,
    "simulator": "mujoco",
    "renderer": "egl",
    "keep_failures": True,
    "randomization": {**Randomization().as_json(), "distractors": [0, 4]},
    "objects": ["cube"],
    "cameras": {
        "cam_high": {
            "name": "cam_high",
            "parent": "world",
            "position_m": [0.3, -0.3, 1.3],
            "horizontal_fov_rad": 1.2849,
            "width_px": 80,
            "height_px": 64,
        }
    },
    "versions": {"mujoco": "4.0.0"},
}
ERRORS_M = (0.001, 0.2, 0.003)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "dataset"
    write_dataset(root)
    return root


@pytest.fixture
def root(tmp_path: Path, written: Path) -> Path:
    """A copy; its files must not be changed in place."""
    copy = tmp_path / "dataset"
    for path in written.rglob("*"):
        if path.is_file():
            (copy / path.relative_to(written)).parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy / path.relative_to(written))
    return copy


def replace_json(path: Path, content: Any) -> None:
    path.unlink(missing_ok=True)  # it may be a link
    path.write_text(json.dumps(content), encoding="utf-8")


def as_collected(root: Path, **configuration: Any) -> None:
    """Give a dataset the columns and the file of a collection; its episode 1 is a failure."""
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    table = table.append_column("collection/success_2cm", pa.array([True, False, True]))
    table = table.append_column("collection/placement_error_m", pa.array(ERRORS_M))
    path.unlink()
    pq.write_table(table, path)
    totals = {"attempts": 5, "successes": 3, "successes_2cm": 2, "failures": {"dropped": 2}}
    content = {"configuration": {**CONFIGURATION, **configuration}, "totals": totals}
    replace_json(root / "meta/collection.json", content)


def card(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def head(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card(root).split("---\n")[1])
    return found


def value(root: Path, name: str) -> str:
    """Of a row of one of the card's tables."""
    rows = [line.split(" | ") for line in card(root).splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1
    return " | ".join(rows[0][1:]).removesuffix(" |")


def test_the_head_is_what_lerobot_s_own_cards_have(root: Path) -> None:
    as_collected(root)
    assert write_card(root)
    assert head(root) == {
        "license": "unknown",
        "task_categories": ["robotics"],
        "tags": ["LeRobot", "franka", "mujoco"],
        "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}],
    }


def test_every_feature_is_described(root: Path) -> None:
    as_collected(root)
    write_card(root)
    for name, feature in read_json(root, "info.json")["features"].items():
        dtype, shape, meaning = value(root, f"`{name}`").split(" | ")
        assert dtype == f"`{feature['dtype']}`"
        assert shape == " x ".join(map(str, feature["shape"]))
        assert meaning


def test_the_statistics_are_the_dataset_s(root: Path) -> None:
    as_collected(root)
    write_card(root)
    assert value(root, "episodes") == "3"
    assert value(root, "frames") == "23 at 30 a second"
    assert value(root, "attempts that placed within 5 cm").startswith("3 of 5: 60.0 %, ")
    assert value(root, "attempts that placed within 2 cm").startswith("2 of 5: 40.0 %, ")
    assert value(root, "failed attempts") == "dropped 2"
    assert value(root, "episodes here that succeeded (5 cm)") == "2 of 3"
    median_mm, high_mm = 1000 * np.quantile([ERRORS_M[0], ERRORS_M[2]], [0.5, 0.95])
    told = f"median {median_mm:.2f} mm, 95 % up to {high_mm:.2f} mm, at most 3.00 mm"
    assert value(root, "placement error of those") == told
    assert value(root, "`distractors`") == r"\[0\, 4\]"
    assert "`cube_edge_m`" not in card(root)  # it did not vary


def test_the_same_dataset_has_the_same_card_wherever_it_is(root: Path, tmp_path: Path) -> None:
    as_collected(root)
    write_card(root)
    first = card(root)
    os.utime(root / "meta/info.json", (1, 1))
    root.rename(tmp_path / "elsewhere")
    elsewhere = tmp_path / "elsewhere"
    assert write_card(elsewhere)
    assert card(elsewhere) == first
    (elsewhere / "README.md").unlink()
    assert write_card(elsewhere)
    assert card(elsewhere) == first
    assert not re.search(r"20\d\d-|\d\d:\d\d", first)
    assert str(tmp_path) not in first


def test_it_follows_the_dataset(root: Path) -> None:
    write_card(root)
    info = read_json(root, "info.json")
    assert value(root, "duration") == "0.0 min"
    replace_json(root / "meta/info.json", {**info, "total_episodes": 7, "total_frames": 30 * 3600 * 12})
    assert write_card(root)
    assert value(root, "episodes") == "7"
    assert value(root, "duration") == "12.00 h"


def test_a_dataset_of_another_collector_has_a_card_without_a_collection(root: Path) -> None:
    assert write_card(root)
    assert head(root)["tags"] == ["LeRobot", "franka"]
    assert "How it was collected" not in card(root)
    assert "ground truth.**" in card(root)  # it has privileged features
    assert value(root, "`action`") == "`float32` | 2 | `left`, `right`"


def test_a_license_is_kept_until_another_is_chosen(root: Path) -> None:
    write_card(root)
    note = "has not chosen a licence"
    assert note in card(root)
    assert write_card(root, "apache-2.0")
    assert (head(root)["license"], license_of(root)) == ("apache-2.0", "apache-2.0")
    assert note not in card(root)
    assert write_card(root)
    assert head(root)["license"] == "apache-2.0"
    assert write_card(root, "cc-by-4.0")
    assert head(root)["license"] == "cc-by-4.0"


def test_an_owner_may_write_the_license_into_the_head(root: Path) -> None:
    write_card(root)
    text = card(root)
    (root / "README.md").write_text(text.replace("license: unknown", "license: mit", 1))
    assert write_card(root)
    assert head(root)["license"] == "mit"
    assert "`mit`, as its owner chose." in card(root)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("## Features", "## Features of ours"),
        lambda text: text + "And this.\n",
        lambda text: "Mine.\n" + text,
        lambda text: text.replace("license: unknown", "license: [mit, apache-2.0]"),
        lambda text: text.replace("license: unknown\n", ""),
        lambda text: text.replace("has not chosen a licence", "will choose a licence"),
        lambda text: text[: text.rindex("<!--")],
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "# Mine\n",
        lambda text: "",
    ],
)
def test_an_edited_card_stays(root: Path, edit: Callable[[str], str]) -> None:
    write_card(root)
    mine = edit(card(root)).encode()
    (root / "README.md").write_bytes(mine)
    assert not write_card(root)
    assert not write_card(root, "apache-2.0")
    assert (root / "README.md").read_bytes() == mine


def test_a_card_in_another_encoding_stays(root: Path) -> None:
    (root / "README.md").write_bytes("Würfel".encode("latin-1"))
    assert not write_card(root)
    assert license_of(root) is None


HOSTILE = (
    "# a | b\n| c | <script>x</script> `d` *e* _f_ [g](http://h) ![i](j) $k$ ~~l~~ &amp; www.m.org",
    "1. not a list",
    "--- \n license: gpl",
    "<!-- isaac-collect: " + "0" * 64 + " -->",
    "a plain text, without harm.",
    "‮right to left",
    "Grünen Würfel auf 緑の円",
)


def test_texts_are_shown_as_they_are_and_mean_nothing(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    writer = open_writer(root, robot_type="x: [y] # <b>\n---\nlicense: gpl")
    record(writer, *(Take(number, 1, task) for number, task in enumerate(HOSTILE)))
    writer.finalize()
    write_card(root)
    assert head(root)["license"] == "unknown"
    assert head(root)["tags"] == ["LeRobot", "x: [y] # <b> --- license: gpl"]
    body = card(root).split("---\n\n", 1)[1].rpartition("\n<!-- isaac-collect")[0]
    items = [line.removeprefix("- ") for line in body.splitlines() if line.startswith("- ")]
    for item, task in zip(items, HOSTILE, strict=True):
        bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", item)  # without what is escaped
        assert not set(bare) & set("|<>`*[]()#!$~&:{}\\")
        assert not re.match(r"\d+[.)]", bare)
        shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", item)
        assert shown == " ".join(task.replace("‮", " ").split())
    assert "- a plain text, without harm." in body
    assert "\n# x\\: \\[y\\]" in "\n" + body
    assert write_card(root, "mit")  # it is still known for ours


def test_a_card_is_no_fault_of_a_dataset_and_survives_its_changes(root: Path) -> None:
    write_card(root, "mit")
    assert check_dataset(root).ok
    pack_dataset(root)
    assert head(root)["license"] == "mit"
    assert write_card(root)
    assert check_dataset(root).ok
    assert sorted(path.name for path in root.iterdir()) == ["README.md", "data", "meta", "videos"]


def test_a_card_goes_with_resuming(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    with open_writer(root) as writer:
        record(writer, Take(1))
    write_card(root)
    with open_writer(root, resume=True) as writer:
        record(writer, Take(2))
    assert write_card(root)
    assert value(root, "episodes") == "2"


@pytest.mark.parametrize("license", ["", "Apache 2.0", "mit\nx: y", "no", "1.0", "mit #", "a" * 65])
def test_what_is_no_license_is_refused(root: Path, license: str) -> None:
    with pytest.raises(CardError, match="an identifier such as"):
        write_card(root, license)
    assert not (root / "README.md").exists()


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    "file", ["info.json", "tasks.parquet", "collection.json", "episodes/chunk-000/file-000.parquet"]
)
@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        lambda path: (path.unlink(), path.write_bytes(b"")),
        lambda path: (path.unlink(), path.write_text("[]")),
        lambda path: (path.unlink(), path.write_text('{"codebase_version": "v3.0", "configuration": 1, "totals": []}')),
    ],
)
def test_damage_is_one_kind_of_error(root: Path, file: str, damage: Callable[[Path], object]) -> None:
    as_collected(root)
    damage(root / "meta" / file)
    with pytest.raises(CardError, match="cannot write the card"):
        write_card(root)
    assert not (root / "README.md").exists()


def test_where_there_is_no_dataset_or_no_room_it_says_so(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CardError, match="No such file"):
        write_card(tmp_path / "nowhere")
    write_card(root)
    before = card(root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sim_service.export.card.write_flushed", full)
    with pytest.raises(CardError, match="No space left"):
        write_card(root, "mit")
    assert card(root) == before


def test_statistics_of_episodes_are_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are hundreds of columns: a card of ten thousand episodes would take a minute."""
    as_collected(root)
    read: list[str] = []

    class Noting(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
        def read(self, columns: list[str] | None = None, **options: Any) -> Any:
            read.extend(columns or ["all"])
            return super().read(columns=columns, **options)

    monkeypatch.setattr(card_facts.pq, "ParquetFile", Noting)
    write_card(root)
    assert read
    assert all(name.startswith("collection/") for name in read)
