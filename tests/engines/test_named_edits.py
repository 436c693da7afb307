import tomllib
from pathlib import Path

import pytest
import torch

from engines import names
from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import instruction_code
from engines.families import FAMILIES, LABELS, TAKES_NEUTRALS, TAKES_RGB, TAKES_RGB_OF
from engines.instructions import TrainedInstructionEncoder
from engines.named_edits import NamedEdit, named_edits
from engines.names import NAMES, USUAL_COLOUR, USUAL_COLOUR_OF
from engines.reader import Reader, ReaderConfig
from engines.tokenizer import Vocabulary

EVERY_NAME = [(family, name) for family in FAMILIES for name in NAMES[family]]
WITH_COLOUR = [(family, name) for family, name in EVERY_NAME if "{" in name]


@pytest.fixture(scope="module")
def untrained() -> TrainedInstructionEncoder:
    """An encoder that has learned nothing: whatever it answers right, it was not asked."""
    torch.manual_seed(0)
    config = ReaderConfig(piece_width=8, group_width=8, group_buckets=64, width=16, layers=1, heads=2)
    return TrainedInstructionEncoder(config, Reader(config, 1), Vocabulary(("blur",), ("blur",)))


def edits(text: str) -> dict[str, float]:
    return {edit.family: edit.amount for edit in named_edits(text)}


@pytest.mark.parametrize(("family", "name"), EVERY_NAME, ids=[name for _, name in EVERY_NAME])
def test_every_name_is_certain_whatever_the_encoder_has_learned(
    untrained: TrainedInstructionEncoder, family: str, name: str
) -> None:
    said, meant = "{c}" in name, "{o}" in name
    colour = "pink" if said else USUAL_COLOUR.get(family)
    colour_of = "green" if meant else USUAL_COLOUR_OF.get(family)
    wanted = instruction_code(
        {family: 1.0},
        rgb=NAMED_COLOURS[colour] if colour else (0, 0, 0),
        rgb_of=COLOURS[colour_of] if colour_of else (0, 0, 0),
    )
    text = name.format(c="pink", o="green")

    for typed in (
        text,
        text.upper() + "!!",
        f"Please make it {text}, thanks",
        f"can you show me the {text} look",
    ):
        conditioning = untrained.encode(typed)

        assert (typed, conditioning.edits) == (typed, ((family, 1.0),))
        assert torch.equal(conditioning.code, wanted)
        assert (conditioning.known, conditioning.confidence, conditioning.left_out) == (True, 1.0, ())


def test_no_name_is_of_a_family_that_is_not_there() -> None:
    listed = Path(names.__file__).with_name("names.toml").read_text(encoding="utf-8")
    assert tomllib.loads(listed).keys() == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_and_family_names_are_names(family: str) -> None:
    assert edits(LABELS[family]) == edits(family.replace("_", " ")) == {family: 1.0}


@pytest.mark.parametrize(("family", "name"), WITH_COLOUR, ids=[name for _, name in WITH_COLOUR])
def test_a_name_takes_every_colour_that_its_family_can_give(family: str, name: str) -> None:
    for colour in NAMED_COLOURS if family in TAKES_NEUTRALS and "{o}" not in name else COLOURS:
        edit = NamedEdit(
            family,
            colour=colour if "{c}" in name else None,
            colour_of="red" if "{o} " in name and "{c}" in name else colour if "{o}" in name else None,
        )
        text = name.format(c=colour, o=edit.colour_of)
        if text == "background grey":
            continue  # the name of a family of its own

        assert (text, named_edits(text)) == (text, (edit,))


def test_colours_are_usual_for_just_the_families_that_take_one() -> None:
    assert USUAL_COLOUR.keys() == TAKES_RGB
    assert USUAL_COLOUR_OF.keys() == TAKES_RGB_OF


@pytest.mark.parametrize("colour", COLOURS)
def test_a_bare_colour_is_a_tint(colour: str) -> None:
    assert named_edits(colour) == (NamedEdit("tint", colour=colour, bare_colour=True),)


def test_shades_that_are_colours_of_their_own_are_not_degrees() -> None:
    assert named_edits("light blue tint") == (NamedEdit("tint", colour="cyan"),)
    assert named_edits("dark red") == (NamedEdit("tint", colour="maroon", bare_colour=True),)
    assert named_edits("deep blue tint") == (NamedEdit("tint", 1.5, "blue"),)
    assert named_edits("light green tint") == ()


