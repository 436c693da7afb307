import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from engines.backbones.tiny import Figure, NormalisedConv2d, TinyConfig, TinyDenoiser
from engines.codecs import PatchCodec
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.verify import relative_error
from engines.conditioning import CODE_LENGTH, instruction_code
from engines.families import FAMILIES, NOISE_DRIFT, PEOPLE
from engines.model import load_parts
from engines.program import frame_program
from tests.engines.streams import SMALL


def inputs(batch: int = 2, height: int = 16, width: int = 24) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    latents = list(torch.randn(3, batch, 48, height, width, generator=generator))
    return [*latents, torch.ones(batch), torch.randn(batch, CODE_LENGTH, generator=generator)]


def test_the_default_network_takes_the_instruction_code() -> None:
    assert TinyConfig().code_length == CODE_LENGTH


def test_the_prediction_has_the_latents_shape() -> None:
    assert TinyDenoiser(SMALL)(*inputs()).shape == (2, 48, 16, 24)


def test_a_stream_is_not_changed_by_its_neighbour_in_the_batch() -> None:
    denoiser = TinyDenoiser(SMALL).eval()
    both = inputs()
    alone = [value[:1] for value in both]

    torch.testing.assert_close(denoiser(*both)[:1], denoiser(*alone), atol=1e-5, rtol=1e-5)


def test_activations_keep_their_size_through_a_normalised_convolution() -> None:
    generator = torch.Generator().manual_seed(0)
    convolution = NormalisedConv2d(32, 64, 3)
    before = torch.randn(4, 32, 32, 32, generator=generator)

    with torch.no_grad():
        assert float(convolution(before).std()) == pytest.approx(1.0, abs=0.1)
        convolution.filters.mul_(50)
        assert float(convolution(before).std()) == pytest.approx(1.0, abs=0.1)


def test_a_bias_cannot_outgrow_its_filter() -> None:
    convolution = NormalisedConv2d(8, 8, 3, gain=2.0)
    with torch.no_grad():
        convolution.filters[:, -1] = 1e6
    _, bias = convolution.effective()

    assert float(bias.detach().abs().max()) <= 2.0


