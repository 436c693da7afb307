"""RFDM's training of a pretrained backbone: K ordered frames, self-prediction, any schedule, any kind of prediction.

What :mod:`engines.training.forcing` is to the small network, with a text encoder's silence for the dropped
instruction, the checkpoint's own noise levels, and latents that no range bounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engines import flow
from engines.prediction import PredictionType, to_clean
from engines.program import Predict
from engines.schedules import DrawnLevels, Schedule
from engines.training.forcing import ConditionDropout

LossName = Literal["clean", "velocity"]

PAPER_DROPOUT = ConditionDropout(instruction=0.05, source=0.05, both=0.05, memory=0.05)
"""InstructPix2Pix's shares (Brooks et al. 2023, Sec. 3.2.1), and as much for the memory."""


@dataclass(frozen=True, eq=False)
class Clips:
    """A batch of clips in latent space.

    Attributes:
        sources: (K, B, C, h, w).
        targets: Their edits, same shape.
        code: The instructions' codes, (B, D).
        silence: The code of no instruction, (D,).
    """

    sources: Tensor
    targets: Tensor
    code: Tensor
    silence: Tensor


class RandomLevels:
    """A level of its own for every frame, as in the paper, from all the schedule's."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def __call__(self, batch: int, generator: torch.Generator) -> DrawnLevels:
        """(B,) levels."""
        return self._schedule.draw(torch.rand(batch, generator=generator))


class FirstLevel:
    """Always the noisiest level: where a student of one step works."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def __call__(self, batch: int, generator: torch.Generator) -> DrawnLevels:
        """(B,) times the same level."""
        levels = self._schedule.levels(1)
        timestep = levels.sigma if levels.timestep is None else levels.timestep
        alpha, sigma, time = (value[:1].expand(batch) for value in (levels.alpha, levels.sigma, timestep))
        return DrawnLevels(alpha, sigma, time)


DrawLevels = Callable[[int, torch.Generator], DrawnLevels]
Teach = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""A frame's target from (target on disk, source, memory, noise, code): :func:`truth`, or a teacher's answer."""


def truth(target: Tensor, source: Tensor, memory: Tensor, noise: Tensor, code: Tensor) -> Tensor:
    """The target on disk."""
    return target


def clip_losses(
    predict: Predict,
    clips: Clips,
    draw: DrawLevels,
    teach: Teach,
    prediction: PredictionType,
    dropout: ConditionDropout,
    loss: LossName,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """The loss of each frame in order, one at a time, so that each can be differentiated and freed before the next.

    Args:
        predict: The network in training, as the frame program calls it.
        clips: A batch.
        draw: Noise levels.
        teach: The true target or a teacher's.
        prediction: What the network predicts.
        dropout: Which conditions are left out how often.
        loss: "clean" is the paper's squared error of the clean latent; "velocity" divides it by sigma squared, which
            weighs all levels more alike (at SD 1.5's last level the first weighs an error of the noise 214 times).
        generator: On the CPU, of everything random.

    Yields:
        A scalar in float32.
    """
    device, batch = clips.sources.device, clips.sources.shape[1]
    keep_source, keep_instruction = (kept.to(device) for kept in dropout.kept(batch, generator))
    code = torch.where(keep_instruction[:, None] > 0, clips.code, clips.silence.expand_as(clips.code))
    sources = clips.sources * keep_source.view(1, -1, 1, 1, 1)
    y_hat = torch.zeros_like(sources[0])
    for x, stored in zip(sources, clips.targets, strict=True):
        level = draw(batch, generator)
        alpha, sigma = (value.to(device).view(-1, 1, 1, 1) for value in (level.alpha, level.sigma))
        eps = torch.randn(x.shape, generator=generator).to(device)
        y = teach(stored, x, y_hat, eps, code)
        # A student begins where sampling begins, with the memory in the unknown target's place.
        y_s = (
            flow.forward(y, y_hat, eps, alpha, sigma)
            if teach is truth
            else flow.start(y_hat, eps, alpha, sigma)
        )
        raw = predict(y_s, x, y_hat, level.timestep.to(device), code)
        predicted = to_clean(raw.float(), y_s, alpha, sigma, prediction)
        errors = (predicted - y).square()
        yield (errors if loss == "clean" else errors / sigma.square()).mean()
        lost = torch.rand(batch, generator=generator) < dropout.memory
        y_hat = predicted.detach().masked_fill(lost.to(device).view(-1, 1, 1, 1), 0.0)
