"""The whole page: what every report has, whatever the dataset, and that it needs nothing but itself."""

from __future__ import annotations

import dataclasses
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from html_page import Element, parse
from report_dataset import collected_columns, collection_file, write_report_dataset

from sim_service.quality.gate import Verdict
from sim_service.report.facts import Quality, ReportFacts
from sim_service.report.gathering import gather, with_clips
from sim_service.report.page import render_report
from sim_service.report.sections import NOT_OURS
from sim_service.report.shown_episodes import default_episodes
from sim_service.report.style import STYLE
from sim_service.stored import open_stored

HOSTILE = "</p></section><script src='https://evil.example/x.js'>alert(1)</script><img src=x onerror=alert(1)>\"'&lt;"
SECTIONS = ("summary", "outcomes", "places", "quality", "motion", "episodes", "variation")
VERDICTS = (
    Verdict("action-lag", "pass", "3 frames", "2 to 4 frames", 3.0),
    Verdict("idle", "skipped", "no column"),
    Verdict("frozen-pictures", "fail", "12 %", "at most 2 %", 0.12, tuple(range(40))),
)
MOTION = (("", "Peak"), ("state, speed [rad/s]", "1.25"))
TOKENS = Path(__file__).parents[2] / "bridge/static/css/tokens.css"


def facts_of(root: Path, quality: Quality | None = None) -> ReportFacts:
    dataset = open_stored(root)
    facts = gather(dataset, default_episodes(dataset.rows), quality or Quality(VERDICTS, motion=MOTION))
    return with_clips(facts, dataset, 400_000)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("reports")
    write_report_dataset(root / "collected", 20, collection=collection_file({"20": ["missed_grasp"] * 5}))
    write_report_dataset(root / "one", 1, collection=collection_file())
    write_report_dataset(root / "foreign", 3, columns=None, cameras=("observation.images.top",))
    write_report_dataset(root / "blind", 2, cameras=(), collection=collection_file())
    write_report_dataset(
        root / "hostile<b>&'", 3, columns=hostile_columns, collection=hostile_collection(), task=HOSTILE
    )
    return {folder.name.partition("<")[0]: folder for folder in root.iterdir()}


@pytest.fixture(scope="module")
def pages(folders: dict[str, Path]) -> dict[str, str]:
    return {name: render_report(facts_of(folder)) for name, folder in folders.items()}


def hostile_columns(episode: int) -> dict[str, Any]:
    return collected_columns(episode) | {
        "collection/object_colour": f"{episode}{HOSTILE}",
        "collection/object": f"{episode}{HOSTILE}",
        "collection/failed_attempts": HOSTILE,
        "collection/failure_reason": HOSTILE,
        "collection/success": episode != 1,
        f"collection/{HOSTILE}/horizontal_fov_rad": 1.0 + episode,
        f"collection/{HOSTILE}": float(episode),
    }


def hostile_collection() -> dict[str, Any]:
    found = collection_file({HOSTILE: [HOSTILE]})
    found["configuration"] |= {
        "simulator": HOSTILE,
        "seed": [HOSTILE],
        "versions": {HOSTILE: HOSTILE, "a": {"b": HOSTILE}},
    }
    found["configuration"]["randomization"] = {HOSTILE: HOSTILE, "gain": {HOSTILE: 1}}
    return found


CASES = ("collected", "one", "foreign", "blind", "hostile")


