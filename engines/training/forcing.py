"""What a frame is trained on besides its source: the noise's mean, the memory it is given, and where that comes from.

RFDM's own choices are the defaults of :class:`Method`; the others are the controls of its ablation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from engines import flow


class Predictor(Protocol):
    """Anything that predicts a clean latent: a denoiser, or one wrapped in guidance."""

    def __call__(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        """Predict (B, C, h, w) from latents of that shape, levels (B,) and codes (B, D)."""
        ...


@dataclass(frozen=True)
class Method:
    """How frames depend on one another, in training and in sampling alike.

    Attributes:
        flow: Where the noise is centred: on the memory, or on zero as for a single picture.
        condition: Whether the network is also given the memory, or the source alone.
        forcing: What the next frame remembers in training: the network's own prediction (the paper's diffusion
            forcing) or the true target (teacher forcing).
    """

    flow: Literal["residual", "full_frame"] = "residual"
    condition: Literal["source_and_memory", "source"] = "source_and_memory"
    forcing: Literal["self_prediction", "teacher"] = "self_prediction"

    def mean(self, y_hat: Tensor) -> Tensor:
        """What the noise is centred on, given the memory (B, C, h, w)."""
        return y_hat if self.flow == "residual" else torch.zeros_like(y_hat)

    def given(self, y_hat: Tensor) -> Tensor:
        """What the network sees of the memory (B, C, h, w)."""
        return y_hat if self.condition == "source_and_memory" else torch.zeros_like(y_hat)

    def next_memory(self, predicted: Tensor, target: Tensor) -> Tensor:
        """What the next frame remembers in training, free of gradients and within the codec's range."""
        return (predicted if self.forcing == "self_prediction" else target).detach().float().clamp(-1, 1)


RFDM = Method()
"""The paper's own."""


@dataclass(frozen=True)
class ConditionDropout:
    """Shares of clips whose conditions are left out in training, so that guidance has its other branches.

    Attributes:
        instruction: The instruction alone.
        source: The source alone.
        both: Source and instruction.
        memory: The memory, on its way to a later frame.
    """

    instruction: float = 0.0
    source: float = 0.0
    both: float = 0.0
    memory: float = 0.0

    def kept(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw which clips keep their source and their instruction, each (B,) of 0 and 1."""
        drawn = torch.rand(batch, generator=generator)
        neither = drawn < self.both
        no_source = (drawn >= self.both) & (drawn < self.both + self.source)
        no_instruction = (drawn >= self.both + self.source) & (
            drawn < self.both + self.source + self.instruction
        )
        return (~(neither | no_source)).float(), (~(neither | no_instruction)).float()


def frame_losses(
    predict: Predictor,
    sources: Tensor,
    targets: Tensor,
    code: Tensor,
    method: Method,
    dropout: ConditionDropout,
    first_level_share: float,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """The squared error of each frame of a batch of clips in order: RFDM's training, Algorithm 1.

    One frame at a time, so that each can be differentiated and freed before the next.

    Args:
        predict: The network in training.
        sources: Latents of K ordered frames, (K, B, C, h, w).
        targets: Latents of their exact edits, same shape.
        code: Instruction codes, (B, D).
        method: How frames depend on one another.
        dropout: Which conditions are left out how often.
        first_level_share: Share of frames at sigma = 1; the others draw sigma evenly from (0, 1).
        generator: Of everything random.

    Yields:
        The mean squared error of one frame, a scalar.
    """
    batch = sources.shape[1]
    keep_source, keep_instruction = dropout.kept(batch, generator)
    code = code * keep_instruction[:, None]
    y_hat = torch.zeros_like(sources[0])
    for x, y in zip(sources * keep_source.view(1, -1, 1, 1, 1), targets, strict=True):
        at_first = torch.rand(batch, generator=generator) < first_level_share
        sigma = torch.where(at_first, 1.0, torch.rand(batch, generator=generator).clamp(min=1e-3))
        level = sigma.view(-1, 1, 1, 1)
        eps = torch.randn(x.shape, generator=generator)
        y_s = flow.forward(y, method.mean(y_hat), eps, 1 - level, level)
        predicted = predict(y_s, x, method.given(y_hat), sigma, code).float()
        yield (predicted - y).square().mean()
        lost = (torch.rand(batch, generator=generator) < dropout.memory).view(-1, 1, 1, 1)
        y_hat = method.next_memory(predicted, y).masked_fill(lost, 0.0)
