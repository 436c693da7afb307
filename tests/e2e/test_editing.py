"""The page's stack, undo, bypass and recordings, by a person's clicks."""

from pathlib import Path
from typing import cast

import av
import pytest
from playwright.async_api import expect

from benchmarks.live.server_process import ServerProcess
from tests.browsers import in_every_browser
from tests.e2e.conftest import Visit
from tests.e2e.offline import Picture
from tests.e2e.test_page import is_grey

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RENDERED_WITHIN_MS = 500
GREY, NEGATIVE = "make it black and white", "invert the colours"


@in_every_browser("visit")
async def test_edits_are_stacked_switched_and_taken_back(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY)
    page = visitor.page
    assert not await page.get_by_test_id("check-dialog").is_visible()
    await page.get_by_test_id("instruction").fill(NEGATIVE)
    await page.get_by_test_id("add").click()
    await visitor.receives(NEGATIVE)
    now = await visitor.until(lambda now: len(now["edits"]["layers"]) == 2)
    assert [layer["text"] for layer in now["edits"]["layers"]] == [GREY, NEGATIVE]

    layers = page.get_by_test_id("layer")
    assert NEGATIVE in await layers.first.inner_text()
    await layers.first.get_by_role("switch").click()
    await visitor.until(lambda now: [layer["enabled"] for layer in now["edits"]["layers"]] == [True, False])
    await page.get_by_test_id("undo").click()
    await visitor.until(lambda now: all(layer["enabled"] for layer in now["edits"]["layers"]))
    await page.get_by_test_id("redo").click()
    await visitor.until(lambda now: not now["edits"]["layers"][1]["enabled"])
    await layers.first.get_by_role("button", name="Remove").click()
    await visitor.until(lambda now: [layer["text"] for layer in now["edits"]["layers"]] == [GREY])
    await page.get_by_test_id("receipt").click()
    await page.keyboard.press("Control+z")
    await visitor.until(lambda now: len(now["edits"]["layers"]) == 2)


ASK_FOR_NO_LAYER_OF_THE_STACK = """
const { send } = RTCDataChannel.prototype;
RTCDataChannel.prototype.send = function (text) {
  const message = JSON.parse(text);
  if (message.type === "layer") message.instruction_id = "gone";
  send.call(this, JSON.stringify(message));
};
"""


async def test_a_switch_that_is_refused_goes_back_and_the_page_says_why(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting, viewport={"width": 390, "height": 740}, is_mobile=True, has_touch=True)
    await visitor.page.add_init_script(ASK_FOR_NO_LAYER_OF_THE_STACK)
    await visitor.go_live(NEGATIVE)
    switch = visitor.page.get_by_test_id("layer").get_by_role("switch")
    receipt = visitor.page.get_by_test_id("receipt")
    await visitor.type(" ")
    await expect(receipt).to_have_text("Type an instruction first.")

    await switch.tap()

    await expect(receipt).to_have_text("There is no such instruction on the stack, or not any more.")
    await expect(receipt).to_be_in_viewport()
    await expect(switch).to_be_checked()
    # Nor does what was refused before hide what is wrong now.
    await visitor.type(" ")
    await expect(receipt).to_have_text("Type an instruction first.")
    await visitor.page.wait_for_timeout(RENDERED_WITHIN_MS)
    await expect(receipt).to_have_text("Type an instruction first.")


async def test_of_a_half_known_instruction_the_half_that_is_done_is_named(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.go_live("invert it and gibberish")
    unknown = visitor.page.get_by_test_id("unknown-instruction")
    await expect(unknown).to_contain_text("Only half of this is done: Negative.")
    await expect(visitor.page.get_by_test_id("receipt")).to_contain_text("Negative. Applied in ")


async def test_a_bypass_shows_the_original(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY)
    button = visitor.page.get_by_test_id("bypass")
    await button.click()
    now = await visitor.until(lambda now: now["stats"] and now["edits"]["bypassed"])
    passed = now["stats"]["frames"]["passed"]
    await visitor.until(lambda now: now["stats"]["frames"]["passed"] > passed + 5)
    assert "original" in await visitor.shown("bypassed")
    assert not is_grey(await visitor.sees())
    await button.click()
    now = await visitor.until(lambda now: not now["edits"]["bypassed"])
    edited = now["stats"]["frames"]["edited"]
    await visitor.until(lambda now: now["stats"]["frames"]["edited"] > edited + 5)
    assert is_grey(await visitor.sees())


@in_every_browser("visit")
async def test_a_recording_is_downloaded(server: ServerProcess, visit: Visit, tmp_path: Path) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY, source="demo")
    record = visitor.page.get_by_test_id("record")
    await record.click()
    await visitor.until(lambda now: now["recording"] and now["recording"]["state"] == "recording")
    # The first figures may come after the recording's first word.
    edited = (await visitor.until(lambda now: now["stats"]))["stats"]["frames"]["edited"]
    await visitor.until(lambda now: now["stats"]["frames"]["edited"] > edited + 30)
    await record.click()
    await visitor.until(lambda now: now["recording"]["state"] == "ended")
    await visitor.shown("recorded")
    async with visitor.page.expect_download() as downloading:
        await visitor.page.get_by_role("link", name="Download the video").click()
    download = await downloading.value
    await download.save_as(tmp_path / "take.mp4")
    with av.open(str(tmp_path / "take.mp4")) as movie:
        pictures = [cast(Picture, frame.to_ndarray(format="rgb24")) for frame in movie.decode(video=0)]
    assert len(pictures) > 10
    assert is_grey(pictures[-1])


async def test_a_recording_stays_within_reach_of_who_stops_while_it_runs(
    server: ServerProcess, visit: Visit, tmp_path: Path
) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY)
    await visitor.page.get_by_test_id("record").click()
    await visitor.until(lambda now: now["recording"] and now["recording"]["state"] == "recording")
    edited = (await visitor.until(lambda now: now["stats"]))["stats"]["frames"]["edited"]
    await visitor.until(lambda now: now["stats"]["frames"]["edited"] > edited + 30)
    await visitor.page.get_by_test_id("leave").click()
    assert "Recorded." in await visitor.shown("last-recording")
    async with visitor.page.expect_download() as downloading:
        await visitor.page.get_by_role("link", name="Download the video").click()
    download = await downloading.value
    await download.save_as(tmp_path / "take.mp4")
    with av.open(str(tmp_path / "take.mp4")) as movie:
        assert sum(1 for _ in movie.decode(video=0)) > 10
