"""What comes back is the clip's edit by the instruction, and nobody else's."""

import asyncio
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from benchmarks.live.server_process import ServerProcess
from tests.e2e.conftest import SIZE, Visit
from tests.e2e.offline import UNTOUCHED, OfflineEdits
from tests.e2e.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GREY, NEGATIVE, SEPIA = "make it black and white", "invert the colours", "give it a sepia tone"
SKETCH = "turn it into a pencil sketch"
ALL = (GREY, NEGATIVE, SEPIA, SKETCH)

Offline = Callable[..., OfflineEdits]


@pytest.mark.parametrize(("clip", "instruction"), [("portrait", SKETCH), ("film", NEGATIVE)])
async def test_the_picture_is_the_offline_edit_of_the_same_frames(
    server: ServerProcess, visit: Visit, offline: Offline, clip: str, instruction: str
) -> None:
    edits = offline(clip, *ALL)
    visitor = await visit(server, clip)

    await visitor.go_live(instruction)

    await visitor.sees_edit(edits, instruction, pictures=6)


async def test_an_instruction_typed_mid_stream_shows_in_the_pixels_and_its_receipt(
    server: ServerProcess, visit: Visit, offline: Offline
) -> None:
    edits = offline("portrait", *ALL)
    visitor = await live(visit, server, edits, GREY)
    before = await visitor.now()

    await visitor.type(NEGATIVE)

    after = await visitor.receives(NEGATIVE)
    await visitor.sees_edit(edits, NEGATIVE)
    receipt = after["receipts"][-1]
    assert receipt["text"] == NEGATIVE
    assert receipt["frames_waited"] >= 0
    assert receipt["elapsed_ms"] > 0
    assert receipt["frame_index"] > before["receipts"][-1]["frame_index"]
    assert after["sessionId"] == before["sessionId"]
    assert after["reconnects"] == 0
    await visitor.page.locator("[data-testid=receipt][data-status=applied]").wait_for()
    assert "Applied in" in await visitor.shown("receipt")
    assert await visitor.page.get_by_test_id("history-entry").count() == 2


async def test_history_brings_an_instruction_back_with_one_click(
    server: ServerProcess, visit: Visit, offline: Offline
) -> None:
    edits = offline("portrait", *ALL)
    visitor = await visit(server)
    await visitor.go_live(SEPIA)
    await visitor.type(NEGATIVE)
    await visitor.receives(NEGATIVE)

    await visitor.page.get_by_test_id("history-entry").nth(1).click()

    await visitor.until(lambda now: [said["text"] for said in now["receipts"]].count(SEPIA) == 2)
    await visitor.sees_edit(edits, SEPIA)


async def test_two_browsers_at_once_each_get_their_own_picture(
    server: ServerProcess, visit: Visit, offline: Offline
) -> None:
    portrait, cat = offline("portrait", *ALL), offline("cat", *ALL)
    first, second = await visit(server, "portrait"), await visit(server, "cat")

    await asyncio.gather(first.go_live(SEPIA), second.go_live(NEGATIVE))

    await asyncio.gather(first.sees_edit(portrait, SEPIA), second.sees_edit(cat, NEGATIVE))
    assert not cat.is_edit(await first.sees(), SEPIA)
    assert not portrait.is_edit(await second.sees(), NEGATIVE)
    assert (await first.now())["sessionId"] != (await second.now())["sessionId"]


async def test_holding_the_compare_button_shows_the_original(
    server: ServerProcess, visit: Visit, offline: Offline
) -> None:
    edits = offline("portrait", *ALL)
    visitor = await live(visit, server, edits, NEGATIVE)
    mirror = visitor.page.get_by_test_id("mirror")
    if await mirror.get_attribute("aria-pressed") == "true":
        await mirror.click()

    await visitor.page.get_by_test_id("compare").hover()
    await visitor.page.mouse.down()

    await visitor.shown("compare-tag")
    await until_stage_shows(visitor, edits, UNTOUCHED)

    await visitor.page.mouse.up()

    await visitor.page.get_by_test_id("compare-tag").wait_for(state="hidden")
    await until_stage_shows(visitor, edits, NEGATIVE)


async def live(visit: Visit, server: ServerProcess, edits: OfflineEdits, instruction: str) -> Visitor:
    """A visitor who sees the portrait's edit by this instruction."""
    visitor = await visit(server)
    await visitor.go_live(instruction)
    await visitor.sees_edit(edits, instruction)
    return visitor


async def until_stage_shows(visitor: Visitor, edits: OfflineEdits, wanted: str) -> None:
    """Wait until what stands on the screen is nearest to this, scaled and cropped by the page as it may be."""

    async def nearest() -> str:
        shot = await visitor.page.get_by_test_id("stage").screenshot()
        with Image.open(io.BytesIO(shot)) as image:
            picture = np.asarray(image.convert("RGB").resize(SIZE, Image.Resampling.BILINEAR))
        nearness = edits.nearness_db(picture)
        return max(nearness, key=lambda text: nearness[text])

    async with asyncio.timeout(90):
        while await nearest() != wanted:
            await asyncio.sleep(0.1)
