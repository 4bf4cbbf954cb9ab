"""A dataset's report in a real Chromium, as the service hands it out: sandboxed, without scripts."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_page import Page
from report_dataset import collection_file, write_report_dataset
from serving import Served

from sim_service.exit_codes import DONE
from sim_service.report_command import run_report

pytestmark = pytest.mark.browser

VIDEOS = "return [...document.querySelectorAll('video')].map((v) => [v.readyState, v.error?.message ?? '', v.duration])"
LOADED = "return [...document.images].every((picture) => picture.complete && picture.naturalWidth > 0)"
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"


def test_the_report_is_linked_plays_and_fits(serve: Callable[..., Served], page: Page, tmp_path: Path) -> None:
    root = tmp_path / "root/demo"
    write_report_dataset(root, 4, length=45, size=(128, 96), collection=collection_file(), task="<b>Pick</b> it up.")
    service = serve()
    service.until_ready()
    page.open(service.url)
    page.until(lambda: page.texts("dataset-open") == ["demo"], "the dataset in the list")
    assert not page.shown("dataset-row-report")
    assert run_report(Namespace(dataset=root, output=None, episodes=None)) == DONE
    page.open(service.url)
    page.until_shown("dataset-row-report")
    address = page.find("dataset-row-report").get_attribute("href")
    assert address == f"{service.url}/datasets/demo/report"
    page.driver.get(address)
    page.until(lambda: [ready for ready, _, _ in page.run(VIDEOS)] == [4] * 4, "the videos")
    assert {(error, duration) for _, error, duration in page.run(VIDEOS)} == {("", 1.5)}
    assert page.run(LOADED)
    assert page.run("return document.querySelectorAll('h3 + p b').length") == 0  # the task is text
    assert page.run("return self.origin") == "null"  # a sandbox: it reaches nothing of the service
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_colours(scheme)
        backgrounds.append(page.run(BACKGROUND))
    assert backgrounds == ["rgb(247, 247, 248)", "rgb(13, 14, 18)"]
    page.emulate_phone()
    needed_px, shown_px = page.run(WIDTHS)
    assert needed_px == shown_px == 390
