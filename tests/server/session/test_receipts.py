from server.session.receipts import Awaited, Receipts
from tests.server.frames import frame


def awaited(name: str) -> Awaited:
    return Awaited(name, f"text of {name}", arrived_s=10.0, frames_sent_before=5)


def test_the_first_frame_that_carries_an_instruction_gets_the_receipt() -> None:
    receipts = Receipts()
    receipts.expect(awaited("a"))
    before, first, second = frame(), frame(), frame()
    for index, each in enumerate((before, first, second)):
        each.sent_s = 10.0 + 0.04 * (index + 1)
    first.instruction_ids = second.instruction_ids = ("a",)
    assert receipts.left(before, 5, 111) == ()
    (receipt,) = receipts.left(first, 6, 222)
    assert (receipt.instruction_id, receipt.frame_index, receipt.rtp_timestamp) == ("a", 6, 222)
    assert receipt.text == "text of a"
    assert receipt.frames_waited == 1
    assert receipt.elapsed_ms == 80.0
    assert receipts.left(second, 7, 333) == ()


def test_each_of_several_instructions_gets_its_own() -> None:
    receipts = Receipts()
    receipts.expect(awaited("a"))
    receipts.expect(awaited("b"))
    both = frame()
    both.instruction_ids, both.sent_s = ("a", "b"), 10.1
    assert [receipt.instruction_id for receipt in receipts.left(both, 6, None)] == ["a", "b"]


def test_an_instruction_taken_back_before_it_showed_gets_none() -> None:
    receipts = Receipts()
    receipts.expect(awaited("a"))
    receipts.keep({"b"})
    late = frame()
    late.instruction_ids, late.sent_s = ("a",), 11.0
    assert receipts.left(late, 6, 0) == ()
