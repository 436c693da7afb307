"""WHIP and WHEP clients from npm, in a real Chromium, on a page of another origin."""

import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from benchmarks.live.chromium import QUIET_FLAGS, find_chromium
from tests.server.conftest import StartServer, until
from tests.server.whip_client import CYAN

CLIENT = Path(__file__).parents[2] / "client_web"
TOKEN = "sesame"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CLIENT / "node_modules" / "whip-whep").exists(), reason="needs npm ci in client_web"
    ),
]

SHOWS = """(colour) => {
  const video = document.querySelector("video");
  if (video.videoWidth === 0) return false;
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.drawImage(video, 0, 0, 1, 1);
  const seen = context.getImageData(0, 0, 1, 1).data;
  return colour.every((value, index) => Math.abs(value - seen[index]) < 40);
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without saying so."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The clients' page, on a server of its own."""
    folder = tmp_path_factory.mktemp("foreign")
    command = ["npx", "vite", "build", "tests/foreign", "--base", "./", "--emptyOutDir", "--outDir"]
    subprocess.run([*command, str(folder)], cwd=CLIENT, check=True, capture_output=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()
        thread.join()


@pytest.fixture
async def page(elsewhere: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        flags = [*QUIET_FLAGS, "--autoplay-policy=no-user-gesture-required"]
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        page = await browser.new_page()
        await page.goto(elsewhere)
        await page.wait_for_function("() => window.watch !== undefined")
        yield page
        await browser.close()


@pytest.mark.parametrize(("publisher", "viewer"), [("whip-whep", "eyevinn"), ("eyevinn", "whip-whep")])
async def test_the_edit_of_what_one_client_sends_is_what_another_shows(
    start_server: StartServer, page: Page, publisher: str, viewer: str
) -> None:
    server = await start_server(token=TOKEN)
    call = """async ([role, client, url, token]) => {
      window[`stop_${role}`] = await window[role][client](url, token);
    }"""
    await page.evaluate(call, ["publish", publisher, f"{server.url}/whip?instruction=invert", TOKEN])
    await until(lambda: any(session.state == "live" for session in server.service.sessions), 30)
    await page.evaluate(call, ["watch", viewer, f"{server.url}/whep", TOKEN])
    await page.wait_for_function(SHOWS, arg=list(CYAN), timeout=30_000)
    (session,) = server.service.sessions
    assert [viewing.sound for viewing in session.stats().viewers] == [True]
    await page.evaluate("async () => { await window.stop_watch(); await window.stop_publish(); }")
    await until(lambda: len(server.service.sessions) == 0)
