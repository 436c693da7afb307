import asyncio
import gc
import threading
import time
import weakref

import numpy as np
import pytest

from server.rtc.decoding import DecoderThread
from server.rtc.encoding import LiveEncoder
from server.rtc.track import EditTrack
from server.session.channels import MAX_EARLY
from tests.server.client import Visitor
from tests.server.conftest import RunningServer, StartServer, eventually, until
from tests.server.fakes import InvertingEditor, LateEditor
from tests.server.screen import is_colour

RED, CYAN = (200, 40, 40), (55, 215, 215)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_the_edit_comes_back(server: RunningServer, codec: str) -> None:
    async with server.visitor(colour=RED, codec=codec) as visitor:
        await visitor.connect(instruction="invert the colours")
        picture = await visitor.sees_colour(CYAN)
        assert picture.shape == (240, 320, 3)


async def test_without_an_instruction_the_picture_is_untouched(server: RunningServer) -> None:
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect()
        await visitor.sees_colour(RED)
        stats = await visitor.stats()
        assert stats["frames"]["edited"] == 0
        assert stats["frames"]["passed"] > 0
        assert stats["stages_ms"]["edit"] is None


async def test_a_640x480_camera_is_edited_at_256_short_side_and_shown_at_its_own(
    server: RunningServer,
) -> None:
    async with server.visitor(size=(640, 480)) as visitor:
        await visitor.connect(instruction="invert the colours")
        picture = await visitor.sees_colour(CYAN)
        assert picture.shape == (480, 640, 3)
        stats = await visitor.stats()
        assert stats["size"] == {"in": [640, 480], "edit": [336, 256], "shown": [640, 480]}
        assert stats["stages_ms"]["detail"]["p50"] > 0


async def test_an_edit_can_be_shown_at_the_size_it_was_made(start_server: StartServer) -> None:
    server = await start_server(show_short_side=0)
    async with server.visitor(size=(640, 480)) as visitor:
        await visitor.connect(instruction="invert the colours")
        picture = await visitor.sees_colour(CYAN)
        assert picture.shape == (256, 336, 3)
        assert (await visitor.stats())["stages_ms"]["detail"] is None


async def test_no_pixel_of_a_session_reaches_another(start_server: StartServer) -> None:
    editor = InvertingEditor(step_s=0.004)
    server = await start_server(editor, max_batch=4)
    colours = [(230, 30, 30), (30, 230, 30), (30, 30, 230)]
    async with (
        server.visitor(colour=colours[0]) as first,
        server.visitor(colour=colours[1], codec="H264") as second,
        server.visitor(colour=colours[2]) as third,
    ):
        visitors = (first, second, third)
        await asyncio.gather(*(visitor.connect(instruction="invert") for visitor in visitors))
        negatives = [tuple(255 - channel for channel in colour) for colour in colours]
        await asyncio.gather(
            *(visitor.sees_colour(colour) for visitor, colour in zip(visitors, negatives, strict=True))
        )
        for _ in range(12):
            pictures = await asyncio.gather(*(visitor.sees() for visitor in visitors))
            for picture, colour in zip(pictures, negatives, strict=True):
                # Every pixel, not the mean: a patch of a neighbour's would be a leak as well.
                assert np.abs(picture.astype(int) - np.array(colour)).max() < 30
    assert len(editor.threads) == 1


async def test_a_slow_editor_drops_frames_and_keeps_the_latency(start_server: StartServer) -> None:
    server = await start_server(InvertingEditor(step_s=0.12))
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees(12)
        stats = await visitor.stats()
        assert stats["frames"]["dropped"]["inbox"] > 12
        in_flight = stats["frames"]["in"] - stats["frames"]["edited"] - stats["frames"]["passed"]
        # What is neither shown nor dropped is under way: bounded, however long it has been going on.
        assert in_flight - sum(stats["frames"]["dropped"].values()) <= 4


