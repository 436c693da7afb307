import asyncio

from server.session.mailbox import Mailbox


async def test_a_late_reader_gets_the_newest_item() -> None:
    mailbox: Mailbox[int] = Mailbox()
    for item in (1, 2, 3):
        mailbox.put(item)
    assert await mailbox.take() == 3
    assert mailbox.dropped == 2


async def test_every_drop_is_told() -> None:
    drops: list[None] = []
    mailbox: Mailbox[int] = Mailbox(lambda: drops.append(None))
    mailbox.put(1)
    mailbox.put(2)
    assert len(drops) == 1


async def test_a_waiting_reader_gets_the_next_item() -> None:
    mailbox: Mailbox[int] = Mailbox()
    reading = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    mailbox.put(7)
    assert await reading == 7
    assert mailbox.dropped == 0


async def test_looking_leaves_the_item_in_place() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert mailbox.peek() is None
    assert mailbox.take_nowait() is None
    mailbox.put(1)
    await mailbox.wait()
    assert mailbox.peek() == 1
    assert mailbox.take_nowait() == 1
    assert mailbox.peek() is None
