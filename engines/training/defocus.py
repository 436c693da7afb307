"""Training the part of the network that puts the background out of focus, on mattes as they are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.regions import Defocus
from engines.codecs import PatchCodec
from engines.training.crops import Footage
from engines.training.parts import PartPlan, PartProgress, train_part
from engines.training.regions import blurred_behind

PLAN = PartPlan("defocus", minutes=3, filter_rate=0.0, fall_share=0.75, learning_rate=0.01)


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


def train_defocus(
    defocus: Defocus,
    batches: Iterator[Footage],
    plan: PartPlan,
    run: Path,
    seed: int,
    progress: Callable[[PartProgress], None],
) -> None:
    """Train in place, or go on where ``defocus.pt`` in the run folder was left.

    Args:
        defocus: On the device to train on.
        batches: Footage with mattes; only its first frames are used.
        plan: How long and at which rates.
        run: Folder of the run.
        seed: Of the amounts.
        progress: Called after each step.
    """
    device = next(defocus.parameters()).device
    generator, codec = torch.Generator().manual_seed(seed), PatchCodec(2)

    def loss() -> Tensor:
        footage = next(batches)
        pictures, mattes = footage.pictures[0].to(device), footage.mattes[0].clamp(min=0).to(device)
        plain = torch.rand(len(pictures), generator=generator) < 0.3
        amounts = torch.where(plain, 1.0, 0.4 + 1.2 * torch.rand(len(pictures), generator=generator))
        behind = F.pixel_unshuffle(F.avg_pool2d(1 - mattes, 2), 2)
        blurred = defocus(codec.encode(pictures * 2 - 1), behind, amounts.to(device))
        return defocus_loss(blurred, pictures, mattes, amounts.to(device), codec)

    train_part(defocus, plan, run, loss, progress)
