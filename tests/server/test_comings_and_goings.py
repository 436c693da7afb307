"""Publishers and viewers that come and go, with and without a word, and a server that dies under them."""

import asyncio
import gc
import threading
import time
from dataclasses import dataclass

import httpx
import psutil
from aiortc import RTCPeerConnection

from benchmarks.live.server_process import ServerProcess
from server.rtc.encoding import LiveEncoder
from tests.server.conftest import StartServer, until
from tests.server.screen import fall_silent
from tests.server.serving import PROGRAM
from tests.server.turn import free_port
from tests.server.whip_client import CYAN, Publisher, Watcher

RETURNS = 20


@dataclass(frozen=True)
class Held:
    """What this process, server and clients, holds of what a connection takes."""

    tasks: int
    threads: int
    udp_ports: int
    peers: int
    encoders: int

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        things = [type(thing) for thing in gc.get_objects()]
        return cls(
            len(asyncio.all_tasks()),
            # The pool that event loops run functions in grows to a bound of its own.
            sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate()),
            len(psutil.Process().net_connections("udp")),
            things.count(RTCPeerConnection),
            things.count(LiveEncoder),
        )

    @classmethod
    async def settled(cls) -> "Held":
        """The same, once it has stayed so for a second: connections take a moment to end."""
        held, since_s = cls.now(), time.monotonic()
        async with asyncio.timeout(30):
            while time.monotonic() < since_s + 1.0:
                await asyncio.sleep(0.3)
                if (now := cls.now()) != held:
                    held, since_s = now, time.monotonic()
        return held


async def test_a_viewer_that_comes_back_twenty_times_leaves_nothing_behind(start_server: StartServer) -> None:
    server = await start_server(gone_after_s=3)
    async with server.http() as http, Publisher(http, sound=True) as publisher:
        await publisher.post("/whip")
        (session,) = server.service.sessions

        async def come(number: int) -> None:
            async with Watcher(http, codec=("VP8", "H264")[number // 2 % 2]) as viewer:
                assert (await viewer.post("/whep")).status_code == 201
                await viewer.sees()
                # With a DELETE, without a word, or with a goodbye on the wire alone.
                if number % 2 == 0:
                    await viewer.stop()
                elif number % 5 == 1:
                    fall_silent(viewer.peer)
            await until(lambda: session.stats().viewers == ())

        await until(lambda: session.state == "live")
        before = await Held.settled()
        for number in range(RETURNS):
            await come(number)
        assert await Held.settled() == before


async def test_a_publisher_that_vanishes_ends_its_session_and_frees_its_place(
    start_server: StartServer,
) -> None:
    server = await start_server(gone_after_s=1, max_sessions=1)
    async with server.http() as http, Publisher(http) as first, Watcher(http) as viewer:
        assert (await first.post("/whip")).status_code == 201
        assert (await viewer.post("/whep")).status_code == 201
        await viewer.sees()
        fall_silent(first.peer)
        await until(lambda: len(server.service.sessions) == 0)
        assert (await first.stop()).status_code == 404
        async with Publisher(http) as second, Watcher(http) as again:
            assert (await second.post("/whip?instruction=invert")).status_code == 201
            await again.post("/whep")
            await again.sees_colour(CYAN)


async def test_a_server_that_dies_is_published_to_again_at_the_same_ports() -> None:
    """As OBS does it: it goes on sending until ICE has failed, and begins anew at the same address."""
    port = free_port()
    # Two ports: the second server has to listen where the first one's publisher still sends.
    settings = {"AFTERIMAGE_UDP_PORTS": f"{port}-{port + 1}"}
    first = ServerProcess(program=PROGRAM, settings=settings)
    async with (
        httpx.AsyncClient(base_url=first.url, timeout=30) as http,
        Publisher(http, "a word") as old,
        Publisher(http, "a word") as new,
        Watcher(http, "a word") as viewer,
    ):
        try:
            assert (await old.post("/whip")).status_code == 201
            await until(lambda: old.peer.connectionState == "connected")
        finally:
            first.kill()
        with ServerProcess(first.port, program=PROGRAM, settings=settings):
            assert (await old.stop()).status_code == 404
            assert (await new.post("/whip?instruction=invert")).status_code == 201
            assert (await viewer.post("/whep")).status_code == 201
            await viewer.sees_colour(CYAN, timeout_s=60)
