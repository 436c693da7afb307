"""Distilling guidance and steps: a student that does in one evaluation what its teacher does in several.

Progressive distillation (Salimans and Ho 2022, Alg. 2) on the shifted process: the student's clean prediction at one
of its levels is to be such that its own step lands where the teacher's finer steps, guided or not, have led. Halving
chains well: the guided teacher of 8 steps (24 evaluations) teaches 4 steps, these teach 2, and these 1.

What training starts a step from is noised around the memory, alpha y + sigma (y_hat + z). With the zero mean of image
pipelines the student would learn on latents that its sampler never meets.

A student of one evaluation begins where sampling begins, with the memory in the unknown target's place; so the large
backbones are taught (:class:`Teacher`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines import flow
from engines.guidance import GuidanceScales
from engines.prediction import PredictionType, to_clean
from engines.program import ThreeBranch
from engines.schedules import DrawnLevels, Schedule
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


CleanPredictor = Callable[[Tensor, Tensor, Tensor, DrawnLevels, Tensor], Tensor]
"""The clean latents, from (noisy latents, sources, memories, each sample's level, codes)."""


def bounded(predict: Predictor) -> CleanPredictor:
    """A network that predicts clean latents of a bounded range and knows its level by sigma: rfdm-tiny's."""

    def clean(y_s: Tensor, x: Tensor, y_hat: Tensor, level: DrawnLevels, code: Tensor) -> Tensor:
        return predict(y_s, x, y_hat, level.sigma, code).float().clamp(-1, 1)

    return clean


@torch.no_grad()
def taught(
    teacher: CleanPredictor,
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
        teacher: Guided or not, of any kind of prediction.
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
    timesteps = levels.sigma if levels.timestep is None else levels.timestep

    def at(index: Tensor) -> DrawnLevels:
        chosen = (share[index].to(y_s.device) for share in (levels.alpha, levels.sigma, timesteps))
        return DrawnLevels(*chosen)

    start, y_t = at(first), y_s.float()
    present = start
    for step in range(inner):
        following = at(first + step + 1)
        y = teacher(y_t.to(y_s.dtype), x, y_hat, present, code).float()
        y_t = flow.ddim_step(
            y_t, y, _wide(present.alpha), _wide(present.sigma), _wide(following.alpha), _wide(following.sigma)
        )
        present = following
    ratio = _wide(present.sigma / start.sigma)
    return (y_t - ratio * y_s) / (_wide(present.alpha) - ratio * _wide(start.alpha))


def _wide(share: Tensor) -> Tensor:
    return share.view(-1, 1, 1, 1)


class Teacher:
    """A frozen network's whole guided sampling, for a student that is to do it in one evaluation.

    Guidance and steps are distilled together: the student sees the noise that the teacher began with (Meng et al.
    2023 for guidance, Luhman and Luhman 2021 for steps).

    Args:
        denoiser: The teacher's own network, frozen.
        schedule: Its levels.
        prediction: What it predicts.
        steps: Sampler steps it takes.
        scales: Its guidance.
        silence: The code of no instruction, (D,).
    """

    def __init__(
        self,
        denoiser: nn.Module,
        schedule: Schedule,
        prediction: PredictionType,
        steps: int,
        scales: GuidanceScales,
        silence: Tensor,
    ) -> None:
        dtype = next(denoiser.parameters()).dtype
        self._branches = ThreeBranch(denoiser, scales.source, scales.instruction, silence.to(dtype))
        self._levels, self._steps, self._prediction = schedule.levels(steps), steps, prediction
        self._dtype = dtype

    @torch.no_grad()
    def __call__(self, target: Tensor, source: Tensor, memory: Tensor, noise: Tensor, code: Tensor) -> Tensor:
        """The latents it samples, (B, C, h, w) float32; the targets on disk are not looked at."""
        x, y_hat, eps, given = (value.to(self._dtype) for value in (source, memory, noise, code))
        y_s = flow.start(y_hat, eps, float(self._levels.alpha[0]), float(self._levels.sigma[0]))
        first = torch.zeros(len(y_s), dtype=torch.long)
        return taught(self._clean, y_s, x, y_hat, given, self._levels, first, self._steps)

    def _clean(self, y_s: Tensor, x: Tensor, y_hat: Tensor, level: DrawnLevels, code: Tensor) -> Tensor:
        raw = self._branches(y_s, x, y_hat, level.timestep, code)
        return to_clean(raw.float(), y_s, _wide(level.alpha), _wide(level.sigma), self._prediction)


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
        wanted = taught(bounded(teacher), y_s, x, given, code, levels, first, halving.inner)
        predicted = student(y_s, x, given, sigma.flatten(), code).float()
        yield (predicted - wanted).square().mean()
        lost = (torch.rand(batch, generator=generator) < dropout.memory).view(-1, 1, 1, 1)
        y_hat = method.next_memory(predicted, y).masked_fill(lost, 0.0)
