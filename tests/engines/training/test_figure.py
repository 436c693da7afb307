from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from engines.backbones.tiny import Figure
from engines.training.batches import batches_from
from engines.training.crops import CropSampler
from engines.training.figure import PLAN, figure_loss, start
from engines.training.parts import train_part
from engines.training.people import UNKNOWN
from tests.engines.training.test_people import person_scene


def test_the_loss_is_nothing_for_a_sure_right_answer_and_large_for_a_wrong_one() -> None:
    mattes = torch.zeros(1, 1, 16, 16)
    mattes[..., :8] = 1
    sure = torch.nn.functional.pixel_unshuffle(torch.nn.functional.avg_pool2d(mattes, 2) * 40 - 20, 2)

    assert figure_loss(sure, mattes) < 1e-3
    assert figure_loss(-sure, mattes) > 10


@pytest.mark.parametrize(("share", "is_mistake"), [(1 / 16, True), (8 / 16, False)])
def test_a_little_person_in_an_unmasked_picture_is_a_mistake_and_a_large_one_may_be_somebody(
    share: float, is_mistake: bool
) -> None:
    found = torch.full((1, 1, 16, 16), -20.0)
    found[..., : round(16 * share)] = 20.0
    logits = torch.nn.functional.pixel_unshuffle(found, 2).requires_grad_()

    (pulls,) = torch.autograd.grad(figure_loss(logits, torch.full((1, 1, 32, 32), UNKNOWN)), logits)

    assert bool((pulls[logits > 0] > 1e-4).all()) is is_mistake
    assert bool((pulls[logits > 0] == 0).all()) is not is_mistake


def test_batches_have_the_shapes_of_cameras_and_phones() -> None:
    sampler = CropSampler([person_scene()], batch=1, frames=1, size=32, people_size=64)
    shapes = set()
    for step in range(0, 40, 2):
        pictures, mattes = PLAN.batch(sampler, 0, step)
        height, width = pictures.shape[-2:]
        assert mattes.shape == (1, 1, height, width)
        assert height % 4 == width % 4 == 0
        assert max(height, width) == 64
        shapes.add((height > width) - (height < width))
        assert 9 / 16 - 0.05 < width / height < 16 / 9 + 0.15

    assert {-1, 1} <= shapes


def test_people_are_learned(tmp_path: Path) -> None:
    """Whoever is bright is a person."""

    def draw(sampler: CropSampler, step: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        coarse = (torch.rand(4, 1, 4, 4, generator=generator) > 0.5).float()
        mattes = torch.nn.functional.interpolate(coarse, (64, 64))
        return (0.2 + 0.6 * mattes).expand(4, 3, 64, 64), mattes

    plan, losses = replace(PLAN, draw=draw, steps=100), list[float]()
    batches = partial(batches_from, partial(plan.batch, CropSampler([], 1, 1, 64), 0), 0)
    figure = Figure()
    start(figure)
    train_part(figure, plan, tmp_path, batches, lambda now: losses.append(now.loss))

    assert losses[-1] < 0.5 * losses[0]
