import json
import shutil
import threading
from pathlib import Path

import pytest
import torch

from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import (
    AMOUNT_INDEX,
    CODE_LENGTH,
    Conditioning,
    InstructionError,
    instruction_code,
)
from engines.families import EXAMPLES, FAMILIES
from engines.instructions import MAX_CHARACTERS, TrainedInstructionEncoder, load_instruction_encoder
from engines.model import SHIPPED_MODELS, ModelError
from engines.training.held_back import held_back

SHIPPED = SHIPPED_MODELS / "rfdm-tiny" / "instruction_encoder"


@pytest.fixture(scope="module")
def encoder() -> TrainedInstructionEncoder:
    return load_instruction_encoder(SHIPPED)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the shipped encoder, for a test to damage."""
    return shutil.copytree(SHIPPED, tmp_path / "instruction_encoder")


def amount_of(conditioning: Conditioning, family: str) -> float:
    return float(conditioning.code[AMOUNT_INDEX + FAMILIES.index(family)])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_example_instruction_is_understood(encoder: TrainedInstructionEncoder, family: str) -> None:
    for example in EXAMPLES[family]:
        conditioning = encoder.encode(example)

        assert (example, [name for name, _ in conditioning.edits], conditioning.known) == (
            example,
            [family],
            True,
        )
        assert conditioning.family == family
        assert conditioning.code.shape == (CODE_LENGTH,)


PLAIN = {
    "make it black and white": {"black_and_white": 1.0},
    "black and white": {"black_and_white": 1.0},
    "b&w": {"black_and_white": 1.0},
    "sepia": {"sepia": 1.0},
    "invert it": {"negative": 1.0},
    "make it a pencil sketch": {"pencil_sketch": 1.0},
    "pencil sketch": {"pencil_sketch": 1.0},
    "cartoon": {"cartoon": 1.0},
    "make it an oil painting": {"painting": 1.0},
    "watercolour": {"watercolour": 1.0},
    "ink drawing": {"ink": 1.0},
    "make it a watercolor painting": {"watercolour": 1.0},
    "comic halftone": {"halftone": 1.0},
    "stained glass": {"stained_glass": 1.0},
    "blueprint": {"blueprint": 1.0},
    "make it a blueprint": {"blueprint": 1.0},
    "chalkboard": {"chalk": 1.0},
    "vhs": {"vhs": 1.0},
    "old tv": {"crt": 1.0},
    "night vision": {"night_vision": 1.0},
    "night": {"night": 1.0},
    "make it night": {"night": 1.0},
    "x-ray": {"xray": 1.0},
    "teal and orange": {"teal_orange": 1.0},
    "deep teal and orange": {"teal_orange": 1.5},
    "dreamy glow": {"glow": 1.0},
    "faded film": {"faded": 1.0},
    "sharpen": {"sharpen": 1.0},
    "sharpen it": {"sharpen": 1.0},
    "sharper": {"sharpen": 1.0},
    "blur it": {"blur": 1.0},
    "blur it slightly": {"blur": 0.5},
    "make it very blurry": {"blur": 1.5},
    "make it snow": {"snow": 1.0},
    "heavy snow": {"snow": 1.5},
    "make it rain": {"rain": 1.0},
    "light rain": {"rain": 0.5},
    "add fog": {"fog": 1.0},
    "make it brighter": {"brighter": 1.0},
    "a bit brighter": {"brighter": 0.5},
    "much brighter": {"brighter": 1.5},
    "make it darker": {"darker": 1.0},
    "very dark": {"darker": 1.5},
    "a touch warmer": {"warmer": 0.5},
    "make it a lot colder": {"cooler": 1.5},
    "blur the background": {"background_blur": 1.0},
    "blur the background a bit": {"background_blur": 0.5},
    "darken the background": {"background_dark": 1.0},
    "make the background black and white": {"background_grey": 1.0},
    "remove the balloons": {"remove_balloons": 1.0},
    "remove the effect": {"unchanged": 1.0},
    "make it night and blur the background": {"night": 1.0, "background_blur": 1.0},
    "pencil sketch, then a bit darker": {"pencil_sketch": 1.0, "darker": 0.5},
    "snow with a sepia tone": {"snow": 1.0, "sepia": 1.0},
    "make it a cartoon and add fog": {"cartoon": 1.0, "fog": 1.0},
    "black and white and very dark": {"black_and_white": 1.0, "darker": 1.5},
    "make it black and white and blur the background": {"black_and_white": 1.0, "background_blur": 1.0},
    "make it rain and make it darker": {"rain": 1.0, "darker": 1.0},
    "teal and orange with snow": {"teal_orange": 1.0, "snow": 1.0},
    "oil painting, more contrast": {"painting": 1.0, "more_contrast": 1.0},
    "sharpen it and warm it up a little": {"sharpen": 1.0, "warmer": 0.5},
    "sepia but brighter": {"sepia": 1.0, "brighter": 1.0},
    "make it foggy and black and white": {"fog": 1.0, "black_and_white": 1.0},
    "vhs plus rain": {"vhs": 1.0, "rain": 1.0},
    "remove the balloons and make it brighter": {"remove_balloons": 1.0, "brighter": 1.0},
}
"""Said as plainly as it can be said: all of it has to be right, whatever the share on the held-back phrasings is."""


@pytest.mark.parametrize(("text", "edits"), PLAIN.items(), ids=list(PLAIN))
def test_what_is_plainly_said_is_read_right(
    encoder: TrainedInstructionEncoder, text: str, edits: dict[str, float]
) -> None:
    conditioning = encoder.encode(text)

    assert conditioning.known
    assert dict(conditioning.edits) == pytest.approx(edits, abs=0.2)
    for family, amount in edits.items():
        assert conditioning.code[FAMILIES.index(family)] == 1.0
        assert amount_of(conditioning, family) == pytest.approx(amount, abs=0.2)
    assert conditioning.code[:AMOUNT_INDEX].sum() == len(edits)


def test_a_clear_instruction_gives_an_exact_code(encoder: TrainedInstructionEncoder) -> None:
    assert torch.equal(
        encoder.encode("turn it into a pencil sketch").code, instruction_code({"pencil_sketch": 1.0})
    )


@pytest.mark.parametrize("colour", COLOURS)
def test_a_named_colour_becomes_its_exact_rgb(encoder: TrainedInstructionEncoder, colour: str) -> None:
    code = encoder.encode(f"tint it {colour}").code

    assert torch.equal(code, instruction_code({"tint": 1.0}, rgb=COLOURS[colour]))


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(
    ("wording", "family"),
    [
        ("tint the background {}", "background_tint"),
        ("replace the background with plain {}", "background_replace"),
        ("add {} balloons", "add_balloons"),
    ],
)
def test_the_colour_to_give_is_read_for_every_family_that_takes_one(
    encoder: TrainedInstructionEncoder, wording: str, family: str, colour: str
) -> None:
    code = encoder.encode(wording.format(colour)).code

    assert torch.equal(code, instruction_code({family: 1.0}, rgb=COLOURS[colour]))


@pytest.mark.parametrize("meant", COLOURS)
def test_the_colour_meant_and_the_colour_to_give_are_told_apart(
    encoder: TrainedInstructionEncoder, meant: str
) -> None:
    given = "blue" if meant != "blue" else "red"

    recolour = encoder.encode(f"make the {meant} things {given}").code
    pop = encoder.encode(f"keep only the {meant}").code

    assert torch.equal(
        recolour, instruction_code({"recolour": 1.0}, rgb=COLOURS[given], rgb_of=COLOURS[meant])
    )
    assert torch.equal(pop, instruction_code({"colour_pop": 1.0}, rgb_of=COLOURS[meant]))


def test_joined_edits_share_the_colour_of_the_one_that_takes_it(encoder: TrainedInstructionEncoder) -> None:
    code = encoder.encode("turn the green car pink and blur the background").code

    assert torch.equal(
        code,
        instruction_code(
            {"recolour": 1.0, "background_blur": 1.0}, rgb=COLOURS["pink"], rgb_of=COLOURS["green"]
        ),
    )


@pytest.mark.parametrize(
    ("text", "colour"),
    [("a white wall behind me", "white"), ("put me in front of a black background", "black")],
)
def test_a_plain_background_may_have_no_hue(
    encoder: TrainedInstructionEncoder, text: str, colour: str
) -> None:
    assert torch.equal(
        encoder.encode(text).code, instruction_code({"background_replace": 1.0}, rgb=NAMED_COLOURS[colour])
    )


def test_a_green_screen_is_green(encoder: TrainedInstructionEncoder) -> None:
    conditioning = encoder.encode("green screen")

    assert torch.equal(conditioning.code, instruction_code({"background_replace": 1.0}, rgb=COLOURS["green"]))


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("without colour", "black_and_white"),
        ("no colour", "black_and_white"),
        ("not so dark", "brighter"),
        ("less bright", "darker"),
        ("it is too dark", "brighter"),
        ("it is too blurry", "sharpen"),
        ("no more snow", "unchanged"),
        ("turn off the rain", "unchanged"),
        ("don't blur it", "unchanged"),
        ("without the balloons", "remove_balloons"),
        ("no effect", "unchanged"),
    ],
)
def test_words_of_denial_turn_the_meaning_round(
    encoder: TrainedInstructionEncoder, text: str, family: str
) -> None:
    assert [name for name, _ in encoder.encode(text).edits] == [family]


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("black and white", "black_and_white"),
        ("teal and orange", "teal_orange"),
        ("draw it in pen and ink", "ink"),
        ("keep me in colour and the rest grey", "background_grey"),
        ("blue and green balloons", "add_balloons"),
        ("deeper blacks and brighter whites", "more_contrast"),
        ("black and white but keep the red", "colour_pop"),
    ],
)
def test_an_and_within_one_edit_joins_nothing(
    encoder: TrainedInstructionEncoder, text: str, family: str
) -> None:
    assert [name for name, _ in encoder.encode(text).edits] == [family]


@pytest.mark.parametrize(
    "text", ["make it night and put a hat on the dog", "rotate the video and make it night"]
)
def test_half_an_instruction_is_done_and_the_other_half_admitted(
    encoder: TrainedInstructionEncoder, text: str
) -> None:
    conditioning = encoder.encode(text)

    assert not conditioning.known
    assert conditioning.edits == (("night", 1.0),)
    assert torch.equal(conditioning.code, instruction_code({"night": 1.0}))
    assert conditioning.nearest[0] == EXAMPLES["night"][0]


def test_of_two_edits_with_different_colours_the_first_is_done(encoder: TrainedInstructionEncoder) -> None:
    conditioning = encoder.encode("tint it red and add blue balloons")

    assert not conditioning.known
    assert torch.equal(conditioning.code, instruction_code({"tint": 1.0}, rgb=COLOURS["red"]))
    assert conditioning.left_out == ("add_balloons",)


@pytest.mark.parametrize(
    ("text", "done", "left_out"),
    [
        ("make it night, blur the background and add snow", ("night", "background_blur"), ("snow",)),
        ("make it a cartoon and add fog and make it warmer", ("cartoon", "fog"), ("warmer",)),
        (
            "remove the balloons and make it brighter and add snow",
            ("remove_balloons", "brighter"),
            ("snow",),
        ),
    ],
)
def test_of_three_edits_two_are_done_and_the_third_is_named(
    encoder: TrainedInstructionEncoder, text: str, done: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    conditioning = encoder.encode(text)

    assert (conditioning.families, conditioning.left_out, conditioning.known) == (done, left_out, False)


@pytest.mark.parametrize(
    "text", ["sepia but brighter", "black and white", "make it rain", "put a hat on the dog"]
)
def test_nothing_is_left_out_of_what_can_be_done_or_not_at_all(
    encoder: TrainedInstructionEncoder, text: str
) -> None:
    assert encoder.encode(text).left_out == ()


def test_typing_errors_case_and_punctuation_do_not_matter(encoder: TrainedInstructionEncoder) -> None:
    for text in ("make it a penicl sketch", "MAKE IT A PENCIL SKETCH!!!", "makeit a pencil sketch"):
        assert encoder.encode(text).family == "pencil_sketch"


@pytest.mark.parametrize(
    "text",
    [
        "put a hat on the dog",
        "make me dance",
        "write hello on the wall",
        "what's the weather tomorrow",
        "what time is it",
        "rotate it and add a dragon",
        "asdfgh",
        "12345",
        "\U0001f355",
    ],
)
def test_a_stranger_is_unknown_and_leaves_the_picture_alone(
    encoder: TrainedInstructionEncoder, text: str
) -> None:
    conditioning = encoder.encode(text)

    assert not conditioning.known
    assert conditioning.edits == ()
    assert torch.equal(conditioning.code, instruction_code({"unchanged": 1.0}))
    assert len(set(conditioning.nearest)) == 3
    assert conditioning.nearest[0] == EXAMPLES[conditioning.family][0]


def test_what_is_done_is_likely_enough_and_what_is_not_is_offered(encoder: TrainedInstructionEncoder) -> None:
    for phrasing in held_back():
        read = encoder.encode(phrasing.text)
        if read.known:
            assert read.confidence >= encoder.config.known_threshold, phrasing.text
        else:
            assert read.nearest, phrasing.text


@pytest.mark.parametrize("text", ["add film grain", "ascii art", "put a vignette on it", "instagram filter"])
def test_a_style_nobody_taught_is_a_stranger(encoder: TrainedInstructionEncoder, text: str) -> None:
    assert not encoder.encode(text).known


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_blank_instruction_is_refused(encoder: TrainedInstructionEncoder, text: str) -> None:
    with pytest.raises(InstructionError, match="at least one word"):
        encoder.encode(text)


def test_a_long_instruction_is_refused_at_the_first_character_too_many(
    encoder: TrainedInstructionEncoder,
) -> None:
    longest = "blur it " * (MAX_CHARACTERS // 8) + "now."
    assert len(longest) == MAX_CHARACTERS
    encoder.encode(longest)

    with pytest.raises(InstructionError, match="at most 500 characters, this one has 501"):
        encoder.encode(longest + "!")


def test_a_text_of_signs_alone_is_read(encoder: TrainedInstructionEncoder) -> None:
    assert not encoder.encode("\N{COMBINING ACUTE ACCENT}").known


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("sharrpen", {"sharpen": 1.0}),
        ("blakboard", {"chalk": 1.0}),
        ("remove backgronud", {"background_replace": 1.0}),
        ("vhs and brihgter", {"vhs": 1.0, "brighter": 1.0}),
        ("slightyl blurry", {"blur": 0.5}),
    ],
)
def test_a_misspelt_name_is_as_certain_once_it_is_mended(
    encoder: TrainedInstructionEncoder, text: str, edits: dict[str, float]
) -> None:
    assert (dict(encoder.encode(text).edits), encoder.encode(text).confidence) == (edits, 1.0)


def test_back_to_normal_and_another_edit_is_the_other_edit(encoder: TrainedInstructionEncoder) -> None:
    assert encoder.encode("go back to normal and add snow").edits == (("snow", 1.0),)


def test_what_is_named_is_near_to_nothing_else(encoder: TrainedInstructionEncoder) -> None:
    assert encoder.encode("sharpen").nearest == (EXAMPLES["sharpen"][0],)


def test_the_same_text_is_encoded_once(encoder: TrainedInstructionEncoder) -> None:
    assert encoder.encode("fog, please") is encoder.encode("fog, please")


def test_threads_get_the_answers_of_their_own_texts() -> None:
    encoder = load_instruction_encoder(SHIPPED)
    texts = [example for family in FAMILIES for example in EXAMPLES[family]]
    answers: dict[int, list[str]] = {}

    def ask(offset: int) -> None:
        answers[offset] = [encoder.encode(text).text for text in texts[offset:] + texts[:offset]]

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {offset: texts[offset:] + texts[:offset] for offset in range(4)}


def test_a_saved_encoder_answers_as_before(encoder: TrainedInstructionEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "copy")

    copy = load_instruction_encoder(tmp_path / "copy")

    for text in ("a slight pink tint", "much darker", "put a hat on the dog"):
        assert torch.equal(copy.encode(text).code, encoder.encode(text).code)


def test_the_shipped_encoder_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 6_000_000


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        load_instruction_encoder(tmp_path / "nowhere")


def test_another_version_is_refused_with_both_named(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"format_version": 7}))

    with pytest.raises(ModelError, match="format version 7, this program reads version 2"):
        load_instruction_encoder(damaged)


def test_other_families_are_refused_with_both_named(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"families": ["unchanged", "holiday"]}))

    with pytest.raises(ModelError, match="unchanged, holiday; this program has unchanged, black_and_white"):
        load_instruction_encoder(damaged)


@pytest.mark.parametrize("config", ["not json", "[]", '{"format_version": 2, "families": 3}', "null"])
def test_a_damaged_config_is_refused(damaged: Path, config: str) -> None:
    (damaged / "config.json").write_text(config)

    with pytest.raises(ModelError, match=r"config\.json"):
        load_instruction_encoder(damaged)


def test_an_unknown_setting_is_refused(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"depth": 3}))

    with pytest.raises(ModelError, match="depth"):
        load_instruction_encoder(damaged)


def test_truncated_weights_are_refused(damaged: Path) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(ModelError, match="cannot read the instruction encoder"):
        load_instruction_encoder(damaged)


def test_weights_of_another_shape_are_refused(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"width": 64}))

    with pytest.raises(ModelError, match=r"does not fit config\.json"):
        load_instruction_encoder(damaged)
