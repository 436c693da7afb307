import asyncio
import io
import json
import re
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.server.client import Visitor
from tests.server.conftest import RunningServer, StartServer, until

UNKNOWN = "/v1/sessions/nobody"


def is_problem(response: httpx.Response, status: int) -> str:
    """Check that an error is problem JSON (RFC 9457); its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"] == "about:blank"
    detail: str = problem["detail"]
    return detail


@pytest.fixture
async def visitor(server: RunningServer) -> AsyncIterator[Visitor]:
    async with server.visitor() as visitor:
        await visitor.open()
        yield visitor


async def test_opening_a_session_answers_with_its_urls_and_token(server: RunningServer) -> None:
    async with server.http() as http:
        response = await http.post("/v1/sessions", json={"instruction": "invert", "seed": 7})
        assert response.status_code == 201
        opened = response.json()
        assert response.headers["location"] == f"/v1/sessions/{opened['id']}"
        assert opened["offer_url"] == f"/v1/sessions/{opened['id']}/offer"
        assert opened["events_url"] == f"/v1/sessions/{opened['id']}/events"
        assert opened["state"] == "new"
        assert opened["model"] == "inverting"
        assert opened["instruction"]["family"] == "negative"
        assert len(opened["token"]) >= 32
        listed = (await http.get("/v1/sessions")).json()
        assert [session["id"] for session in listed] == [opened["id"]]
        assert "token" not in listed[0]


async def test_a_session_can_be_opened_without_a_body(server: RunningServer) -> None:
    async with server.http() as http:
        assert (await http.post("/v1/sessions")).status_code == 201


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"model": "rfdm1.5"}, "rfdm1.5"),
        ({"steps": 8}, "steps"),
        ({"width": 640}, "height"),
        ({"width": 4096, "height": 4096}, "1024"),
        ({"width": -1, "height": 5}, "width"),
        ({"instruction": "   "}, "instruction: must not be empty"),
        ({"instruction": "x" * 10_000}, "instruction"),
        ({"seed": "tea"}, "seed"),
        ({"colour": "blue"}, "colour"),
    ],
)
async def test_what_cannot_be_opened_is_refused(server: RunningServer, asked: object, named: str) -> None:
    async with server.http() as http:
        assert named in is_problem(await http.post("/v1/sessions", json=asked), 422)
        assert len(server.service.sessions) == 0


async def test_a_body_that_is_not_json_is_refused(server: RunningServer) -> None:
    async with server.http() as http:
        headers = {"Content-Type": "application/json"}
        is_problem(await http.post("/v1/sessions", content=b"{", headers=headers), 400)


async def test_a_full_server_says_when_to_come_back(start_server: StartServer) -> None:
    server = await start_server(max_sessions=1)
    async with server.http() as http:
        opened = (await http.post("/v1/sessions")).json()
        full = await http.post("/v1/sessions")
        assert "1 place" in is_problem(full, 503)
        assert int(full.headers["retry-after"]) > 0
        ended = await http.delete(
            f"/v1/sessions/{opened['id']}", headers={"Authorization": f"Bearer {opened['token']}"}
        )
        assert ended.status_code == 204
        assert (await http.post("/v1/sessions")).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/offer"),
        ("POST", "/instructions"),
        ("GET", "/events"),
        ("GET", "/stats"),
        ("GET", "/snapshot"),
    ],
)
async def test_every_call_on_a_session_needs_its_token(visitor: Visitor, method: str, path: str) -> None:
    async with asyncio.timeout(5):
        is_problem(await visitor.http.request(method, visitor.url + path), 401)
        wrong = {"Authorization": "Bearer wrong"}
        is_problem(await visitor.http.request(method, visitor.url + path, headers=wrong), 401)
        is_problem(await visitor.http.request(method, UNKNOWN + path, headers=visitor.authorization), 404)


async def test_one_sessions_token_is_no_key_to_another(server: RunningServer) -> None:
    async with server.visitor() as one, server.visitor() as other:
        await one.open()
        await other.open()
        is_problem(await one.http.get(other.url, headers=one.authorization), 401)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/sessions", 405),
        ("GET", "/v1/sessions/x/offer", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/nothing.js", 404),
        ("POST", "/v1/models", 405),
    ],
)
async def test_wrong_methods_and_paths_are_problems(
    server: RunningServer, method: str, path: str, status: int
) -> None:
    async with server.http() as http:
        response = await http.request(method, path)
        assert path in is_problem(response, status)
        if status == 405:
            assert response.headers["allow"]


async def test_an_offer_that_is_not_sdp_is_refused(visitor: Visitor) -> None:
    assert "not SDP" in is_problem(await visitor.send_offer("hello"), 400)
    assert "not SDP" in is_problem(await visitor.send_offer(""), 400)
    assert "not SDP" in is_problem(await visitor.send_offer("v=0\r\nm=video none of this\r\n"), 400)


async def test_an_offer_of_another_type_is_refused(visitor: Visitor) -> None:
    response = await visitor.http.post(
        visitor.session["offer_url"],
        content=b"v=0",
        headers={**visitor.authorization, "Content-Type": "text/plain"},
    )
    assert "application/sdp" in is_problem(response, 415)


async def test_an_offer_without_video_is_refused_and_a_good_one_may_follow(visitor: Visitor) -> None:
    offer = await visitor.offer()
    assert "no video" in is_problem(await visitor.send_offer(offer.replace("a=sendrecv", "a=recvonly")), 422)
    assert "codec" in is_problem(await visitor.send_offer(offer.replace("VP8", "XYZ")), 422)
    assert (await visitor.send_offer(offer)).status_code == 200


async def test_an_offer_of_less_than_is_sent_is_refused_and_a_good_one_may_follow(
    server: RunningServer,
) -> None:
    async with server.visitor(codec="H264") as visitor:
        await visitor.open()
        offer = await visitor.offer()
        level_1 = re.sub("profile-level-id=[0-9a-f]{6}", "profile-level-id=42e00a", offer)
        assert "level 1.0" in is_problem(await visitor.send_offer(level_1), 422)
        assert (await visitor.send_offer(offer)).status_code == 200


async def test_a_second_offer_is_refused(visitor: Visitor) -> None:
    await visitor.connect()
    assert "already connected" in is_problem(await visitor.send_offer(visitor.peer.localDescription.sdp), 409)


async def test_a_20_mb_body_is_refused(server: RunningServer, visitor: Visitor) -> None:
    async def undeclared() -> AsyncIterator[bytes]:
        for _ in range(320):
            yield bytes(65_536)

    headers = {**visitor.authorization, "Content-Type": "application/sdp"}
    url = visitor.session["offer_url"]
    async with server.http() as http:
        declared = await http.post(url, content=bytes(20_000_000), headers=headers)
        assert "256 KiB" in is_problem(declared, 413)
    async with server.http() as http:
        chunked = await http.post(url, content=undeclared(), headers=headers)
        assert "256 KiB" in is_problem(chunked, 413)
    async with server.http() as http:
        as_json = await http.post(
            "/v1/sessions", content=undeclared(), headers={"Content-Type": "application/json"}
        )
        is_problem(as_json, 413)


@pytest.mark.parametrize("text", ["", "  \n", "x" * 501, "x" * 10_000])
async def test_an_empty_or_endless_instruction_is_refused(visitor: Visitor, text: str) -> None:
    response = await visitor.http.post(
        f"{visitor.url}/instructions", json={"text": text}, headers=visitor.authorization
    )
    assert is_problem(response, 422).startswith("text: ")


async def test_an_unknown_instruction_is_a_problem_that_names_the_nearest(visitor: Visitor) -> None:
    response = await visitor.http.post(
        f"{visitor.url}/instructions", json={"text": "gibberish"}, headers=visitor.authorization
    )
    assert "unlike anything" in is_problem(response, 422)
    assert response.json()["nearest"] == ["invert the colours"]
    stack = await visitor.http.get(f"{visitor.url}/instructions", headers=visitor.authorization)
    assert (stack.json()["layers"], stack.json()["can_undo"]) == ([], False)


async def test_no_session_opens_with_an_instruction_that_is_unknown(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        response = await visitor.http.post("/v1/sessions", json={"instruction": "gibberish"})
        assert "unlike anything" in is_problem(response, 422)
        assert response.json()["nearest"] == ["invert the colours"]
        assert (await visitor.http.get("/v1/sessions")).json() == []


async def test_an_instruction_over_rest_gets_a_receipt_on_the_event_stream(visitor: Visitor) -> None:
    await visitor.connect()
    await visitor.sees()
    url = f"{visitor.session['events_url']}?token={visitor.session['token']}"
    events: list[tuple[str, dict[str, object]]] = []

    async def listen() -> None:
        async with visitor.http.stream("GET", url) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((name, json.loads(line.removeprefix("data: "))))

    listening = asyncio.create_task(listen())
    await until(lambda: events)
    assert events[0] == ("state", {"v": 1, "type": "state", "state": "live", "reason": None})
    taken = await visitor.http.post(
        f"{visitor.url}/instructions",
        json={"text": "invert it and gibberish", "strength": 0.5},
        headers=visitor.authorization,
    )
    assert taken.status_code == 202
    assert taken.json()["known"] is False
    await until(lambda: {"receipt", "warning", "telemetry"} <= {name for name, _ in events})
    receipt = next(event for name, event in events if name == "receipt")
    assert receipt["instruction_id"] == taken.json()["instruction_id"]
    ended = await visitor.http.delete(visitor.url, headers=visitor.authorization)
    assert ended.status_code == 204
    async with asyncio.timeout(5):
        await listening
    assert events[-1] == (
        "state",
        {"v": 1, "type": "state", "state": "closed", "reason": "ended over REST"},
    )


async def test_a_patch_changes_what_it_names(visitor: Visitor) -> None:
    async def patch(**change: object) -> dict[str, object]:
        response = await visitor.http.patch(visitor.url, json=change, headers=visitor.authorization)
        assert response.status_code == 200, response.text
        changed: dict[str, object] = response.json()
        return changed

    assert (await patch(frozen=True))["frozen"] is True
    assert (await patch(instruction="invert"))["strength"] == 1.0
    changed = await patch(strength=0.25)
    assert (changed["strength"], changed["frozen"]) == (0.25, True)
    for strength in (0.25, 0.0):
        await patch(strength=strength)
        assert (await patch(instruction="invert again"))["strength"] == strength
    response = await visitor.http.patch(visitor.url, json={"strength": 2}, headers=visitor.authorization)
    assert "strength" in is_problem(response, 422)


async def test_a_snapshot_is_what_the_session_sees(visitor: Visitor) -> None:
    early = await visitor.http.get(f"{visitor.url}/snapshot", headers=visitor.authorization)
    assert "no picture yet" in is_problem(early, 409)
    await visitor.connect()
    await visitor.say(type="instruction", text="invert")
    await visitor.sees_colour((55, 215, 215))

    async def snapshot(of: str, accept: str) -> np.ndarray:
        headers = {**visitor.authorization, "Accept": accept}
        response = await visitor.http.get(f"{visitor.url}/snapshot?of={of}", headers=headers)
        assert response.status_code == 200
        assert response.headers["content-type"] in (accept, "image/jpeg")
        return np.asarray(Image.open(io.BytesIO(response.content)))

    assert np.abs((await snapshot("edit", "image/png")).mean((0, 1)) - (55, 215, 215)).max() < 12
    assert np.abs((await snapshot("source", "*/*")).mean((0, 1)) - (200, 40, 40)).max() < 12
    refused = await visitor.http.get(
        f"{visitor.url}/snapshot", headers={**visitor.authorization, "Accept": "text/html"}
    )
    is_problem(refused, 406)
    wrong = await visitor.http.get(f"{visitor.url}/snapshot?of=nothing", headers=visitor.authorization)
    is_problem(wrong, 422)


async def test_a_session_may_ask_for_its_own_size(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect(width=130, height=100, instruction="invert")
        await visitor.sees()
        assert (await visitor.stats())["size"]["edit"] == [128, 96]


async def test_ending_a_session_ends_its_connection(visitor: Visitor) -> None:
    await visitor.connect()
    await visitor.sees()
    assert (await visitor.http.delete(visitor.url, headers=visitor.authorization)).status_code == 204
    await until(lambda: visitor.peer.connectionState == "closed")
    is_problem(await visitor.http.get(visitor.url, headers=visitor.authorization), 404)
