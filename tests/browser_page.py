"""The dashboard as a person sees and uses it: what is shown, what can be pressed, what the console says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from browser_driver import chromium
from numpy.typing import NDArray
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from serving import eventually

Picture = NDArray[np.float64]  # brightness 0..255, shape (PICTURE_PX, PICTURE_PX)
PICTURE_PX = 64
PATIENCE_S = 30.0
MOVED = 20.0  # difference of two pictures: an arm that moves gives 35 to 110, another coding of the same picture 7
_Value = TypeVar("_Value")

_FIND = "const found = document.querySelector(arguments[0]);"
_BRIGHTNESS = f"""
  const brightness = (source) => {{
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = {PICTURE_PX};
    const context = canvas.getContext("2d");
    context.drawImage(source, 0, 0, {PICTURE_PX}, {PICTURE_PX});
    const pixels = context.getImageData(0, 0, {PICTURE_PX}, {PICTURE_PX}).data;
    return Array.from({{length: {PICTURE_PX**2}}}, (_, i) => (pixels[4*i] + pixels[4*i+1] + pixels[4*i+2]) / 3);
  }};
"""
_FINISH_ANIMATIONS = """
  for (const animation of document.getAnimations()) {
    if (animation.effect.getTiming().iterations !== Infinity) animation.finish();
  }
