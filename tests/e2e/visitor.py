"""The page as a person uses it, with what a test wants to know of it."""

import asyncio
import base64
import io
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image
from playwright.async_api import BrowserContext, Page

from tests.e2e.offline import OfflineEdits, Picture

PATIENCE_S = 90.0
"""For anything that has to happen; a shared machine may be ten times slower than it should be."""

READ_VIDEO = """
(testid) => {
  const video = document.querySelector(`[data-testid=${testid}]`);
  if (video.videoWidth === 0) return null;
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}
"""

DROP_FILE = """
([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const event of ["dragover", "drop"]) {
    const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent(event, init));
  }
}
"""

NOTE_TROUBLES = """
window.troublesSeen = [];
new MutationObserver(() => {
  for (const box of document.querySelectorAll("[data-testid=trouble], [data-testid=start-trouble]")) {
    const kind = box.hidden ? "" : box.dataset.kind;
    const title = box.querySelector("h2")?.textContent;
    if (kind && !window.troublesSeen.some((seen) => seen.kind === kind)) window.troublesSeen.push({ kind, title });
  }
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""


class Visitor:
    """One person before one page."""

    def __init__(self, context: BrowserContext, page: Page, server_url: str) -> None:
        self.context, self.page, self._server_url = context, page, server_url

    async def open(self, **wishes: object) -> None:
        """Open the page with these in its address."""
        await self.page.goto(f"{self._server_url}/?{urlencode(wishes)}")

    async def go_live(self, instruction: str, source: str = "camera", **wishes: object) -> None:
        """Open the page and wait until the instruction shows."""
        await self.open(autostart=1, source=source, instruction=instruction, width=320, height=240, **wishes)
        await self.receives(instruction)

    async def now(self) -> dict[str, Any]:
        """What the page says of itself."""
        state: dict[str, Any] = await self.page.evaluate("window.afterimage")
        return state

    async def receives(self, instruction: str) -> dict[str, Any]:
        """Wait for an instruction's receipt; the page's state with it."""
        return await self.until(
            lambda now: (
                now["state"] == "live" and any(said["text"] == instruction for said in now["receipts"])
            )
        )

    async def type(self, instruction: str) -> None:
        """Type it over what stands in the box, and press Enter."""
        await self.page.get_by_test_id("instruction").click()
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(instruction)
        await self.page.keyboard.press("Enter")

    async def until(self, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until something is true of what the page says of itself; that.

        What the page does not say yet (its figures are null until the first arrive) is not true yet.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            now = await self.now()
            with suppress(TypeError):
                if true(now):
                    return now
            assert time.monotonic() < deadline, f"the page is still {now}"
            await asyncio.sleep(0.1)

    async def sees(self, video: str = "edited-video") -> Picture:
        """The picture on the screen, not mirrored."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            content = await self.page.evaluate(READ_VIDEO, video)
            if content is not None:
                with Image.open(io.BytesIO(base64.b64decode(content))) as image:
                    return np.asarray(image.convert("RGB"))
            assert time.monotonic() < deadline, "there is no picture"
            await asyncio.sleep(0.1)

    async def sees_edit(self, offline: OfflineEdits, instruction: str, pictures: int = 3) -> None:
        """Wait until the picture is the clip's edit by this instruction and stays it."""
        deadline = time.monotonic() + PATIENCE_S
        matching = 0
        while matching < pictures:
            picture = await self.sees()
            matching = matching + 1 if offline.is_edit(picture, instruction) else 0
            if matching == 0 and time.monotonic() > deadline:
                nearness = {text: round(value, 1) for text, value in offline.nearness_db(picture).items()}
                raise AssertionError(f"this is no edit by {instruction!r}: {nearness}")

    async def shown(self, testid: str) -> str:
        """Wait until something is on the screen; its words."""
        element = self.page.get_by_test_id(testid)
        await element.wait_for(state="visible", timeout=1000 * PATIENCE_S)
        return await element.inner_text()

    async def troubled(self, kind: str) -> str:
        """Wait until the page has shown a trouble; its title."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen: list[dict[str, str]] = await self.page.evaluate("window.troublesSeen")
            for trouble in seen:
                if trouble["kind"] == kind:
                    return trouble["title"]
            assert time.monotonic() < deadline, f"the page has not shown {kind}, only {seen}"
            await asyncio.sleep(0.1)

    async def drop(self, name: str, media_type: str, content: bytes) -> None:
        """Drop a file on the page."""
        await self.page.evaluate(DROP_FILE, [name, media_type, base64.b64encode(content).decode()])

    async def overflow_px(self) -> int:
        """How much wider than the screen the page is."""
        return int(
            await self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )
