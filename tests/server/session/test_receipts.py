from dataclasses import replace

import torch

from engines.conditioning import Conditioning
from server.session.instruction import Instruction
from server.session.receipts import Receipts
from tests.server.frames import frame


def conditioning(text: str, value: float = 0.0) -> Conditioning:
    return Conditioning(text, torch.full((4,), value), "negative", 1.0, True, ())


def instruction(name: str = "a") -> Instruction:
    return Instruction(
        id=name,
        conditioning=conditioning(name),
        strength=1.0,
        arrived_s=10.0,
        frames_sent_before=5,
        understood_s=10.0,
    )


def test_the_first_frame_that_carries_an_instruction_gets_the_receipt() -> None:
    receipts = Receipts()
    receipts.expect(instruction())
    before, first, second = frame(), frame(), frame()
    for index, each in enumerate((before, first, second)):
        each.sent_s = 10.0 + 0.04 * (index + 1)
    first.instruction_id = second.instruction_id = "a"
    assert receipts.left(before, 5, 111) is None
    receipt = receipts.left(first, 6, 222)
    assert receipt is not None
    assert (receipt.instruction_id, receipt.frame_index, receipt.rtp_timestamp) == ("a", 6, 222)
    assert receipt.frames_waited == 1
    assert receipt.elapsed_ms == 80.0
    assert receipts.left(second, 7, 333) is None


def test_an_instruction_replaced_before_it_showed_gets_none() -> None:
    receipts = Receipts()
    receipts.expect(instruction("a"))
    receipts.expect(instruction("b"))
    late = frame()
    late.instruction_id, late.sent_s = "a", 11.0
    assert receipts.left(late, 6, 0) is None


def test_a_transition_ends_where_it_leads() -> None:
    begun = replace(
        instruction(), conditioning=conditioning("to", 1.0), previous=conditioning("from"), transition_s=2.0
    )
    assert begun.at(10.0).code.tolist() == [0.0] * 4
    assert begun.at(11.0).code.tolist() == [0.5] * 4
    assert begun.at(11.0).text == "to"
    assert begun.at(12.0) is begun.conditioning
    assert instruction().at(0.0).text == "a"
