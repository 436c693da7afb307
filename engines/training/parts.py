"""Training one part of the network alone, before the rest: the loop that people, weather and removal share."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from engines.backbones.tiny import NormalisedConv2d

PART_VERSION = 1
_AVERAGE = 0.995
_WARMUP_STEPS = 50
_SAVE_EVERY_S = 60.0
_LONGEST_STEP_S = 30.0


@dataclass(frozen=True)
class PartProgress:
    """Where the training is: steps, seconds spent, and the mean of the late losses."""

    step: int
    elapsed_s: float
    loss: float


@dataclass(frozen=True)
class PartPlan:
    """How a part is trained.

    Attributes:
        name: Of the part; ``<name>.pt`` in the run folder is where it resumes.
        minutes: Training time, resumed parts counted in.
        filter_rate: Muon's peak for normalised filters.
        fall_share: Share of the time, the last, over which the rates fall.
        learning_rate: AdamW's peak for all else.
        new_share: How far the weights go from the first to the trained ones, in the end.
    """

    name: str
    minutes: float
    filter_rate: float
    fall_share: float
    learning_rate: float = 1e-3
    new_share: float = 1.0

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


def train_part(
    part: nn.Module,
    plan: PartPlan,
    run: Path,
    loss_of_a_batch: Callable[[], Tensor],
    progress: Callable[[PartProgress], None],
) -> None:
    """Train in place, or go on where the run was left; ends with the averaged weights, or on the way to them.

    Args:
        part: On the device to train on.
        plan: How.
        run: Folder of the run.
        loss_of_a_batch: Draws a batch and gives the part's loss on it.
        progress: Called after each step.
    """
    convolutions = [module for module in part.modules() if isinstance(module, NormalisedConv2d)]
    filters = [module.filters for module in convolutions]
    among_filters = {id(rows) for rows in filters}
    others = [weight for weight in part.parameters() if id(weight) not in among_filters]
    optimizers: list[tuple[torch.optim.Optimizer, float]] = []
    if filters:
        muon = torch.optim.Muon(filters, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        optimizers.append((muon, plan.filter_rate))
    if others:
        optimizers.append(
            (torch.optim.AdamW(others, betas=(0.9, 0.99), weight_decay=0.0), plan.learning_rate)
        )
    first = {name: value.clone() for name, value in part.state_dict().items()}
    averaged = {name: value.clone() for name, value in first.items()}
    step, elapsed_s, level = 0, 0.0, None
    kept = run / f"{plan.name}.pt"
    if kept.exists():
        state = torch.load(kept, map_location=next(part.parameters()).device, weights_only=True)
        if state["version"] == PART_VERSION:
            part.load_state_dict(state["weights"])
            averaged, step, elapsed_s = state["averaged"], state["step"], state["elapsed_s"]

    def save() -> None:
        state = {"version": PART_VERSION, "weights": part.state_dict(), "averaged": averaged}
        torch.save({**state, "step": step, "elapsed_s": elapsed_s}, kept.with_suffix(".new"))
        kept.with_suffix(".new").replace(kept)

    run.mkdir(parents=True, exist_ok=True)
    last = saved = time.monotonic()
    while elapsed_s < plan.minutes * 60:
        left = 1 - elapsed_s / (plan.minutes * 60)
        schedule = min(1.0, (step + 1) / _WARMUP_STEPS) * min(1.0, max(0.02, left / plan.fall_share))
        for optimizer, rate in optimizers:
            optimizer.param_groups[0]["lr"] = rate * schedule
            optimizer.zero_grad(set_to_none=True)
        loss = loss_of_a_batch()
        torch.autograd.backward(loss)
        for optimizer, _ in optimizers:
            optimizer.step()
        if step % 10 == 0:
            for module in convolutions:
                module.renormalise()
        _average(averaged, part, min(_AVERAGE, (1 + step) / (10 + step)))
        step += 1
        latest = float(loss.detach())
        level = latest if level is None else level + 0.02 * (latest - level)
        now = time.monotonic()
        elapsed_s += min(now - last, _LONGEST_STEP_S)
        last = now
        if now - saved > _SAVE_EVERY_S:
            save()
            saved = now
        progress(PartProgress(step, elapsed_s, level))
    save()
    part.load_state_dict({name: value.lerp(averaged[name], plan.new_share) for name, value in first.items()})


@torch.no_grad()
def _average(averaged: dict[str, Tensor], part: nn.Module, decay: float) -> None:
    for name, value in part.state_dict().items():
        averaged[name].lerp_(value, 1 - decay)
