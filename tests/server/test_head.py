import asyncio

import pytest

from tests.server.conftest import RunningServer


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/v1/models", "/v1/sessions", "/openapi.json"])
async def test_head_is_answered_as_get_is_without_the_body(server: RunningServer, path: str) -> None:
    async with server.http() as http:
        got, head = await http.get(path), await http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag"):
        assert head.headers.get(name) == got.headers.get(name)


async def test_head_of_a_stream_ends(server: RunningServer) -> None:
    async with server.http() as http, asyncio.timeout(5):
        session = (await http.post("/v1/sessions")).json()
        head = await http.head(session["events_url"], params={"token": session["token"]})
        assert head.headers["content-type"].startswith("text/event-stream")
        (opened,) = server.service.sessions
        assert not opened.events.listened_to


async def test_what_answers_no_get_answers_no_head(server: RunningServer) -> None:
    async with server.http() as http:
        assert (await http.head("/whip")).status_code == 405
        assert (await http.put("/v1/models")).headers["allow"] == "GET, HEAD"
        assert (await http.head("/v1/sessions/none")).status_code == 404
