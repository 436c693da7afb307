import asyncio

from server.messages import StateMessage
from server.session.events import MAX_WAITING, Events

LIVE, CLOSED = StateMessage(state="live"), StateMessage(state="closed")


async def test_a_listener_hears_what_waits_and_then_the_end() -> None:
    events = Events()
    with events.listening(LIVE) as listening:
        heard = [await anext(listening)]
        events.publish(CLOSED)
        events.end()
        heard += [event async for event in listening]
    assert heard == [LIVE, CLOSED]
    assert not events.listened_to


async def test_what_happens_before_a_listener_is_first_asked_is_heard() -> None:
    events = Events()
    with events.listening(LIVE) as listening:
        events.publish(CLOSED)
        events.end()
        assert [event async for event in listening] == [LIVE, CLOSED]


async def test_a_listener_that_was_never_asked_is_gone_with_its_block() -> None:
    events = Events()
    with events.listening(LIVE):
        assert events.listened_to
    assert not events.listened_to


async def test_who_listens_after_the_end_is_done_at_once() -> None:
    events = Events()
    events.end()
    async with asyncio.timeout(5):
        with events.listening(CLOSED) as listening:
            assert [event async for event in listening] == [CLOSED]


async def test_a_slow_listener_loses_the_oldest() -> None:
    events = Events()
    with events.listening(LIVE) as listening:
        await anext(listening)
        for number in range(MAX_WAITING + 1):
            events.publish(StateMessage(state="live", reason=str(number)))
        events.end()
        heard = [event async for event in listening]
    assert len(heard) == MAX_WAITING
    assert heard[0] == StateMessage(state="live", reason="1")
