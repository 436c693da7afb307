import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import httpx
import pytest
import uvicorn
from playwright.async_api import Page, async_playwright

from benchmarks.live.chromium import QUIET_FLAGS
from server.app import create_app
from server.engine import LiveEditor
from server.request_timeout import ImpatientH11Protocol
from server.serve import listen
from server.service import Service
from server.settings import Settings
from tests.browsers import browser_of, start_chromium, start_firefox
from tests.server.client import Visitor
from tests.server.fakes import InvertingEditor


class RunningServer:
    """The real application behind a real uvicorn on a free port."""

    def __init__(self, service: Service, url: str, editor: LiveEditor) -> None:
        self.service, self.url, self.editor = service, url, editor

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=15)

    @asynccontextmanager
    async def visitor(
        self,
        colour: tuple[int, int, int] = (200, 40, 40),
        codec: str = "VP8",
        size: tuple[int, int] = (320, 240),
        audio: bool = False,
    ) -> AsyncIterator[Visitor]:
        async with self.http() as http:
            visitor = Visitor(http, colour, codec, size, audio)
            try:
                yield visitor
            finally:
                await visitor.leave()


class StartServer(Protocol):
    async def __call__(
        self,
        editor: LiveEditor | None = None,
        load: Callable[[], LiveEditor] | None = None,
        **settings: object,
    ) -> RunningServer: ...


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(
        editor: LiveEditor | None = None, load: Callable[[], LiveEditor] | None = None, **options: object
    ) -> RunningServer:
        used = editor or InvertingEditor()
        settings = Settings.model_validate({"model": "inverting", **options})
        app = create_app(settings, load or (lambda: used))
        listening = listen("127.0.0.1", 0)
        config = uvicorn.Config(
            app, http=ImpatientH11Protocol, log_config=None, ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        running.append((server, asyncio.create_task(server.serve([listening]))))
        await until(lambda: server.started)
        service: Service = app.state.service
        if load is None:
            await service.engine.settled()
        return RunningServer(service, f"http://127.0.0.1:{listening.getsockname()[1]}", used)

    yield start
    # The last first: each gives the signals back to whoever had them before it.
    for server, task in reversed(running):
        server.should_exit = True
        await task


@pytest.fixture
async def server(start_server: StartServer) -> RunningServer:
    return await start_server()


@pytest.fixture
def browser_flags() -> tuple[str, ...]:
    """What `page`'s Chromium is started with."""
    return QUIET_FLAGS


@pytest.fixture
async def page(browser_flags: tuple[str, ...], request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """An empty page of a browser of its own."""
    async with async_playwright() as playwright:
        browser = (
            await start_firefox(playwright, {})
            if browser_of(request) == "firefox"
            else await start_chromium(playwright, *browser_flags)
        )
        page = await browser.new_page()
        page.set_default_timeout(30_000)
        yield page
        await browser.close()


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def eventually(ask: Callable[[], Awaitable[bool]], timeout_s: float = 30.0) -> None:
    """Wait until an asynchronous question is answered with yes."""
    async with asyncio.timeout(timeout_s):
        while not await ask():
            await asyncio.sleep(0.05)
