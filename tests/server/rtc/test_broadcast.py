import asyncio
from collections.abc import AsyncIterator

import pytest

from server.rtc.broadcast import MAX_WAITING_PICTURES, Broadcast
from server.rtc.codecs import ANY_CODECS
from server.rtc.encoded import EncodedFrame
from server.rtc.encoding import KEY_FRAME_INTERVAL_S
from server.session.frame import Frame
from server.session.outlets import Outlets
from tests.server.conftest import until
from tests.server.frames import frame


class Stage:
    """A broadcast and what it tells."""

    def __init__(self) -> None:
        self.unwatched: list[Frame] = []
        self.left: list[Frame] = []
        self.outlets = Outlets(self.unwatched.append)
        self.broadcast = Broadcast(
            self.outlets,
            lambda frame: float(frame.rtp_timestamp),
            1_000_000,
            ANY_CODECS,
            self.left.append,
            lambda: None,
            lambda: None,
        )

    async def show(self, timestamp: int) -> None:
        """Put a picture out and wait until it has left."""
        picture = frame(timestamp).let_through()
        count = len(self.left)
        self.outlets.put(picture)
        await until(lambda: len(self.left) > count)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.broadcast.close()


async def test_without_viewers_nothing_is_encoded(stage: Stage) -> None:
    stage.outlets.put(frame(0).let_through())
    assert len(stage.unwatched) == 1
    assert stage.broadcast.encoders == 0


async def test_viewers_share_the_very_bytes(stage: Stage) -> None:
    first, second = stage.broadcast.watch("VP8"), stage.broadcast.watch("VP8")
    await stage.show(0)
    assert stage.broadcast.encoders == 1
    seen = await first.pictures.take()
    assert seen is await second.pictures.take()
    assert (seen.key_frame, seen.capture_ms) == (True, 0.0)


async def test_a_late_viewer_gets_a_key_frame_at_once(stage: Stage) -> None:
    early = stage.broadcast.watch("H264")
    for timestamp in (0, 3000, 6000):
        await stage.show(timestamp)
    await asyncio.sleep(KEY_FRAME_INTERVAL_S + 0.05)
    late = stage.broadcast.watch("H264")
    await stage.show(9000)
    keys = [(await early.pictures.take()).key_frame for _ in range(4)]
    assert keys == [True, False, False, True]
    assert (await late.pictures.take()).timestamp == 9000


async def test_a_slow_viewer_slows_nobody(stage: Stage) -> None:
    slow, quick = stage.broadcast.watch("VP8"), stage.broadcast.watch("VP8")
    count = MAX_WAITING_PICTURES + 10
    for index in range(count):
        await stage.show(3000 * index)
        assert (await quick.pictures.take()).timestamp == 3000 * index
    assert quick.pictures.dropped == 0
    assert slow.pictures.dropped > MAX_WAITING_PICTURES


async def test_the_last_viewer_of_a_codec_ends_its_encoder(stage: Stage) -> None:
    seats = [stage.broadcast.watch("VP8"), stage.broadcast.watch("VP8"), stage.broadcast.watch("H264")]
    assert stage.broadcast.encoders == 2
    await seats[0].leave()
    await seats[2].leave()
    assert stage.broadcast.encoders == 1
    await seats[1].leave()
    await seats[1].leave()
    assert stage.broadcast.encoders == 0
    stage.outlets.put(frame(0).let_through())
    assert len(stage.unwatched) == 1


async def test_sound_goes_to_everyone_who_listens(stage: Stage) -> None:
    first, second = stage.broadcast.listen(), stage.broadcast.listen()
    packet = EncodedFrame((b"opus",), 960, True, None)
    stage.broadcast.put_sound(packet)
    stage.broadcast.stop_listening(second)
    stage.broadcast.put_sound(packet)
    assert await first.take() is await first.take() is await second.take() is packet
    assert second.taken == 1
