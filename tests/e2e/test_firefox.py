"""What is Firefox's own: how it refuses a camera, what it draws in a width of its own, how it saves a file."""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from benchmarks.live.server_process import ServerProcess
from tests.browsers import find_firefox
from tests.e2e.conftest import Visit
from tests.e2e.visitor import PATIENCE_S

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(find_firefox() is None, reason="needs Firefox"),
    pytest.mark.parametrize("visit", ["firefox"], indirect=True),
]

NEGATIVE = "invert the colours"
BLOCKED = 2
"""Of a permission: what the person has chosen for every page."""


async def test_an_edit_is_of_what_the_camera_sees(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting)
    await visitor.go_live(NEGATIVE)
    # The camera's colour changes while one looks from one video to the other.
    seen, edited = await visitor.sees("original-video"), await visitor.sees()
    while abs(seen.mean((0, 1)) + edited.mean((0, 1)) - 255).max() > 40:
        seen, edited = await visitor.sees("original-video"), await visitor.sees()


async def test_a_camera_that_is_not_allowed_is_explained(inverting: ServerProcess, visit: Visit) -> None:
    refused = {"media.navigator.permission.disabled": False, "permissions.default.camera": BLOCKED}
    visitor = await visit(inverting, preferences=refused)
    await visitor.open()
    await visitor.page.get_by_test_id("use-camera").click()
    assert await visitor.troubled("camera-denied") == "The camera is not allowed"


async def test_a_missing_camera_is_explained(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting, clip=None)
    await visitor.open()
    await visitor.page.get_by_test_id("use-camera").click()
    assert await visitor.troubled("camera-missing") == "No camera found"


@pytest.mark.parametrize("width", [320, 390])
async def test_a_narrow_window_shows_the_page_without_scrolling_sideways(
    inverting: ServerProcess, visit: Visit, width: int
) -> None:
    visitor = await visit(inverting, viewport={"width": width, "height": 740})
    await visitor.go_live(NEGATIVE)
    assert await visitor.overflow_px() <= 0


async def test_the_picture_fills_the_screen_and_its_tools_leave(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.go_live(NEGATIVE)
    await visitor.page.get_by_test_id("fullscreen").click()
    await visitor.page.locator("#studio.idle:fullscreen").wait_for()
    await visitor.page.keyboard.press("Escape")
    await visitor.page.locator("#studio:not(:fullscreen)").wait_for()


async def test_presets_are_saved_to_a_file(inverting: ServerProcess, visit: Visit, downloads: Path) -> None:
    visitor = await visit(inverting)
    await visitor.go_live(NEGATIVE)
    page = visitor.page
    await page.get_by_test_id("preset-save").click()
    await page.keyboard.type("Firefox's own")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("preset")).to_contain_text("Firefox's own")

    await page.get_by_test_id("preset-export").click()

    # Firefox tells WebDriver nothing of a file that a page has made.
    saved = downloads / "afterimage-presets.json"
    async with asyncio.timeout(PATIENCE_S):
        while not (saved.exists() and saved.stat().st_size):
            await asyncio.sleep(0.1)
    names = [preset["name"] for preset in json.loads(saved.read_text())["presets"]]
    assert "Firefox's own" in names
