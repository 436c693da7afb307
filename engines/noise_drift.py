"""Noise that moves: what falls or rises in an edit is drawn from the noise, so it moves where the noise does.

Shifted by whole pixels, unit Gaussian noise with fresh noise at the edge is unit Gaussian noise again: to the sampler
nothing changes, and after an hour the field is as new as in the first second.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.codecs import PatchCodec

Drift = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Of each colour plane, pixels down and to the right in a frame."""


def drifted(noise: Tensor, drift: Drift, codec: PatchCodec, generator: torch.Generator) -> Tensor:
    """The noise of the next frame.

    Args:
        noise: ε, (C, h, w) on the CPU, as the codec rearranges its three planes.
        drift: How each plane moves.
        codec: Only rearranges pixels, so a plane can be moved by single ones.
        generator: Of the noise that enters at the edges.

    Returns:
        (C, h, w).
    """
    # In NumPy: PyTorch would share it out among its threads and wait for the slowest, while those of the compiled
    # program hold the cores. That took longer than the whole network.
    planes = codec.planes(noise.numpy())
    moved = np.stack([_moved(plane, *step, generator) for plane, step in zip(planes, drift, strict=True)])
    return torch.from_numpy(codec.squares(moved))


def _moved(
    plane: NDArray[np.float32], down: int, right: int, generator: torch.Generator
) -> NDArray[np.float32]:
    if not down and not right:
        return plane
    height, width = plane.shape
    moved = np.roll(plane, (down, right), (0, 1))
    rows = slice(0, down) if down >= 0 else slice(height + down, height)
    columns = slice(0, right) if right >= 0 else slice(width + right, width)
    for entered in (moved[rows], moved[:, columns]):
        entered[:] = torch.randn(entered.shape, generator=generator).numpy()
    return moved
