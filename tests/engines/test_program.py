import pytest
import torch
from torch import Tensor, nn

from engines.codecs import PatchCodec
from engines.flow import flow_levels
from engines.program import Direct, FrameProgram, ThreeBranch

SIZE = 32


class Inverter(nn.Module):
    """An oracle of the negative: knows the target from the source alone, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        self.asked += 1
        return -source


class Weigher(nn.Module):
    """Answers with the size of its conditions, so that guidance can be read off."""

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        level = (source.abs() > 0).float() * 0.1
        return level + 0.2 * code.sum(1).view(-1, 1, 1, 1) * torch.ones_like(noisy)


def inputs(batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (batch, SIZE, SIZE, 3), generator=generator, dtype=torch.uint8)
    latent = (batch, 48, SIZE // 4, SIZE // 4)
    memory, noise = torch.randn(2, *latent, generator=generator)
    return pictures, memory, noise, torch.ones(batch, 1), torch.ones(batch)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_an_oracle_is_followed_exactly_whatever_the_steps(steps: int) -> None:
    oracle = Inverter()
    program = FrameProgram(Direct(oracle), PatchCodec(2), flow_levels(steps))
    pictures, *rest = inputs()
    edited, latent = program(pictures, *rest)

    assert torch.equal(edited, 255 - pictures)
    assert oracle.asked == steps == program.evaluations
    torch.testing.assert_close(PatchCodec(2).decode(latent).permute(0, 2, 3, 1), 1 - pictures / 127.5)


def test_strength_mixes_source_and_edit_but_remembers_the_whole_edit() -> None:
    program = FrameProgram(Direct(Inverter()), PatchCodec(2), flow_levels(1))
    pictures, memory, noise, code, _ = inputs()
    shown, latent = program(pictures, memory, noise, code, torch.tensor([0.0, 0.5]))
    _, whole = program(pictures, memory, noise, code, torch.ones(2))

    assert torch.equal(shown[0], pictures[0])
    assert int((shown[1].int() - 127).abs().max()) <= 1
    assert torch.equal(latent, whole)


def test_three_branches_are_guided_by_both_scales() -> None:
    program = ThreeBranch(Weigher(), source_scale=3.0, instruction_scale=2.0)
    source = torch.ones(1, 48, 4, 4)
    guided = program(source, source, source, torch.ones(1), torch.ones(1, 1))

    # nothing 0, source .1, both .3
    torch.testing.assert_close(guided, torch.full_like(guided, 0 + 3 * 0.1 + 2 * 0.2))


def test_the_papers_setting_spends_24_evaluations() -> None:
    assert FrameProgram(ThreeBranch(Weigher(), 3.5, 1.5), PatchCodec(2), flow_levels(8)).evaluations == 24


def test_the_patch_codec_is_lossless() -> None:
    pixels = torch.rand(2, 3, 32, 48)
    codec = PatchCodec(2)

    assert codec.encode(pixels).shape == (2, codec.channels, 8, 12)
    assert torch.equal(codec.decode(codec.encode(pixels)), pixels)


def test_one_shuffle_of_the_latent_is_the_picture_at_half_resolution() -> None:
    pixels = torch.rand(1, 3, 16, 16)
    halfway = torch.nn.functional.pixel_shuffle(PatchCodec(2).encode(pixels), 2)

    assert torch.equal(halfway, torch.nn.functional.pixel_unshuffle(pixels, 2))
