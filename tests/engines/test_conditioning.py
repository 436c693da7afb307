from dataclasses import replace

import pytest
import torch

from engines.colours import COLOURS
from engines.conditioning import (
    AMOUNT_INDEX,
    CODE_LENGTH,
    RGB_INDEX,
    RGB_OF_INDEX,
    Conditioning,
    instruction_code,
)
from engines.families import FAMILIES, NOISE_DRIFT, in_order


def conditioning(text: str, family: str, amount: float = 1.0) -> Conditioning:
    return Conditioning(text, instruction_code({family: 1.0}, amount), family, 0.9, True, (text,))


def test_a_code_holds_families_amounts_and_colours_in_that_order() -> None:
    code = instruction_code({"recolour": 1.0, "snow": 1.0}, {"snow": 0.5}, COLOURS["teal"], COLOURS["red"])

    assert code.shape == (CODE_LENGTH,) == (2 * len(FAMILIES) + 6,)
    assert code.dtype == torch.float32
    assert code[FAMILIES.index("recolour")] == code[FAMILIES.index("snow")] == 1.0
    assert code[:AMOUNT_INDEX].sum() == 2.0
    assert code[AMOUNT_INDEX + FAMILIES.index("recolour")] == 1.0
    assert code[AMOUNT_INDEX + FAMILIES.index("snow")] == 0.5
    assert code[AMOUNT_INDEX:RGB_INDEX].sum() == 1.5
    assert code[RGB_INDEX:RGB_OF_INDEX].tolist() == pytest.approx(COLOURS["teal"])
    assert code[RGB_OF_INDEX:].tolist() == pytest.approx(COLOURS["red"])


def test_an_unsure_reading_shares_weight_and_amount() -> None:
    code = instruction_code({"night": 0.75, "darker": 0.25}, 0.5)

    assert code[:AMOUNT_INDEX].sum() == 1.0
    assert code[AMOUNT_INDEX:RGB_INDEX].sum() == 0.5


def test_joined_edits_have_one_order_whatever_the_words_order() -> None:
    assert in_order(("crt", "snow", "background_blur")) == ("background_blur", "snow", "crt")
    assert in_order(("background_blur", "crt", "snow")) == ("background_blur", "snow", "crt")
    assert in_order(("darker", "brighter")) == ("brighter", "darker")


def test_an_instruction_moves_the_noise_when_any_of_its_edits_does() -> None:
    snowy_night = replace(conditioning("night", "night"), edits=(("night", 1.0), ("snow", 0.5)))

    assert snowy_night.drift == NOISE_DRIFT["snow"]
    assert conditioning("rain", "rain").drift == NOISE_DRIFT["rain"]
    assert conditioning("night", "night").drift is None


def test_an_unknown_instruction_leaves_the_noise_still() -> None:
    assert replace(conditioning("snore", "snow"), known=False).drift is None


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
    assert halfway.code[AMOUNT_INDEX + FAMILIES.index("night")] == 0.5
    assert halfway.code[AMOUNT_INDEX + FAMILIES.index("blur")] == 0.25


def test_a_transition_starts_and_ends_exactly() -> None:
    start, end = conditioning("night", "night"), conditioning("fog", "fog", 1.5)

    assert torch.equal(start.towards(end, 0.0).code, start.code)
    assert torch.equal(start.towards(end, 1.0).code, end.code)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        conditioning("night", "night").towards(conditioning("fog", "fog"), share)


def joined() -> Conditioning:
    edits = (("tint", 0.5), ("snow", 1.0))
    code = instruction_code({"tint": 1.0, "snow": 1.0}, dict(edits), COLOURS["teal"])
    return Conditioning("tint it teal a bit and let it snow", code, "tint", 0.9, True, (), edits)


def test_the_passes_of_an_instruction_are_made_once() -> None:
    """Each frame asks for them, and a device keeps codes by what they are."""
    both = joined()

    assert all(now is before for now, before in zip(both.passes, both.passes, strict=True))


def test_joined_edits_are_made_one_after_the_other_in_their_order() -> None:
    first, second = joined().passes

    assert (first.family, second.family) == ("tint", "snow")
    assert torch.equal(first.code, instruction_code({"tint": 1.0}, 0.5, COLOURS["teal"]))
    assert torch.equal(second.code, instruction_code({"snow": 1.0}))
    assert first.drift is None
    assert second.drift == NOISE_DRIFT["snow"]


def test_a_single_edit_and_a_transition_are_one_pass() -> None:
    night = replace(conditioning("night", "night"), edits=(("night", 1.0),))

    assert night.passes == (night,)
    halfway = night.towards(joined(), 0.5)
    assert halfway.passes == (halfway,)
    assert len(night.towards(joined(), 1.0).passes) == 2
