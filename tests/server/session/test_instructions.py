from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from server.asks import InstructionFields, LayerChangeFields, LayerFields
from server.engine import Engine
from server.session.instructions import Instructions
from server.session.layered import Seat
from server.session.mailbox import Mailbox
from server.session.outlets import Outlets
from server.session.receipts import Receipts
from server.session.worker import Worker
from server.telemetry import Telemetry
from tests.server.fakes import InvertingEditor
from tests.server.frames import frame


class Visit:
    """A session's instructions by a clock of its own, without a picture."""

    def __init__(self, engine: Engine) -> None:
        self.now_s = 10.0
        worker = Worker(
            Mailbox(),
            Outlets(lambda _: None),
            engine,
            Seat(),
            60.0,
            lambda _: None,
            lambda: None,
            lambda: None,
            self.clock,
        )
        self.receipts = Receipts()
        self.instructions = Instructions(
            engine, worker, self.receipts, Telemetry(self.clock), lambda _: None, self.clock
        )

    def clock(self) -> float:
        return self.now_s

    def waited_ms(self) -> list[float]:
        """What receipts say as a frame leaves that shows all that is asked."""
        shown = frame()
        shown.instruction_ids = tuple(each.instruction_id for each in self.instructions.summary.layers)
        shown.sent_s = self.now_s
        return [receipt.elapsed_ms for receipt in self.receipts.left(shown, 0, None)]


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    engine = Engine(InvertingEditor, max_batch=1)
    engine.start()
    yield Visit(engine)
    await engine.close()


async def put_switched_off(instructions: Instructions) -> Callable[[], None]:
    await instructions.replace([LayerFields(text="invert", enabled=False)])
    taken = instructions.newest
    assert taken is not None
    return lambda: instructions.change(taken.instruction_id, LayerChangeFields(enabled=True))


async def take_behind_the_original(instructions: Instructions) -> Callable[[], None]:
    instructions.bypass(True)
    await instructions.take(InstructionFields(text="invert"))
    return lambda: instructions.bypass(False)


async def take_behind_a_held_picture(instructions: Instructions) -> Callable[[], None]:
    instructions.freeze(True)
    await instructions.take(InstructionFields(text="invert"))
    return lambda: instructions.freeze(False)


@pytest.mark.parametrize(
    "ask",
    [put_switched_off, take_behind_the_original, take_behind_a_held_picture],
    ids=lambda ask: ask.__name__,
)
async def test_a_receipt_counts_no_time_in_which_nobody_wanted_to_see_it(
    visit: Visit, ask: Callable[[Instructions], Awaitable[Callable[[], None]]]
) -> None:
    show = await ask(visit.instructions)
    visit.now_s += 300.0
    show()
    visit.now_s += 0.125
    assert visit.waited_ms() == [125.0]


async def test_an_instruction_that_was_seen_gets_no_other_receipt_when_it_is_switched_on_again(
    visit: Visit,
) -> None:
    taken = await visit.instructions.take(InstructionFields(text="invert"))
    visit.now_s += 0.25
    assert visit.waited_ms() == [250.0]
    for enabled in (False, True):
        visit.instructions.change(taken.instruction_id, LayerChangeFields(enabled=enabled))
    assert visit.waited_ms() == []
