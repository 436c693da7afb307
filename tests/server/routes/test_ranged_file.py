from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.routes.ranged_file import RangedFile

CONTENT = bytes(range(100))


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "file").write_bytes(CONTENT)
    transport = httpx.ASGITransport(RangedFile(tmp_path / "file"))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", CONTENT[:1]),
        ("bytes=90-", CONTENT[90:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=-500", CONTENT),
        ("BYTES=3-4", CONTENT[3:5]),
        ("bytes=98-18446744073709551", CONTENT[98:]),
        ("bytes= 1-2", CONTENT[1:3]),
        ("bytes=100-,7-8", CONTENT[7:9]),
    ],
)
async def test_a_part_is_sent(http: httpx.AsyncClient, asked: str, part: bytes) -> None:
    answer = await http.get("/", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, part)


async def test_several_parts_are_sent_in_one_answer(http: httpx.AsyncClient) -> None:
    answer = await http.get("/", headers={"Range": "bytes=0-1, 4-5"})
    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges")


@pytest.mark.parametrize(
    "asked",
    [
        "items=0-5",
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=5-1",
        "bytes=--5",
        "bytes=0-1;2-3",
        "bytes=\u00b2-5".encode("latin-1"),
        f"bytes=0-{'9' * 5000}",
    ],
)
async def test_what_is_no_range_of_bytes_is_passed_over(http: httpx.AsyncClient, asked: str | bytes) -> None:
    answer = await http.get(
        "/", headers=httpx.Headers([(b"Range", asked.encode() if isinstance(asked, str) else asked)])
    )
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=-0", "bytes=100-200,300-"])
async def test_what_lies_behind_the_end_is_a_problem(http: httpx.AsyncClient, asked: str) -> None:
    answer = await http.get("/", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */100"
    assert answer.json()["detail"] == f"the file has 100 bytes, none of them in {asked}"


async def test_a_part_of_another_version_is_the_whole_file(http: httpx.AsyncClient) -> None:
    for asked in ("bytes=0-1", "bytes=100-"):
        answer = await http.get("/", headers={"Range": asked, "If-Range": '"another"'})
        assert (answer.status_code, answer.content) == (200, CONTENT)