def test_renormalising_filters_changes_nothing_but_their_scale() -> None:
    convolution = NormalisedConv2d(8, 8, 3)
    with torch.no_grad():
        convolution.filters.mul_(3)
    weight, bias = convolution.effective()
    convolution.renormalise()

    torch.testing.assert_close(convolution.filters.square().mean(1), torch.ones(8))
    torch.testing.assert_close(convolution.effective()[0], weight, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(convolution.effective()[1], bias, atol=1e-4, rtol=1e-3)


def test_every_family_starts_with_a_modulation_of_its_own() -> None:
    denoiser = TinyDenoiser(SMALL)
    codes = torch.eye(CODE_LENGTH)
    with torch.no_grad():
        conditions = denoiser.condition(torch.cat([codes, torch.ones(CODE_LENGTH, 1)], 1))
        modulations = denoiser.detail.film(conditions)

    assert float((modulations[0] - modulations[1]).abs().mean()) > 0.1


class LeftHalf(Figure):
    """Takes the left half of every picture for a person."""

    def forward(self, source: Tensor) -> Tensor:
        logits = torch.full_like(source[:, :4], -60.0)
        logits[..., : source.shape[-1] // 2] = 60.0
        return logits


def with_person_on_the_left() -> TinyDenoiser:
    torch.manual_seed(0)
    denoiser = TinyDenoiser(SMALL).eval()
    torch.nn.init.normal_(denoiser.detail.out.weight, std=0.3)
    denoiser.figure = LeftHalf()
    return denoiser


@torch.no_grad()
def edited_by(denoiser: TinyDenoiser, *families: str) -> tuple[Tensor, Tensor]:
    """Source and edit as pictures, (2, 3, 64, 96)."""
    noisy, source, memory, sigma, _ = inputs()
    code = instruction_code(dict.fromkeys(families, 1.0)).expand(2, -1)
    codec = PatchCodec(2)
    return codec.decode(source), codec.decode(denoiser(noisy, source, memory, sigma, code))


@pytest.mark.parametrize("family", sorted(PEOPLE))
def test_a_sure_person_keeps_the_sources_pixels_when_the_background_is_edited(family: str) -> None:
    source, edited = edited_by(with_person_on_the_left(), family)
    untouched = torch.isclose(source, edited, atol=1e-5).all(1)

    assert float(untouched.float().mean()) == pytest.approx(0.5, abs=0.02)


@torch.no_grad()
def test_a_persons_outline_has_no_steps() -> None:
    """Halfway up a slope of shares from nobody to somebody, every pixel is kept a little more than its neighbour."""
    denoiser = TinyDenoiser(SMALL).eval()
    slope = torch.linspace(-2, 2, 32).expand(1, 1, 32, 32)
    figure = torch.nn.functional.pixel_unshuffle(slope, 2)
    source, edited = torch.ones(1, 48, 16, 16), -torch.ones(1, 48, 16, 16)
    kept = PatchCodec(2).decode(
        denoiser.spared(edited, source, figure, instruction_code({"background_blur": 1.0})[None])
    )

    assert float(kept[..., 1:-1].diff(dim=-1).min()) > 0.01


@pytest.mark.parametrize("families", [("night",), ("background_blur", "cartoon")])
def test_other_edits_and_joined_ones_are_for_the_person_too(families: tuple[str, ...]) -> None:
    source, edited = edited_by(with_person_on_the_left(), *families)

    assert float(torch.isclose(source, edited, atol=1e-5).all(1).float().mean()) < 0.01


@torch.no_grad()
def test_only_weather_is_drawn_from_the_noise_and_only_at_the_first_level() -> None:
    denoiser = TinyDenoiser(SMALL).eval()
    assert denoiser.detail.out.bias is not None
    torch.nn.init.zeros_(denoiser.detail.out.bias)
    noisy, source, memory, sigma, _ = inputs()

    def edit(family: str, level: float) -> Tensor:
        code = instruction_code({family: 1.0}).expand(2, -1)
        cover, colour = denoiser.field(noisy - memory, code)
        plain = denoiser._colour(source, denoiser.condition(torch.cat([code, level * sigma[:, None]], 1)))
        drawn: Tensor = denoiser(noisy, source, memory, level * sigma, code) - plain
        return drawn - cover * (colour - plain) if family in NOISE_DRIFT and level == 1 else drawn

    # Untrained, the network's last layer is zero: what is left is the field.
    for family, level in (("snow", 1.0), ("snow", 0.5), ("night", 1.0), ("add_balloons", 1.0)):
        assert float(edit(family, level).abs().max()) < 1e-5


def test_the_families_the_network_treats_apart_are_those_of_the_list() -> None:
    config = TinyConfig()

    assert {FAMILIES[index] for index in config.figure_families} == PEOPLE
    assert {FAMILIES[index] for index in config.field_families} == set(NOISE_DRIFT)
    assert [FAMILIES[index] for index in config.hue_families] == ["recolour", "colour_pop"]
    assert [FAMILIES[index] for index in config.defocus_families] == ["background_blur", "background_replace"]
    assert config.code_families == len(FAMILIES)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_it_runs_in_one_type_throughout(dtype: torch.dtype) -> None:
    denoiser = TinyDenoiser(SMALL).eval().to(dtype)
    noisy, source, memory, sigma, code = (value.to(dtype) for value in inputs())

    assert denoiser(noisy, source, memory, sigma.float(), code).dtype == dtype


@pytest.mark.parametrize("text", ["stained glass", "make it a pencil sketch", "a plain green background"])
def test_the_shipped_model_holds_in_float16(text: str) -> None:
    """As GPUs compute it: its trunks grow to values whose squares float16 does not hold."""
    parts = load_parts("rfdm-tiny")
    program = frame_program(parts)
    shape = FrameShape(1, 128, 160)
    _, memory, noise, _, strength = program_inputs(program, shape, torch.Generator().manual_seed(0))
    portrait: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    picture = torch.from_numpy(np.ascontiguousarray(portrait[None, :128, 160:320]))
    inputs = (
        picture,
        torch.zeros_like(memory),
        noise,
        parts.instruction_encoder.encode(text).code[None],
        strength,
    )
    exact, half = (
        EagerCompiler(program, torch.device("cpu"), dtype).compile(shape)(*inputs)
        for dtype in (torch.float32, torch.float16)
    )

    assert relative_error(half[1].float(), exact[1]) < 0.003
    assert int((half[0].int() - exact[0].int()).abs().max()) <= 4
