"""A headless Chromium of the system, and what a page under test shows."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.daemon import Daemon

playwright = pytest.importorskip("playwright.sync_api")

# No window system, no sandbox inside a container, and nothing that speaks to the outside.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--autoplay-policy=no-user-gesture-required",
]
# `look(count)`: the next `count` frames that are shown, each with the bits of its luma strip
# (ngage.video.pattern) and a coarse copy of its pixels.
READER = (Path(__file__).parent / "reader.js").read_text()


@pytest.fixture(scope="module")
def demo() -> Iterator[Daemon]:
    pytest.importorskip("av")
    with Daemon("--demo") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def running():
    """A programme with a ladder in one channel (tests.helpers.live_ladder)."""
    pytest.importorskip("av")
    from tests.helpers.live_ladder import LiveLadder  # noqa: PLC0415, it needs PyAV

    with LiveLadder() as ladder:
        yield ladder


@pytest.fixture
def show(running):
    """The same, on its highest rung again after each test."""
    yield running
    running.reset()


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """An edge with events."""
    with Daemon("--data", str(tmp_path_factory.mktemp("data"))) as daemon:
        yield daemon


@pytest.fixture(params=["mse", "webcodecs"])
def engine(request):
    return request.param


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    """For one module only: while it is open its event loop counts as running in this thread."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser):
    """open_page(url, prepare=): a page of its own context; it must end without script errors."""
    contexts, errors = [], []

    def open_one(url, prepare=lambda page: None):
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(READER)
        prepare(page)
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []
