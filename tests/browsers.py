"""Which browsers tests run in: Debian's Chromium for all of them, its Firefox for what has to work in any."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.async_api import Browser, Playwright

from benchmarks.live.chromium import find_chromium

FIREFOX_NAMES = ("firefox-esr", "firefox")

FIREFOX_PREFERENCES = {
    "media.navigator.permission.disabled": True,
    # A relay on this very machine is no security hole in a test.
    "media.peerconnection.ice.loopback": True,
}

Preferences = Mapping[str, bool | int | str]


def find_firefox() -> str | None:
    """The browser's program; None where PATH has none."""
    return next(filter(None, map(shutil.which, FIREFOX_NAMES)), None)


def in_every_browser(fixture: str) -> pytest.MarkDecorator:
    """Run a test once in each browser; ``fixture`` is the one that opens its pages, here ``visit`` or ``page``."""
    missing = pytest.mark.skipif(find_firefox() is None, reason="needs Firefox")
    browsers = ["chromium", pytest.param("firefox", marks=missing)]
    return pytest.mark.parametrize(fixture, browsers, indirect=True)


def browser_of(request: pytest.FixtureRequest) -> str:
    """Which browser a test asks its fixture for."""
    name: str = getattr(request, "param", "chromium")
    return name


async def start_chromium(playwright: Playwright, *flags: str) -> Browser:
    """A Chromium without a window."""
    return await playwright.chromium.launch(executable_path=find_chromium(), args=flags, headless=True)


async def start_firefox(
    playwright: Playwright, preferences: Preferences, downloads: Path | None = None
) -> Browser:
    """A stock Firefox without a window, driven by WebDriver BiDi; Playwright's own builds are not needed."""
    return await playwright.firefox.launch(
        channel="moz-firefox",
        executable_path=find_firefox(),
        firefox_user_prefs={**FIREFOX_PREFERENCES, **preferences},
        downloads_path=downloads,
        headless=True,
    )
