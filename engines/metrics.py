"""Measures of an edit against its exact target."""

import torch
from torch import Tensor

_PSNR_CEILING_DB = 60.0


def psnr_db(pictures: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, in decibels.

    Args:
        pictures: (B, 3, H, W) in [0, 1].
        targets: Same shape.

    Returns:
        (B,); identical pictures count as 60 dB, so that a mean stays finite.

    Raises:
        ValueError: The shapes differ.
    """
    if pictures.shape != targets.shape:
        raise ValueError(f"shapes differ: {tuple(pictures.shape)} and {tuple(targets.shape)}")
    error = (pictures.double() - targets.double()).square().mean((1, 2, 3))
    return (-10 * torch.log10(error.clamp(min=1e-12))).clamp(max=_PSNR_CEILING_DB).float()
