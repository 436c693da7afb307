import asyncio
from collections.abc import AsyncIterator

import pytest

from server.rtc.broadcast import MAX_WAITING_PICTURES, Broadcast
from server.rtc.codecs import ANY_CODECS
from server.rtc.encoded import EncodedFrame
from server.rtc.encoding import KEY_FRAME_INTERVAL_S
from server.rtc.picture_limits import PictureLimit, h264_limit
from server.session.frame import Frame
from server.session.outlets import Outlets
from server.telemetry import DropReason
from tests.server.conftest import until
from tests.server.frames import frame, payload, said_of_itself


class Stage:
    """A broadcast and what it tells."""

    def __init__(self) -> None:
        self.unwatched: list[Frame] = []
        self.left: list[Frame] = []
        self.dropped: list[DropReason] = []
        self.errors: list[BaseException] = []
        self.outlets = Outlets(self.unwatched.append)
        self.broadcast = Broadcast(
            self.outlets,
            lambda frame: float(frame.rtp_timestamp),
            1_000_000,
            ANY_CODECS,
            self.left.append,
            self.dropped.append,
            self.errors.append,
        )

    async def show(self, timestamp: int, size: tuple[int, int] = (32, 16), times: int = 1) -> None:
        """Put a picture out and wait until so many encoders have let it leave."""
        picture = frame(timestamp, size).let_through()
        count = len(self.left)
        self.outlets.put(picture)
        await until(lambda: len(self.left) >= count + times)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.broadcast.close()


async def test_without_viewers_nothing_is_encoded(stage: Stage) -> None:
    stage.outlets.put(frame(0).let_through())
    assert len(stage.unwatched) == 1
    assert stage.broadcast.encoders == 0


async def test_an_encoder_does_not_die_in_silence(stage: Stage) -> None:
    stage.broadcast.watch("VP8")
    # Without a picture: nothing that an encoder reckons with.
    stage.outlets.put(frame(0))
    await until(lambda: bool(stage.errors))
    assert isinstance(stage.errors[0], AssertionError)


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


async def test_what_a_viewer_takes_no_more_of_a_second_is_told_where_nobody_else_takes_it(
    stage: Stage,
) -> None:
    stage.broadcast.watch("VP8", PictureLimit(fps=10))
    await stage.show(0)
    stage.outlets.put(frame(3000).let_through())
    await until(lambda: bool(stage.dropped))
    stage.broadcast.watch("VP8")
    await stage.show(3600)
    await stage.show(90_000, times=2)
    assert stage.dropped == ["frame_rate"]


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


async def test_viewers_of_other_levels_share_what_all_of_them_take(stage: Stage) -> None:
    low, high = (stage.broadcast.watch("H264", h264_limit(said)) for said in ("42e01f", "42e02a"))
    await stage.show(0, (640, 480))
    assert stage.broadcast.encoders == 1
    assert await low.pictures.take() is await high.pictures.take()


async def test_a_viewers_level_parts_it_from_the_others_when_the_picture_grows(stage: Stage) -> None:
    low, high = (stage.broadcast.watch("H264", h264_limit(said)) for said in ("42e00d", "42e02a"))
    await stage.show(0, (1280, 720))
    assert stage.broadcast.encoders == 2
    await stage.show(3000, (1280, 720), times=2)
    assert {(running.width, running.height, running.level) for running in stage.broadcast.running} == {
        (416, 234, 1.3),
        (1280, 720, 3.2),
    }
    for seat, level in ((low, 13), (high, 32)):
        seen = await seat.pictures.take()
        assert seen.key_frame
        assert said_of_itself(payload("H264", seen.payloads))[2] == level


async def test_a_smaller_picture_brings_viewers_together_again(stage: Stage) -> None:
    seats = [stage.broadcast.watch("H264", h264_limit(said)) for said in ("42e01f", "42e02a", "640034")]
    await stage.show(0, (1280, 720))
    assert stage.broadcast.encoders == 2
    await stage.show(3000, (1280, 720), times=2)
    await stage.show(6000, (640, 480))
    assert stage.broadcast.encoders == 1
    await stage.show(9000, (640, 480))
    last = [[await seat.pictures.take() for _ in range(len(seat.pictures))][-1] for seat in seats]
    assert last[0].timestamp == 9000
    assert last[0] is last[1] is last[2]
    for seat in seats:
        await seat.leave()
    assert stage.broadcast.encoders == 0


async def test_sound_goes_to_everyone_who_listens(stage: Stage) -> None:
    first, second = stage.broadcast.listen(), stage.broadcast.listen()
    packet = EncodedFrame((b"opus",), 960, True, None)
    stage.broadcast.put_sound(packet)
    stage.broadcast.stop_listening(second)
    stage.broadcast.put_sound(packet)
    assert await first.take() is await first.take() is await second.take() is packet
    assert second.taken == 1
