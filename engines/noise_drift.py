"""Noise that moves: what falls or rises in an edit is drawn from the noise, so it moves where the noise does.

Shifted by whole pixels, unit Gaussian noise with fresh noise at the edge is unit Gaussian noise again: to the sampler
nothing changes, and after an hour the field is as new as in the first second.
"""

import torch
from torch import Tensor

from engines.codecs import PatchCodec

Drift = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Of each colour plane, pixels down and to the right in a frame."""


def drifted(noise: Tensor, drift: Drift, codec: PatchCodec, generator: torch.Generator) -> Tensor:
    """The noise of the next frame.

    Args:
        noise: ε, (C, h, w), as the codec rearranges its three planes.
        drift: How each plane moves.
        codec: Only rearranges pixels, so a plane can be moved by single ones.
        generator: Of the noise that enters at the edges.

    Returns:
        (C, h, w).
    """
    planes = codec.decode(noise[None])[0]
    moved = torch.stack([_moved(plane, *step, generator) for plane, step in zip(planes, drift, strict=True)])
    return codec.encode(moved[None])[0]


def _moved(plane: Tensor, down: int, right: int, generator: torch.Generator) -> Tensor:
    if not down and not right:
        return plane
    height, width = plane.shape
    moved = plane.roll((down, right), (0, 1))
    rows = slice(0, down) if down >= 0 else slice(height + down, height)
    columns = slice(0, right) if right >= 0 else slice(width + right, width)
    moved[rows] = torch.randn(moved[rows].shape, generator=generator)
    moved[:, columns] = torch.randn(moved[:, columns].shape, generator=generator)
    return moved
