"""Training the part of the network that takes balloons out of the source, before the rest and on composites alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.tiny import Eraser
from engines.codecs import PatchCodec
from engines.training.crops import CropSampler
from engines.training.figure import figure_loss
from engines.training.parts import PartPlan
from engines.training.weather import Balloons

_PLAIN_SHARE = 0.15
"""Pictures without a balloon, in which nothing is to be found."""


def with_balloons(pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, H, W) with balloons in front, and how much of each pixel they cover, (B, 1, H, W)."""
    sources, covers = [], []
    for picture in pictures:
        if float(torch.rand((), generator=generator)) < _PLAIN_SHARE:
            sources.append(picture)
            covers.append(torch.zeros_like(picture[:1]))
            continue
        balloons = Balloons.random(picture.shape[-2], picture.shape[-1], generator)
        # What is behind shows as much through as white differs from black.
        through = balloons.over(torch.ones_like(picture), 0) - balloons.over(torch.zeros_like(picture), 0)
        sources.append(balloons.over(picture, 0))
        covers.append(1 - through.mean(0, keepdim=True))
    return torch.stack(sources), torch.stack(covers)


def eraser_loss(found: Tensor, fill: Tensor, covers: Tensor, pictures: Tensor) -> Tensor:
    """Where the balloons are, and what is behind them.

    Args:
        found: (B, 4, h, w) logits as :class:`Eraser` gives them.
        fill: (B, C, h, w) latent as it gives them.
        covers: (B, 1, H, W), the truth.
        pictures: (B, 3, H, W) in [0, 1], the truth.
    """
    behind = PatchCodec(2).decode(fill.float())
    # A rim of what can be seen keeps the seam quiet.
    around = F.max_pool2d(covers, 5, stride=1, padding=2)
    error = ((behind - (pictures * 2 - 1)).abs() * around).sum((1, 2, 3)) / (3 * around.sum((1, 2, 3)) + 50)
    return figure_loss(found, covers) + error.mean()


def _draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    pictures = sampler.anything(generator).pictures[0]
    return pictures, *with_balloons(pictures, generator)


def _loss(eraser: Eraser, pictures: Tensor, sources: Tensor, covers: Tensor) -> Tensor:
    x = PatchCodec(2).encode(sources * 2 - 1).to(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16):
        found, fill = eraser(x)
    return eraser_loss(found, fill, covers, pictures)


PLAN = PartPlan("eraser", "removal", _draw, _loss, steps=7700, filter_rate=0.05, fall_share=0.5)
