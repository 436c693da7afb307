"""Training one part of the network alone, before the rest: the loop that people, weather and removal share."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from engines.training.batches import generator_at
from engines.training.crops import CropSampler
from engines.training.loop import TrainingError
from engines.training.optimisers import Optimisers

PART_VERSION = 3
_AVERAGE = 0.995
_WARMUP_STEPS = 50
_SAVE_EVERY_S = 60.0
_LOG_EVERY = 20
_LOOKS = 20

PartBatch = tuple[Tensor, ...]
Weights = dict[str, Tensor]
Score = Callable[[nn.Module], Tensor]
"""How good a part is with each subject that is held out, (N,); more is better."""


@dataclass(frozen=True)
class PartProgress:
    """Where the training is.

    Attributes:
        step: Steps made.
        elapsed_s: Seconds spent, resumed parts counted in.
        loss: Mean of the late losses.
        score: Of the averaged weights where they were best, None where nothing is held out to score them.
    """

    step: int
    elapsed_s: float
    loss: float
    score: float | None


@dataclass(frozen=True)
class PartPlan:
    """What a part learns, from what and for how long.

    Attributes:
        name: Of the part; ``<name>.pt`` in the run folder is where it resumes.
        job: What it does, in a word, as options and progress call it.
        draw: A step's batch, on the CPU, of the sampler's crops, the step's number and all its randomness.
        loss: Of the part on such a batch.
        steps: Optimiser steps.
        filter_rate: Muon's peak for normalised filters.
        fall_share: Share of the steps, the last, over which the rates fall.
        learning_rate: AdamW's peak for all else.
        new_share: How far the weights go from the first to the trained ones, in the end; where that is part of the
            way and there is a score, the share that scores best is taken instead.
        needs_people: Whether there is nothing to learn where no scene has mattes.
    """

    name: str
    job: str
    draw: Callable[[CropSampler, int, torch.Generator], PartBatch]
    loss: Callable[..., Tensor]
    steps: int
    filter_rate: float
    fall_share: float
    learning_rate: float = 1e-3
    new_share: float = 1.0
    needs_people: bool = False

    def gentle(self) -> "PartPlan":
        """The plan for a part that was trained before: at fresh rates it would first forget.

        Weights between the first and the last know more than either of pictures unlike those at hand (Wortsman et al.
        2022, WiSE-FT).
        """
        return replace(
            self,
            filter_rate=0.4 * self.filter_rate,
            learning_rate=0.4 * self.learning_rate,
            fall_share=0.75,
            new_share=0.7,
        )

    def batch(self, sampler: CropSampler, seed: int, step: int) -> PartBatch:
        """What a step sees: the same for the same seed."""
        return self.draw(sampler, step, generator_at(seed, step))

    def schedule(self, step: int) -> float:
        """Share of the rates at a step: warm-up, a plateau, and a linear fall."""
        left = 1 - step / self.steps
        return min(1.0, (step + 1) / _WARMUP_STEPS) * min(1.0, max(0.02, left / self.fall_share))


@dataclass(frozen=True)
class PartResult:
    """What a training ended with.

    Attributes:
        step: Where the averaged weights were taken: the last one, or the one with the best score.
        new_share: How far the part went from its first weights to those.
        score: Of what it has now, None where nothing is held out to score it.
    """

    step: int
    new_share: float
    score: float | None


def train_part(
    part: nn.Module,
    plan: PartPlan,
    run: Path,
    batches_from: Callable[[int], Iterator[PartBatch]],
    progress: Callable[[PartProgress], None],
    score: Score | None = None,
) -> PartResult:
    """Train in place, or go on where the run was left; ends with the averaged weights, or on the way to them.

    With a score the averaged weights are the last, or those of the best of 21 looks, from before the first step to
    after the last, where that is better by more than who happens to be held out explains.

    Args:
        part: On the device to train on.
        plan: How.
        run: Folder of the run.
        batches_from: The plan's batches of a step and those that follow.
        progress: Called after each step.
        score: How good a part with such weights is on what is held out from training; more is better.

    Raises:
        TrainingError: The run folder holds the part in another version, or the loss is no number; what was kept
            last stays.
    """
    device = next(part.parameters()).device
    training = _Training(part, plan, run / f"{plan.name}.pt")
    first = {name: value.clone() for name, value in part.state_dict().items()}
    training.resume()
    writer = SummaryWriter(str(run / plan.name), purge_step=training.step)
    last = saved = time.monotonic()
    batches = batches_from(training.step)
    if score is not None and training.step == 0:
        writer.add_scalar("score", training.look(score), 0)
    while training.step < plan.steps:
        training.take_step([value.to(device) for value in next(batches)])
        if score is not None and _is_looked_at(training.step, plan.steps):
            writer.add_scalar("score", training.look(score), training.step)
        now = time.monotonic()
        training.elapsed_s += now - last
        last = now
        if now - saved > _SAVE_EVERY_S:
            training.save()
            saved = now
        if training.step % _LOG_EVERY == 0:
            writer.add_scalar("loss", training.loss, training.step)
        best_score = None if training.best is None else training.best.score
        progress(PartProgress(training.step, training.elapsed_s, training.loss, best_score))
    training.save()
    writer.close()
    step, last_weights = training.step, training.averaged
    if score is not None and training.best is not None:
        best = training.best
        if not _is_as_good(_score(score, part, last_weights), _score(score, part, best.weights)):
            step, last_weights = best.step, best.weights
    return _settle(part, first, last_weights, step, plan, score)


def _is_as_good(latest: Tensor, best: Tensor) -> bool:
    """Whether what the best is ahead by, (N,) each, is within its standard error.

    The best of many looks was lucky with some of the few who are held out, and rates had not fallen then (the
    one-standard-error rule; Breiman et al. 1984).
    """
    ahead = best - latest
    standard_error = ahead.std(correction=0) / max(1, len(ahead) - 1) ** 0.5
    return bool(ahead.mean() <= standard_error)


def _is_looked_at(step: int, steps: int) -> bool:
    return step * _LOOKS // steps > (step - 1) * _LOOKS // steps


def _settle(
    part: nn.Module, first: Weights, last: Weights, step: int, plan: PartPlan, score: Score | None
) -> PartResult:
    """Give the part weights from the first to the last ones, which were those of a step."""
    if score is None:
        part.load_state_dict(_between(first, last, plan.new_share))
        return PartResult(step, plan.new_share, None)
    shares = [1.0] if plan.new_share == 1 else [tenths / 10 for tenths in range(11)]
    scores = [float(_score(score, part, _between(first, last, share)).mean()) for share in shares]
    best = max(range(len(shares)), key=scores.__getitem__)
    part.load_state_dict(_between(first, last, shares[best]))
    return PartResult(step, shares[best], scores[best])


def _between(first: Weights, last: Weights, share: float) -> Weights:
    return {name: value.lerp(last[name], share) for name, value in first.items()}


def _score(score: Score, part: nn.Module, weights: Weights) -> Tensor:
    shown = copy.deepcopy(part)
    shown.load_state_dict(weights)
    return score(shown)


@dataclass(frozen=True)
class _Best:
    step: int
    score: float
    weights: Weights


class _Training:
    """A part in training; holds what its checkpoint holds."""

    def __init__(self, part: nn.Module, plan: PartPlan, kept: Path) -> None:
        self._part, self._plan, self._kept = part, plan, kept
        self._optimisers = Optimisers(part, plan.filter_rate, plan.learning_rate)
        self.averaged = {name: value.clone() for name, value in part.state_dict().items()}
        self.best: _Best | None = None
        self.step, self.elapsed_s, self.loss = 0, 0.0, 0.0

    def take_step(self, batch: list[Tensor]) -> None:
        loss = self._plan.loss(self._part, *batch)
        torch.autograd.backward(loss)
        latest = float(loss.detach())
        if not math.isfinite(latest):
            kept = f"{self._kept} is the last good one" if self._kept.exists() else "nothing was kept yet"
            raise TrainingError(f"the loss of {self._plan.job} became {latest} at step {self.step}; {kept}")
        self._optimisers.step(self._plan.schedule(self.step))
        self._average(min(_AVERAGE, (1 + self.step) / (10 + self.step)))
        self.loss = latest if self.step == 0 else self.loss + 0.02 * (latest - self.loss)
        self.step += 1

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for name, value in self._part.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def look(self, score: Score) -> float:
        """Score the averaged weights, and keep them if none were better."""
        latest = float(_score(score, self._part, self.averaged).mean())
        if self.best is None or latest > self.best.score:
            weights = {name: value.clone() for name, value in self.averaged.items()}
            self.best = _Best(self.step, latest, weights)
        return latest

    def save(self) -> None:
        """Write the checkpoint beside the last one and put it in its place."""
        state = {
            "version": PART_VERSION,
            "weights": self._part.state_dict(),
            "averaged": self.averaged,
            "best": None if self.best is None else vars(self.best),
            "optimizers": self._optimisers.state(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "loss": self.loss,
        }
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, self._kept.with_suffix(".new"))
        self._kept.with_suffix(".new").replace(self._kept)

    def resume(self) -> None:
        if not self._kept.exists():
            return
        device = next(self._part.parameters()).device
        state = torch.load(self._kept, map_location=device, weights_only=True)
        if state["version"] != PART_VERSION:
            raise TrainingError(
                f"{self._kept} is of version {state['version']}, this code reads {PART_VERSION}"
            )
        self._part.load_state_dict(state["weights"])
        self._optimisers.load(state["optimizers"], state["step"])
        self.averaged, self.step = state["averaged"], state["step"]
        self.best = None if state["best"] is None else _Best(**state["best"])
        self.elapsed_s, self.loss = state["elapsed_s"], state["loss"]
