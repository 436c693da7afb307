"""Classifier-free guidance over two conditions, the source frame x and the instruction p.

Pure functions on predictions of any one kind (clean, noise or velocity): guidance is linear, and so are the
conversions between them.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GuidanceScales:
    """Scales of :func:`three_branch`: w_x for the source, w_p for the instruction."""

    source: float
    instruction: float


def three_branch(
    unconditional: Tensor,
    source_only: Tensor,
    conditional: Tensor,
    source_scale: float,
    instruction_scale: float,
) -> Tensor:
    """RFDM's guidance: y(0,0) + w_x [y(x,0) - y(0,0)] + w_p [y(x,p) - y(x,0)].

    InstructPix2Pix (Brooks et al. 2023), Eq. 3, with the paper's w_x = 3.5 and w_p = 1.5 for 8 steps.

    Args:
        unconditional: Prediction with neither source nor instruction, (B, C, H, W).
        source_only: Prediction with the source and the empty instruction, same shape.
        conditional: Prediction with both, same shape.
        source_scale: w_x; how strongly the source is kept.
        instruction_scale: w_p; how strongly the instruction is followed.

    Raises:
        ValueError: The shapes differ.
    """
    if not unconditional.shape == source_only.shape == conditional.shape:
        raise ValueError(
            f"shapes differ: {tuple(unconditional.shape)}, {tuple(source_only.shape)}, {tuple(conditional.shape)}"
        )
    return (
        unconditional
        + source_scale * (source_only - unconditional)
        + instruction_scale * (conditional - source_only)
    )
