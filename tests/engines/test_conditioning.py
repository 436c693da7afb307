import pytest
import torch

from engines.colours import COLOURS
from engines.conditioning import AMOUNT_INDEX, CODE_LENGTH, RGB_INDEX, Conditioning, instruction_code
from engines.families import FAMILIES


def conditioning(text: str, family: str, amount: float = 1.0) -> Conditioning:
    return Conditioning(text, instruction_code({family: 1.0}, amount), family, 0.9, True, (text,))


def test_a_code_holds_families_amount_and_colour_in_that_order() -> None:
    code = instruction_code({"tint": 1.0}, 0.5, COLOURS["teal"])

    assert code.shape == (CODE_LENGTH,) == (len(FAMILIES) + 4,)
    assert code.dtype == torch.float32
    assert code[FAMILIES.index("tint")] == 1.0
    assert code[:AMOUNT_INDEX].sum() == 1.0
    assert code[AMOUNT_INDEX] == 0.5
    assert code[RGB_INDEX:].tolist() == pytest.approx(COLOURS["teal"])


def test_a_code_of_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="not a family: holiday"):
        instruction_code({"holiday": 1.0})


def test_a_transition_interpolates_the_code_and_is_named_after_its_end() -> None:
    start, end = conditioning("night", "night"), conditioning("blur a bit", "blur", 0.5)

    halfway = start.towards(end, 0.5)

    assert halfway.text == "blur a bit"
    assert halfway.family == "blur"
    assert halfway.code[FAMILIES.index("night")] == 0.5
    assert halfway.code[FAMILIES.index("blur")] == 0.5
    assert halfway.code[AMOUNT_INDEX] == 0.75


def test_a_transition_starts_and_ends_exactly() -> None:
    start, end = conditioning("night", "night"), conditioning("fog", "fog", 1.5)

    assert torch.equal(start.towards(end, 0.0).code, start.code)
    assert torch.equal(start.towards(end, 1.0).code, end.code)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        conditioning("night", "night").towards(conditioning("fog", "fog"), share)
