import torch

from engines.device_codes import DeviceCodes


def test_a_code_is_taken_to_the_device_once_and_forgotten_with_its_instruction() -> None:
    codes = DeviceCodes(torch.device("meta"))
    first, second = torch.zeros(4), torch.zeros(4)

    assert codes.there(first) is codes.there(first)
    assert codes.there(first) is not codes.there(second)
    assert codes.there(first).device.type == "meta"
    assert len(codes) == 2
    del first
    assert len(codes) == 1


def test_on_the_device_it_is_already_at_nothing_is_kept() -> None:
    codes, code = DeviceCodes(torch.device("cpu")), torch.zeros(4)

    assert codes.there(code) is code
    assert len(codes) == 0
