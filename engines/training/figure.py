"""Training the part of the network that tells people from the background, before all else and on mattes alone."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.tiny import Figure
from engines.codecs import PatchCodec
from engines.training.crops import CropSampler
from engines.training.parts import PartPlan


def figure_loss(logits: Tensor, mattes: Tensor) -> Tensor:
    """Cross-entropy plus one less the soft overlap (Milletari et al. 2016), both on half the picture's resolution.

    Where nobody has said who is there, background is the right answer, and one of person is not counted: an unmasked
    picture behind somebody teaches what rooms look like and does not unteach the people who may be in it.

    Args:
        logits: (B, 4, h, w) as :class:`Figure` gives them.
        mattes: (B, 1, H, W) in [0, 1], or ``UNKNOWN``.
    """
    predicted, target = F.pixel_shuffle(logits.float(), 2), F.avg_pool2d(mattes.clamp(min=0), 2)
    unknown = -F.max_pool2d(-mattes, 2) < 0
    counted = 1 - (unknown & (predicted.detach() > 0)).float()
    entropy = F.binary_cross_entropy_with_logits(predicted, target, reduction="none")
    shares = torch.sigmoid(predicted) * counted
    overlap = 2 * (shares * target).sum((1, 2, 3)) + 1
    total = (shares.square() + (target * counted).square()).sum((1, 2, 3)) + 1
    return (entropy * counted).mean() + (1 - overlap / total).mean()


def _draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    footage = replace(sampler, varied=True).people(step, generator)
    return footage.pictures[0], footage.mattes[0]


def _loss(figure: Figure, pictures: Tensor, mattes: Tensor) -> Tensor:
    x = PatchCodec(2).encode(pictures * 2 - 1).to(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16):
        logits = figure(x)
    return figure_loss(logits, mattes)


PLAN = PartPlan(
    "figure", "people", _draw, _loss, steps=8000, filter_rate=0.05, fall_share=0.4, needs_people=True
)
