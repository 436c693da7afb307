"""Training the part of the network that draws snow, rain and balloons, before all else and from noise alone."""

import torch
from torch import Tensor

from engines.backbones.tiny import Field
from engines.codecs import PatchCodec
from engines.families import FAMILIES
from engines.training.crops import CropSampler
from engines.training.parts import PartPlan
from engines.training.weather import LAYERS, peak_noise

_BATCH, _SIZE = 16, 128
_ODDS = (1.0, 1.0, 4.0)
"""Of snow, rain and balloons, which are rare in a picture and need the widest view."""
_PLANTED = 5.0
"""Bumps added to the noise of a crop with balloons: without, too few are seen to learn them."""


def draw_layers(generator: torch.Generator, batch: int, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random noise and instructions of weather, and what they make.

    Returns:
        Noise latents (B, C, h, w), codes (B, CODE_LENGTH), and how much is covered and by what, each a latent.
    """
    names, codec = tuple(LAYERS), PatchCodec(2)
    picked = torch.multinomial(torch.tensor(_ODDS), batch, replacement=True, generator=generator)
    plain = torch.rand(batch, generator=generator) < 0.4
    amount = torch.where(plain, 1.0, 0.4 + 1.2 * torch.rand(batch, generator=generator))
    rgb = torch.rand(batch, 3, generator=generator)
    noise = torch.randn(batch, 3, size, size, generator=generator)
    balloons = picked == names.index("add_balloons")
    noise[:, :1] += _planted(batch, size, generator) * balloons.view(-1, 1, 1, 1)
    families = torch.tensor([FAMILIES.index(name) for name in names])[picked]
    weights = torch.zeros(batch, len(FAMILIES))
    # A second edit, which is none of the field's business.
    other = torch.randint(FAMILIES.index("snow"), (batch,), generator=generator)
    joined = (torch.rand(batch, generator=generator) < 0.3).float()
    weights[torch.arange(batch), other] = joined
    weights[torch.arange(batch), families] = 1.0
    cover, colour = torch.zeros(batch, 1, size, size), torch.zeros(batch, 3, size, size)
    for index, name in enumerate(names):
        own = picked == index
        if own.any():
            layer = LAYERS[name](amount[own].view(-1, 1, 1, 1), rgb[own].view(-1, 3, 1, 1), noise[own])
            cover[own], colour[own] = layer
    given = rgb * ((families == FAMILIES.index("add_balloons")) | (joined > 0))[:, None]
    code = torch.cat([weights, weights * amount[:, None], given, torch.zeros(batch, 3)], 1)
    return codec.encode(noise), code, codec.encode(cover.expand_as(colour)), codec.encode(colour * 2 - 1)


def _planted(batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Bumps (batch, 1, size, size) that make more places high enough for a balloon than noise alone has."""
    spots = (torch.rand(batch, 1, size, size, generator=generator) < _PLANTED / size**2).float()
    return peak_noise(spots * (1 + 2.5 * torch.rand(batch, 1, size, size, generator=generator)))


def field_loss(drawn: tuple[Tensor, Tensor], cover: Tensor, colour: Tensor) -> Tensor:
    """Root mean square error of the cover and of what is seen of the colour, averaged over the batch."""
    error = (drawn[0].float() - cover).square() + (
        drawn[0].float() * drawn[1].float() - cover * colour
    ).square()
    return (error.mean((1, 2, 3)) + 1e-6).sqrt().mean()


def _draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return draw_layers(generator, _BATCH, _SIZE)


def _loss(field: Field, noise: Tensor, code: Tensor, cover: Tensor, colour: Tensor) -> Tensor:
    with torch.autocast(noise.device.type, torch.bfloat16):
        drawn = field(noise.to(memory_format=torch.channels_last), code)
    return field_loss(drawn, cover, colour)


PLAN = PartPlan("field", "weather", _draw, _loss, steps=10_000, filter_rate=0.04, fall_share=0.2)
