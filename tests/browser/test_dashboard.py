"""The dashboard in a real Chromium, on the real service with the embedded simulator: collecting and what came of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_page import MOVED, Page, difference, rising
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from serving import Served

from lerobot_writer.check import check_dataset

pytestmark = pytest.mark.browser

MOST_TABS = 200  # once around the page, with all that other tests left in its lists


def episodes_on_disk(dataset: Path) -> int:
    total: int = json.loads((dataset / "meta/info.json").read_text())["total_episodes"]
    return total


def test_live_video_shows_what_the_camera_sees(page: Page, service: Served) -> None:
    page.open(service.url)
    page.until_playing("WebRTC")
    page.until_text("connection", "Live updates")
    before_s, width, height = page.run(
        "const video = document.querySelector('video'); return [video.currentTime, video.videoWidth, video.videoHeight]"
    )
    assert (width, height) == (512, 512)
    page.until(lambda: page.run("return document.querySelector('video').currentTime") > before_s + 0.5, "the next ones")
    still = page.live_picture()
    assert still.std() > 5
    assert difference(still, page.snapshot("cam_high")) < MOVED < difference(still, page.snapshot("cam_wrist"))
    service.start("watched", 50)
    page.until_another_picture("live-video", still, MOVED)
    moving = page.live_picture()
    page.until_another_picture("live-video", moving, MOVED)


def test_the_camera_is_chosen_by_keyboard(page: Page, service: Served) -> None:
    page.open(service.url)
    page.until_playing()
    for key, chosen, other in [(Keys.ARROW_RIGHT, "cam_wrist", "cam_high"), (Keys.ARROW_LEFT, "cam_high", "cam_wrist")]:
        page.find("camera-choice").find_element(By.CSS_SELECTOR, ":checked").send_keys(key)
        page.until_playing()
        page.until_showing(page.snapshot(chosen), MOVED)
        assert difference(page.live_picture(), page.snapshot(other)) > MOVED
    page.until(lambda: service.get("/cameras").json()["viewers"] == 1, "the end of the streams that nobody sees")


def test_collect_data(serve: Callable[..., Served], page: Page, tmp_path: Path) -> None:
    """The form is sent, the bar rises, the dataset is in the list, and its episodes can be watched."""
    service = serve()
    service.until_ready()
    page.open(service.url)
    page.until_shown("datasets-empty")
    page.until_shown("jobs-empty")
    page.fill_in("pick_place_001", 2)
    page.run("""
      const bar = document.querySelector("[data-testid=progress-bar]");
      const state = document.querySelector("[data-testid=job-state]");
      window.fractions = [];
      const look = () => {
        const fraction = bar.firstElementChild.getBoundingClientRect().width / bar.getBoundingClientRect().width;
        const running = state.dataset.state === "collecting";
        if (running && fraction >= 0 && fraction !== window.fractions.at(-1)) window.fractions.push(fraction);
        requestAnimationFrame(look);
      };
      look();
    """)
    page.click("collect-start")
    page.until_text("job-state", "Collecting")
    assert (page.text("progress-dataset"), page.text("progress-requested")) == ("pick_place_001", "2")
    page.until_gone("collect")
    page.until_text("service-state", "Collecting")
    page.until_text("progress-phase", "Episode 0: .")
    page.until_text("job-state", "Completed")
    assert page.text("progress-completed") == "2"
    assert page.find("progress-bar").get_attribute("aria-valuenow") == "100"
    drawn = page.run("return window.fractions")
    assert rising(drawn)
    assert len([fraction for fraction in drawn if 0.02 < fraction < 0.98]) >= 10
    page.until_text("service-state", "Idle")
    page.until_shown("collect")
    page.until(lambda: page.texts("dataset-open") == ["pick_place_001"], "the dataset in the list")
    page.until_text("job-row-state", "Completed")
    page.click("dataset-open")
    watch_two_episodes(page, "pick_place_001")
    assert check_dataset(tmp_path / "root/pick_place_001").ok
    assert episodes_on_disk(tmp_path / "root/pick_place_001") == 2


def watch_two_episodes(page: Page, name: str) -> None:
    """In the dialog of the dataset, which has just been opened."""
    page.until_text("dataset-title", name)
    page.until(lambda: len(page.texts("episode-item")) == 2, "the episodes")
    first_pictures = []
    for episode in range(2):
        page.until_text("episode-title", f"Episode {episode}$")
        for camera in ("video-cam_high", "video-cam_wrist"):
            picture = page.first_picture(camera)
            assert picture.std() > 5
            page.until_another_picture(camera, picture, MOVED)
        first_pictures.append(picture)
        if episode == 0:
            page.click("episode-next")
    assert difference(*first_pictures) > 1
    page.click("dataset-close")
    page.until_gone("dataset")


def test_a_collection_that_varies_says_what(page: Page, service: Served) -> None:
    page.open(service.url)
    page.fill_in("varied", 50)
    plain = page.text("advanced-brief")
    hints = set()
    for chosen in ("light", "full", "none"):
        page.choose("randomize", chosen)
        hints.add(page.text("randomize-hint"))
    assert len(hints) == 3
    assert all(len(hint) > 10 for hint in hints)
    assert page.text("advanced-brief") == plain
    page.choose("randomize", "full")
    page.fill("num_objects", 3)
    assert page.text("advanced-brief") == f"{plain}, full randomization, 3 objects"
    page.click("collect-start")
    page.until_text("progress-frame", r"frame [1-9]")
    assert_requested(service, "full", 3)
    page.click("stop-now-choice", "summary")
    page.click("stop-now")
    page.until_text("job-state", "Stopped")
    page.until_text("job-row-facts", ".*full randomization3 objects$")
    page.click("resume-last")
    page.until_text("job-state", "Collecting")
    assert_requested(service, "full", 3)
    service.post("/collect/stop", {"mode": "now"})
    page.until_text("job-state", "Stopped")
    page.fill_in("plain", 50)
    page.choose("randomize", "none")
    page.fill("num_objects", " ")
    page.click("collect-start")
    page.until_text("progress-dataset", "plain$")
    page.until_text("progress-frame", r"frame [1-9]")
    assert_requested(service, "none", None)
    page.until_text("job-row-facts", r".*job \d+$")


def assert_requested(service: Served, randomize: str, num_objects: int | None) -> None:
    """By the last job."""
    request = service.get("/collect/jobs").json()["jobs"][0]["request"]
    assert (request["randomize"], request["num_objects"]) == (randomize, num_objects)


def test_stopped_after_an_episode_and_resumed(page: Page, service: Served) -> None:
    page.open(service.url)
    page.fill_in("stopped", 4)
    page.click("collect-start")
    page.until_text("progress-completed", "1")
    page.click("stop-after")
    page.until_text("job-state", "Stopped")
    kept = int(page.text("progress-completed"))
    root = Path(service.status()["data_root"])
    assert 1 <= kept < 4
    assert episodes_on_disk(root / "stopped") == kept
    page.click("resume-last")
    page.until_text("job-state", "Completed")
    assert page.text("progress-completed") == "4"
    assert episodes_on_disk(root / "stopped") == 4
    assert check_dataset(root / "stopped").ok


def test_stopped_now_throws_the_episode_under_way_away(page: Page, service: Served) -> None:
    page.open(service.url)
    page.fill_in("stopped_now", 50, steps_per_segment=600)
    page.click("collect-start")
    page.until_text("progress-frame", r"frame [1-9]")
    page.click("stop-now-choice", "summary")
    page.click("stop-now")
    page.until_text("job-state", "Stopped")
    assert page.text("progress-completed") == "0"
    assert not page.shown("open-last")
    page.until_shown("resume-last")


def test_a_page_that_does_not_know_yet_says_busy(page: Page, service: Served) -> None:
    """Its events are held back, as by a slow network, while somebody else starts a collection."""
    page.before_loading("""
      window.EventSource = class extends EventSource {
        addEventListener(kind, listener) {
          super.addEventListener(kind, (message) => window.heldBack || listener(message));
        }
      };
    """)
    page.open(service.url)
    page.fill_in("second", 2)
    page.run("window.heldBack = true")
    job = service.start("first", 50)
    page.click("collect-start")
    page.until_shown("notice")
    page.until(lambda: re.search(f"(?s)Another collection is running.*{job['id']}.*first", page.text("notice")), "who")
    page.until_gone("collect")
    page.until_text("progress-dataset", "first$")
    assert page.network_errors() == [("409", "/collect/start")]
    assert [job["dataset"] for job in service.get("/collect/jobs").json()["jobs"]].count("second") == 0


def test_two_tabs_show_the_same_collection(page: Page, service: Served) -> None:
    page.open(service.url)
    page.fill_in("tabs", 50)
    page.click("collect-start")
    page.until_text("job-state", "Collecting")
    first = page.driver.current_window_handle
    page.open_tab(service.url)
    page.until_text("progress-dataset", "tabs$")
    assert not page.shown("collect")
    assert service.post("/collect/start", {"output_dir": "other"}).status_code == 409
    page.until_playing()
    page.click("stop-now-choice", "summary")
    page.click("stop-now")
    page.until_text("job-state", "Stopped")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.until_text("job-state", "Stopped")
    page.until_playing()
    page.until(lambda: service.get("/cameras").json()["viewers"] == 1, "the end of the closed tab's stream")


@pytest.mark.parametrize(
    ("field", "value", "refused_by"),
    [
        ("num_episodes", "0", "the service"),
        ("num_episodes", "many", "the page"),
        ("steps_per_segment", "4", "the service"),
        ("output_dir", "../elsewhere", "the service"),
        ("output_dir", " ", "the page"),
        ("seed", "-1", "the service"),
        ("num_objects", "7", "the service"),
        ("num_objects", "a few", "the page"),
    ],
)
def test_a_bad_value_is_told_at_its_field(page: Page, service: Served, field: str, value: str, refused_by: str) -> None:
    jobs = service.get("/collect/jobs").json()
    page.open(service.url)
    page.fill_in("bad", 1)
    page.fill(field, value)
    page.find("collect-start").send_keys(Keys.ENTER)
    page.until_shown(f"{field}-error")
    assert len(page.text(f"{field}-error")) > 10
    assert page.find(field).get_attribute("aria-invalid") == "true"
    assert page.focused == page.find(field)
    assert page.network_errors() == ([("400", "/collect/start")] if refused_by == "the service" else [])
    page.fill(field, "1")
    page.until_gone(f"{field}-error")
    assert service.get("/collect/jobs").json() == jobs


def test_a_dataset_that_is_there_is_not_overwritten(page: Page, service: Served) -> None:
    service.start("there", 1)
    service.until_over()
    page.open(service.url)
    page.until(lambda: "there" in page.texts("dataset-open"), "the dataset in the list")
    page.fill_in("there", 1)
    page.until_text("output_dir-hint", "This dataset is there already")
    page.click("collect-start")
    page.until_shown("output_dir-error")
    assert page.network_errors() == [("409", "/collect/start")]


def test_a_failed_job_says_why(page: Page, service: Served) -> None:
    """Somebody removes the folder of the dataset while it is written."""
    page.open(service.url)
    page.fill_in("removed", 50)
    page.click("collect-start")
    page.until_text("progress-frame", r"frame [1-9]")
    dataset = Path(service.status()["output_dir"])
    dataset.rename(dataset.with_name("elsewhere"))
    page.until_text("job-state", "Failed")
    assert len(page.text("job-error")) > 10
    page.until_text("service-state", "Idle")
    page.until_shown("collect")


def test_the_whole_page_works_below_the_prefix(page: Page, service: Served) -> None:
    page.open(f"{service.url}/v1/sim/bridge/")
    page.until_playing()
    page.fill_in("prefixed", 1)
    page.click("collect-start")
    page.until_text("job-state", "Completed")
    page.click("open-last")
    page.until_shown("video-cam_high")
    page.until_another_picture("video-cam_high", page.first_picture("video-cam_high"), MOVED)


@pytest.mark.parametrize("width_px", [390, 320])
def test_a_phone_scrolls_in_one_direction(page: Page, service: Served, width_px: int) -> None:
    name = "a_dataset_whose_name_is_so_long_that_it_does_not_fit_into_one_line_of_a_phone_in_any_size_of_letters"
    page.emulate_phone(width_px)
    page.open(service.url)
    page.until_playing()
    assert_no_sideways_scroll(page, width_px)
    page.fill("output_dir", f"{width_px}_{name}"[:100])
    assert_no_sideways_scroll(page, width_px)
    page.fill_in(f"{width_px}_{name}"[:100], 2)
    assert_no_sideways_scroll(page, width_px)
    page.click("collect-start")
    page.until_text("job-state", "Collecting")
    assert_no_sideways_scroll(page, width_px)
    page.until_text("job-state", "Completed")
    page.until(lambda: any(text.startswith(str(width_px)) for text in page.texts("dataset-open")), "the dataset")
    assert_no_sideways_scroll(page, width_px)
    page.click("open-last")
    page.until_shown("video-cam_high")
    assert_no_sideways_scroll(page, width_px)


def assert_no_sideways_scroll(page: Page, width_px: int) -> None:
    """A page that is too wide makes a phone zoom out, so that the window is wider too."""
    script = """
      const wide = [...document.querySelectorAll("body *")].filter((part) =>
        part.scrollWidth > arguments[0] && getComputedStyle(part).overflowX === "visible");
      const innermost = wide.filter((part) => !wide.some((other) => other !== part && part.contains(other)));
      return [innerWidth, document.documentElement.scrollWidth, innermost.map((part) => part.outerHTML.slice(0, 200))];
    """
    inner, scroll, parts = page.run(script, width_px)
    assert inner == width_px, parts
    assert scroll <= width_px, parts


def test_collecting_by_keyboard_alone(page: Page, service: Served) -> None:
    page.open(service.url)
    page.until_text("service-state", "Idle")
    tab_to(page, "num_episodes")
    page.type_over("1")
    tab_to(page, "output_dir")
    page.type_over("by_keyboard")
    tab_to(page, "advanced summary")
    page.press(Keys.ENTER)
    tab_to(page, "steps_per_segment")
    page.type_over("5")
    tab_to(page, "collect-start")
    page.press(Keys.ENTER)
    page.until_text("progress-dataset", "by_keyboard$")  # until then it tells of the job before
    page.until_text("job-state", "Completed")
    tab_to(page, "open-last")
    page.press(Keys.ENTER)
    page.until_text("dataset-title", "by_keyboard")
    page.until_shown("video-cam_high")
    page.press(Keys.ESCAPE)
    page.until_gone("dataset")
    assert page.focused == page.find("open-last")


def tab_to(page: Page, target: str) -> None:
    """target: a data-testid, and maybe a tag name within. Wherever the focus is on the way, it can be seen."""
    name, _, within = target.partition(" ")
    selector = f'[data-testid="{name}"] {within}'.strip()
    for _ in range(MOST_TABS):
        page.press(Keys.TAB)
        there, visible, html = page.run(
            """
            const at = document.activeElement;
            const marked = [at, at.nextElementSibling, at.parentElement].filter(Boolean).some((part) => {
              const { outlineStyle, outlineWidth } = getComputedStyle(part);
              return outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
            });
            return [at.matches(arguments[0]), at === document.body || marked, at.outerHTML.slice(0, 120)];
            """,
            selector,
        )
        assert visible, html
        if there:
            return
    raise AssertionError(f"{target} cannot be reached by Tab")


def test_a_dataset_of_any_name_is_text(serve: Callable[..., Served], page: Page) -> None:
    """Somebody has put a broken folder with the name of a script below the data root."""
    service = serve()
    service.until_ready()
    name = "<img src=x onerror=document.title=1>"
    info = Path(service.status()["data_root"]) / name / "meta/info.json"
    info.parent.mkdir(parents=True)
    info.write_text("{}")
    page.open(service.url)
    page.until(lambda: name in page.texts("dataset-open"), "the name in the list")
    assert not page.run("return document.querySelector('img[src=x]')")
    assert any("Cannot be read" in text for text in page.texts("dataset-row-error"))
