"""A connection whose request does not come is closed, and no other."""

import asyncio
import json

import pytest

from server import request_timeout
from tests.server.conftest import RunningServer

TIMEOUT_S = 0.3
HALVES = {
    "nothing": b"",
    "half a head": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "half a body": b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_timeout, "REQUEST_TIMEOUT_S", TIMEOUT_S)


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
async def test_a_request_that_does_not_come_is_not_waited_for(server: RunningServer, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(*address(server))
    writer.write(sent)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_the_second_request_of_a_connection_has_as_long(server: RunningServer) -> None:
    reader, writer = await asyncio.open_connection(*address(server))
    writer.write(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /livez HTTP/1.1\r\n")
    async with asyncio.timeout(10):
        assert (await reader.read()).count(b"HTTP/1.1 200") == 1
    writer.close()


async def test_an_answer_may_take_as_long_as_it_likes(server: RunningServer) -> None:
    async with server.http() as http:
        session = json.loads((await http.post("/v1/sessions")).text)
        url = f"{session['events_url']}?token={session['token']}"
        async with http.stream("GET", url) as events:
            assert events.status_code == 200
            lines = events.aiter_lines()
            assert await anext(lines) == "event: state"
            await asyncio.sleep(3 * TIMEOUT_S)
            await http.post(
                f"/v1/sessions/{session['id']}/instructions",
                json={"text": "invert"},
                headers={"Authorization": f"Bearer {session['token']}"},
            )
            async with asyncio.timeout(10):
                while await anext(lines) != "event: edits":
                    pass


def address(server: RunningServer) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)
