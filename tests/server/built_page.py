"""What tests of the built pages share: when they run, and what a page's picture shows."""

import pytest
from playwright.async_api import Page

from server.settings import CLIENT_DIR

NEEDS_BUILT_PAGE = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CLIENT_DIR / "index.html").exists(), reason="the page is not built: make setup"),
]

SHOWS = """([colour, tolerance]) => {
  const video = document.querySelector("video");
  if (video.videoWidth === 0) return false;
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.drawImage(video, 0, 0, 1, 1);
  const seen = context.getImageData(0, 0, 1, 1).data;
  return colour.every((value, index) => Math.abs(value - seen[index]) < tolerance);
}"""


async def shows(page: Page, colour: tuple[int, ...], tolerance: int = 14) -> None:
    """Wait until the page's first video is of this colour."""
    await page.wait_for_function(SHOWS, arg=[list(colour), tolerance])
