import asyncio

from server.session.tasks import Tasks


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_fails_is_told_and_the_rest_goes_on() -> None:
    told: list[BaseException] = []
    tasks = Tasks(told.append)
    error = RuntimeError("a bug")

    async def fail() -> None:
        raise error

    tasks.spawn(forever())
    tasks.spawn(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert told == [error]
    assert len(tasks) == 1
    await tasks.cancel()


async def test_what_is_cancelled_has_ended_when_cancelling_returns_and_is_no_failure() -> None:
    told: list[BaseException] = []
    ended: list[str] = []
    tasks = Tasks(told.append)

    async def tidies_up() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append("tidied up")

    tasks.spawn(tidies_up())
    await asyncio.sleep(0)
    await tasks.cancel()

    assert ended == ["tidied up"]
    assert told == []
    assert len(tasks) == 0
