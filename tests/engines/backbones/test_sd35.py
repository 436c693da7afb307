"""rfdm3.5 against what diffusers itself computes."""

import copy
from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
from torch import Tensor

from engines.backbones import sd35
from engines.backbones.sd35 import TransformerDenoiser, crop_positions, expand_transformer
from engines.model import load_parts
from engines.program import frame_program
from tests.engines.stock import save_sd35, text_to_image, transformer

STEPS, TOKENS, WIDTH, POOLED = 3, 5, 40, 20


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [16, 32])
def test_untrained_inputs_change_nothing_whatever_they_hold(channels: int) -> None:
    torch.manual_seed(0)
    stock = transformer(channels).eval()
    noisy, source, memory = normal(3, 2, 16, 8, 12)
    text, pooled, timestep = normal(2, TOKENS, WIDTH), normal(2, POOLED), torch.tensor([1000.0, 13.0])
    with torch.inference_mode():
        expected = stock(torch.cat([noisy, source][: channels // 16], 1), text, pooled, timestep).sample
        expanded = TransformerDenoiser(expand_transformer(stock), TOKENS)
        code = torch.cat([pooled, text.flatten(1)], 1)
        assert expanded.code_length == code.shape[1]
        for remembered in (torch.zeros_like(memory), memory):
            given = expanded(noisy, source, remembered, timestep, code)
            torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)


def test_the_expanded_network_is_saved_and_read_as_diffusers_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    expanded = expand_transformer(transformer())
    expanded.save_pretrained(tmp_path)
    read = SD3Transformer2DModel.from_pretrained(tmp_path)

    assert (read.config.in_channels, read.out_channels) == (48, 16)
    assert torch.equal(read.pos_embed.proj.weight, expanded.pos_embed.proj.weight)


@pytest.mark.parametrize("most", [8, 9, 24, 30])
def test_a_cropped_table_of_positions_changes_nothing(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd35, "MOST_PATCHES", most)
    torch.manual_seed(0)
    whole = transformer().eval()
    cropped = copy.deepcopy(whole)
    crop_positions(cropped)
    assert cropped.pos_embed.pos_embed.shape[1] == min(24, most + most % 2) ** 2
    text, pooled, timestep = normal(1, TOKENS, WIDTH), normal(1, POOLED), torch.tensor([500.0])
    for size in ((16, 16), (10, 14), (2, 16)):
        noisy = normal(1, 16, *size)
        with torch.inference_mode():
            expected, given = (each(noisy, text, pooled, timestep).sample for each in (whole, cropped))
        assert torch.equal(given, expected)


@pytest.mark.parametrize("with_t5", [True, False])
def test_a_stock_run_is_that_of_diffusers(tmp_path: Path, with_t5: bool) -> None:
    folder = save_sd35(tmp_path / "sd35", with_t5=with_t5)
    parts = load_parts(folder)
    noise = normal(1, 16, 8, 8)
    absent = {} if with_t5 else {"text_encoder_3": None, "tokenizer_3": None}
    pipeline = StableDiffusion3Pipeline.from_pretrained(folder, **absent)
    expected = text_to_image(pipeline, "a cat", noise, STEPS)

    program = frame_program(parts, STEPS)
    code = parts.instruction_encoder.encode("a cat").code[None]
    with torch.inference_mode():
        picture = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
        _, latent = program(picture, torch.zeros_like(noise), noise, code, torch.ones(1))
    torch.testing.assert_close(latent, expected, atol=2e-4, rtol=2e-4)
