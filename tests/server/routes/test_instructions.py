"""The stack of a live session, over REST and over its data channel."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.server.client import Visitor
from tests.server.conftest import RunningServer, StartServer, eventually
from tests.server.fakes import LateEditor
from tests.server.routes.test_sessions import is_problem
from tests.server.screen import is_colour

RED, CYAN = (200, 40, 40), (55, 215, 215)


@pytest.fixture
async def visitor(server: RunningServer) -> AsyncIterator[Visitor]:
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect()
        await visitor.sees_colour(RED)
        yield visitor


async def call(visitor: Visitor, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    return await visitor.http.request(method, visitor.url + path, headers=visitor.authorization, **more)


async def add(visitor: Visitor, text: str, **more: object) -> str:
    taken = await call(visitor, "POST", "/instructions", json={"text": text, **more})
    assert taken.status_code == 202, taken.text
    return str(taken.json()["instruction_id"])


async def test_two_instructions_are_applied_one_after_the_other(visitor: Visitor) -> None:
    first = await add(visitor, "invert")
    await visitor.sees_colour(CYAN)
    second = await add(visitor, "invert again", place="top")
    await visitor.sees_colour(RED)
    receipts = [said["instruction_id"] for said in visitor.said if said["type"] == "receipt"]
    assert receipts == [first, second]
    stats = await visitor.stats()
    assert (stats["evaluations"], stats["layers"]) == (2, 2)

    switched = await call(visitor, "PATCH", f"/instructions/{first}", json={"enabled": False})
    assert [(each["instruction_id"], each["enabled"]) for each in switched.json()["layers"]] == [
        (first, False),
        (second, True),
    ]
    await visitor.sees_colour(CYAN)
    moved = await call(visitor, "PATCH", f"/instructions/{second}", json={"position": 0})
    assert [each["instruction_id"] for each in moved.json()["layers"]] == [second, first]
    await call(visitor, "DELETE", f"/instructions/{second}")
    await visitor.sees_colour(RED)
    is_problem(await call(visitor, "DELETE", f"/instructions/{second}"), 404)
    is_problem(await call(visitor, "PATCH", f"/instructions/{second}", json={"strength": 1}), 404)


async def test_an_instruction_that_waits_for_the_model_is_cleared_as_any_other(
    start_server: StartServer,
) -> None:
    late = LateEditor()
    server = await start_server(load=late)
    async with server.visitor() as visitor:
        await visitor.open(instruction="invert")
        clearing = asyncio.create_task(call(visitor, "DELETE", "/instructions"))
        await asyncio.sleep(0.2)
        late.release()
        assert (await clearing).json()["layers"] == []
        await add(visitor, "invert again", place="top")
        stack = await call(visitor, "GET", "/instructions")
        assert [each["text"] for each in stack.json()["layers"]] == ["invert again"]


async def test_undo_and_redo_over_both_ways(visitor: Visitor) -> None:
    is_problem(await call(visitor, "POST", "/undo"), 409)
    assert (await visitor.say(type="redo"))["code"] == "refused"
    await add(visitor, "invert")
    await visitor.sees_colour(CYAN)
    undone = (await call(visitor, "POST", "/undo")).json()
    assert (undone["layers"], undone["can_undo"], undone["can_redo"]) == ([], False, True)
    await visitor.sees_colour(RED)
    assert (await visitor.say(type="redo"))["type"] == "ack"
    await visitor.sees_colour(CYAN)
    assert (await visitor.say(type="undo"))["type"] == "ack"
    told = [said for said in visitor.said if said["type"] == "edits"]
    assert [len(each["layers"]) for each in told] == [0, 1, 0, 1, 0]


async def test_a_bypass_shows_the_original_within_one_frame(visitor: Visitor) -> None:
    await add(visitor, "invert")
    await visitor.sees_colour(CYAN)
    for _ in range(3):
        shown = (await call(visitor, "PATCH", "", json={"bypassed": True})).json()
        assert shown["bypassed"] is True
        # One may have been with the encoder, and one on its way to this client's decoder.
        await visitor.sees(3)
        for _ in range(3):
            assert is_colour(await visitor.sees(), RED)
        assert (await visitor.say(type="bypass", bypassed=False))["type"] == "ack"
        await visitor.sees_colour(CYAN)


async def test_no_edit_leaves_the_session_after_a_bypass(server: RunningServer, visitor: Visitor) -> None:
    session = server.service.sessions.find(visitor.session["id"])
    await add(visitor, "invert")
    await visitor.sees_colour(CYAN)
    left: list[str] = []
    tap = session._outlets.tap(lambda: None)
    put = tap.put

    def noted(frame: Any) -> None:  # noqa: ANN401
        left.append(frame.kind)
        put(frame)

    tap.put = noted  # type: ignore[method-assign, assignment]
    session.instructions.bypass(True)
    left.clear()

    async def enough() -> bool:
        return len(left) > 5

    await eventually(enough)
    assert set(left) == {"passed"}


async def test_a_frozen_picture_is_held_and_goes_on(visitor: Visitor) -> None:
    await add(visitor, "invert")
    await visitor.sees_colour(CYAN)
    assert (await call(visitor, "PATCH", "", json={"frozen": True})).json()["state"] == "frozen"
    visitor.camera.colour = (40, 200, 40)
    assert is_colour(await visitor.sees(2), CYAN)
    assert (await call(visitor, "GET", "/instructions")).json()["frozen"] is True
    await call(visitor, "PATCH", "", json={"frozen": False})
    await visitor.sees_colour((215, 55, 215))


async def test_a_whole_stack_is_put_and_cleared(visitor: Visitor) -> None:
    texts = [{"text": f"invert {number}"} for number in range(3)]
    put = await call(visitor, "PUT", "/instructions", json={"layers": texts})
    assert [each["text"] for each in put.json()["layers"]] == ["invert 0", "invert 1", "invert 2"]
    await visitor.sees_colour(CYAN)
    await add(visitor, "invert 3", place="top")
    refused = await call(visitor, "POST", "/instructions", json={"text": "a fifth", "place": "top"})
    assert "4 instructions" in is_problem(refused, 409)
    too_many = await call(visitor, "PUT", "/instructions", json={"layers": [{"text": "x"}] * 5})
    is_problem(too_many, 422)
    assert (await visitor.say(type="instruction", text="a fifth", place="top"))["code"] == "refused"
    cleared = await call(visitor, "DELETE", "/instructions", params={"transition_ms": 100})
    assert cleared.json()["layers"] == []
    await visitor.sees_colour(RED)


async def test_the_data_channel_changes_and_removes(visitor: Visitor) -> None:
    ack = await visitor.say(type="instruction", text="invert")
    layer = {"type": "layer", "instruction_id": ack["instruction_id"]}
    assert (await visitor.say(**layer, strength=0.25, enabled=False))["type"] == "ack"
    (shown,) = (await call(visitor, "GET", "/instructions")).json()["layers"]
    assert (shown["strength"], shown["enabled"]) == (0.25, False)
    assert (await visitor.say(type="remove", instruction_id=ack["instruction_id"]))["type"] == "ack"
    assert (await visitor.say(**layer, enabled=True))["code"] == "refused"
    await visitor.say(type="instruction", text="invert")
    assert (await visitor.say(type="clear"))["type"] == "ack"
    assert (await call(visitor, "GET", "/instructions")).json()["layers"] == []


async def test_a_preset_is_followed_over_both_ways(visitor: Visitor) -> None:
    layers = [{"text": "invert"}, {"text": "invert again"}]
    name = f"Twice {visitor.session['id']}"
    preset = (await visitor.http.post("/v1/presets", json={"name": name, "layers": layers})).json()
    followed = await call(visitor, "POST", "/preset", json={"preset_id": preset["id"]})
    assert [each["text"] for each in followed.json()["layers"]] == ["invert", "invert again"]
    await call(visitor, "DELETE", "/instructions")
    assert (await visitor.say(type="preset", preset_id=preset["id"], transition_ms=50))["type"] == "ack"
    assert len((await call(visitor, "GET", "/instructions")).json()["layers"]) == 2
    await visitor.http.delete(f"/v1/presets/{preset['id']}")
    is_problem(await call(visitor, "POST", "/preset", json={"preset_id": preset["id"]}), 404)
    assert (await visitor.say(type="preset", preset_id=preset["id"]))["code"] == "refused"


async def test_a_listener_hears_every_change(visitor: Visitor) -> None:
    heard: list[str] = []
    async with visitor.http.stream("GET", visitor.url + "/events", headers=visitor.authorization) as stream:
        lines = stream.aiter_lines()

        async def until(event: str) -> None:
            async for line in lines:
                if line.startswith("event: "):
                    heard.append(line.removeprefix("event: "))
                    if heard[-1] == event:
                        return

        await until("edits")
        await add(visitor, "invert")
        await until("receipt")
        await call(visitor, "POST", "/undo")
        await until("edits")
    assert heard[0] == "state"
    assert [event for event in heard if event in ("edits", "receipt")] == [
        "edits",
        "edits",
        "receipt",
        "edits",
    ]
