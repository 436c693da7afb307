"""Which layers eight bits are good enough for: each is rounded by itself, and the result compared.

Errors of layers add like independent ones, by their squares, so the most layers that stay within a bound are those of
the least error each (Dong et al. 2019, HAWQ, Sec. 3, with the measured error in the place of the curvature).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from engines.compilers.quantisation import ActivationRange, ActivationRanges
from engines.program import FrameProgram

EightBits = Literal["int8", "fp8"]
Sample = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


@torch.inference_mode()
def ranges_within(
    limit: float,
    program: FrameProgram,
    ranges: ActivationRanges,
    samples: Sequence[Sample],
    precision: EightBits,
) -> dict[str, ActivationRange]:
    """The ranges of as many layers as can be rounded together.

    Args:
        limit: Relative error of the guided predictions that may not be passed, about; latents would hide it behind
            the noise that they still share.
        program: In float32.
        ranges: Of every layer that may be rounded.
        samples: Inputs of ``FrameProgram.forward``.
        precision: What the layers are rounded to.
    """
    exact = _predictions(program, samples)
    layers = dict(program.predict.denoiser.named_modules())
    squares: dict[str, float] = {}
    for name, measured in ranges.items():
        with _rounded(layers[name], measured, precision):
            found = _predictions(program, samples)
        squares[name] = sum(
            float((own - other).square().sum() / other.square().sum())
            for own, other in zip(found, exact, strict=True)
        ) / len(exact)
    held: dict[str, ActivationRange] = {}
    total = 0.0
    for name in sorted(squares, key=squares.__getitem__):
        total += squares[name]
        if total > limit**2:
            break
        held[name] = ranges[name]
    return held


def _predictions(program: FrameProgram, samples: Sequence[Sample]) -> list[Tensor]:
    """Of every step of every sample."""
    seen: list[Tensor] = []
    hook = program.predict.register_forward_hook(lambda _, inputs, output: seen.append(output))
    try:
        for sample in samples:
            program(*sample)
    finally:
        hook.remove()
    return seen


@contextmanager
def _rounded(layer: nn.Module, measured: ActivationRange, precision: EightBits) -> Iterator[None]:
    """The layer as :mod:`engines.compilers.onnx_quantisation` rounds it: its input, and its weights by output."""
    weight = layer.get_parameter("weight")
    exact = weight.data
    reach = torch.tensor(max(-measured.low, measured.high, 1e-6), device=exact.device)
    per_output = exact.abs().flatten(1).amax(1).clamp_min(1e-6).view(-1, *[1] * (exact.ndim - 1))
    weight.data = _round(exact, per_output, precision)
    hook = layer.register_forward_pre_hook(
        lambda _, arguments: (_round(arguments[0], reach, precision), *arguments[1:])
    )
    try:
        yield
    finally:
        hook.remove()
        weight.data = exact


def _round(value: Tensor, reach: Tensor, precision: EightBits) -> Tensor:
    if precision == "int8":
        scale = reach / 127
        return (value / scale).round().clamp(-128, 127) * scale
    scale = reach / 448
    return (value / scale).clamp(-448, 448).to(torch.float8_e4m3fn).to(value.dtype) * scale
