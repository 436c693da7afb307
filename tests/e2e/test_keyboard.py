"""The live page without a mouse, by name, and without motion."""

import pytest
from playwright.async_api import expect

from benchmarks.live.server_process import ServerProcess
from tests.browsers import in_every_browser
from tests.e2e.conftest import Start, Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NAMELESS = """
() => [...document.querySelectorAll("button, input, select, textarea, video, progress")]
  .filter((element) => element.checkVisibility())
  .filter((element) => {
    const labels = [...(element.labels ?? [])].map((label) => label.textContent);
    const labelledBy = document.getElementById(element.getAttribute("aria-labelledby") ?? "");
    const names = [element.ariaLabel, ...labels, labelledBy?.textContent, element.textContent];
    return !names.some((name) => name?.trim());
  })
  .map((element) => element.outerHTML)
"""

ENDLESS = """
() => document.getAnimations()
  .filter((animation) => animation.effect.getTiming().iterations === Infinity)
  .map((animation) => animation.animationName)
"""

# Of a slider that was just moved the page heeds no other word so long.
STRENGTH_SETTLES_MS = 600

OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"


async def test_the_keys_skip_to_the_video_and_the_address_stays(
    inverting: ServerProcess, visit: Visit
) -> None:
    page = (await visit(inverting)).page
    address = f"{inverting.url}/#kept"
    await page.goto(address)
    await page.keyboard.press("Tab")
    await expect(page.locator("#skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    assert page.url == address


@in_every_browser("visit")
async def test_the_live_page_is_used_by_keys_and_names(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting, reduced_motion="reduce")
    await visitor.go_live("invert the colours")
    page = visitor.page
    box = page.get_by_test_id("instruction")

    await box.click()
    await expect(box).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("Escape")
    await expect(box).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("Tab")
    await expect(page.get_by_test_id("add")).to_be_focused()
    assert await page.evaluate(OUTLINE) == "solid"

    await page.keyboard.press("b")
    await expect(page.get_by_test_id("bypass")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("p")
    await expect(page.get_by_test_id("freeze")).to_have_attribute("aria-pressed", "true")
    # Held down for a while, a key repeats.
    await page.keyboard.down("o")
    await page.keyboard.down("o")
    await page.keyboard.up("o")
    await expect(page.get_by_test_id("overlay-toggle")).to_have_attribute("aria-pressed", "true")
    numbers = await page.get_by_test_id("hud").bounding_box()
    bypassed = await page.get_by_test_id("bypassed").bounding_box()
    assert numbers is not None
    assert bypassed is not None
    assert numbers["y"] + numbers["height"] <= bypassed["y"]
    await page.keyboard.press("/")
    await expect(box).to_be_focused()

    await expect(page.get_by_test_id("receipt")).to_have_attribute("aria-live", "polite")
    assert await page.evaluate(NAMELESS) == []
    assert await page.evaluate(ENDLESS) == []


async def test_shift_and_enter_add_what_is_marked_on_top(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting)
    await visitor.go_live("make it night")
    page = visitor.page
    await page.get_by_test_id("instruction").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Shift+Enter")
    await expect(page.get_by_test_id("suggestions")).to_be_hidden()
    now = await visitor.until(lambda now: len(now["edits"]["layers"]) == 2)
    assert [layer["text"] for layer in now["edits"]["layers"]] == ["make it night", "invert the colours"]


async def test_a_strength_that_is_undone_moves_its_slider_back(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.go_live("invert the colours")
    slider = visitor.page.get_by_test_id("strength")
    await slider.press("ArrowLeft")
    await visitor.until(lambda now: now["edits"]["layers"][0]["strength"] == 0.99)
    await visitor.page.wait_for_timeout(STRENGTH_SETTLES_MS)
    await visitor.page.keyboard.press("Control+z")
    await expect(visitor.page.locator("#strength-value")).to_have_text("100 %")
    await expect(slider).to_be_focused()
    await expect(slider).to_have_value("100")


async def test_the_nearest_instruction_is_chosen_by_key_and_the_next_can_be_typed(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.go_live("make it night")
    await visitor.type("gibberish")
    nearest = visitor.page.get_by_test_id("unknown-instruction").get_by_role("button")
    await nearest.press("Enter")
    await visitor.receives("invert the colours")
    await expect(visitor.page.get_by_test_id("unknown-instruction")).to_be_hidden()
    await expect(visitor.page.get_by_test_id("instruction")).to_be_focused()


async def test_a_trouble_that_is_over_leaves_the_keys_to_the_page(start: Start, visit: Visit) -> None:
    server = start()
    visitor = await visit(server)
    await visitor.go_live("invert the colours", source="demo")
    trouble, again = visitor.page.get_by_test_id("trouble"), visitor.page.get_by_test_id("remedy-retry")

    server.kill()
    await expect(trouble).to_have_attribute("data-kind", "server-unreachable")
    await again.focus()
    start(server.port)
    await visitor.until(lambda now: now["state"] == "live")
    await expect(visitor.page.get_by_role("main")).to_be_focused()


async def test_a_steering_begun_by_keys_has_them_at_its_instruction(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.open()
    await visitor.page.get_by_test_id("open-steer").press("Enter")
    await visitor.page.keyboard.type("obs")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.get_by_test_id("instruction")).to_be_focused()
