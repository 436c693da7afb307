"""Distilling guidance and steps: a student that does in one evaluation what its teacher does in several.

Progressive distillation (Salimans and Ho 2022, Alg. 2) on the shifted process: the student's clean prediction at one
of its levels is to be such that its own step lands where the teacher's finer steps, guided or not, have led. Halving
chains well: the guided teacher of 8 steps (24 evaluations) teaches 4 steps, these teach 2, and these 1.

What training starts a step from is noised around the memory, alpha y + sigma (y_hat + z). With the zero mean of image
pipelines the student would learn on latents that its sampler never meets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engines import flow
from engines.training.forcing import RFDM, ConditionDropout, Method, Predictor


@dataclass(frozen=True)
class Halving:
    """From so many of the teacher's steps to so many of the student's.

    Raises:
        ValueError: The one is not a multiple of the other.
    """

    teacher_steps: int
    student_steps: int

    def __post_init__(self) -> None:
        if self.student_steps < 1 or self.teacher_steps % self.student_steps:
            raise ValueError(f"{self.teacher_steps} steps cannot be taught as {self.student_steps}")

    @property
    def inner(self) -> int:
        """The teacher's steps in one of the student's."""
        return self.teacher_steps // self.student_steps


@torch.no_grad()
def taught(
    teacher: Predictor,
    y_s: Tensor,
    x: Tensor,
    y_hat: Tensor,
    code: Tensor,
    levels: flow.NoiseLevels,
    first: Tensor,
    inner: int,
) -> Tensor:
    """The clean prediction whose single DDIM step lands where the teacher's several do.

    With the teacher's end y^t at level t, (y^t - sigma_t / sigma_s y^s) / (alpha_t - sigma_t / sigma_s alpha_s).

    Args:
        teacher: Guided or not.
        y_s: Noisy latents at the teacher's levels ``first``, (B, C, h, w).
        x: Source latents, same shape.
        y_hat: Memories, same shape.
        code: Instruction codes, (B, D).
        levels: The teacher's, from the most to the least noisy.
        first: Index of each sample's level, (B,).
        inner: Steps the teacher takes.

    Returns:
        (B, C, h, w), the teacher's own clean prediction where it takes one step or ends at the last level.
    """

    def at(index: Tensor) -> tuple[Tensor, Tensor]:
        return levels.alpha[index].view(-1, 1, 1, 1), levels.sigma[index].view(-1, 1, 1, 1)

    alpha_s, sigma_s = at(first)
    y_t = y_s
    for step in range(inner):
        (alpha, sigma), (alpha_next, sigma_next) = at(first + step), at(first + step + 1)
        y = teacher(y_t, x, y_hat, sigma.flatten(), code).float().clamp(-1, 1)
        y_t = flow.ddim_step(y_t, y, alpha, sigma, alpha_next, sigma_next)
    alpha_t, sigma_t = at(first + inner)
    ratio = sigma_t / sigma_s
    return (y_t - ratio * y_s) / (alpha_t - ratio * alpha_s)


def distillation_losses(
    student: Predictor,
    teacher: Predictor,
    sources: Tensor,
    targets: Tensor,
    code: Tensor,
    halving: Halving,
    dropout: ConditionDropout,
    generator: torch.Generator,
    method: Method = RFDM,
) -> Iterator[Tensor]:
    """The squared error of each frame of a batch of clips to what the teacher makes of it.

    Args:
        student: In training.
        teacher: Not in training, guided or not.
        sources: Latents of K ordered frames, (K, B, C, h, w).
        targets: Latents of their exact edits, which the noisy latents are made of, same shape.
        code: Instruction codes, (B, D).
        halving: Steps of the two.
        dropout: Only ``memory`` is used: a student of guidance needs no other branch.
        generator: Of everything random.
        method: How frames depend on one another.

    Yields:
        The mean squared error of one frame, a scalar.
    """
    batch = sources.shape[1]
    levels = flow.flow_levels(halving.teacher_steps)
    y_hat = torch.zeros_like(sources[0])
    for x, y in zip(sources, targets, strict=True):
        first = halving.inner * torch.randint(halving.student_steps, (batch,), generator=generator)
        alpha, sigma = (share[first].view(-1, 1, 1, 1) for share in (levels.alpha, levels.sigma))
        z = torch.randn(x.shape, generator=generator)
        y_s = flow.renoise(y, method.mean(y_hat), z, alpha, sigma)
        given = method.given(y_hat)
        wanted = taught(teacher, y_s, x, given, code, levels, first, halving.inner)
        predicted = student(y_s, x, given, sigma.flatten(), code).float()
        yield (predicted - wanted).square().mean()
        lost = (torch.rand(batch, generator=generator) < dropout.memory).view(-1, 1, 1, 1)
        y_hat = method.next_memory(predicted, y).masked_fill(lost, 0.0)
