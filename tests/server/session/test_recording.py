"""Recordings of real sessions, in real files."""

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from benchmarks.live.server_process import ServerProcess
from server.engine import Engine
from server.recording.log import TakeLine
from server.recording.store import Recordings
from server.recording.take import Take
from server.session.outlets import Outlets
from server.session.recording import SessionRecording, Taken
from tests.server.client import Visitor
from tests.server.conftest import RunningServer, StartServer, eventually, until
from tests.server.disks import small_disk
from tests.server.fakes import InvertingEditor
from tests.server.inverting import run_edit
from tests.server.screen import is_colour
from tests.server.serving import PROGRAM

RED, CYAN = (200, 40, 40), (55, 215, 215)


async def begin(visitor: Visitor, **asked: object) -> dict[str, Any]:
    response = await visitor.http.post(f"{visitor.url}/recordings", json=asked, headers=visitor.authorization)
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/v1/recordings/{response.json()['id']}"
    begun: dict[str, Any] = response.json()
    return begun


async def ask(visitor: Visitor, method: str, path: str) -> httpx.Response:
    return await visitor.http.request(method, path, headers=visitor.authorization)


async def recorded(visitor: Visitor, recording: dict[str, Any], frames: int) -> dict[str, Any]:
    """Wait until so many frames are written; the recording then."""
    shown: dict[str, Any] = {}

    async def enough() -> bool:
        nonlocal shown
        shown = (await ask(visitor, "GET", f"/v1/recordings/{recording['id']}")).json()
        return bool(shown["frames"] >= frames)

    await eventually(enough, timeout_s=30)
    return shown


def played(path: Path) -> tuple[list[tuple[float, Any]], list[float]]:
    """A movie's pictures with their times, and the times of its sound."""
    pictures: list[tuple[float, Any]] = []
    sound: list[float] = []
    with av.open(str(path)) as movie:
        for frame in movie.decode(*movie.streams):
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                pictures.append((frame.time, frame.to_ndarray(format="rgb24")))
            else:
                sound.append(frame.time)
    return pictures, sound


