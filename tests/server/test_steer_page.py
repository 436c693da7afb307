"""The page that steers what OBS sends, in a real Chromium; a publisher stands for OBS."""

import re

from playwright.async_api import Page, expect

from tests.browsers import in_every_browser
from tests.server.built_page import NEEDS_BUILT_PAGE, shows
from tests.server.conftest import RunningServer, StartServer, eventually, until
from tests.server.whip_client import CYAN, RED, Publisher

pytestmark = NEEDS_BUILT_PAGE


# Whether the page kept the browser from opening the file.
DRAG_FILE = """(type) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["no frames"], "clip.mp4", { type: "video/mp4" }));
  const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
  return !document.body.dispatchEvent(event);
}"""


async def asks(page: Page, instruction: str) -> None:
    await page.get_by_test_id("instruction").fill(instruction)
    await page.keyboard.press("Enter")


@in_every_browser("page")
async def test_what_a_publisher_sends_is_steered_from_the_page(server: RunningServer, page: Page) -> None:
    async with server.http() as http, Publisher(http, "obs") as publisher:
        assert (await publisher.post("/whip")).status_code == 201
        await page.goto(server.url)
        await page.get_by_test_id("open-steer").click()
        await page.get_by_test_id("steer-token").fill("obs")
        await page.get_by_test_id("steer-submit").click()
        await shows(page, RED)
        await expect(page.get_by_test_id("server-status")).to_have_text("Live")
        await expect(page.get_by_test_id("compare")).to_be_hidden()

        await asks(page, "invert")
        await shows(page, CYAN)
        await expect(page.get_by_test_id("receipt")).to_contain_text("Applied in")
        await page.get_by_test_id("layer").get_by_role("switch").uncheck()
        await shows(page, RED)
        await page.get_by_test_id("undo").click()
        await shows(page, CYAN)
        await page.get_by_test_id("bypass").click()
        await shows(page, RED)
        await page.get_by_test_id("bypass").click()
        await asks(page, "a gibberish")
        await expect(page.get_by_test_id("unknown-instruction")).to_contain_text("taught nothing like this")
        await shows(page, CYAN)
        await asks(page, "")
        await expect(page.get_by_test_id("receipt")).to_have_text("Type an instruction first.")
        await expect(page.get_by_test_id("fps-out")).to_have_text(re.compile(r"\d"))

        # The picture is the sender's: a file has no place here.
        assert await page.evaluate(DRAG_FILE, "dragover")
        await expect(page.get_by_test_id("dropping")).to_be_hidden()
        assert await page.evaluate(DRAG_FILE, "drop")
        await page.get_by_test_id("record").click()
        await expect(page.get_by_test_id("record")).to_contain_text("Stop")
        await page.get_by_test_id("record").click()
        await expect(page.get_by_test_id("recorded").get_by_role("link").first).to_be_visible()

        await page.get_by_test_id("leave").click()
        await expect(page.get_by_test_id("start")).to_be_visible()
        await expect(page.get_by_test_id("start-trouble")).to_be_hidden()
        (session,) = server.service.sessions
        assert session.state == "live"


@in_every_browser("page")
async def test_the_next_stream_is_told_what_was_asked_of_the_last(
    start_server: StartServer, page: Page
) -> None:
    server = await start_server()
    async with server.http() as http:
        await page.goto(server.url)
        await page.goto(f"{server.url}/#steer=obs")
        await expect(page.get_by_test_id("trouble")).to_have_attribute("data-kind", "nothing-sent")
        await expect(page.get_by_test_id("remedy-stop")).to_have_text("Leave")
        await asks(page, "invert")
        await expect(page.get_by_test_id("receipt")).to_contain_text("Kept.")
        for _ in range(2):
            async with Publisher(http, "obs") as publisher:
                assert (await publisher.post("/whip")).status_code == 201
                await shows(page, CYAN)
                await publisher.stop()
            await expect(page.get_by_test_id("trouble")).to_be_visible()
        await page.reload()
        await expect(page.get_by_test_id("trouble")).to_have_attribute("data-kind", "nothing-sent")


async def test_another_senders_token_is_refused(start_server: StartServer, page: Page) -> None:
    server = await start_server(token="sesame")
    await page.goto(f"{server.url}/?token=sesame#steer=wrong")
    await expect(page.get_by_test_id("trouble")).to_have_attribute("data-kind", "token-needed")
    await expect(page.get_by_test_id("trouble")).to_contain_text("did not take the one given here")
    await page.get_by_test_id("remedy-token").click()
    await expect(page.get_by_test_id("steer-token")).to_be_focused()
    async with server.http() as http, Publisher(http, "sesame") as publisher:
        assert (await publisher.post("/whip?instruction=invert")).status_code == 201
        await page.get_by_test_id("steer-token").fill("sesame")
        await page.keyboard.press("Enter")
        await shows(page, CYAN)
        await expect(page.get_by_test_id("layer")).to_contain_text("invert")


async def test_a_recording_that_somebody_else_begins_and_ends_shows(
    server: RunningServer, page: Page
) -> None:
    async with server.http() as http, Publisher(http, "obs") as publisher:
        assert (await publisher.post("/whip")).status_code == 201
        (session,) = server.service.sessions
        await until(lambda: session.last_edit is not None)
        recording = await session.record(original=False)
        await eventually(lambda: lasts(server, recording.id, 2.0))
        await page.goto(f"{server.url}/#steer=obs")
        record = page.get_by_test_id("record")
        # From the first picture on, and with the time it had run before.
        await expect(record).to_contain_text(re.compile(r"Stop 0:(0[2-9]|\d\d)"))
        await session.recording.stop("stopped")
        await expect(record).to_have_text("Record")
        await expect(page.get_by_test_id("recorded").get_by_role("link").first).to_be_visible()

        await session.record(original=False)
        await expect(record).to_contain_text("Stop 0:")
        await record.click()
        await expect(record).to_have_text("Record")
        assert session.recording.id is None

        await session.record(original=False)
        await expect(record).to_contain_text("Stop 0:")
        await publisher.stop()
        await expect(record).to_have_text("Record")
        await expect(page.get_by_test_id("recorded")).not_to_contain_text("connection was lost")


async def lasts(server: RunningServer, recording_id: str, seconds: float) -> bool:
    return (await server.service.recordings.find(recording_id)).duration_s >= seconds
