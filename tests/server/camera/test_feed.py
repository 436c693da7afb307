"""The camera against a server in a process of its own, with a real publisher and real WHEP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import httpx
import numpy as np
import pytest

from benchmarks.live.server_process import ServerProcess
from server.camera.address import parse_address
from server.camera.device import CameraUnavailableError, open_device
from server.camera.feed import LONGEST_RETRY_S, Feed, retry_s
from server.camera.picture import BACKGROUND
from tests.server.camera import backend
from tests.server.camera.backend import KeptCamera
from tests.server.conftest import until
from tests.server.screen import Picture, is_colour
from tests.server.serving import PROGRAM
from tests.server.whip_client import CYAN, Publisher

SIZE = (320, 180)
BARS = 40
"""On each side of a 4:3 picture."""
GREEN, MAGENTA = (40, 200, 40), (215, 55, 215)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(program=PROGRAM) as process:
        yield process


@asynccontextmanager
async def feeding(url: str, token: str | None = None) -> AsyncIterator[tuple[KeptCamera, list[str]]]:
    """A camera that shows this address, and what is said of it."""
    backend.register()
    before, said = len(KeptCamera.opened), list[str]()
    opened = partial(open_device, SIZE, 30.0, None, backend.NAME)
    task = asyncio.create_task(Feed(parse_address(url), token, SIZE, 30.0, opened, said.append).run())
    try:
        await until(lambda: len(KeptCamera.opened) > before or task.done())
        if task.done():
            await task
        yield KeptCamera.opened[-1], said
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def edit(picture: Picture) -> Picture:
    return picture[:, BARS:-BARS]


def is_edit(colour: tuple[int, int, int]) -> Callable[[Picture], bool]:
    return lambda picture: is_colour(edit(picture), colour)


async def shows(camera: KeptCamera, wanted: Callable[[Picture], bool]) -> Picture:
    await until(lambda: bool(camera.pictures) and wanted(camera.pictures[-1]), 30)
    return camera.pictures[-1]


def is_slate(picture: Picture) -> bool:
    return bool((picture[0, 0] == BACKGROUND).all())


async def test_the_edit_arrives_letterboxed_and_the_server_is_told_when_it_ends(
    server: ServerProcess,
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        session = (await http.post("/v1/sessions", json={"instruction": "invert"})).json()
        owner = {"Authorization": f"Bearer {session['token']}"}
        async with Publisher(http, session["token"]) as publisher:
            await publisher.post(session["whip_url"])
            async with feeding(server.url + session["view_url"], session["token"]) as (camera, said):
                picture = await shows(camera, is_edit(CYAN))
                assert picture.shape == (180, 320, 3)
                assert np.abs(picture[:, : BARS - 1]).max() == 0
                assert said[0] == "Kept Camera shows 320x180 at 30 fps"
                assert said[-1].endswith("the picture comes at 320x240")
            assert camera.closed
            stats = (await http.get(f"/v1/sessions/{session['id']}/stats", headers=owner)).json()
            assert stats["viewers"] == []


async def test_a_slate_stands_in_between_sessions_and_the_next_one_is_shown(server: ServerProcess) -> None:
    async with (
        httpx.AsyncClient(base_url=server.url) as http,
        feeding(f"{server.url}/view") as (camera, said),
    ):
        await shows(camera, is_slate)
        sent = camera.sent
        # It goes on sending: a camera that stands still is taken for broken.
        await until(lambda: camera.sent > sent + 5)
        for colour, edited in (((200, 40, 40), CYAN), (GREEN, MAGENTA)):
            async with Publisher(http, colour=colour) as publisher:
                assert (await publisher.post("/whip?instruction=invert")).status_code == 201
                await shows(camera, is_edit(edited))
                assert (await publisher.stop()).status_code == 200
            await shows(camera, is_slate)
        assert any("nobody publishes here yet" in line for line in said)


async def test_it_comes_back_after_the_server_has_died() -> None:
    with ServerProcess(program=PROGRAM) as server:
        async with httpx.AsyncClient(base_url=server.url) as http, Publisher(http) as publisher:
            await publisher.post("/whip?instruction=invert")
            async with feeding(server.url) as (camera, said):
                await shows(camera, is_edit(CYAN))
                server.kill()
                await shows(camera, is_slate)
                await until(lambda: any("cannot be reached: Connection refused" in line for line in said))
                with ServerProcess(port=server.port, program=PROGRAM):
                    async with Publisher(http, colour=GREEN) as another:
                        await another.post("/whip?instruction=invert")
                        await shows(camera, is_edit(MAGENTA))


async def test_a_camera_that_is_taken_away_ends_it_with_a_word() -> None:
    class Unplugged(KeptCamera):
        def send(self, frame: Picture) -> None:
            raise RuntimeError("the device is gone")

    def opened() -> KeptCamera:
        return Unplugged(width=SIZE[0], height=SIZE[1], fps=30.0, fourcc=0, device=None)

    feed = Feed(parse_address("http://127.0.0.1:9"), None, SIZE, 30.0, opened, lambda line: None)  # type: ignore[arg-type]
    with pytest.raises(CameraUnavailableError, match="takes no more pictures: the device is gone"):
        await feed.run()
    assert KeptCamera.opened[-1].closed


def test_retries_double_up_to_a_bound() -> None:
    assert [retry_s(count, spread=1.0) for count in range(3)] == [0.5, 1.0, 2.0]
    assert retry_s(1000, spread=1.0) == LONGEST_RETRY_S
    assert retry_s(0, spread=0.0) == 0.375
