import asyncio
from contextlib import suppress

from server.rtc.encoded import EncodedFrame, FrameQueue
from server.rtc.viewer import EncodedTrack


def frame(timestamp: int, key_frame: bool = False) -> EncodedFrame:
    return EncodedFrame((b"x",), timestamp, key_frame, None)


async def taken(queue: FrameQueue) -> list[int]:
    timestamps: list[int] = []
    with suppress(TimeoutError):
        while True:
            timestamps.append((await asyncio.wait_for(queue.take(), 0.01)).timestamp)
    return timestamps


async def test_a_viewer_begins_with_a_key_frame() -> None:
    wishes: list[bool] = []
    queue = FrameQueue(4, lambda: wishes.append(True))
    for timestamp in range(5):
        queue.put(frame(timestamp, key_frame=timestamp == 2))
    assert await taken(queue) == [2, 3, 4]
    assert queue.dropped == 2
    assert wishes


async def test_a_slow_viewer_goes_on_at_the_next_key_frame() -> None:
    wishes: list[bool] = []
    queue = FrameQueue(3, lambda: wishes.append(True))
    for timestamp in range(6):
        queue.put(frame(timestamp, key_frame=timestamp in (0, 5)))
    assert await taken(queue) == [5]
    assert queue.dropped == 5
    assert len(wishes) == 2


async def test_what_waits_is_bounded() -> None:
    queue = FrameQueue(3, lambda: None)
    for timestamp in range(1000):
        queue.put(frame(timestamp, key_frame=True))
    assert len(await taken(queue)) <= 3


async def test_a_viewer_who_connects_late_begins_with_the_present() -> None:
    wishes: list[bool] = []
    queue = FrameQueue(30, lambda: wishes.append(True))
    for timestamp in range(50):
        queue.put(frame(timestamp, key_frame=timestamp in (0, 40)))
    wishes.clear()
    reading = asyncio.create_task(EncodedTrack("video", queue).recv())
    await asyncio.sleep(0)
    assert wishes, "a key frame is asked for"
    queue.put(frame(50))
    queue.put(frame(51, key_frame=True))
    assert (await reading).timestamp == 51
    assert queue.dropped == 1, "what it could not have seen was not dropped"
