"""Debian's Chromium, real but without a window, driven by Selenium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from serving import eventually

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it cannot be had as root, and only our own page is opened
    "--disable-dev-shm-usage",  # containers have 64 MB of it
)
LOOPBACK_FLAGS = ("--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns")
END_S = 15.0


@contextmanager
def chromium(folder: Path, *flags: str) -> Iterator[WebDriver]:
    """folder: what it writes goes below. Nothing is downloaded, and none of its processes stays."""
    home = folder / f"chromium-{time.monotonic_ns()}"
    home.mkdir(parents=True)
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium")
    for flag in (*FLAGS, *(() if _has_address() else LOOPBACK_FLAGS), f"--user-data-dir={home / 'profile'}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(executable_path=_program("chromedriver"), env={**os.environ, "HOME": str(home)})
    try:
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield driver
        finally:
            driver.quit()
        eventually(lambda: not _processes(home), END_S, "the end of Chromium")
    finally:
        for process in _processes(home):
            os.kill(process, signal.SIGKILL)


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed; `make test-browser` installs it"
    return found


def _has_address() -> bool:
    """Whether this machine has another one than that of the loopback, which browsers leave out of WebRTC."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return False
    return True


def _processes(home: Path) -> list[int]:
    """The processes that name that folder on their command line."""
    found = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(home) in command_line.read_bytes():
                found.append(int(command_line.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found
