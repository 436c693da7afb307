"""The connection check: what works is green, what does not has its fix beside it."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from benchmarks.live.server_process import ServerProcess
from tests.browsers import in_every_browser
from tests.e2e.conftest import Start, Visit
from tests.e2e.visitor import PATIENCE_S, Visitor
from tests.server.turn import SECRET, Coturn, free_port

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHECKS = ("camera", "server", "udp", "turn", "codec")


async def checked(page: Page) -> tuple[str, dict[str, str]]:
    """Wait until the check is through; its summary and the state of each of its lines."""
    dialog = page.get_by_test_id("check-dialog")
    await expect(dialog).not_to_have_attribute("data-state", "running", timeout=1000 * PATIENCE_S)
    states = {check: await state_of(page, check) for check in CHECKS}
    return await page.get_by_test_id("check-summary").inner_text(), states


async def state_of(page: Page, check: str) -> str:
    state = await page.get_by_test_id(f"check-{check}").get_attribute("data-state")
    assert state is not None
    return state


async def words(page: Page, check: str) -> str:
    return await page.get_by_test_id(f"check-{check}").locator("p").inner_text()


async def verdicts(page: Page) -> list[str]:
    """What stands beside each name, for those who do not tell the colours apart."""
    return await page.get_by_test_id("check-dialog").locator(".verdict").all_inner_texts()


async def open_check(visitor: Visitor) -> tuple[str, dict[str, str]]:
    await visitor.open()
    await visitor.page.get_by_test_id("open-check").click()
    return await checked(visitor.page)


def turn(port: int, secret: str = SECRET) -> str:
    return json.dumps([{"urls": f"turn:127.0.0.1:{port}", "secret": secret}])


@in_every_browser("visit")
async def test_all_is_green_where_all_works(start: Start, visit: Visit, tmp_path: Path) -> None:
    with Coturn(tmp_path) as coturn:
        visitor = await visit(start(ice_servers=turn(coturn.port)))
        summary, states = await open_check(visitor)
    assert states == dict.fromkeys(CHECKS, "good")
    assert summary == "Everything a live edit needs works from here."
    assert set(await verdicts(visitor.page)) == {"works"}
    # Firefox has H.264 from a plugin that it downloads by itself.
    assert re.match(
        r"VP8( and H\.264)?, in this browser as on the server", await words(visitor.page, "codec")
    )
    await visitor.page.get_by_test_id("check-close").click()
    await expect(visitor.page.get_by_test_id("check-dialog")).not_to_be_visible()


async def test_a_wrong_credential_for_the_relay_is_told_from_a_relay_that_is_gone(
    start: Start, visit: Visit, tmp_path: Path
) -> None:
    with Coturn(tmp_path) as coturn:
        visitor = await visit(start(ice_servers=turn(coturn.port, "not the secret")))
        summary, states = await open_check(visitor)
        assert states == {**dict.fromkeys(CHECKS, "good"), "turn": "bad"}
        assert summary == "This needs a fix: TURN."
        assert "refuses the credential" in await words(visitor.page, "turn")

    gone = await visit(start(ice_servers=turn(free_port())))
    assert (await open_check(gone))[1]["turn"] == "bad"
    assert "does not answer" in await words(gone.page, "turn")


async def test_a_server_that_is_gone_is_found_from_the_trouble_it_makes(start: Start, visit: Visit) -> None:
    server = start()
    visitor = await visit(server)
    await visitor.go_live("make it black and white")
    server.kill()
    await visitor.troubled("connection-lost")

    await visitor.page.get_by_test_id("remedy-check").click()

    summary, states = await checked(visitor.page)
    assert states == {"camera": "good", "server": "bad", "udp": "idle", "turn": "idle", "codec": "good"}
    assert summary == "This needs a fix: Server."
    assert await verdicts(visitor.page) == ["works", "needs a fix", "skipped", "skipped", "works"]
    assert "make serve" in await words(visitor.page, "server")
    await visitor.page.get_by_test_id("check-close").click()

    start(server.port)
    await visitor.page.get_by_test_id("remedy-check").wait_for(state="hidden", timeout=1000 * PATIENCE_S)
    await visitor.until(lambda now: now["state"] == "live")


async def test_the_check_fits_a_phone(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting, viewport={"width": 360, "height": 640})
    await open_check(visitor)
    assert await visitor.overflow_px() == 0
    box = await visitor.page.get_by_test_id("check-dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
