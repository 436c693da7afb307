"""Bodies as nobody honest writes them: each is taken or refused in words, none is a failure of the server."""

import pytest

from tests.server.conftest import RunningServer

JSON = {"Content-Type": "application/json"}

INSTRUCTIONS = [
    (b'{"text": "half of a pair \\ud800"}', 422),
    (b'{"text": "\xed\xa0\x80"}', 422),
    (b'{"text": "\\ud83d\\ude00"}', 202),
    (b'{"text": "a\\u0000b"}', 202),
    (b'{"text": "\x00"}', 400),
    (b'{"text": "first", "text": "last"}', 202),
    (b'{"text": "a", "strength": NaN}', 422),
    (b'{"text": "a", "strength": -Infinity}', 422),
    (b'{"text": "a", "strength": 1e999}', 422),
    (b'{"text": "a", "strength": ' + b"1" * 400 + b"}", 422),
    (b'{"text": "a", "transition_ms": ' + b"9" * 5000 + b"}", 400),
    (b'{"text": "a", "place": "top\\u0000"}', 422),
    (b'{"\\ud800": 1}', 422),
    (b"[" * 100_000, 400),
    (b"\xff\xfe{\x00}\x00", 422),
    (b"\x80", 400),
    (b"null", 422),
    (b'"text"', 422),
    (b"", 422),
]


async def test_every_odd_instruction_is_answered_in_words(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.open()
        for body, status in INSTRUCTIONS:
            answer = await visitor.http.post(
                f"{visitor.url}/instructions", content=body, headers=visitor.authorization | JSON
            )
            assert answer.status_code == status, body[:80]
            if status != 202:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["detail"]
        stack = await visitor.http.get(f"{visitor.url}/instructions", headers=visitor.authorization)
        assert [layer["text"] for layer in stack.json()["layers"]] == ["last"]


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "image/json", ""])
async def test_a_body_of_another_type_is_refused_by_its_type(server: RunningServer, given: str) -> None:
    async with server.http() as http:
        headers = {"Content-Type": given} if given else {}
        answer = await http.post("/v1/sessions", content=b'{"seed": 1}', headers=headers)
    assert answer.status_code == 415
    assert answer.headers["accept"] == "application/json"
    assert f"not {given or 'of no type'}" in answer.json()["detail"]


@pytest.mark.parametrize("given", ["application/json; charset=utf-8", "application/merge-patch+json"])
async def test_json_by_any_name_is_taken(server: RunningServer, given: str) -> None:
    async with server.http() as http:
        answer = await http.post("/v1/sessions", content=b'{"seed": 1}', headers={"Content-Type": given})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"seed": 1.0, "width": 6.4e1, "height": 64.0}', 201),
        (b'{"seed": 1.5}', 422),
        (b'{"seed": true}', 422),
        (b'{"seed": "1"}', 422),
        (b'{"seed": 9007199254740992}', 422),
        (b'{"seed": 1e300}', 422),
        (b'{"width": 64}', 422),
        (b'{"width": 64, "height": null}', 422),
        (b'{"width": 1025, "height": 64}', 422),
        (b'{"model": "\\ud800"}', 422),
        (b'{"instruction": "\\ud800"}', 422),
    ],
)
async def test_whole_numbers_are_whole_however_they_are_written(
    server: RunningServer, body: bytes, status: int
) -> None:
    async with server.http() as http:
        assert (await http.post("/v1/sessions", content=body, headers=JSON)).status_code == status


@pytest.mark.parametrize("odd", ["%00", "%2e%2e", "%ff%fe", "%0d%0aX: y", "a" * 5000, "%E2%80%AE", "*"])
async def test_an_id_that_was_never_given_names_nothing(server: RunningServer, odd: str) -> None:
    async with server.visitor() as visitor:
        await visitor.open()
        for method, path in (
            ("GET", f"/v1/sessions/{odd}"),
            ("DELETE", f"{visitor.url}/instructions/{odd}"),
            ("GET", f"/v1/presets/{odd}"),
            ("DELETE", f"/v1/presets/{odd}"),
            ("DELETE", f"/v1/recordings/{odd}"),
        ):
            answer = await visitor.http.request(method, path, headers=visitor.authorization)
            assert answer.status_code == 404, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
