import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines.colours import COLOURS
from engines.conditioning import AMOUNT_INDEX, CODE_LENGTH, RGB_INDEX, InstructionError
from engines.families import EXAMPLES, FAMILIES
from engines.instructions import (
    MAX_CHARACTERS,
    Tokenizer,
    TrainedInstructionEncoder,
    Vocabulary,
    load_instruction_encoder,
    sharpened,
    split_words,
)
from engines.model import SHIPPED_MODELS, ModelError

SHIPPED = SHIPPED_MODELS / "rfdm-tiny" / "instruction_encoder"


@pytest.fixture(scope="module")
def encoder() -> TrainedInstructionEncoder:
    return load_instruction_encoder(SHIPPED)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the shipped encoder, for a test to damage."""
    return shutil.copytree(SHIPPED, tmp_path / "instruction_encoder")


def one_hot(family: str) -> Tensor:
    return torch.tensor([float(name == family) for name in FAMILIES])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_example_instruction_is_understood(encoder: TrainedInstructionEncoder, family: str) -> None:
    for example in EXAMPLES[family]:
        conditioning = encoder.encode(example)

        assert (example, conditioning.family, conditioning.known) == (example, family, True)
        assert conditioning.code.shape == (CODE_LENGTH,)


def test_a_clear_instruction_gives_an_exact_code(encoder: TrainedInstructionEncoder) -> None:
    code = encoder.encode("turn it into a pencil sketch").code

    assert torch.equal(code[:AMOUNT_INDEX], one_hot("pencil_sketch"))
    assert code[AMOUNT_INDEX:].tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "amount"), [("blur it slightly", 0.5), ("blur it", 1.0), ("make it very blurry", 1.5)]
)
def test_degrees_become_the_amount(encoder: TrainedInstructionEncoder, text: str, amount: float) -> None:
    assert encoder.encode(text).code[AMOUNT_INDEX].item() == pytest.approx(amount, abs=0.15)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_named_colour_becomes_its_exact_rgb(encoder: TrainedInstructionEncoder, colour: str) -> None:
    code = encoder.encode(f"tint it {colour}").code

    assert torch.equal(code[:AMOUNT_INDEX], one_hot("tint"))
    assert code[RGB_INDEX:].tolist() == pytest.approx(COLOURS[colour])


def test_typing_errors_case_and_punctuation_do_not_matter(encoder: TrainedInstructionEncoder) -> None:
    for text in ("make it a penicl sketch", "MAKE IT A PENCIL SKETCH!!!", "makeit a pencil sketch"):
        assert encoder.encode(text).family == "pencil_sketch"


@pytest.mark.parametrize("text", ["put a hat on the dog", "what time is it", "asdfgh", "12345", "\U0001f355"])
def test_a_stranger_is_unknown_and_leaves_the_picture_alone(
    encoder: TrainedInstructionEncoder, text: str
) -> None:
    conditioning = encoder.encode(text)

    assert not conditioning.known
    assert torch.equal(conditioning.code[:AMOUNT_INDEX], one_hot("unchanged"))
    assert len(set(conditioning.nearest)) == 3
    assert conditioning.nearest[0] == EXAMPLES[conditioning.family][0]


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

    with pytest.raises(ModelError, match="format version 7, this program reads version 1"):
        load_instruction_encoder(damaged)


def test_other_families_are_refused_with_both_named(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"families": ["unchanged", "holiday"]}))

    with pytest.raises(ModelError, match="unchanged, holiday; this program has unchanged, black_and_white"):
        load_instruction_encoder(damaged)


@pytest.mark.parametrize("config", ["not json", "[]", '{"format_version": 1, "families": 3}', "null"])
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


def test_words_are_lower_case_without_accents_and_apostrophes() -> None:
    words = split_words("Don't caf\N{LATIN SMALL LETTER E WITH ACUTE}-B&W!")

    assert words == ["dont", "cafe", "-", "b", "and", "w", "!"]


def test_misspelt_words_are_mended_and_joined_ones_split() -> None:
    tokenizer = Tokenizer(Vocabulary(("zebra",), ("black", "white", "and", "sketch")), 64)

    assert tokenizer.words("sktech") == ["sketch"]
    assert tokenizer.words("sketchh blak") == ["sketch", "black"]
    assert tokenizer.words("blackandwhite") == ["black", "and", "white"]
    assert tokenizer.words("zebra asdfgh s4etch") == ["zebra", "asdfgh", "s4etch"]


def test_a_word_is_cut_into_its_longest_pieces() -> None:
    tokenizer = Tokenizer(Vocabulary(("blur", "##red", "b"), ()), 64)

    assert tokenizer(["blurred"]).pieces[0, 0].tolist() == [1, 2, 0, 0]
    assert tokenizer(["xyz"]).pieces[0, 0].tolist() == [0, 0, 0, 0]


def test_texts_of_unlike_length_are_padded_with_zeros() -> None:
    tokenizer = Tokenizer(Vocabulary(("a",), ()), 64)

    words = tokenizer(["a a a", "a"])

    assert words.pieces[:, :, 0].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert (words.groups[1, 1:] == 0).all()


def test_a_clear_answer_is_sharpened_to_one_family() -> None:
    logits = torch.full((len(FAMILIES),), -2.0)
    logits[3] = 2.0

    assert sharpened(logits) == {FAMILIES[3]: 1.0}


def test_an_answer_between_two_families_keeps_both() -> None:
    logits = torch.full((len(FAMILIES),), -9.0)
    logits[3] = logits[5] = 2.0

    assert sharpened(logits) == {FAMILIES[3]: 0.5, FAMILIES[5]: 0.5}
