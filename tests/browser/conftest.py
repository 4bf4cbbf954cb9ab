"""Services, and a browser that looks at one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_page import Page, dashboard
from serving import Served, served

Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a service, with the given flags of `serve`, that ends with the test. They share a data root."""
    with ExitStack() as stack:
        yield lambda *flags: stack.enter_context(served(tmp_path / "root", *flags))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("shared") / "root") as service:
        service.until_ready()
        yield service


@pytest.fixture
def service(shared: Served) -> Iterator[Served]:
    """One that is idle and has a past: other tests' jobs and datasets."""
    yield shared
    shared.post("/collect/stop", {"mode": "now"})
    shared.until(lambda status: status["state"] == "idle", "an idle service")


@pytest.fixture
def flags() -> tuple[str, ...]:
    """Of Chromium; a test may parametrize them."""
    return ()


@pytest.fixture
def page(serve: Serve, tmp_path: Path, flags: tuple[str, ...]) -> Iterator[Page]:
    """It ends before the services do. What it leaves in the console is an error."""
    with dashboard(tmp_path, *flags) as page:
        yield page


def pytest_exception_interact(node: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Where a test failed in the browser, say what could be seen."""
    page = getattr(node, "funcargs", {}).get("page")
    if isinstance(page, Page) and call.when == "call":
        picture = node.funcargs["tmp_path"] / "failed.png"  # type: ignore[attr-defined]  # of functions alone
        page.driver.save_screenshot(str(picture))
        node.add_report_section("call", "browser", f"The page: {picture}\nIts console: {page.console()}")