async def test_dropped_frames_do_not_shift_the_timing_of_later_ones(start_server: StartServer) -> None:
    server = await start_server(InvertingEditor(step_s=0.1))
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees(8)
        await until(lambda: len(visitor.matches) > 6)
        matches = visitor.matches
        offsets = {(match["out_rtp"] - match["in_rtp"]) % (1 << 32) for match in matches}
        assert len(offsets) == 1
        assert len({match["in_rtp"] for match in matches}) == len(matches)


async def test_an_instruction_is_acknowledged_and_its_first_frame_gets_a_receipt(
    server: RunningServer,
) -> None:
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect()
        await visitor.sees_colour(RED)
        ack = await visitor.say(type="instruction", text="invert the colours")
        assert ack["type"] == "ack"
        assert ack["known"] is True
        receipt = await visitor.heard(lambda said: said["type"] == "receipt")
        assert receipt["instruction_id"] == ack["instruction_id"]
        assert receipt["text"] == "invert the colours"
        assert receipt["frames_waited"] <= 3
        assert receipt["elapsed_ms"] > 0
        await visitor.sees_colour(CYAN)
        await until(lambda: receipt["rtp_timestamp"] in [match["out_rtp"] for match in visitor.matches])
        assert (await visitor.stats())["instruction_apply_ms"] == receipt["elapsed_ms"]


@pytest.mark.parametrize("place", ["alone", "top"])
async def test_an_unknown_instruction_is_refused_with_the_nearest_and_what_shows_goes_on(
    server: RunningServer, place: str
) -> None:
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        error = await visitor.say(type="instruction", text="gibberish", place=place)
        assert (error["type"], error["code"]) == ("error", "unknown_instruction")
        assert "gibberish" in error["detail"]
        assert error["nearest"] == ["invert the colours"]
        stack = await visitor.http.get(f"{visitor.url}/instructions", headers=visitor.authorization)
        assert [layer["text"] for layer in stack.json()["layers"]] == ["invert"]
        await visitor.sees_colour(CYAN)


