"""What a person reads when something goes wrong, and that it mends itself."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest
from playwright.async_api import expect

from benchmarks.live.chromium_client import browser_processes
from benchmarks.live.server_process import ServerProcess
from tests.browsers import in_every_browser
from tests.e2e.conftest import Start, Visit
from tests.e2e.offline import OfflineEdits

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GREY, NEGATIVE, SEPIA = "make it black and white", "invert the colours", "give it a sepia tone"
GONE_WITHIN_S = 10.0
PATIENCE_S = 60.0

NEVER_ANSWER_ABOUT_A_CAMERA = """
globalThis.asked = 0;
navigator.mediaDevices.getUserMedia = () => {
  asked += 1;
  return new Promise(() => {});
};
"""


@in_every_browser("visit")
async def test_closing_the_page_ends_the_session(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY)
    session = (await visitor.now())["sessionId"]
    assert session in await session_ids(server)

    await visitor.page.close(run_before_unload=True)

    async with asyncio.timeout(GONE_WITHIN_S):
        while session in await session_ids(server):
            await asyncio.sleep(0.1)


async def test_a_killed_browser_ends_its_session(server: ServerProcess, visit: Visit) -> None:
    """Without a goodbye the server notices by silence: 8 s and what a busy machine adds."""
    visitor = await visit(server, "cat")
    await visitor.go_live(GREY)
    session = (await visitor.now())["sessionId"]

    kill_browser("cat.y4m")

    async with asyncio.timeout(PATIENCE_S):
        while session in await session_ids(server):
            await asyncio.sleep(0.1)


async def test_a_killed_server_is_named_and_the_page_comes_back_by_itself(
    visit: Visit, offline: Callable[..., OfflineEdits]
) -> None:
    edits = offline("portrait", GREY, NEGATIVE, SEPIA)
    with ServerProcess() as server:
        visitor = await visit(server)
        await visitor.go_live(NEGATIVE)
        before = (await visitor.now())["sessionId"]

        server.kill()

        assert await visitor.troubled("connection-lost") == "The connection was lost"
    with ServerProcess(server.port):
        await visitor.until(lambda now: now["state"] == "live" and now["sessionId"] not in (None, before))
        await visitor.sees_edit(edits, NEGATIVE)
        assert not await visitor.page.get_by_test_id("trouble").is_visible()
        assert (await visitor.now())["reconnects"] >= 1


@in_every_browser("visit")
async def test_the_whole_stack_comes_back_with_the_server(start: Start, visit: Visit) -> None:
    server = start()
    visitor = await visit(server)
    await visitor.go_live(NEGATIVE)
    await visitor.page.get_by_test_id("instruction").fill(SEPIA)
    await visitor.page.get_by_test_id("add").click()
    await visitor.receives(SEPIA)
    await visitor.page.get_by_test_id("layer").last.get_by_role("switch").click()
    await visitor.page.get_by_test_id("bypass").click()
    edits = [(NEGATIVE, False), (SEPIA, True)]
    before = (await visitor.until(lambda now: shown(now) == edits and now["edits"]["bypassed"]))["sessionId"]

    server.kill()
    await expect(visitor.page.locator("#stack-empty")).to_have_text(
        f"Kept for the next connection: “{NEGATIVE}”, “{SEPIA}”."
    )
    start(server.port)

    await visitor.until(lambda now: now["sessionId"] not in (None, before))
    await visitor.until(lambda now: shown(now) == edits and now["edits"]["bypassed"])


def shown(now: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(layer["text"], layer["enabled"]) for layer in now["edits"]["layers"]]


async def test_a_full_server_says_so_and_lets_the_next_in_when_one_leaves(start: Start, visit: Visit) -> None:
    server = start(max_sessions="1")
    first, second = await visit(server), await visit(server)
    await first.go_live(GREY)

    await second.open(autostart=1, source="camera", instruction=NEGATIVE, width=320, height=240)

    assert await second.troubled("server-full") == "Every place is taken"
    assert (await first.now())["state"] == "live"
    await first.page.get_by_test_id("leave").click()
    await second.receives(NEGATIVE)


async def test_a_camera_that_is_not_allowed_is_explained_and_the_demo_offered(
    server: ServerProcess, visit: Visit
) -> None:
    # There is a camera, and nobody to allow it.
    visitor = await visit(server, clip=None, flags=("--use-fake-device-for-media-stream",))
    await visitor.open()

    await visitor.page.get_by_test_id("use-camera").click()

    assert await visitor.troubled("camera-denied") == "The camera is not allowed"
    await visitor.page.get_by_test_id("remedy-demo").click()
    assert (await visitor.until(lambda now: now["state"] == "live"))["source"] == "demo"


async def test_while_the_browser_asks_about_the_camera_the_keys_stay_where_they_are(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.page.add_init_script(NEVER_ANSWER_ABOUT_A_CAMERA)
    await visitor.open()
    button = visitor.page.get_by_test_id("use-camera")
    await button.focus()
    await button.press("Enter")
    await expect(button).to_contain_text("Waiting for your permission")
    await expect(button).to_have_attribute("aria-disabled", "true")
    await expect(button).to_be_focused()
    await button.press("Enter")
    assert await visitor.page.evaluate("asked") == 1
    # Another source is still there to choose, with the keys from where they are.
    await visitor.page.keyboard.press("Tab")
    await expect(visitor.page.get_by_test_id("use-demo")).to_be_focused()
    await visitor.page.keyboard.press("Enter")
    assert (await visitor.until(lambda now: now["state"] == "live"))["source"] == "demo"


async def test_a_missing_camera_is_explained(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server, clip=None)
    await visitor.context.grant_permissions(["camera"], origin=server.url)
    await visitor.open()

    await visitor.page.get_by_test_id("use-camera").click()

    assert await visitor.troubled("camera-missing") == "No camera found"


async def test_a_server_that_is_not_there_is_named(start: Start, visit: Visit) -> None:
    server = start()
    visitor = await visit(server)
    await visitor.open()
    await visitor.shown("start")
    server.kill()

    await visitor.page.get_by_test_id("use-camera").click()

    assert await visitor.troubled("server-unreachable") == "The server does not answer"


async def test_a_token_that_is_no_longer_taken_is_said_and_asked_for(start: Start, visit: Visit) -> None:
    server = start(token="the first one")
    visitor = await visit(server)
    await visitor.go_live(GREY, token="the first one")
    server.kill()
    start(server.port, token="another one")

    assert await visitor.troubled("token-needed") == "This server asks for a token"
    await visitor.page.get_by_test_id("remedy-token").click()

    dialog = visitor.page.get_by_test_id("token-dialog")
    await expect(dialog.get_by_text("The server did not take that token.")).to_be_visible()
    await dialog.get_by_test_id("token").fill("another one")
    await dialog.get_by_test_id("token-submit").click()
    await visitor.until(lambda now: now["state"] == "live")


async def test_a_phone_shows_a_trouble_as_a_whole(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting, viewport={"width": 320, "height": 740}, is_mobile=True, has_touch=True)
    await visitor.go_live(NEGATIVE)

    await visitor.drop(f"{'notes' * 20}.mp4", "video/mp4", b"not a video at all")

    assert "does not play" in await visitor.troubled("file-unplayable")
    card = visitor.page.get_by_test_id("trouble")
    assert await card.evaluate("card => card.scrollHeight - card.clientHeight") == 0
    stage, box = await visitor.page.get_by_test_id("stage").bounding_box(), await card.bounding_box()
    assert stage is not None
    assert box is not None
    assert stage["y"] <= box["y"]
    assert box["y"] + box["height"] <= stage["y"] + stage["height"]
    assert await visitor.overflow_px() <= 0


async def test_a_browser_without_webrtc_is_told_what_it_lacks(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting)
    await visitor.page.add_init_script("delete window.RTCPeerConnection")
    await visitor.page.goto(f"{inverting.url}/?autostart=1#steer=obs")
    assert await visitor.troubled("no-webrtc") == "This browser cannot send live video"
    for button in ("use-camera", "use-demo", "use-file", "open-steer"):
        await expect(visitor.page.get_by_test_id(button)).to_be_disabled()
    # The server is as well as it is.
    await expect(visitor.page.get_by_test_id("server-status")).to_have_text("inverting is ready")


BREAK_THE_FIRST_CONNECTION = """
const { addTransceiver } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.addTransceiver = () => {
  RTCPeerConnection.prototype.addTransceiver = addTransceiver;
  throw new TypeError("nobody foresaw this");
};
"""


async def test_an_error_nobody_foresaw_is_said_and_can_be_tried_again(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.page.add_init_script(BREAK_THE_FIRST_CONNECTION)
    await visitor.open(autostart=1, source="camera", instruction=NEGATIVE)

    assert await visitor.troubled("unforeseen") == "Something went wrong in this page"
    assert "nobody foresaw this" in await visitor.shown("trouble")
    await visitor.page.get_by_test_id("remedy-retry").click()

    await visitor.receives(NEGATIVE)
    await expect(visitor.page.get_by_test_id("trouble")).to_be_hidden()


async def session_ids(server: ServerProcess) -> list[str]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        sessions: list[dict[str, Any]] = (await http.get("/v1/sessions")).json()
    return [session["id"] for session in sessions]


def kill_browser(camera: str) -> None:
    """End the browser with this camera, every process of it, as when a machine loses its power."""
    named = [process for process in browser_processes() if camera in command_line(process)]
    assert named
    # The list is complete before the first falls: the others follow it by themselves, at any moment.
    killed = {process for parent in named for process in [parent, *family(parent)]}
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def family(parent: psutil.Process) -> list[psutil.Process]:
    try:
        return list(parent.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
