"""A real server process, real browsers, a clip for a camera."""

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright, expect
from playwright.async_api import Error as PlaywrightError
from skimage import data

from benchmarks.live.chromium import QUIET_FLAGS, camera_flags
from benchmarks.live.clip import MEDIA_CLIP, Picture, back_and_forth, moving_photograph, read_clip, write_y4m
from benchmarks.live.server_process import ServerProcess
from tests.browsers import Preferences, browser_of, start_chromium, start_firefox
from tests.e2e.offline import OfflineEdits, load_offline
from tests.e2e.visitor import NOTE_TROUBLES, PATIENCE_S, Visitor

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "test-results"
CLIP_FRAMES = 24
SIZE = (320, 240)

INVERTING = (sys.executable, "-m", "tests.server.inverting_server")

expect.set_options(timeout=1000 * PATIENCE_S)

REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """The server most tests visit."""
    with ServerProcess() as running:
        yield running


@pytest.fixture(scope="session")
def inverting() -> Iterator[ServerProcess]:
    """The server of tests that need no model."""
    with ServerProcess(program=INVERTING) as running:
        yield running


Start = Callable[..., ServerProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers of a test's own without a model to load, for what does not depend on one."""
    with ExitStack() as stack:

        def started(port: int = 0, **settings: str) -> ServerProcess:
            names = {f"AFTERIMAGE_{name.upper()}": value for name, value in settings.items()}
            return stack.enter_context(ServerProcess(port, settings=names, program=INVERTING))

        yield started


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Camera clips by name: two real photographs under a moving window, and a filmed one where it is at hand."""
    folder = tmp_path_factory.mktemp("clips")

    def pictures(name: str) -> list[Picture]:
        if name == "film":
            if not MEDIA_CLIP.exists():
                pytest.skip("needs ../shared/media")
            return back_and_forth(read_clip(MEDIA_CLIP, CLIP_FRAMES // 2 + 1, *SIZE))
        photographs: dict[str, Callable[[], Picture]] = {"portrait": data.astronaut, "cat": data.chelsea}
        return moving_photograph(photographs[name](), CLIP_FRAMES, *SIZE)

    def clip(name: str) -> Path:
        path = folder / f"{name}.y4m"
        return path if path.exists() else write_y4m(path, pictures(name))

    return clip


@pytest.fixture(scope="session")
def offline(clips: Callable[[str], Path]) -> Callable[..., OfflineEdits]:
    """A clip's edits by these instructions, to compare with."""
    known: dict[str, OfflineEdits] = {}

    def edits(name: str, *instructions: str) -> OfflineEdits:
        if name not in known:
            known[name] = load_offline(clips(name))
        known[name].prepare(*instructions)
        return known[name]

    return edits


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as running:
        yield running


Launch = Callable[[str, tuple[str, ...], Preferences], Awaitable[Browser]]


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Firefox saves files."""
    return tmp_path_factory.mktemp("downloads")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def launch(playwright: Playwright, downloads: Path) -> AsyncIterator[Launch]:
    """Starts a browser, or gives the one that was started with the same settings."""
    running: dict[object, Browser] = {}

    async def start(name: str, flags: tuple[str, ...], preferences: Preferences) -> Browser:
        settings = (name, flags, *preferences.items())
        browser = running.get(settings)
        if browser is None or not browser.is_connected():
            running[settings] = browser = (
                await start_firefox(playwright, preferences, downloads)
                if name == "firefox"
                else await start_chromium(playwright, *QUIET_FLAGS, *flags)
            )
        return browser

    yield start
    for browser in running.values():
        if browser.is_connected():
            await browser.close()


class Visit(Protocol):
    async def __call__(
        self,
        server: ServerProcess,
        clip: str | None = "portrait",
        flags: tuple[str, ...] = (),
        preferences: Preferences | None = None,
        **context: Any,  # noqa: ANN401 - Playwright's own options
    ) -> Visitor: ...


@pytest_asyncio.fixture(loop_scope="session")
async def visit(
    launch: Launch, clips: Callable[[str], Path], request: pytest.FixtureRequest
) -> AsyncIterator[Visit]:
    """Opens a page in a context of its own, with a clip for a camera or with none.

    Firefox takes no clip: its camera is a plain colour that changes. Flags are Chromium's, preferences are Firefox's.
    """
    browser_name = browser_of(request)
    visitors: list[Visitor] = []
    uncaught: list[PlaywrightError] = []

    async with AsyncExitStack() as stack:

        async def come(
            server: ServerProcess,
            clip: str | None = "portrait",
            flags: tuple[str, ...] = (),
            preferences: Preferences | None = None,
            **context: Any,  # noqa: ANN401
        ) -> Visitor:
            if browser_name == "firefox":
                camera = {"media.navigator.streams.fake": clip is not None}
                browser = await launch(browser_name, (), {**camera, **(preferences or {})})
            else:
                flags = (*flags, *(() if clip is None else camera_flags(clips(clip))))
                browser = await launch(browser_name, flags, {})
            opened = await browser.new_context(**context)

            async def leave() -> None:
                if browser.is_connected():
                    await opened.close()

            stack.push_async_callback(leave)
            page = await opened.new_page()
            await page.add_init_script(NOTE_TROUBLES)
            if browser_name == "chromium":
                # To Firefox what its content security policy keeps out is an error too, as Playwright's own style.
                page.on("pageerror", lambda error: uncaught.append(error))
            visitors.append(Visitor(opened, page, server.url))
            return visitors[-1]

        yield come
        report = request.node.stash.get(REPORT, None)
        if report is not None and report.failed:
            await keep_screens(visitors, request.node.name)
        assert not uncaught, f"the page did not catch {uncaught}"


async def keep_screens(visitors: list[Visitor], test: str) -> None:
    """Screenshots of what a failed test saw."""
    RESULTS.mkdir(exist_ok=True)
    for number, visitor in enumerate(visitors, 1):
        if not visitor.page.is_closed():
            name = re.sub(r"\W+", "-", f"{test}-{number}").strip("-")
            # A browser that the test killed has nothing left to show, and that is not the failure.
            with suppress(PlaywrightError):
                await visitor.page.screenshot(path=RESULTS / f"{name}.png", full_page=True)
