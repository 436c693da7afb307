import torch

from engines.device_codes import MOST_CODES, DeviceCodes


def test_a_code_is_taken_to_the_device_once_and_forgotten_with_its_instruction() -> None:
    codes = DeviceCodes(torch.device("meta"))
    first, second = torch.zeros(4), torch.zeros(4)

    assert codes.there(first) is codes.there(first)
    assert codes.there(first) is not codes.there(second)
    assert codes.there(first).device.type == "meta"
    assert len(codes) == 2
    del first
    assert len(codes) == 1


def test_of_many_instructions_only_those_used_last_stay_on_the_device() -> None:
    """A server remembers hundreds."""
    codes = DeviceCodes(torch.device("meta"))
    first, *others = [torch.zeros(4) for _ in range(MOST_CODES)]
    kept = codes.there(first)
    for other in others:
        codes.there(other)
    codes.there(first)
    for added in (later := [torch.zeros(4) for _ in range(MOST_CODES // 2)]):
        codes.there(added)

    assert len(codes) == MOST_CODES
    assert codes.there(first) is kept
    assert len(later) == MOST_CODES // 2


def test_on_the_device_it_is_already_at_nothing_is_kept() -> None:
    codes, code = DeviceCodes(torch.device("cpu")), torch.zeros(4)

    assert codes.there(code) is code
    assert len(codes) == 0