async def test_of_a_half_known_instruction_the_half_that_is_done_is_named(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect()
        ack = await visitor.say(type="instruction", text="invert it and gibberish")
        assert (ack["known"], ack["edits"]) == (False, ["negative"])
        warning = await visitor.heard(lambda said: said["type"] == "warning")
        assert warning["code"] == "half_known_instruction"
        assert "only this is done: Negative." in warning["detail"]
        receipt = await visitor.heard(lambda said: said["type"] == "receipt")
        assert receipt["instruction_id"] == ack["instruction_id"]


async def test_what_is_said_before_the_control_channel_opens_waits_for_it(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.open(instruction="invert it and gibberish")
        asked = {"layers": [{"text": "invert and gibberish"}]}
        for _ in range(MAX_EARLY):
            await visitor.http.put(f"{visitor.url}/instructions", json=asked, headers=visitor.authorization)
        await visitor.connect()
        await visitor.heard(lambda said: said["type"] == "edits")
        told = [(said["type"], said.get("code"), said.get("detail", "")) for said in visitor.said]
        assert [(kind, code) for kind, code, _ in told[:MAX_EARLY]] == [
            ("warning", "half_known_instruction")
        ] * MAX_EARLY
        # The oldest has gone.
        assert all("invert and gibberish" in detail for _, _, detail in told[:MAX_EARLY])
        assert [kind for kind, _, _ in told[MAX_EARLY:]][:2] == ["state", "edits"]


async def test_a_transition_moves_from_one_instruction_to_the_next(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        ack = await visitor.say(type="instruction", text="invert again", transition_ms=200, strength=0.5)
        assert ack["type"] == "ack"
        await visitor.heard(lambda said: said.get("instruction_id") == ack["instruction_id"])
        shown = await visitor.http.get(visitor.url, headers=visitor.authorization)
        assert shown.json()["strength"] == 0.5


async def test_a_crashing_editor_lets_the_picture_through_and_recovers(start_server: StartServer) -> None:
    editor = InvertingEditor()
    server = await start_server(editor)
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        (session,) = server.service.sessions
        passed = session.telemetry.kinds["passed"]
        editor.failing.set()
        await visitor.sees_colour(RED)
        assert session.telemetry.kinds["passed"] > passed
        assert session.telemetry.dropped["edit"] == 0
        warning = await visitor.heard(lambda said: said["type"] == "warning")
        assert warning["code"] == "editor_failed"
        assert "on fire" in warning["detail"]
        assert {"v": 1, "type": "state", "state": "degraded", "reason": None} in visitor.said
        editor.failing.clear()
        await visitor.sees_colour(CYAN)
        states = [said["state"] for said in visitor.said if said["type"] == "state"]
        assert states[-1] == "live"


async def test_a_picture_that_crashes_the_editor_harms_its_own_session_only(
    start_server: StartServer,
) -> None:
    editor = InvertingEditor()
    server = await start_server(editor, max_batch=4)
    async with server.visitor(colour=RED) as well, server.visitor(colour=(20, 20, 20)) as ill:
        await asyncio.gather(well.connect(instruction="invert"), ill.connect(instruction="invert"))
        await ill.sees_colour((235, 235, 235))
        editor.failing_marks = set(range(12, 28))
        await ill.sees_colour((20, 20, 20))
        for _ in range(10):
            assert is_colour(await well.sees(), CYAN)
        assert not [said for said in well.said if said["type"] == "warning"]


async def test_a_bug_in_one_sessions_turn_ends_it_alone(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start_server(max_batch=4)

    def broken() -> None:
        raise RuntimeError("a bug")

    async with server.visitor(colour=RED) as well, server.visitor() as ill:
        for visitor in (well, ill):
            await visitor.connect(instruction="invert")
            await visitor.sees_colour(CYAN)
        monkeypatch.setattr(server.service.sessions.find(ill.session["id"])._worker, "_take", broken)
        await ill.heard(lambda said: said.get("reason") == "an error of the server's")
        assert f"session {ill.session['id']} failed" in caplog.text
        await well.sees(10)
        assert [session.id for session in server.service.sessions] == [well.session["id"]]


@pytest.mark.parametrize("where", [(DecoderThread, "_decode"), (LiveEncoder, "pack"), (EditTrack, "recv")])
async def test_a_bug_on_the_pictures_way_ends_the_session_and_says_so(
    where: tuple[type, str],
    server: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        monkeypatch.setattr(*where, broken)
        await visitor.heard(lambda said: said.get("reason") == "an error of the server's")
        assert f"session {visitor.session['id']} failed" in caplog.text


async def test_a_hanging_editor_lets_the_picture_through_until_it_answers(start_server: StartServer) -> None:
    editor = InvertingEditor()
    server = await start_server(editor, stall_after_s=0.3)
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        editor.hold = threading.Event()
        await visitor.sees_colour(RED)
        assert (await visitor.heard(lambda said: said["type"] == "warning"))["code"] == "editor_stalled"
        editor.hold.set()
        await visitor.sees_colour(CYAN)
        (session,) = server.service.sessions
        # The frame that it hung on is older than those let through meanwhile.
        assert session.telemetry.dropped["edit"] == 1


async def test_the_picture_can_be_held_while_an_instruction_waits_for_the_model(
    start_server: StartServer,
) -> None:
    late = LateEditor()
    server = await start_server(load=late)
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect()
        await visitor.sees()
        instructing = asyncio.create_task(visitor.say(type="instruction", text="invert"))
        await visitor.heard(lambda said: said.get("code") == "model_loading")
        assert (await visitor.say(type="freeze", frozen=True))["type"] == "ack"
        assert not instructing.done()
        late.release()
        assert (await instructing)["type"] == "ack"


async def test_a_held_picture_stays_so_while_the_editor_hangs(start_server: StartServer) -> None:
    editor = InvertingEditor()
    server = await start_server(editor, stall_after_s=0.3)
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        editor.hold = threading.Event()
        await visitor.sees_colour(RED)
        await visitor.say(type="freeze", frozen=True)
        (session,) = server.service.sessions
        measured = session.telemetry
        passed = measured.kinds["passed"]
        await until(lambda: measured.dropped["frozen"] >= 10 or measured.kinds["passed"] >= passed + 10)
        editor.hold.set()
        assert measured.dropped["frozen"] >= 10


async def test_a_session_begun_before_the_model_is_warm_sees_itself_and_then_the_edit(
    start_server: StartServer,
) -> None:
    late = LateEditor()
    server = await start_server(load=late)
    async with server.visitor(colour=RED) as visitor:
        assert (await visitor.http.get("/readyz")).status_code == 503
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(RED)
        assert (await visitor.heard(lambda said: said["type"] == "warning"))["code"] == "model_loading"
        late.release()
        await visitor.sees_colour(CYAN)
        assert (await visitor.http.get("/readyz")).status_code == 200
        states = [said["state"] for said in visitor.said if said["type"] == "state"]
        assert states[-2:] == ["degraded", "live"]


async def test_a_first_instruction_turns_out_to_be_unknown_once_the_model_is_warm(
    start_server: StartServer,
) -> None:
    late = LateEditor()
    server = await start_server(load=late)
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="gibberish")
        await visitor.sees_colour(RED)
        late.release()
        warning = await visitor.heard(lambda said: said.get("code") == "unknown_instruction")
        assert warning["nearest"] == ["invert the colours"]


async def test_a_load_that_fails_while_the_browser_connects_is_said_when_it_has(
    start_server: StartServer,
) -> None:
    late = LateEditor(OSError("the model folder is empty"))
    server = await start_server(load=late)
    async with server.visitor() as visitor:
        await visitor.open(instruction="invert")
        late.release()

        async def has_failed() -> bool:
            return "the model folder is empty" in (await visitor.http.get("/readyz")).text

        await eventually(has_failed)
        await visitor.connect()
        warning = await visitor.heard(lambda said: said["type"] == "warning")
        assert (warning["code"], warning["detail"]) == ("instruction_failed", "the model folder is empty")


async def test_a_model_that_cannot_be_loaded_is_said(start_server: StartServer) -> None:
    late = LateEditor(OSError("the model folder is empty"))
    server = await start_server(load=late)
    async with server.visitor(colour=RED) as waiting, server.visitor(colour=RED) as visitor:
        await waiting.connect(instruction="invert")
        await waiting.sees_colour(RED)
        late.release()
        warning = await waiting.heard(lambda said: said.get("code") == "instruction_failed")
        assert warning["detail"] == "the model folder is empty"
        ready = await visitor.http.get("/readyz")
        assert ready.status_code == 503
        assert "the model folder is empty" in ready.json()["detail"]
        await visitor.connect()
        await visitor.sees_colour(RED)
        answer = await visitor.say(type="instruction", text="invert")
        assert answer["code"] == "unavailable"


async def test_a_frozen_picture_is_held_and_repeated(server: RunningServer) -> None:
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        assert (await visitor.say(type="freeze", frozen=True))["type"] == "ack"
        visitor.camera.colour = (40, 200, 40)
        await asyncio.sleep(0.2)
        assert is_colour(await visitor.sees(2), CYAN)
        stats = await visitor.stats()
        assert stats["frames"]["repeated"] >= 2
        assert stats["frames"]["dropped"]["frozen"] > 0
        await visitor.heard(lambda said: said.get("state") == "frozen")
        await visitor.say(type="freeze", frozen=False)
        await visitor.sees_colour((215, 55, 215))


async def test_a_picture_frozen_before_there_is_one_is_the_first_that_comes(server: RunningServer) -> None:
    async with server.visitor(colour=RED) as visitor:
        await visitor.open(instruction="invert")
        await visitor.http.patch(visitor.url, json={"frozen": True}, headers=visitor.authorization)
        await visitor.connect()
        await visitor.sees_colour(CYAN)
        visitor.camera.colour = (40, 200, 40)
        await asyncio.sleep(0.2)
        assert is_colour(await visitor.sees(2), CYAN)


async def test_a_camera_that_changes_its_size_goes_on(server: RunningServer) -> None:
    async with server.visitor(colour=RED, size=(320, 240)) as visitor, server.visitor() as other:
        await asyncio.gather(visitor.connect(instruction="invert"), other.connect(instruction="invert"))
        await visitor.sees_colour(CYAN)
        visitor.camera.size = (480, 640)
        await until(lambda: visitor.pictures[-1].shape == (640, 480, 3))
        await visitor.sees_colour(CYAN)
        await other.sees_colour(CYAN)
        assert (await other.stats())["frames"]["dropped"]["decode"] == 0


async def test_pictures_too_large_to_edit_are_told_of_once_and_smaller_ones_are_edited(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with server.http() as http:
        visitor = Visitor(http, RED, size=(4160, 2400), fps=4.0)
        await visitor.connect(instruction="invert")
        warning = await visitor.heard(lambda said: said.get("code") == "picture_too_large")
        assert "4160 x 2400" in warning["detail"]
        (session,) = server.service.sessions
        await until(lambda: session.telemetry.dropped["decode"] >= 2)
        visitor.camera.size = (320, 240)
        await visitor.sees_colour(CYAN)
        await visitor.leave()
    assert [said["code"] for said in visitor.said if said["type"] == "warning"] == ["picture_too_large"]
    (logged,) = (record.getMessage() for record in caplog.records if "too large" in record.getMessage())
    assert logged == f"session {session.id}: {warning['detail']}"


async def test_a_camera_that_stops_keeps_its_session_and_its_latency(start_server: StartServer) -> None:
    server = await start_server(gone_after_s=2)
    async with server.visitor(colour=RED) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees_colour(CYAN)
        visitor.camera.covered = True
        await asyncio.sleep(3.5)
        assert (await visitor.stats())["fps"]["in"] == 0
        visitor.camera.covered = False
        await visitor.sees(5)
        assert is_colour(visitor.pictures[-1], CYAN)


async def test_sound_is_drained(server: RunningServer) -> None:
    async with server.visitor(audio=True) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees(20)
        session = server.service.sessions.find(visitor.session["id"])
        peer = session._intake.peer
        assert peer is not None
        connection = peer.connection._connection
        assert connection is not None
        queues = [receiver.track._queue for receiver in connection.getReceivers()]  # type: ignore[attr-defined]
        assert [queue.qsize() for queue in queues] == [0, 0]


async def test_a_vanished_browser_is_noticed_and_the_others_go_on(start_server: StartServer) -> None:
    server = await start_server(gone_after_s=2)
    async with server.visitor() as lost, server.visitor() as other:
        await asyncio.gather(lost.connect(instruction="invert"), other.connect(instruction="invert"))
        await asyncio.gather(lost.sees(), other.sees())
        await lost.vanish()
        gone_s = time.monotonic()
        await until(lambda: len(server.service.sessions) == 1)
        assert time.monotonic() - gone_s < 5
        assert other.session["id"] == next(iter(server.service.sessions)).id
        await other.sees(5)


async def test_by_default_a_vanished_browser_is_gone_within_ten_seconds() -> None:
    from server.session.presence import HEALTH_INTERVAL_S
    from server.settings import Settings

    assert Settings().gone_after_s + 2 * HEALTH_INTERVAL_S <= 10


async def test_a_closed_page_ends_its_session_at_once(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        await visitor.leave()
        await until(lambda: len(server.service.sessions) == 0, timeout_s=3)


async def test_a_session_nobody_connects_to_ends(start_server: StartServer) -> None:
    server = await start_server(connect_timeout_s=0.5)
    async with server.visitor() as visitor:
        await visitor.open()
        await until(lambda: len(server.service.sessions) == 0, timeout_s=4)
        response = await visitor.http.get(visitor.url, headers=visitor.authorization)
        assert response.status_code == 404


async def test_after_a_lost_connection_a_new_session_goes_on(start_server: StartServer) -> None:
    server = await start_server(max_sessions=1, gone_after_s=1.5)
    async with server.visitor() as lost:
        await lost.connect(instruction="invert")
        await lost.sees()
        await lost.vanish()

        async def reopened() -> bool:
            response = await lost.http.post("/v1/sessions")
            assert response.status_code in (201, 503)
            if response.status_code == 201:
                await lost.http.delete(
                    response.headers["location"],
                    headers={"Authorization": f"Bearer {response.json()['token']}"},
                )
            return response.status_code == 201

        await eventually(reopened)
        async with server.visitor() as again:
            await again.connect(instruction="invert")
            await again.sees_colour(CYAN)


async def test_garbage_on_the_data_channels_is_answered_and_harms_nobody(server: RunningServer) -> None:
    async with server.visitor() as visitor, server.visitor() as other:
        await asyncio.gather(visitor.connect(instruction="invert"), other.connect(instruction="invert"))
        await visitor.sees()
        sent: list[tuple[str | bytes, str, str | None]] = [
            (b"\x00\xff\x00", "binary", None),
            ("{", "bad_json", None),
            ("[1]", "bad_json", None),
            ("[" * 5000, "bad_json", None),
            ('{"v": 1, "id": "a", "type": "explode"}', "unknown_type", "a"),
            ('{"v": 1, "id": "b", "type": "instruction", "text": "  "}', "bad_field", "b"),
            ('{"v": 1, "id": "c", "type": "instruction", "text": "' + "x" * 10_000 + '"}', "bad_field", "c"),
            ('{"v": 1, "id": "d", "type": "strength", "value": "much"}', "bad_field", "d"),
            ('{"v": 2, "id": "e", "type": "freeze", "frozen": true}', "bad_field", "e"),
            ('{"v": 1, "type": "ping", "t": 1}', "bad_field", None),
            ("x" * 20_000, "too_large", None),
        ]
        for raw, code, request_id in sent:
            visitor.said.clear()
            await visitor.send_raw(raw)
            error = await visitor.heard(lambda said: said["type"] == "error")
            assert (error["code"], error["id"]) == (code, request_id)
        for raw in (b"\x00", "{", "null"):
            visitor.telemetry.send(raw)
        ping = await visitor.say(type="ping", t=12.5)
        assert ping["t"] == 12.5
        assert abs(ping["server_time_ms"] - time.time() * 1000) < 5000
        await asyncio.gather(visitor.sees(3), other.sees(3))
        assert not [said for said in other.said if said["type"] == "error"]


async def test_what_the_browser_measures_shows_in_the_stats(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        assert (await visitor.stats())["glass_to_glass_ms"] is None
        visitor.telemetry.send(
            '{"v":1,"type":"client","glass_to_glass_ms":{"p50":80,"p95":120},'
            '"downlink_ms":{"p50":9,"p95":12},"displayed_fps":29.9}'
        )

        async def shown() -> bool:
            stats = await visitor.stats()
            measured: bool = stats["glass_to_glass_ms"] == {"p50": 80, "p95": 120}
            return measured and stats["stages_ms"]["downlink"] == {"p50": 9, "p95": 12}

        await eventually(shown)


async def test_telemetry_measures_every_stage(server: RunningServer) -> None:
    async with server.visitor(size=(640, 480)) as visitor:
        await visitor.connect(instruction="invert")

        async def complete() -> bool:
            stages = (await visitor.stats())["stages_ms"]
            return all(stage is not None for stage in stages.values())

        await eventually(complete)
        stats = await visitor.stats()
        assert stats["server_ms"]["p50"] > 0
        assert stats["frames"]["in"] >= stats["frames"]["edited"] > 0
        assert stats["memory"]["process_bytes"] > 1_000_000
        assert stats["memory"]["device_allocated_bytes"] is None
        assert stats["model"] == "inverting"
        assert any(said["type"] == "stats" for said in visitor.measured)
        assert abs(visitor.matches[-1]["capture_ms"] - time.time() * 1000) < 5000


async def test_nothing_of_a_session_outlives_it(server: RunningServer) -> None:
    async with server.visitor(audio=True) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees(3)
        session = weakref.ref(server.service.sessions.find(visitor.session["id"]))
        assert [thread for thread in threading.enumerate() if thread.name == "video-decoder"]
    await until(lambda: len(server.service.sessions) == 0)
    await server.service.sessions.close("done")
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name.endswith("-decoder")])

    def collected() -> bool:
        gc.collect()
        return session() is None

    await until(collected)
