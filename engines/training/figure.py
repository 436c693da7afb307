"""Training the part of the network that tells people from the background, before all else and on mattes alone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.tiny import Figure
from engines.codecs import PatchCodec
from engines.training.crops import Footage
from engines.training.parts import PartPlan, PartProgress, train_part

PLAN = PartPlan("figure", minutes=26, filter_rate=0.05, fall_share=0.4)


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


def train_figure(
    figure: Figure,
    batches: Iterator[Footage],
    plan: PartPlan,
    run: Path,
    progress: Callable[[PartProgress], None],
) -> None:
    """Train in place, or go on where ``figure.pt`` in the run folder was left.

    Args:
        figure: Of normalised convolutions, on the device to train on.
        batches: Footage with mattes; only its first frames are used.
        plan: How long and at which rates.
        run: Folder of the run.
        progress: Called after each step.
    """
    device, codec = next(figure.parameters()).device, PatchCodec(2)

    def loss() -> Tensor:
        footage = next(batches)
        x = codec.encode(footage.pictures[0].to(device) * 2 - 1).to(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = figure(x)
        return figure_loss(logits, footage.mattes[0].to(device))

    train_part(figure, plan, run, loss, progress)
