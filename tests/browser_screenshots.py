"""Pictures of the dashboard: `python tests/browser_screenshots.py docs/dashboard.png [FOLDER]`.

The first is the one of the README: a collection under way, with a past. FOLDER gets one of every other state, in light
and in dark colours.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from browser_page import Page, dashboard
from serving import Served, served

WIDTH_PX, HEIGHT_PX = 1440, 900
COLLECT_S = 300.0  # for a few episodes at full picture quality, on a busy machine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, help="file for the picture of the README")
    parser.add_argument("folder", type=Path, nargs="?", help="folder for pictures of the other states")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "datasets", "--render-preset", "default") as service,
        dashboard(Path(folder), "--hide-scrollbars") as page,
    ):
        service.until_ready()
        page.emulate_screen(WIDTH_PX, HEIGHT_PX)
        page.open(service.url)
        page.until_playing()
        page.until_text("live-rate", "[1-9]")
        shots = Shots(page, asked.folder)
        shots.take("idle")
        collect(page, "pick_place_001", 3)
        page.until_text("job-state", "Completed", COLLECT_S)
        shots.take("done")
        collect(page, "pick_place_002", 20)
        page.until_text("progress-completed", "5", COLLECT_S)  # nothing hides that episode's object and goal
        page.until_text("progress-frame", "frame ([89]|1[0-8]) ", COLLECT_S)  # the arm sets out
        page.shoot(asked.picture)
        if asked.folder:
            shots.take("collecting")
            take_the_rest(page, service, shots)
        page.leave()
    return 0


def take_the_rest(page: Page, service: Served, shots: Shots) -> None:
    page.emulate_phone()
    shots.take("phone")
    page.emulate_screen(WIDTH_PX, HEIGHT_PX)
    page.click("stop-after")
    page.until_text("job-state", "Stopped", COLLECT_S)
    page.click("open-last")
    page.first_picture("video-cam_high")
    shots.take("dataset")
    page.emulate_phone()
    shots.take("dataset-phone")
    page.emulate_screen(WIDTH_PX, HEIGHT_PX)
    page.click("dataset-close")
    page.fill_in("pick_place_003", 0, steps_per_segment=1)
    page.click("collect-start")
    page.until_shown("num_episodes-error")
    shots.take("bad-fields")
    collect(page, "pick_place_003", 50)
    page.until_text("progress-frame", "frame [1-9]")
    dataset = Path(service.status()["output_dir"])
    dataset.rename(dataset.with_name("taken_away"))
    page.until_text("job-state", "Failed")
    shots.take("error")
    page.network_errors()  # the bad fields were meant
    service.process.kill()
    page.until_shown("lost-banner")
    shots.take("lost")
    page.console()


def collect(page: Page, name: str, num_episodes: int) -> None:
    page.fill_in(name, num_episodes, steps_per_segment=30)
    page.click("collect-start")
    page.until_text("job-state", "Collecting")
    page.run("scrollTo(0, 0)")


class Shots:
    """Takes pictures into a folder, in both colour schemes; none where there is no folder."""

    def __init__(self, page: Page, folder: Path | None) -> None:
        self._page, self._folder = page, folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        if not self._folder:
            return
        for scheme in ("dark", "light"):
            self._page.emulate_colours(scheme)
            self._page.shoot(self._folder / f"{name}-{scheme}.png")


if __name__ == "__main__":
    sys.exit(main())
