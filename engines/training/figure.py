"""Training the part of the network that tells people from the background, before all else and on mattes alone.

Two lessons, one after the other. The first is of people. The second, short and gentle, is of rooms: few of them have
mattes, so floors and plants of others are taken for people, and that is told by photos nobody has made mattes of.
"""

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.tiny import Figure
from engines.codecs import PatchCodec
from engines.training.crops import CropSampler
from engines.training.parts import PartPlan

_SOMEBODY = 0.35
"""Share of an unmasked picture; those who are not meant by it, as passers-by, are smaller."""


def figure_loss(logits: Tensor, mattes: Tensor, somebody: float = 0.0) -> Tensor:
    """Cross-entropy plus one less the soft overlap (Milletari et al. 2016), both on half the picture's resolution.

    Where nobody has said who is there, background is the right answer. One of person is not counted in a picture that
    has more of it than ``somebody``, and is a mistake in one that has less: so an unmasked picture behind somebody
    teaches what rooms look like and does not unteach the people who may be in it.

    Args:
        logits: (B, 4, h, w) as :class:`Figure` gives them.
        mattes: (B, 1, H, W) in [0, 1], or ``UNKNOWN``.
        somebody: Share of what nobody has said, taken for a person, above which there may be one. 0 until people are
            told well enough for it to mean anything.
    """
    predicted, target = F.pixel_shuffle(logits.float(), 2), F.avg_pool2d(mattes.clamp(min=0), 2)
    unknown = -F.max_pool2d(-mattes, 2) < 0
    person = unknown & (predicted.detach() > 0)
    may_be = person.sum((1, 2, 3)) > somebody * unknown.sum((1, 2, 3))
    counted = 1 - (person & may_be.view(-1, 1, 1, 1)).float()
    entropy = F.binary_cross_entropy_with_logits(predicted, target, reduction="none")
    shares = torch.sigmoid(predicted) * counted
    overlap = 2 * (shares * target).sum((1, 2, 3)) + 1
    total = (shares.square() + (target * counted).square()).sum((1, 2, 3)) + 1
    return (entropy * counted).mean() + (1 - overlap / total).mean()


def _draw(
    unmasked_share: float, sampler: CropSampler, step: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    footage = replace(sampler, varied=True, unmasked_share=unmasked_share).people(step, generator)
    return footage.pictures[0], footage.mattes[0]


def _loss(somebody: float, figure: Figure, pictures: Tensor, mattes: Tensor) -> Tensor:
    x = PatchCodec(2).encode(pictures * 2 - 1).to(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16):
        logits = figure(x)
    return figure_loss(logits, mattes, somebody)


PLAN = PartPlan(
    "figure",
    "people",
    partial(_draw, 0.6),
    partial(_loss, 0.0),
    steps=10_000,
    filter_rate=0.05,
    fall_share=0.35,
    needs_people=True,
)
ROOMS = PartPlan(
    "figure",
    "rooms",
    partial(_draw, 0.8),
    partial(_loss, _SOMEBODY),
    steps=2000,
    filter_rate=0.02,
    learning_rate=4e-4,
    fall_share=0.75,
    further=True,
    needs_people=True,
)
