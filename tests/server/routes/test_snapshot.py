import asyncio
import threading

import pytest

from server.routes import snapshot
from server.session.frame import Picture
from tests.server.conftest import RunningServer, until

ACCEPTED = [
    ("*/*", "image/jpeg"),
    ("image/png", "image/png"),
    ("image/*;q=0.5, image/png", "image/png"),
    ("image/png; Q=0.2, image/jpeg;q=0.1", "image/png"),
    ("image/png;level=1;q=0.2, image/jpeg;q=0.5", "image/jpeg"),
    ("image/png;q=inf, image/jpeg", "image/jpeg"),
    ("image/png;q=nan, image/jpeg;q=0.1", "image/jpeg"),
]
REFUSED = ["text/html", "image/jpeg;q=0", "*/*;q=0", "image/png;q=nan", ";;;,,,", ""]


async def test_a_snapshot_is_of_the_type_that_is_preferred(server: RunningServer) -> None:
    async with server.visitor(size=(64, 48)) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        for accept, media_type in ACCEPTED:
            headers = visitor.authorization | {"Accept": accept}
            answer = await visitor.http.get(f"{visitor.url}/snapshot", headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (200, media_type), accept
            assert answer.headers["vary"] == "Accept"
        for accept in REFUSED:
            headers = visitor.authorization | {"Accept": accept}
            answer = await visitor.http.get(f"{visitor.url}/snapshot", headers=headers)
            assert answer.status_code == 406, accept
            assert answer.json()["detail"] == "a snapshot is image/jpeg or image/png"


async def test_snapshots_do_not_hold_up_the_pictures(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, begun, gate = snapshot._encode, threading.Semaphore(0), threading.Event()

    def slow(picture: Picture, wanted: snapshot.ImageFormat) -> bytes:
        begun.release()
        gate.wait(30)
        return encode(picture, wanted)

    async with server.visitor(size=(64, 48)) as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees()
        monkeypatch.setattr(snapshot, "_encode", slow)
        asked = [
            asyncio.create_task(
                visitor.http.get(f"{visitor.url}/snapshot", headers=visitor.authorization, timeout=60)
            )
            for _ in range(40)
        ]
        await until(lambda: begun.acquire(blocking=False))
        for _ in range(5):
            # Each is another picture.
            await visitor.sees()
        gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
