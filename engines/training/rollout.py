"""Editing whole clips with a network in training: every sampler and every rule of memory it can be tried with.

The live path compiles one of these into :class:`engines.program.FrameProgram`; here each is a plain loop in PyTorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

import torch
from torch import Tensor

from engines import flow
from engines.memory import is_key_frame
from engines.training.forcing import Method, Predictor


class MemoryRule(Protocol):
    """Which earlier output a frame remembers."""

    def memory(self, outputs: Sequence[Tensor]) -> Tensor | None:
        """The remembered one of the outputs so far, None where there is none."""
        ...


class Forgetful:
    """Every frame is edited alone."""

    def memory(self, outputs: Sequence[Tensor]) -> Tensor | None:
        """None."""
        return None


@dataclass(frozen=True)
class KeyFrames:
    """The last key frame; see :func:`engines.memory.is_key_frame`."""

    interval: int

    def memory(self, outputs: Sequence[Tensor]) -> Tensor | None:
        """The last output that was a key frame."""
        keys = [output for index, output in enumerate(outputs) if is_key_frame(index, self.interval)]
        return keys[-1] if keys else None


@dataclass(frozen=True)
class Delay:
    """Always the output so many frames ago, or the first before there is one."""

    lag: int

    def memory(self, outputs: Sequence[Tensor]) -> Tensor | None:
        """The output ``lag`` frames ago."""
        return outputs[-min(self.lag, len(outputs))] if outputs else None


@dataclass(frozen=True, eq=False)
class Sampler:
    """How a frame is drawn.

    Attributes:
        levels: Noise levels; one evaluation of the predictor for each but the last.
        between: From one level to the next: the deterministic path, or wholly fresh noise around the memory, or, as
            image pipelines do it and wrongly here, around zero.
        noise: New in every frame, as in the paper, or one for the whole clip, as on the live path.
    """

    levels: flow.NoiseLevels
    between: Literal["ddim", "renoise", "renoise_zero_mean"] = "ddim"
    noise: Literal["new", "kept"] = "new"


def sample(
    predict: Predictor,
    x: Tensor,
    y_hat: Tensor,
    code: Tensor,
    method: Method,
    sampler: Sampler,
    generator: torch.Generator,
) -> Tensor:
    """Draw one frame of each of several streams.

    Args:
        predict: The network, guided or not.
        x: Source latents, (B, C, h, w).
        y_hat: Memories, same shape, zeros where there is none.
        code: Instruction codes, (B, D).
        method: How the network was trained.
        sampler: Levels, and what happens between them.
        generator: Of the noise.

    Returns:
        Clean latents in [-1, 1], (B, C, h, w).
    """
    levels = list(zip(sampler.levels.alpha.tolist(), sampler.levels.sigma.tolist(), strict=True))
    mean, given = method.mean(y_hat), method.given(y_hat)
    y = y_s = flow.start(mean, torch.randn(x.shape, generator=generator), *levels[0])
    for level, level_next in pairwise(levels):
        y = predict(y_s, x, given, x.new_full((len(x),), level[1]), code).float().clamp(-1, 1)
        if sampler.between == "ddim":
            y_s = flow.ddim_step(y_s, y, *level, *level_next)
        else:
            around = mean if sampler.between == "renoise" else torch.zeros_like(mean)
            y_s = flow.renoise(y, around, torch.randn(x.shape, generator=generator), *level_next)
    return y


@torch.no_grad()
def edit_clips(
    predict: Predictor,
    sources: Tensor,
    code: Tensor,
    method: Method,
    rule: MemoryRule,
    sampler: Sampler,
    seed: int,
) -> Tensor:
    """Edit a batch of clips frame by frame.

    Args:
        predict: The network, guided or not.
        sources: Source latents in order, (T, B, C, h, w).
        code: Instruction codes, (B, D).
        method: How the network was trained.
        rule: What each frame remembers.
        sampler: How each frame is drawn.
        seed: Of the noise.

    Returns:
        Clean latents, (T, B, C, h, w).
    """
    generator = torch.Generator().manual_seed(seed)
    outputs: list[Tensor] = []
    for x in sources:
        remembered = rule.memory(outputs)
        y_hat = torch.zeros_like(x) if remembered is None else remembered
        if sampler.noise == "kept":
            generator.manual_seed(seed)
        outputs.append(sample(predict, x, y_hat, code, method, sampler, generator))
    return torch.stack(outputs)
