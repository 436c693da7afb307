import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.engine import Engine, Job
from server.session.frame import Frame
from server.session.layer import AppliedLayer, Edits, Layer
from server.session.layered import Seat
from server.session.mailbox import Mailbox
from server.session.outlets import Outlets
from server.session.worker import Worker
from tests.server.fakes import InvertingEditor
from tests.server.frames import frame


@pytest.fixture
def editor() -> InvertingEditor:
    return InvertingEditor()


@pytest.fixture
async def engine(editor: InvertingEditor) -> AsyncIterator[Engine]:
    engine = Engine(lambda: editor, max_batch=1)
    engine.start()
    await engine.settled()
    yield engine
    await engine.close()


async def test_a_bypass_stops_an_edit_whose_turn_has_not_come(
    engine: Engine, editor: InvertingEditor
) -> None:
    conditioning = await engine.encode("invert")
    asked = Edits(layers=(Layer("i", conditioning),))
    inbox, outlets, seat = Mailbox[Frame](), Outlets(lambda _: None), Seat()
    left, other = outlets.open(), frame()
    worker = Worker(inbox, outlets, engine, seat, 60.0, lambda _: None, lambda: None, lambda: None)
    worker.follow(asked)
    hold = editor.hold = threading.Event()
    ahead = asyncio.create_task(
        engine.edit(Seat(), lambda: other, lambda: Job(other, (AppliedLayer("other", conditioning, 1.0),)))
    )
    running = asyncio.create_task(worker.run())
    inbox.put(frame())
    await asyncio.sleep(0.05)

    worker.follow(replace(asked, revision=1, bypassed=True))
    hold.set()

    try:
        assert (await left.take()).kind == "passed"
        assert (seat._states, editor.batches) == ({}, [1])
    finally:
        running.cancel()
        await ahead
