"""Training the part of the network that puts the background out of focus, on mattes as they are."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.regions import Defocus
from engines.codecs import PatchCodec
from engines.training.crops import CropSampler
from engines.training.parts import PartPlan
from engines.training.regions import blurred_behind


def defocus_loss(
    blurred: Tensor, pictures: Tensor, mattes: Tensor, amounts: Tensor, codec: PatchCodec
) -> Tensor:
    """Root mean square error of what is seen of the background, each picture's by itself.

    Args:
        blurred: What :class:`Defocus` gives for the pictures.
        pictures: (B, 3, H, W) in [0, 1].
        mattes: (B, 1, H, W) in [0, 1].
        amounts: (B,).
        codec: Of the pictures.
    """
    target = blurred_behind(pictures, amounts.view(-1, 1, 1, 1), mattes)
    error = (codec.decode(blurred) + 1) / 2 - target
    return ((error * (1 - mattes)).square().mean((1, 2, 3)) + 1e-6).sqrt().mean()


def _draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    footage = sampler.people(step, generator)
    pictures, mattes = footage.pictures[0], footage.mattes[0].clamp(min=0)
    plain = torch.rand(len(pictures), generator=generator) < 0.3
    amounts = 0.4 + 1.2 * torch.rand(len(pictures), generator=generator)
    return pictures, mattes, torch.where(plain, 1.0, amounts)


def _loss(defocus: Defocus, pictures: Tensor, mattes: Tensor, amounts: Tensor) -> Tensor:
    codec = PatchCodec(2)
    behind = F.pixel_unshuffle(F.avg_pool2d(1 - mattes, 2), 2)
    blurred = defocus(codec.encode(pictures * 2 - 1), behind, amounts)
    return defocus_loss(blurred, pictures, mattes, amounts, codec)


PLAN = PartPlan(
    "defocus",
    "focus",
    _draw,
    _loss,
    steps=250,
    filter_rate=0.0,
    fall_share=0.75,
    learning_rate=0.01,
    needs_people=True,
)
