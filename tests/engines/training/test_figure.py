from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from engines.backbones.tiny import Figure, NormalisedConv2d
from engines.training.batches import batches_from
from engines.training.crops import CropSampler
from engines.training.figure import PLAN, figure_loss
from engines.training.parts import train_part


def small_figure() -> Figure:
    torch.manual_seed(0)
    return Figure(48, (16, 16, 16), NormalisedConv2d)


def test_the_loss_is_nothing_for_a_sure_right_answer_and_large_for_a_wrong_one() -> None:
    mattes = torch.zeros(1, 1, 16, 16)
    mattes[..., :8] = 1
    sure = torch.nn.functional.pixel_unshuffle(torch.nn.functional.avg_pool2d(mattes, 2) * 40 - 20, 2)

    assert figure_loss(sure, mattes) < 1e-3
    assert figure_loss(-sure, mattes) > 10


def test_odd_sides_are_kept() -> None:
    assert small_figure()(torch.zeros(1, 48, 12, 20)).shape == (1, 4, 12, 20)


def test_people_are_learned(tmp_path: Path) -> None:
    """Whoever is bright is a person."""

    def draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        coarse = (torch.rand(4, 1, 4, 4, generator=generator) > 0.5).float()
        mattes = torch.nn.functional.interpolate(coarse, (64, 64))
        return (0.2 + 0.6 * mattes).expand(4, 3, 64, 64), mattes

    plan, losses = replace(PLAN, draw=draw, steps=100), list[float]()
    batches = partial(batches_from, partial(plan.batch, CropSampler([], 1, 1, 64), 0), 0)
    train_part(small_figure(), plan, tmp_path, batches, lambda now: losses.append(now.loss))

    assert losses[-1] < 0.5 * losses[0]
