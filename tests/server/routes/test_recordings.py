"""Lists of many recordings, a page at a time."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from server.recording.store import NOTE, _Note
from server.routes.recordings import LARGEST_PAGE, PAGE
from tests.server.conftest import StartServer
from tests.server.routes.test_sessions import is_problem

COUNT = PAGE + 50
IDS = [f"recording-{number:03}" for number in range(COUNT)]
"""The newest first."""
# Another zone than the server's own: times are compared, not their words.
NEWEST = datetime(2026, 1, 31, 18, 2, 11, 204315, UTC)


@pytest.fixture
async def http(start_server: StartServer, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    for index, recording_id in enumerate(IDS):
        note = _Note(
            id=recording_id,
            session_id="ended",
            token_sha256="",
            started_at=NEWEST - timedelta(hours=index),
            process=(1, 0.0),
            state="ended",
        )
        folder = tmp_path / "recordings" / recording_id
        folder.mkdir(parents=True)
        (folder / NOTE).write_text(note.model_dump_json())
    server = await start_server(data=tmp_path)
    async with server.http() as client:
        yield client


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()]


async def test_a_list_is_read_page_by_page(http: httpx.AsyncClient) -> None:
    first = await http.get("/v1/recordings")
    assert ids(first) == IDS[:PAGE]
    second = await http.get(first.links["next"]["url"])
    assert ids(second) == IDS[PAGE:]
    assert "next" not in second.links
    assert ids(await http.get("/v1/recordings", params={"limit": LARGEST_PAGE})) == IDS


async def test_pages_go_on_where_what_was_listed_is_deleted(http: httpx.AsyncClient) -> None:
    seen, url = list[str](), "/v1/recordings?limit=40"
    while url:
        page = await http.get(url)
        for recording_id in ids(page):
            assert (await http.delete(f"/v1/recordings/{recording_id}")).status_code == 204
        seen += ids(page)
        url = page.links.get("next", {}).get("url", "")
    assert seen == IDS
    assert ids(await http.get("/v1/recordings")) == []


async def test_a_recording_removed_by_hand_is_not_listed(http: httpx.AsyncClient, tmp_path: Path) -> None:
    assert ids(await http.get("/v1/recordings"))[0] == IDS[0]
    (tmp_path / "recordings" / IDS[0]).rename(tmp_path / "elsewhere")
    assert ids(await http.get("/v1/recordings"))[0] == IDS[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", str(LARGEST_PAGE + 1)),
        ("before", "yesterday"),
        ("before", "0.5"),
        ("before", "-1769882531"),
        ("before", "2026-01-31T18:02:11"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(http: httpx.AsyncClient, name: str, value: str) -> None:
    assert name in is_problem(await http.get("/v1/recordings", params={name: value}), 422)