@pytest.mark.parametrize(
    ("text", "family", "amount"),
    [
        ("slightly blurry", "blur", 0.5),
        ("a touch of sepia", "sepia", 0.5),
        ("make it a lot darker", "darker", 1.5),
        ("very dark", "darker", 1.5),
        ("a bit darker please", "darker", 0.5),
        ("blur the background a bit", "background_blur", 0.5),
        ("heavy snow", "snow", 1.5),
        ("rain, but only slightly", "rain", 0.5),
        ("strong cartoon effect", "cartoon", 1.5),
        ("lots of blue balloons", "add_balloons", 1.5),
        ("sepia 50%", "sepia", 0.5),
        ("20 percent fog", "fog", 0.4),
        ("150% blur", "blur", 1.5),
        ("more snow", "snow", 1.5),
        ("less snow", "snow", 0.5),
        ("much more fog", "fog", 1.5),
        ("more dark", "darker", 1.0),
        ("a bit more contrast", "more_contrast", 0.5),
        ("less bright", "darker", 1.0),
        ("not so dark", "brighter", 1.0),
        ("way too dark", "brighter", 1.5),
        ("it is a bit too blurry", "", 0.0),
        ("too much contrast", "less_contrast", 1.0),
        ("less blurry", "sharpen", 1.0),
        ("too cold", "warmer", 1.0),
        ("make colors not so strong", "less_saturated", 1.0),
        ("contrast too high", "less_contrast", 1.0),
        ("make the colours a bit less strong", "less_saturated", 0.5),
        ("colours much too strong", "less_saturated", 1.5),
        ("colours a lot more vivid", "more_saturated", 1.5),
        ("colours way less saturated", "less_saturated", 1.5),
        ("background slightly less dark", "background_dark", 0.5),
        ("background less dark", "background_dark", 0.5),
        ("hide my room", "background_blur", 1.0),
        ("please hide the room behind me", "background_blur", 1.0),
        ("80s look", "vhs", 1.0),
        ("make it look like the 80's", "vhs", 1.0),
        ("like minecraft", "mosaic", 1.0),
        ("no snow", "unchanged", 1.0),
        ("turn off the cartoon", "unchanged", 1.0),
        ("vhs off", "unchanged", 1.0),
        ("no balloons", "remove_balloons", 1.0),
        ("no colour", "black_and_white", 1.0),
        ("no background", "background_replace", 1.0),
    ],
)
def test_degrees_comparisons_and_denials(text: str, family: str, amount: float) -> None:
    assert edits(text) == ({family: amount} if family else {})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("night and snow", {"night": 1.0, "snow": 1.0}),
        ("sharpen, then a touch of sepia", {"sharpen": 1.0, "sepia": 0.5}),
        ("cartoon + fog", {"cartoon": 1.0, "fog": 1.0}),
        ("black and white and snow", {"black_and_white": 1.0, "snow": 1.0}),
        ("bg blur", {"background_blur": 1.0}),
        ("first pencil, after that more dark", {"pencil_sketch": 1.0, "darker": 1.0}),
        ("teal n orange", {"teal_orange": 1.0}),
        ("teal & orange & rain", {"teal_orange": 1.0, "rain": 1.0}),
        ("make it sunset and put balloons", {"sunset": 1.0, "add_balloons": 1.0}),
        ("sepia but a bit brighter", {"sepia": 1.0, "brighter": 0.5}),
        ("rainy night", {"rain": 1.0, "night": 1.0}),
        ("cartoon at night", {"cartoon": 1.0, "night": 1.0}),
        ("sepia brighter", {"sepia": 1.0, "brighter": 1.0}),
        ("night vision", {"night_vision": 1.0}),
        ("cartoon and blue", {"cartoon": 1.0, "tint": 1.0}),
        ("night, cartoon, fog, rain", {"night": 1.0, "cartoon": 1.0, "fog": 1.0, "rain": 1.0}),
    ],
)
def test_names_that_are_joined_or_side_by_side(text: str, wanted: dict[str, float]) -> None:
    assert edits(text) == wanted
    assert list(edits(text)) == list(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "put a hat on the dog",
        "make my shirt blue",
        "hide my face",
        "colours strong",
        "colours very not so strong",
        "a bit colours a bit less strong",
        "hair a bit less red",
        "colours a bit less and strong",
        "carrot",
        "turn the camera off",
        "stop the video",
        "make it rain money",
        "blue and green",
        "blue and green balloons",
        "tint everything but me blue",
        "blur and darken the background",
        "grey but keep the red",
        "paint it with watercolours",
        "nothing but turquoise",
        "no contrast",
        "penicl sketch",
        "sharpen and put a hat on the dog",
        "",
        "?!",
        "light the room",
        "so make it snow",
        "please",
        f"{'9' * 400}% blur",
        "blur 0%",
        "please " * 60 + "blur",
        "pencil, sketch, " * 30 + "dog",
    ],
)
def test_what_is_more_than_names_is_left_to_the_encoder(text: str) -> None:
    assert named_edits(text) == ()


def test_of_more_names_than_can_be_done_the_others_are_named(untrained: TrainedInstructionEncoder) -> None:
    conditioning = untrained.encode("night, cartoon, fog and rain")

    assert (conditioning.families, conditioning.left_out) == (("night", "cartoon"), ("fog", "rain"))
    assert not conditioning.known


@pytest.mark.parametrize(
    ("text", "families", "rgb", "left_out"),
    [
        ("red tint and blue balloons", ("tint",), "red", ("add_balloons",)),
        ("snow, red tint and blue balloons", ("snow", "tint"), "red", ("add_balloons",)),
        ("colour tint and blue balloons", ("tint", "add_balloons"), "blue", ()),
        ("tint the background and balloons", ("background_tint", "add_balloons"), "blue", ()),
    ],
)
def test_names_share_the_one_colour_there_is_room_for(
    untrained: TrainedInstructionEncoder,
    text: str,
    families: tuple[str, ...],
    rgb: str,
    left_out: tuple[str, ...],
) -> None:
    conditioning = untrained.encode(text)

    assert (conditioning.families, conditioning.left_out) == (families, left_out)
    assert conditioning.known == (not left_out)
    assert torch.equal(conditioning.code, instruction_code(dict.fromkeys(families, 1.0), rgb=COLOURS[rgb]))


def test_an_edit_that_is_named_twice_is_done_once(untrained: TrainedInstructionEncoder) -> None:
    assert untrained.encode("darker, much darker").edits == (("darker", 1.5),)
    assert untrained.encode("slightly sketched, pencil").edits == (("pencil_sketch", 0.5),)
