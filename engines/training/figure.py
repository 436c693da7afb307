"""Training the part of the network that tells people from the background, before all else and on mattes alone.

It begins as MediaPipe's network, which knows far more people than the media here show, and learns from these what
that one misses: webcams in the dark, close faces, people cut off by the picture's edge, rooms taken for people.
"""

import math
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from engines.backbones.tiny import Figure
from engines.codecs import PatchCodec
from engines.training.crops import CropSampler
from engines.training.filming import draw
from engines.training.parts import PartPlan

MEDIAPIPE = Path(__file__).parent / "selfie_segmentation" / "landscape.safetensors"
_SOMEBODY = 0.35
"""Share of an unmasked picture; those who are not meant by it, as passers-by, are smaller."""
_UNMASKED_SHARE = 0.7
_WIDEST = 16 / 9


def start(figure: Figure) -> None:
    """Give a part the weights of MediaPipe's network."""
    figure.net.load_state_dict(load_file(MEDIAPIPE))


def figure_loss(logits: Tensor, mattes: Tensor) -> Tensor:
    """Cross-entropy plus one less the soft overlap (Milletari et al. 2016), both on half the picture's resolution.

    Where nobody has said who is there, background is the right answer. What is taken for a person there is a mistake
    if it is little, and not counted if it is more of the picture than who is not meant by it: so an unmasked picture
    behind somebody teaches what rooms look like and does not unteach the people who may be in it.

    Args:
        logits: (B, 4, h, w) as :class:`Figure` gives them.
        mattes: (B, 1, H, W) in [0, 1], or ``UNKNOWN``.
    """
    predicted, target = F.pixel_shuffle(logits.float(), 2), F.avg_pool2d(mattes.clamp(min=0), 2)
    unknown = -F.max_pool2d(-mattes, 2) < 0
    person = unknown & (predicted.detach() > 0)
    may_be = person.sum((1, 2, 3)) > _SOMEBODY * unknown.sum((1, 2, 3))
    counted = 1 - (person & may_be.view(-1, 1, 1, 1)).float()
    entropy = F.binary_cross_entropy_with_logits(predicted, target, reduction="none")
    shares = torch.sigmoid(predicted) * counted
    overlap = 2 * (shares * target).sum((1, 2, 3)) + 1
    total = (shares.square() + (target * counted).square()).sum((1, 2, 3)) + 1
    return (entropy * counted).mean() + (1 - overlap / total).mean()


def _draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    footage = replace(sampler, varied=True, unmasked_share=_UNMASKED_SHARE).people(step, generator)
    return _framed(footage.pictures[0], footage.mattes[0], generator)


def _framed(pictures: Tensor, mattes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch as wide or as high as cameras and phones make pictures, since all are brought to one size."""
    shape = math.exp(draw(-math.log(_WIDEST), math.log(_WIDEST), generator))
    height, width = (
        round(side * min(1.0, share) / 4) * 4
        for side, share in zip(pictures.shape[-2:], (1 / shape, shape), strict=True)
    )
    top, left = (
        int(torch.randint(whole - kept + 1, (), generator=generator))
        for whole, kept in zip(pictures.shape[-2:], (height, width), strict=True)
    )
    window = (..., slice(top, top + height), slice(left, left + width))
    return pictures[window].contiguous(), mattes[window].contiguous()


def _loss(figure: Figure, pictures: Tensor, mattes: Tensor) -> Tensor:
    return figure_loss(figure(PatchCodec(2).encode(pictures * 2 - 1)), mattes)


PLAN = PartPlan(
    "figure",
    "people",
    _draw,
    _loss,
    steps=1000,
    filter_rate=0.0,
    learning_rate=5e-4,
    fall_share=0.7,
    new_share=0.5,
    needs_people=True,
)