"""
_NETWORK_LINE = re.compile(r"(\S+) - Failed to load resource: .*?(?:status of (\d+)|(net::\w+))")


def difference(one: Picture, other: Picture) -> float:
    """Of the 5 % of the pixels that differ most, the least: 0 for the same picture."""
    return float(np.quantile(np.abs(one - other), 0.95))


class Page:
    """A browser with the dashboard in its tabs. Parts are named by their data-testid."""

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.run("document.documentElement.style.scrollBehavior = 'auto'")  # or a press misses what glides away

    def open_tab(self, url: str) -> None:
        """The one before is hidden then."""
        self.driver.switch_to.new_window("tab")
        self.open(url)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def before_loading(self, script: str) -> None:
        """Have a script run in every page that is opened from now on, before the page's own."""
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def leave(self) -> None:
        """Before the service ends, which would be in the console."""
        self.driver.get("about:blank")

    def block(self, addresses: Sequence[str]) -> None:
        """Requests to those addresses fail; "*" stands for anything."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(addresses)})

    def emulate_screen(self, width_px: int, height_px: int, mobile: bool = False) -> None:
        """mobile: as phones do, zoom out where the page is wider than the screen."""
        screen = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def emulate_phone(self, width_px: int = 390) -> None:
        self.emulate_screen(width_px, 844, mobile=True)

    def emulate_colours(self, scheme: str) -> None:
        """scheme: "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    # What is shown

    def find(self, name: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, _selector(name))

    def shown(self, name: str) -> bool:
        options = "{opacityProperty: true, visibilityProperty: true}"
        return bool(self.run(f"{_FIND} return Boolean(found?.checkVisibility({options}))", _selector(name)))

    def text(self, name: str) -> str:
        """Of the first such part, "" where there is none."""
        return str(self.run(f"{_FIND} return found?.textContent.trim() ?? ''", _selector(name)))

    def texts(self, name: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((part) => part.textContent.trim())"
        return list(self.run(script, _selector(name)))

    def until(self, look: Callable[[], _Value | None], what: str, timeout_s: float = PATIENCE_S) -> _Value:
        return eventually(look, timeout_s, what)

    def until_shown(self, name: str, timeout_s: float = PATIENCE_S) -> None:
        self.until(lambda: self.shown(name), f"{name} on the page", timeout_s)

    def until_gone(self, name: str, timeout_s: float = PATIENCE_S) -> None:
        self.until(lambda: not self.shown(name), f"the page without {name}", timeout_s)

    def until_text(self, name: str, wanted: str, timeout_s: float = PATIENCE_S) -> None:
        """The text matches the regular expression from its beginning."""
        self.until(lambda: re.match(wanted, self.text(name)), f"{wanted!r} as the text of {name}", timeout_s)

    def until_playing(self, transport: str = "WebRTC", timeout_s: float = PATIENCE_S) -> None:
        """Live pictures come by that transport."""
        playing = {"state": "playing", "transport": transport.lower()}

        def look() -> bool:
            stage = self.run(f"{_FIND} return {{...found.dataset}}", _selector("live-stage"))
            return playing.items() <= stage.items() and self.text("live-transport") == transport

        self.until(look, f"live pictures by {transport}", timeout_s)

    # What is done

    def click(self, name: str, within: str = "") -> None:
        """As soon as it is there to be seen. within: selects the element in that part that is pressed, where it is not
        the part itself."""
        element = self.driver.find_element(By.CSS_SELECTOR, f"{_selector(name)} {within}")
        self.until(element.is_displayed, f"{name} that can be pressed")
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def fill(self, name: str, value: object) -> None:
        self.click(name)
        self.type_over(str(value))

    def choose(self, name: str, value: str) -> None:
        """One of the options of a select, by the keyboard: the driver's clicks tell the page before they choose."""
        values = self.run(f"{_FIND} return [...found.options].map((option) => option.value)", _selector(name))
        self.find(name).send_keys(Keys.HOME, *([Keys.ARROW_DOWN] * values.index(value)))
        self.until(lambda: self.find(name).get_property("value") == value, f"{value} in {name}")

    def press(self, *keys: str) -> None:
        """All of them at once, wherever the focus is."""
        actions = ActionChains(self.driver)
        for key in keys:
            actions.key_down(key)
        for key in reversed(keys):
            actions.key_up(key)
        actions.perform()

    def type_over(self, text: str) -> None:
        self.press(Keys.CONTROL, "a")
        ActionChains(self.driver).send_keys(text).perform()

    @property
    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    def fill_in(self, output_dir: str, num_episodes: object, steps_per_segment: object = 5, seed: int = 12345) -> None:
        """The form that starts a collection."""
        self.until_shown("collect-start")
        self.until(lambda: self.find("collect-start").is_enabled(), "a form that can be sent")
        self.fill("output_dir", output_dir)
        self.fill("num_episodes", num_episodes)
        if not self.shown("steps_per_segment"):
            self.click("advanced", "summary")
            self.until_shown("steps_per_segment")
        self.fill("steps_per_segment", steps_per_segment)
        self.fill("seed", seed)

    # Pictures

    def picture(self, name: str) -> Picture:
        """What a video or canvas shows."""
        script = f"{_BRIGHTNESS} {_FIND} return brightness(found)"
        return _picture(self.run(script, _selector(name)))

    def first_picture(self, name: str) -> Picture:
        """Of a video that may still be loading."""
        self.until_shown(name)
        script = f"{_FIND} return found.readyState > 1 && found.videoWidth > 0"
        self.until(lambda: self.run(script, _selector(name)), f"a picture of {name}")
        return self.picture(name)

    def live_picture(self) -> Picture:
        return self.picture("live-video" if self.shown("live-video") else "live-canvas")

    def snapshot(self, camera: str) -> Picture:
        """What the service says that the camera sees now."""
        script = f"""
          {_BRIGHTNESS} const done = arguments[1];
          fetch(`cameras/${{arguments[0]}}.jpg`).then((answer) => answer.blob()).then(createImageBitmap)
            .then((bitmap) => done(brightness(bitmap)));
        """
        return _picture(self.driver.execute_async_script(script, camera))

    def until_another_picture(self, name: str, than: Picture, least: float) -> float:
        """How much it differs, as soon as that is more than `least`."""

        def look() -> float | None:
            found = difference(self.picture(name), than)
            return found if found > least else None

        return self.until(look, f"another picture on {name}")

    def until_showing(self, wanted: Picture, most: float) -> None:
        """The live picture differs from that one by less than `most`."""
        self.until(lambda: difference(self.live_picture(), wanted) < most, "that picture")

    def finish_animations(self) -> None:
        """But those that never end."""
        self.run(_FINISH_ANIMATIONS)

    def shoot(self, file: Path) -> None:
        """A PNG picture of the window, when whatever moved on purpose has come to rest."""
        self.finish_animations()
        assert self.driver.save_screenshot(str(file))

    # The console

    def console(self) -> list[str]:
        """Errors and warnings since the last look, of all tabs."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium leaves it untyped
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def network_errors(self) -> list[tuple[str, str]]:
        """(status or net:: error, path) of the requests that failed since the last look. Nothing else is in the
        console."""
        lines = self.console()
        matches = [_NETWORK_LINE.match(line) for line in lines]
        assert all(matches), lines
        return [(match[2] or match[3], urlsplit(match[1]).path) for match in matches if match]


@contextmanager
def dashboard(folder: Path, *flags: str) -> Iterator[Page]:
    """A browser that shows nothing yet. folder: for its profile. What is left in the console at the end fails."""
    with chromium(folder, "--window-size=1440,1043", *flags) as driver:
        page = Page(driver)
        yield page
        console = page.console()
    assert not console, console


def rising(values: Sequence[float]) -> bool:
    return all(one < other for one, other in itertools.pairwise(values))


def _selector(name: str) -> str:
    return f'[data-testid="{name}"]'


def _picture(brightness: list[float]) -> Picture:
    return np.array(brightness).reshape(PICTURE_PX, PICTURE_PX)
