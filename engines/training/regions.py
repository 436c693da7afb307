"""Targets of a part of the picture: things of a named colour, and the background behind a person.

Pictures, amount and colours are as in :mod:`engines.training.targets`; a matte is (B, 1, H, W), 1 on the person.
"""

import torch
from torch import Tensor

from engines.training.filters import gaussian_blur, luma

_HUE_WINDOW = 0.80
"""Cosine of the angle between two colour directions at which a thing is half meant: 37 degrees."""


def near_hue(x: Tensor, rgb_of: Tensor) -> Tensor:
    """Soft mask in [0, 1] of the things whose colour is near ``rgb_of``, (B, 1, H, W).

    Angles are measured between colours less their luma; greyish things have no colour and are never meant.
    """
    smooth = gaussian_blur(x, 0.8)
    colour = smooth - luma(smooth)
    meant = rgb_of - luma(rgb_of)
    length = (colour.square().sum(1, keepdim=True) + 1e-6).sqrt()
    meant = meant / (meant.square().sum(1, keepdim=True) + 1e-6).sqrt()
    cosine = (colour * meant).sum(1, keepdim=True) / length
    return torch.sigmoid((cosine - _HUE_WINDOW) / 0.05) * torch.sigmoid((length - 0.11) / 0.02)


def recolour(x: Tensor, amount: Tensor, rgb: Tensor, rgb_of: Tensor) -> Tensor:
    """Things near ``rgb_of`` take the hue of ``rgb`` with their own shading; white, grey and black give none."""
    grey = luma(x)
    colour = x - grey
    given, meant = rgb - luma(rgb), rgb_of - luma(rgb_of)
    length = (colour.square().sum(1, keepdim=True) + 1e-6).sqrt()
    unit = given / (given.square().sum(1, keepdim=True) + 1e-4).sqrt()
    lengths = (side.square().sum(1, keepdim=True).sqrt() for side in (given, meant))
    vividness = _ratio(*lengths).clamp(0.5, 1.6)
    lightness = _ratio(luma(rgb), luma(rgb_of)).clamp(0.15, 2.6) ** 0.5
    return torch.lerp(x, grey * lightness + length * vividness * unit, near_hue(x, rgb_of))


def _ratio(one: Tensor, other: Tensor) -> Tensor:
    return (one + 0.05) / (other + 0.05)


def colour_pop(x: Tensor, amount: Tensor, rgb: Tensor, rgb_of: Tensor) -> Tensor:
    """Only the things near ``rgb_of`` keep their colour."""
    return torch.lerp(luma(x).expand_as(x), x, near_hue(x, rgb_of))


def foreground(x: Tensor, matte: Tensor) -> Tensor:
    """The person's own colours up to the edge, where a pixel holds some of the old background's."""
    inside = (matte - 0.9).clamp(min=0) * 10
    spread = (gaussian_blur(x * inside, 2.5) + 1e-4 * x) / (gaussian_blur(inside, 2.5) + 1e-4)
    return torch.lerp(spread, x, inside)


def background_blur(x: Tensor, amount: Tensor, rgb: Tensor, matte: Tensor) -> Tensor:
    """The background out of focus; the person does not bleed into it."""
    return torch.lerp(blurred_behind(x, amount, matte), x, matte)


def blurred_behind(x: Tensor, amount: Tensor, matte: Tensor) -> Tensor:
    """The picture blurred with its colours weighed by how much of each pixel is background."""
    behind = 1 - matte
    ladder = [(gaussian_blur(x * behind, s) + 1e-4 * x) / (gaussian_blur(behind, s) + 1e-4) for s in _BLURS]
    rung = ((5.0 * amount - _BLURS[0]) / (_BLURS[1] - _BLURS[0])).clamp(0, len(ladder) - 1)
    return sum(
        ((1 - (rung - k).abs()).clamp(min=0) * step for k, step in enumerate(ladder)), torch.zeros_like(x)
    )


_BLURS = (2.0, 5.0, 8.0)


def background_dark(x: Tensor, amount: Tensor, rgb: Tensor, matte: Tensor) -> Tensor:
    """The background at about a third of its light."""
    return torch.lerp(x * (1 - 0.62 * amount).clamp(min=0.02), x, matte)


def background_tint(x: Tensor, amount: Tensor, rgb: Tensor, matte: Tensor) -> Tensor:
    """Coloured light on what is behind the person."""
    lit = (0.06 + 1.1 * luma(x)) * (0.15 + 0.95 * rgb)
    return torch.lerp(torch.lerp(x, lit, (0.8 * amount).clamp(max=1)), x, matte)


def background_replace(x: Tensor, amount: Tensor, rgb: Tensor, matte: Tensor) -> Tensor:
    """A plain wall of the colour behind the person."""
    return torch.lerp(rgb.expand_as(x), foreground(x, matte), matte)


def background_grey(x: Tensor, amount: Tensor, rgb: Tensor, matte: Tensor) -> Tensor:
    """Only the person in colour."""
    return torch.lerp(luma(x).expand_as(x), x, matte)
