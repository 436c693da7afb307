"""WHIP and WHEP clients from npm, in a real Chromium, on a page of another origin."""

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Page

from benchmarks.live.chromium import QUIET_FLAGS
from tests.server.built_page import shows
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
def browser_flags() -> tuple[str, ...]:
    return (*QUIET_FLAGS, "--autoplay-policy=no-user-gesture-required")


@pytest.fixture
async def page(page: Page, elsewhere: str) -> Page:
    await page.goto(elsewhere)
    await page.wait_for_function("() => window.watch !== undefined")
    return page


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
    await shows(page, CYAN, tolerance=40)
    (session,) = server.service.sessions
    assert [viewing.sound for viewing in session.stats().viewers] == [True]
    await page.evaluate("async () => { await window.stop_watch(); await window.stop_publish(); }")
    await until(lambda: len(server.service.sessions) == 0)
