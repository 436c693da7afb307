"""The page for OBS's Browser Source, in a real Chromium."""

from typing import Any

from playwright.async_api import Page, expect

from tests.browsers import in_every_browser
from tests.server.built_page import NEEDS_BUILT_PAGE, shows
from tests.server.conftest import RunningServer, StartServer
from tests.server.whip_client import CYAN, Publisher

pytestmark = NEEDS_BUILT_PAGE


async def shows_live(page: Page, colour: tuple[int, ...]) -> None:
    await page.wait_for_selector("body[data-state=live]")
    await shows(page, colour)


async def style(page: Page, selector: str, name: str) -> Any:  # noqa: ANN401
    return await page.eval_on_selector(selector, f"element => getComputedStyle(element).{name}")


@in_every_browser("page")
async def test_it_shows_the_edit_of_one_session(server: RunningServer, page: Page) -> None:
    async with server.http() as http:
        session = (await http.post("/v1/sessions", json={"instruction": "invert"})).json()
        await page.goto(server.url + session["view_url"].replace("/view", "/view?hud=1"))
        # Transparent, and nothing to see, until there is a picture.
        assert await style(page, "body", "backgroundColor") == "rgba(0, 0, 0, 0)"
        assert await style(page, "video", "opacity") == "0"
        async with Publisher(http, session["token"]) as publisher:
            await publisher.post(session["whip_url"])
            await shows_live(page, CYAN)
            assert await style(page, "video", "opacity") == "1"
            await expect(page.get_by_test_id("hud")).to_contain_text("server ")


# What Firefox does: it counts no shown frames of a stream. What every browser may: a stream that never starts.
NEVER_SAY_THAT_IT_PLAYS = """
HTMLVideoElement.prototype.getVideoPlaybackQuality = () => ({ totalVideoFrames: 0 });
const { play } = HTMLVideoElement.prototype;
HTMLVideoElement.prototype.play = function () {
  play.call(this);
  return new Promise(() => {});
};
"""


async def test_it_asks_the_connection_whether_pictures_come(server: RunningServer, page: Page) -> None:
    await page.add_init_script(NEVER_SAY_THAT_IT_PLAYS)
    async with server.http() as http, Publisher(http, "obs") as publisher:
        assert (await publisher.post("/whip?instruction=invert")).status_code == 201
        await page.goto(f"{server.url}/view#token=obs")
        await shows_live(page, CYAN)
        await publisher.stop()
        await page.wait_for_selector("body[data-state=waiting]")


# As obs-browser's BrowserClient::OnLoadEnd does it.
OBS_CSS = """(css) => {
  const obsCSS = document.createElement("style");
  obsCSS.appendChild(document.createTextNode(decodeURIComponent(css)));
  document.querySelector("head").appendChild(obsCSS);
}"""


async def test_custom_css_of_obs_is_applied(server: RunningServer, page: Page) -> None:
    await page.goto(f"{server.url}/view")
    assert await style(page, "video", "objectFit") == "contain"
    await page.evaluate(OBS_CSS, "%23picture%20%7B%20object-fit%3A%20cover%3B%20%7D")
    assert await style(page, "video", "objectFit") == "cover"


@in_every_browser("page")
async def test_it_comes_back_by_itself_with_the_next_session(start_server: StartServer, page: Page) -> None:
    server = await start_server(token="sesame")
    async with server.http() as http:
        await page.goto(f"{server.url}/view#token=sesame")
        for _ in range(2):
            async with Publisher(http, "sesame", sound=True) as publisher:
                assert (await publisher.post("/whip?instruction=invert")).status_code == 201
                await shows_live(page, CYAN)
                assert (await publisher.stop()).status_code == 200
            await page.wait_for_selector("body[data-state=waiting]")
            assert await style(page, "video", "opacity") == "0"
