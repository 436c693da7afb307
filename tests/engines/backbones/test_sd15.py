"""rfdm1.5 against what diffusers itself computes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from engines.backbones.expansion import expand_input_weight
from engines.backbones.sd15 import UnetDenoiser, expand_unet
from engines.guidance import GuidanceScales
from engines.model import ModelParts, load_parts
from engines.program import FrameProgram, frame_program
from tests.engines.stock import TOKENS, save_instruct_pix2pix, save_sd15, text_to_image, unet

STEPS = 4
"""Divides 1000: otherwise diffusers' DDIM steps to levels one timestep off those it evaluates at."""


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_instruct_pix2pix(tmp_path_factory.mktemp("stock") / "pix2pix")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [4, 8])
def test_untrained_inputs_change_nothing_whatever_they_hold(channels: int) -> None:
    torch.manual_seed(0)
    stock = unet(channels).eval()
    noisy, source, memory = normal(3, 2, 4, 8, 8)
    text, timestep = normal(2, TOKENS, 16), torch.tensor([981.0, 3.0])
    seen = torch.cat([noisy, source][: channels // 4], 1)
    with torch.inference_mode():
        expected = stock(seen, timestep, encoder_hidden_states=text, return_dict=False)[0]
        expanded = UnetDenoiser(expand_unet(stock), TOKENS)
        for remembered in (torch.zeros_like(memory), memory):
            given = expanded(noisy, source, remembered, timestep, text.flatten(1))
            torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)


def test_a_network_that_has_every_input_is_left_as_it_is() -> None:
    stock = unet(12)
    before = stock.conv_in

    assert expand_unet(stock).conv_in is before


def test_the_expanded_network_is_saved_and_read_as_diffusers_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    expanded = expand_unet(unet(4))
    expanded.save_pretrained(tmp_path)
    read = UNet2DConditionModel.from_pretrained(tmp_path)

    assert read.config.in_channels == 12
    assert torch.equal(read.conv_in.weight, expanded.conv_in.weight)


def test_the_source_is_scaled_and_the_rest_starts_at_zero() -> None:
    weight = normal(5, 8, 3, 3)
    expanded = expand_input_weight(weight, 4, (1.0, 2.0))

    assert torch.equal(expanded[:, :4], weight[:, :4])
    assert torch.equal(expanded[:, 4:8], 2 * weight[:, 4:])
    assert not expanded[:, 8:].any()


@pytest.mark.parametrize("channels", [9, 16])
def test_channels_that_are_no_latents_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=f"a network of {channels} input channels"):
        expand_input_weight(torch.zeros(5, channels, 3, 3), 4)


def sampled(program: FrameProgram, parts: ModelParts, picture: Tensor, noise: Tensor, text: str) -> Tensor:
    # diffusers begins at the noise itself; the residual flow at sigma (memory + noise), sigma a little below 1.
    code = parts.instruction_encoder.encode(text).code[None]
    with torch.inference_mode():
        latent: Tensor = program(
            picture, torch.zeros_like(noise), noise / program.sigmas[0], code, torch.ones(len(noise))
        )[1]
    return latent


def test_a_stock_instruct_pix2pix_run_is_that_of_diffusers(pix2pix: Path) -> None:
    parts = load_parts(pix2pix)
    noise = normal(1, 4, 8, 8)
    picture = torch.randint(
        0, 256, (1, 64, 64, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(pix2pix)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        "make it snow",
        image=picture.permute(0, 3, 1, 2).float() / 255,
        num_inference_steps=STEPS,
        guidance_scale=7.5,
        image_guidance_scale=1.5,
        latents=noise.clone(),
        output_type="latent",
    ).images

    assert parts.guidance == GuidanceScales(source=1.5, instruction=7.5)
    program = frame_program(parts, STEPS)
    assert program.evaluations == 3 * STEPS
    latent = sampled(program, parts, picture, noise, "make it snow")
    torch.testing.assert_close(latent, expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_a_stock_text_to_image_run_is_that_of_diffusers(tmp_path: Path, prediction_type: str) -> None:
    """With the source and the memory untrained, one guided branch is left: text against no text."""
    folder = save_sd15(tmp_path / "sd15", prediction_type=prediction_type)
    parts = load_parts(folder)
    noise = normal(1, 4, 8, 8)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    expected = text_to_image(pipeline, "a cat", noise, STEPS)

    picture = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    latent = sampled(frame_program(parts, STEPS), parts, picture, noise, "a cat")
    torch.testing.assert_close(latent, expected, atol=2e-4, rtol=2e-4)


def test_an_untrained_memory_is_not_kept(pix2pix: Path) -> None:
    assert load_parts(pix2pix).key_frame_interval is None


def test_sizes_follow_the_networks_levels(pix2pix: Path) -> None:
    parts = load_parts(pix2pix)

    assert (parts.size_multiple, parts.short_side, parts.families) == (16, 512, ())
    assert np.prod(parts.codec.encode(torch.zeros(1, 3, 64, 48)).shape) == 4 * 8 * 6
