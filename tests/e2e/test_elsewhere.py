"""The edit taken elsewhere: the address for OBS and the virtual camera's command, as the page hands them out."""

import asyncio
import shlex
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, expect

from benchmarks.live.server_process import ServerProcess
from tests.browsers import in_every_browser
from tests.e2e.conftest import Visit
from tests.e2e.offline import Picture
from tests.e2e.visitor import PATIENCE_S, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NEGATIVE = "invert the colours"
CAMERA = (sys.executable, "-m", "tests.server.camera.backend")

NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
SELECTED = """
() => {
  const { id, value, selectionStart, selectionEnd } = document.activeElement;
  return [id, value?.slice(selectionStart, selectionEnd)];
}
"""


async def test_the_address_shows_the_edit_and_the_command_makes_it_a_camera(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting, "cat")
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await visitor.go_live(NEGATIVE)
    page = visitor.page
    await page.get_by_test_id("elsewhere").focus()
    await page.keyboard.press("Enter")

    await expect(page.get_by_test_id("elsewhere-address-copy")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("elsewhere-address-copy")).to_contain_text("Copied")
    address = await copied(page)
    assert address == await page.get_by_test_id("elsewhere-address").input_value()
    await page.get_by_test_id("elsewhere-command-copy").click()
    await expect(page.get_by_test_id("elsewhere-command-copy")).to_contain_text("Copied")
    command = await copied(page)

    elsewhere = await visitor.context.new_page()
    await elsewhere.goto(address)
    await elsewhere.wait_for_function(
        "() => document.body.dataset.state === 'live'", timeout=1000 * PATIENCE_S
    )
    seen = await Visitor(visitor.context, elsewhere, "").sees("picture")
    # The cat is brown, its negative is blue.
    assert warmth(await visitor.sees("original-video")) > 30
    assert warmth(seen) < -30
    await elsewhere.close()

    assert await camera_says(command) == [
        "Kept Camera shows 1280x720 at 30 fps",
        f"{urlsplit(address).netloc}: the picture comes at 320x240",
    ]

    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("elsewhere")).to_be_focused()


@in_every_browser("visit")
async def test_after_a_reconnect_the_new_address_shows_and_the_page_says_so(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting, viewport={"width": 360, "height": 640})
    await visitor.page.add_init_script(NO_CLIPBOARD)
    await visitor.go_live(NEGATIVE)
    page, field = visitor.page, visitor.page.get_by_test_id("elsewhere-address")
    await page.get_by_test_id("elsewhere").click()
    first = await field.input_value()
    note = page.get_by_test_id("elsewhere-note")
    await expect(note).to_have_attribute("data-state", "good")
    box = await page.get_by_test_id("elsewhere-dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360

    # The page's keys rest, also after a click on the panel's words.
    await page.get_by_test_id("elsewhere-caution").click()
    await page.keyboard.press("o")
    await expect(page.get_by_test_id("overlay-toggle")).to_have_attribute("aria-pressed", "false")

    # Where the page may not write to the clipboard, as over plain http from another machine.
    await page.get_by_test_id("elsewhere-address-copy").click()
    await expect(page.get_by_test_id("elsewhere-said")).to_contain_text("Ctrl+C")
    assert await page.evaluate(SELECTED) == ["elsewhere-address", first]

    await end_session(page, inverting.url, first)
    await expect(note).to_have_attribute("data-state", "changed")
    second = await field.input_value()
    assert session_of(second) == (await visitor.now())["sessionId"] != session_of(first)
    assert session_of(second) in await page.get_by_test_id("elsewhere-command").input_value()
    await page.get_by_test_id("elsewhere-close").click()

    await end_session(page, inverting.url, second)
    await expect(page.get_by_test_id("elsewhere")).to_have_attribute("data-outdated", "true")
    await page.get_by_test_id("elsewhere").click()
    await expect(note).to_have_attribute("data-state", "changed")
    await page.get_by_test_id("elsewhere-close").click()
    await expect(page.get_by_test_id("elsewhere")).to_have_attribute("data-outdated", "false")


def session_of(address: str) -> str:
    return parse_qs(urlsplit(address).fragment)["session"][0]


async def end_session(page: Page, server_url: str, address: str) -> None:
    """What whoever has the address may do."""
    token = parse_qs(urlsplit(address).fragment)["token"][0]
    session = f"{server_url}/v1/sessions/{session_of(address)}"
    ended = await page.request.delete(session, headers={"Authorization": f"Bearer {token}"})
    assert ended.status == 204


async def copied(page: Page) -> str:
    text: str = await page.evaluate("() => navigator.clipboard.readText()")
    return text


async def camera_says(command: str) -> list[str]:
    """The first two lines of `afterimage camera` as the page has it, with a driver that every machine has."""
    program, name, *arguments = shlex.split(command)
    assert (program, name) == (".venv/bin/afterimage", "camera")
    process = await asyncio.create_subprocess_exec(*CAMERA, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            return [(await process.stdout.readline()).decode().strip() for _ in range(2)]
    finally:
        process.terminate()
        await process.wait()


def warmth(picture: Picture) -> float:
    """By how many levels red outweighs blue."""
    red, _, blue = picture.reshape(-1, 3).mean(0)
    return float(red - blue)