async def test_a_take_is_recorded_with_sound_beside_its_original_and_its_log(
    server: RunningServer, tmp_path: Path
) -> None:
    async with server.visitor(colour=RED, audio=True) as visitor:
        await visitor.connect()
        await visitor.sees_colour(RED)
        recording = await begin(visitor, original=True)
        assert recording["state"] == "recording"
        await recorded(visitor, recording, 12)
        ack = await visitor.say(type="instruction", text="invert the colours", strength=0.9)
        await visitor.sees_colour(CYAN)
        await recorded(visitor, recording, 40)
        stopped = await ask(visitor, "POST", f"/v1/recordings/{recording['id']}/stop")
        assert stopped.status_code == 200
        ended = stopped.json()
        assert (ended["state"], ended["reason"]) == ("ended", "stopped")
        assert ended["files"] == ["edited.mp4", "original.mp4", "instructions.jsonl"]
        told = [said["recording"] for said in visitor.said if said["type"] == "recording"]
        assert [each["state"] for each in told] == ["recording", "ended"]

        for name in ended["files"]:
            content = await ask(visitor, "GET", f"/v1/recordings/{recording['id']}/files/{name}")
            assert content.status_code == 200
            assert name in content.headers["content-disposition"]
            (tmp_path / name).write_bytes(content.content)
    edited, sound = played(tmp_path / "edited.mp4")
    original, original_sound = played(tmp_path / "original.mp4")
    assert len(edited) == ended["frames"] >= 40
    assert len(sound) > 20
    assert abs(sound[-1] - edited[-1][0]) < 0.7
    assert len(original_sound) > 20
    assert original[0][0] == 0.0
    assert all(is_colour(picture, RED) for _, picture in original)
    lines = [json.loads(line) for line in (tmp_path / "instructions.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["take", "edits", "edits", "end"]
    assert lines[0]["seed"] == lines[1]["seed"] == 0
    assert lines[1]["layers"] == []
    change = lines[2]
    assert change["layers"][0]["instruction_id"] == ack["instruction_id"]
    assert (change["layers"][0]["text"], change["layers"][0]["strength"]) == ("invert the colours", 0.9)
    # The log's frame is the first that shows it.
    assert is_colour(edited[change["frame"]][1], CYAN)
    assert is_colour(edited[change["frame"] - 1][1], RED)
    assert edited[change["frame"]][0] == pytest.approx(change["time_s"], abs=1e-4)
    assert change["time_s"] in [pytest.approx(time, abs=1e-4) for time, _ in original]

    assert run_edit(["--replay", tmp_path, tmp_path / "again.mp4", "--quiet"], InvertingEditor()) == 0
    again, again_sound = played(tmp_path / "again.mp4")
    assert [time for time, _ in again] == [time for time, _ in original]
    assert len(again_sound) == len(original_sound)
    for time_s, picture in again:
        assert is_colour(picture, CYAN if time_s >= change["time_s"] - 1e-4 else RED)


async def test_recordings_are_listed_and_deleted_and_outlive_their_session(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        recording = await begin(visitor)
        again = await visitor.http.post(f"{visitor.url}/recordings", headers=visitor.authorization)
        assert again.status_code == 409
        file = f"/v1/recordings/{recording['id']}/files/edited.mp4"
        assert (await ask(visitor, "GET", file)).status_code == 409
        await recorded(visitor, recording, 5)
        listed = await ask(visitor, "GET", f"{visitor.url}/recordings")
        assert [each["id"] for each in listed.json()] == [recording["id"]]
        await ask(visitor, "DELETE", visitor.url)
        assert recording["id"] in [each["id"] for each in (await visitor.http.get("/v1/recordings")).json()]
        kept = (await ask(visitor, "GET", f"/v1/recordings/{recording['id']}")).json()
        assert (kept["state"], kept["reason"]) == ("ended", "ended over REST")
        part = await visitor.http.get(file, headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        missing = f"/v1/recordings/{recording['id']}/files/original.mp4"
        assert (await ask(visitor, "GET", missing)).status_code == 404
        assert (await ask(visitor, "DELETE", f"/v1/recordings/{recording['id']}")).status_code == 204
        for method in ("GET", "DELETE"):
            assert (await ask(visitor, method, f"/v1/recordings/{recording['id']}")).status_code == 404


async def test_only_the_session_and_the_server_open_a_recording(start_server: StartServer) -> None:
    server = await start_server(token="of the server")
    async with server.visitor() as visitor:
        visitor.http.headers["Authorization"] = "Bearer of the server"
        await visitor.connect(instruction="invert")
        await visitor.sees()
        recording = await begin(visitor)
        path = f"/v1/recordings/{recording['id']}"
        async with server.http() as http:
            for token, status in (("guessed", 401), (visitor.session["token"], 200), ("of the server", 200)):
                shown = await http.get(path, headers={"Authorization": f"Bearer {token}"})
                assert shown.status_code == status
                assert (await http.get(path, params={"token": token})).status_code == status
            assert (await http.get(path)).status_code == 401
            assert (await http.get("/v1/recordings")).status_code == 401
            assert (await http.get("/v1/recordings/nothing", params={"token": "guessed"})).status_code == 401


async def test_there_is_nothing_to_record_without_a_picture(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.open()
        refused = await visitor.http.post(f"{visitor.url}/recordings", headers=visitor.authorization)
        assert refused.status_code == 409
        assert "no picture" in refused.json()["detail"]


async def test_the_control_channel_begins_and_ends_a_recording(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        assert (await visitor.say(type="stop_recording"))["code"] == "refused"
        ack = await visitor.say(type="record")
        assert (await visitor.say(type="record"))["code"] == "refused"
        await recorded(visitor, {"id": ack["recording_id"]}, 3)
        assert (await visitor.say(type="stop_recording"))["type"] == "ack"
        assert [said["recording"]["state"] for said in visitor.said if said["type"] == "recording"] == [
            "recording",
            "ended",
        ]


async def told_at_first(visitor: Visitor) -> list[dict[str, Any]]:
    """What whoever begins to listen is told at once; telemetry comes only with time."""
    told: list[dict[str, Any]] = []
    async with visitor.http.stream("GET", visitor.url + "/events", headers=visitor.authorization) as stream:
        async for line in stream.aiter_lines():
            if line == "event: telemetry":
                break
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
    return told


async def test_who_listens_late_is_told_of_the_newest_recording(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        assert [each["type"] for each in await told_at_first(visitor)] == ["state", "edits"]
        recording = await begin(visitor)
        shown = await recorded(visitor, recording, 10)
        state, edits, told = await told_at_first(visitor)
        assert (state["type"], edits["type"], told["type"]) == ("state", "edits", "recording")
        assert (told["recording"]["id"], told["recording"]["state"]) == (recording["id"], "recording")
        assert told["recording"]["duration_s"] >= shown["duration_s"] > 0
        await ask(visitor, "POST", f"/v1/recordings/{recording['id']}/stop")
        *_, told = await told_at_first(visitor)
        assert (told["recording"]["id"], told["recording"]["state"]) == (recording["id"], "ended")


async def test_a_recording_that_is_being_begun_as_its_session_ends_ends_with_it(
    server: RunningServer,
) -> None:
    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        (session,) = server.service.sessions
        beginning = asyncio.create_task(session.record(original=False))
        await asyncio.sleep(0)
        await session.close("ended")
        recording = await beginning
        assert server.service.recordings.running(recording.id) is None
        assert (await server.service.recordings.find(recording.id)).reason == "ended"


async def test_a_recording_whose_asker_is_gone_before_it_has_begun_ends_with_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    class SlowTake(Take):
        def __init__(self, folder: Path, header: TakeLine, hears: bool, spend: Callable[[int], None]) -> None:
            opening.set()
            go_on.wait(10)
            super().__init__(folder, header, hears, spend)

    monkeypatch.setattr("server.recording.store.Take", SlowTake)
    recordings = Recordings(tmp_path, 1_000_000)
    told: list[tuple[str, str | None]] = []
    recording = SessionRecording(
        recordings,
        Engine(InvertingEditor, max_batch=1),
        Taken("session", "inverting", 0),
        Outlets(lambda _: None),
        lambda _: None,
        lambda said: told.append((said.recording.state, said.recording.reason)),
    )
    asking = asyncio.create_task(recording.start(False, (320, 240), "token", False))
    await asyncio.to_thread(opening.wait, 10)
    asking.cancel()
    closing = asyncio.create_task(recording.close("ended"))
    await asyncio.sleep(0.05)
    go_on.set()
    await closing
    assert asking.cancelled()
    assert told == [("recording", None), ("ended", "ended")]
    assert [(each.state, each.reason) for each in (await recordings.page(9))[0]] == [("ended", "ended")]
    await recordings.close()


async def test_a_session_whose_recordings_were_taken_away_ends_as_any_other(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server(data=tmp_path)
    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        await begin(visitor)
        shutil.rmtree(tmp_path / "recordings")
        assert (await ask(visitor, "DELETE", visitor.url)).status_code == 204
        await until(lambda: visitor.peer.connectionState == "closed")


async def test_a_session_ends_its_connection_even_where_its_recording_cannot_be_ended(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Take.close

    def broken(take: Take, reason: str, dropped: int) -> None:
        close(take, reason, dropped)
        raise RuntimeError("a bug")

    monkeypatch.setattr(Take, "close", broken)
    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        await begin(visitor)
        assert (await ask(visitor, "DELETE", visitor.url)).status_code == 204
        await until(lambda: visitor.peer.connectionState == "closed")


async def test_a_recording_that_a_bug_ends_says_so_and_its_session_goes_on(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Take, "write_edited", broken)
    async with server.visitor() as visitor:
        await visitor.connect()
        await visitor.sees()
        await begin(visitor)
        ended = await visitor.heard(
            lambda said: said["type"] == "recording" and said["recording"]["state"] == "ended"
        )
        assert ended["recording"]["reason"] == "an error of the server's"
        await visitor.sees(3)


async def test_the_quota_ends_a_recording_and_not_its_session(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server(data=tmp_path, recordings_max_bytes=1_000_000)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "older").write_bytes(bytes(992_000))
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        recording = await begin(visitor)
        ended = await visitor.heard(
            lambda said: said["type"] == "recording" and said["recording"]["state"] == "ended", timeout_s=30
        )
        assert ended["recording"]["reason"] == "recordings take all the room they may"
        await visitor.sees(5)
        (tmp_path / "recordings" / "older").write_bytes(bytes(1_000_000))
        refused = await visitor.http.post(f"{visitor.url}/recordings", headers=visitor.authorization)
        assert refused.status_code == 507
        assert (await visitor.http.get("/v1/recordings")).json()[0]["id"] == recording["id"]
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.mp4")) < 8_000


@pytest.fixture
def full_soon(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    with small_disk(tmp_path, "256k", "the quota") as disk:
        yield disk


def fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_a_full_disk_ends_a_recording_and_not_its_session(
    start_server: StartServer, full_soon: Path
) -> None:
    server = await start_server(data=full_soon)
    async with server.visitor(size=(640, 480)) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        recording = await begin(visitor, original=True)
        await recorded(visitor, recording, 30)
        fill(full_soon / "other")
        ended = await visitor.heard(
            lambda said: said["type"] == "recording" and said["recording"]["state"] == "ended", timeout_s=30
        )
        assert ended["recording"]["reason"] == "the disk is full"
        await visitor.sees(5)
        assert (await ask(visitor, "GET", visitor.url)).json()["state"] == "live"
        pictures, _ = played(full_soon / "recordings" / recording["id"] / "edited.mp4")
        assert len(pictures) > 0
        refused = await visitor.http.post(f"{visitor.url}/recordings", headers=visitor.authorization)
        assert refused.status_code == 507


async def test_a_killed_server_leaves_all_but_the_last_second(tmp_path: Path) -> None:
    settings = {"AFTERIMAGE_DATA": str(tmp_path)}
    server = ServerProcess(settings=settings, program=PROGRAM)
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=15) as http:
            visitor = Visitor(http, RED, audio=True)
            try:
                await visitor.connect(instruction="invert")
                await visitor.sees_colour(CYAN)
                recording = await begin(visitor, original=True)
                before = await recorded(visitor, recording, 50)
                await asyncio.to_thread(server.kill)
            finally:
                await visitor.leave()
        folder = tmp_path / "recordings" / recording["id"]
        for name in ("edited.mp4", "original.mp4"):
            pictures, sound = played(folder / name)
            assert pictures[-1][0] >= before["duration_s"] - 1.0
            assert sound[-1] >= before["duration_s"] - 1.0
        with ServerProcess(settings=settings, program=PROGRAM) as again:
            async with httpx.AsyncClient(base_url=again.url, timeout=15) as http:
                (kept,) = (await http.get("/v1/recordings")).json()
        assert kept["state"] == "interrupted"
        assert kept["frames"] == len(played(folder / "edited.mp4")[0])
        assert run_edit(["--replay", folder, tmp_path / "again.mp4", "--quiet"], InvertingEditor()) == 0
        assert is_colour(played(tmp_path / "again.mp4")[0][-1][1], CYAN)
    finally:
        server.kill()


async def test_a_slow_recorder_drops_frames_and_not_the_picture(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Take.write_edited

    go_on = threading.Event()

    def slow(take: Take, *arguments: Any) -> None:  # noqa: ANN401
        go_on.wait(30)
        written(take, *arguments)

    monkeypatch.setattr(Take, "write_edited", slow)
    server = await start_server()
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        recording = await begin(visitor)
        await visitor.sees(10)
        go_on.set()
        shown = await recorded(visitor, recording, 2)
        assert shown["dropped"] >= 5