@pytest.mark.parametrize("case", CASES)
def test_every_page_is_well_formed_and_complete(pages: dict[str, str], case: str) -> None:
    page = parse(pages[case])
    assert pages[case].startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    sections = [entry.attributes["id"] for entry in page.all("section")]
    assert tuple(sections) == SECTIONS
    names = [entry.attributes["id"] for entry in page.all() if "id" in entry.attributes]
    assert len(names) == len(set(names))
    for entry in page.all():
        labelled = entry.attributes.get("aria-labelledby")
        assert labelled is None or labelled in names
    assert len(page.all("h1")) == 1
    levels = [int(entry.tag[1]) for entry in page.all() if re.fullmatch("h[1-6]", entry.tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(
        entry.text.strip()
        for entry in page.all()
        if re.fullmatch("h[1-6]|caption|figcaption|th", entry.tag)
        if entry.attributes.get("scope") != "col"
    )


@pytest.mark.parametrize("case", CASES)
def test_every_page_needs_nothing_else_and_runs_nothing(pages: dict[str, str], case: str) -> None:
    page = parse(pages[case])
    names = [entry.attributes["id"] for entry in page.all() if "id" in entry.attributes]
    forbidden = {"script", "link", "iframe", "object", "embed", "form", "base", "use", "image", "foreignobject"}
    for entry in page.all():
        assert entry.tag not in forbidden
        for name, value in entry.attributes.items():
            assert not name.startswith("on"), (entry.tag, name)
            assert name not in ("srcset", "action", "formaction", "xlink:href", "srcdoc", "background")
            if name in ("src", "poster"):
                assert (value or "").startswith(("data:image/jpeg;base64,", "data:video/mp4;base64,"))
            if name == "href":
                assert (value or "")[:1] == "#"
                assert (value or "")[1:] in names
            if name == "style":
                assert re.fullmatch(r"width:[\d.]+%", value or "")
    assert not re.search(r"@import|url\((?!#hatch\))|https?:", STYLE)
    (policy,) = (entry for entry in page.all("meta") if "http-equiv" in entry.attributes)
    assert "default-src 'none'" in (policy.attributes["content"] or "")


@pytest.mark.parametrize("case", CASES)
def test_nobody_is_left_out(pages: dict[str, str], case: str) -> None:
    """Pictures, drawings and videos say what they show; tables have captions and headings."""
    page = parse(pages[case])
    for picture in page.all("img"):
        assert picture.attributes["alt"]
        assert picture.attributes["width"]
        assert picture.attributes["height"]
    for video in page.all("video"):
        assert {"controls", "muted", "playsinline", "aria-label"} <= video.attributes.keys()
    for drawing in page.all("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true"
        assert hidden or (drawing.attributes["role"] == "img" and drawing.attributes["aria-label"])
    for table in page.all("table"):
        assert len(table.all("caption")) == 1
        assert all(entry.attributes["scope"] in ("row", "col") for entry in table.all("th"))
        assert len({len([cell for cell in row.children if isinstance(cell, Element)]) for row in table.all("tr")}) == 1


def test_a_hostile_dataset_is_shown_as_text(pages: dict[str, str]) -> None:
    page = parse(pages["hostile"])
    assert "<script" not in pages["hostile"]
    assert "<img src=x" not in pages["hostile"]
    assert HOSTILE in page.by_id("summary").text
    assert HOSTILE in page.by_id("episodes").text
    assert HOSTILE[:40] in page.by_id("outcomes").text
    assert HOSTILE[:40] in page.by_id("variation").text
    assert page.all("h1")[0].text == "hostile<b>&'"


def test_a_hostile_verdict_is_shown_as_text(folders: dict[str, Path]) -> None:
    quality = Quality((Verdict(HOSTILE, "fail", HOSTILE, HOSTILE),), problem=HOSTILE, motion=((HOSTILE,), (HOSTILE,)))
    page = parse(render_report(facts_of(folders["blind"], quality)))
    assert page.by_id("quality").text.count(HOSTILE[:60]) == 4
    assert not page.all("script")


def test_a_collected_dataset_has_everything(pages: dict[str, str]) -> None:
    page = parse(pages["collected"])
    assert NOT_OURS not in page.text
    outcomes = page.by_id("outcomes").text
    assert "27 attempts for 21 episode indices" in outcomes  # 20 recorded, 2 retried, 5 given up
    assert "18 of 27" in outcomes
    assert "16 of 27" in outcomes
    assert "Given up after their last attempt: 1." in outcomes
    assert "Failed attempts in the dataset: 2." in outcomes
    assert "missed_grasp" in outcomes
    assert "Randomization: full." in page.by_id("variation").text
    headings = [entry.text for entry in page.all("h3") if "id" in entry.attributes]
    assert headings == [
        "Episode 0: the first",
        "Episode 17: median placement error",
        "Episode 19: largest placement error",
    ]
    assert len(page.all("video")) == 4  # two episodes, two cameras
    assert len(page.all("img")) == 3 * 2 * 10
    assert page.by_id("episodes").text.count("joint 6") == 3
    for told in ("mujoco", "full", "seed", "cam_wrist", "64 x 48", "isaac-collect"):
        assert told.lower() in page.text.lower()


def test_a_dataset_of_another_collector_says_what_is_missing(pages: dict[str, str]) -> None:
    page = parse(pages["foreign"])
    for name in ("outcomes", "places", "variation"):
        assert NOT_OURS in page.by_id(name).text
    assert len(page.all("video")) == 2
    assert "Episode 2: the last" in page.text
    assert page.by_id("episodes").all("polyline")


def test_failures_come_first_and_are_marked_by_words(pages: dict[str, str]) -> None:
    quality = parse(pages["collected"]).by_id("quality")
    assert "1 passed, 1 failed, 1 skipped" in quality.text
    rows = [row.text for row in quality.all("tbody")[0].all("tr")]
    words = [next(word for word in ("fail", "pass", "skipped") if word in row) for row in rows]
    assert words == ["fail", "pass", "skipped"]
    assert "Episodes at fault: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 28 more" in rows[0]


def test_a_dataset_that_could_not_be_judged_says_why(folders: dict[str, Path]) -> None:
    page = parse(render_report(facts_of(folders["one"], Quality(problem="the disk is gone"))))
    assert "the disk is gone" in page.by_id("quality").text
    assert "Joint speeds are told for" in page.by_id("motion").text


def test_the_colours_are_those_of_the_dashboard() -> None:
    """The second colour, of actions and places, alone is the report's own in the light."""
    ours = re.findall(r"(--[\w-]+): (#[0-9a-f]+);", STYLE.partition("* {")[0])
    theirs = re.findall(r"(--[\w-]+): (#[0-9a-f]+);", TOKENS.read_text())
    assert len(ours) > 20
    assert [pair for pair in ours if pair not in theirs] == [("--second", "#a65600"), ("--second", "#ecb765")]


def contrast(one: str, other: str) -> float:
    """Of two colours #rrggbb, as WCAG 2.2 has it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_and_lines_can_be_told_from_what_is_behind(scheme: int) -> None:
    part = STYLE.partition("* {")[0].split("@media (prefers-color-scheme: dark)")[scheme]
    colours = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]+);", part))
    for text in ("--text", "--muted", "--accent", "--second"):
        for surface in ("--page", "--surface"):
            assert contrast(colours[text], colours[surface]) >= 4.5
    for text in ("--text", "--muted"):
        assert contrast(colours[text], colours["--raised"]) >= 4.5
    for kind in ("good", "warn", "bad"):
        assert contrast(colours[f"--{kind}"], colours[f"--{kind}-soft"]) >= 4.5


def test_no_path_and_no_time_is_told(folders: dict[str, Path], pages: dict[str, str]) -> None:
    """The same dataset gives the same page, wherever it lies."""
    assert str(folders["collected"].parent) not in pages["collected"]
    assert render_report(facts_of(folders["collected"])) == pages["collected"]


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**70, 5e-324, 1e300, -1e29, float("nan"), float("inf"), "", "x\0<b>", b"x", {"a": 1}),
    *([], [1], [None], ["a", "a"], [[1]], [float("nan")] * 3, [1e29] * 3, [0.0] * 3, [2**70] * 2, [True] * 7),
)


def test_values_of_any_kind_never_stop_a_report(folders: dict[str, Path]) -> None:
    dataset = open_stored(folders["one"])
    draw = random.Random(1)
    for _ in range(60):
        row = dict(dataset.rows[0])
        for name in draw.sample(
            [name for name in row if name.partition("/")[0] in ("collection", "videos", "tasks")], 8
        ):
            row[name] = draw.choice(VALUES)
        features = {name: dict(feature) for name, feature in dataset.features.items()}
        features[draw.choice(list(features))][draw.choice(["shape", "names", "info"])] = draw.choice(VALUES)
        info = dataset.info | {"features": features, "robot_type": draw.choice(VALUES)}
        damaged = dataclasses.replace(dataset, info=info, rows=[row])
        facts = with_clips(gather(damaged, default_episodes(damaged.rows), Quality()), damaged, 400_000)
        page = render_report(facts)
        assert parse(page).by_id("variation")
        assert page.encode()
