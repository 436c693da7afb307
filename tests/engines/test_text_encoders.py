from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines.conditioning import InstructionError
from engines.model import ModelParts, load_parts
from engines.text_encoders import ClipEmbedder, FreeInstructionEncoder, TextTower
from tests.engines.stock import TOKENS, clip, clip_tokenizer, save_sd35


class Embedding(Tensor):
    """On a device of its own, until it is taken from there."""

    def cpu(self, *given: object) -> Tensor:
        return self.as_subclass(Tensor)


class CountingEmbedder:
    """Says how often it is asked."""

    tokens = 1

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, text: str) -> Tensor:
        self.asked.append(text)
        return torch.full((3,), float(len(text))).as_subclass(Embedding)


def tower() -> TextTower:
    torch.manual_seed(0)
    return TextTower(clip_tokenizer(), clip(16), TOKENS, torch.device("cpu"))


@pytest.fixture(scope="module")
def sd35(tmp_path_factory: pytest.TempPathFactory) -> ModelParts:
    return load_parts(save_sd35(tmp_path_factory.mktemp("stock") / "sd35"))


def test_any_text_is_an_instruction() -> None:
    understood = FreeInstructionEncoder(CountingEmbedder()).encode("put a hat on the dog")

    assert (understood.known, understood.family, understood.nearest) == (True, "", ())
    assert understood.text == "put a hat on the dog"


def test_an_instruction_is_encoded_once() -> None:
    embedder = CountingEmbedder()
    encoder = FreeInstructionEncoder(embedder)
    for text in ("snow", "rain", "snow", "snow"):
        encoder.encode(text)

    assert embedder.asked == ["snow", "rain"]


def test_codes_are_kept_in_main_memory() -> None:
    """One of SD 3.5 is megabytes, and hundreds of them are remembered."""
    code = FreeInstructionEncoder(CountingEmbedder()).encode("snow").code

    assert type(code) is Tensor
    assert code.tolist() == [4.0] * 3


@pytest.mark.parametrize("text", ["", "  ", "x" * 501])
def test_what_is_no_instruction_is_refused(text: str) -> None:
    with pytest.raises(InstructionError):
        FreeInstructionEncoder(CountingEmbedder()).encode(text)


def test_a_text_that_the_encoder_would_cut_is_refused() -> None:
    with pytest.raises(InstructionError, match=f"at most {TOKENS} tokens for this model, this one has 42"):
        ClipEmbedder(tower()).embed("x" * 40)


def test_a_transition_moves_from_one_code_to_the_other() -> None:
    encoder = FreeInstructionEncoder(ClipEmbedder(tower()))
    one, other = encoder.encode("snow"), encoder.encode("rain")
    half = one.towards(other, 0.5)

    assert one.code.shape == (TOKENS * 16,)
    torch.testing.assert_close(half.code, (one.code + other.code) / 2)
    assert half.text == "rain"


def test_silence_is_the_empty_text_and_not_zero() -> None:
    silence = FreeInstructionEncoder(ClipEmbedder(tower())).silence()

    assert silence.shape == (TOKENS * 16,)
    assert silence.any()


def test_the_code_of_sd35_is_pooled_text_then_tokens(sd35: ModelParts) -> None:
    code = sd35.instruction_encoder.encode("snow").code

    assert code.shape == (20 + (TOKENS + 256) * 40,)
    assert len(code) == sd35.denoiser.code_length
    tokens = code[20:].view(-1, 40)
    # Two CLIPs side by side fill half of a token, T5 all of it.
    assert not tokens[:TOKENS, 20:].any()
    assert tokens[TOKENS:].any(1).all()


def test_the_files_that_the_hub_has_are_read(tmp_path: Path) -> None:
    """Checkpoints of 2022 hold `text_model.` names and vocab.json with merges.txt."""
    from safetensors.torch import load_file, save_file

    from engines.pretrained.checkpoint import read_component
    from engines.text_encoders import load_clip

    made = tower()
    made.model.save_pretrained(tmp_path / "text_encoder")
    made.tokenizer.save_pretrained(tmp_path / "tokenizer")
    path = tmp_path / "text_encoder" / "model.safetensors"
    weights = {
        f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(path).items()
    }
    save_file({**weights, "text_model.embeddings.position_ids": torch.arange(TOKENS)[None]}, path)
    component = read_component(tmp_path / "text_encoder", "model")
    read = load_clip(component, tmp_path / "tokenizer", torch.float32, torch.device("cpu"))

    torch.testing.assert_close(ClipEmbedder(read).embed("snow"), ClipEmbedder(made).embed("snow"))
