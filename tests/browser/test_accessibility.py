"""What the dashboard shows can be read, named and pressed, in light and in dark colours."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browser_audit import assert_accessible
from browser_page import Page
from serving import Served

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width_px", [1440, 390])
def test_every_state_of_the_page_is_accessible(page: Page, service: Served, width_px: int) -> None:
    page.emulate_screen(width_px, 900)
    page.open(service.url)
    page.until_playing()
    assert_accessible(page)
    page.fill_in(f"accessible_{width_px}", 0)
    page.click("collect-start")
    page.until_shown("num_episodes-error")
    assert page.network_errors() == [("400", "/collect/start")]
    assert_accessible(page)
    page.fill("num_episodes", 2)
    page.click("collect-start")
    page.until_text("progress-completed", "1")
    assert_accessible(page)
    page.until_text("job-state", "Completed")
    page.until(lambda: f"accessible_{width_px}" in page.texts("dataset-open"), "the dataset in the list")
    assert_accessible(page)
    page.click("open-last")
    page.first_picture("video-cam_high")
    assert_accessible(page)


def test_failures_are_accessible(serve: Callable[..., Served], page: Page) -> None:
    """A job that has failed, a dataset that is broken."""
    service = serve()
    service.until_ready()
    page.open(service.url)
    page.fill_in("fails", 50)
    page.click("collect-start")
    page.until_text("progress-frame", r"frame [1-9]")
    dataset = Path(service.status()["output_dir"])
    dataset.rename(dataset.with_name("broken"))
    page.until_text("job-state", "Failed")
    (dataset.with_name("broken") / "meta").mkdir(exist_ok=True)
    (dataset.with_name("broken") / "meta/info.json").write_text("{}")
    page.open(service.url)
    page.until(lambda: "broken" in page.texts("dataset-open"), "the dataset in the list")
    page.until_shown("job-error")
    assert_accessible(page)
