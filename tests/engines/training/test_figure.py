from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from engines.backbones.tiny import Figure, NormalisedConv2d
from engines.training.batches import batches_from
from engines.training.crops import CropSampler
from engines.training.figure import PLAN, ROOMS, figure_loss
from engines.training.parts import PartPlan, train_part
from engines.training.people import UNKNOWN
from tests.engines.training.test_people import person_scene


def small_figure() -> Figure:
    torch.manual_seed(0)
    return Figure(48, (16, 16, 16), NormalisedConv2d)


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
    unknown = torch.full((1, 1, 32, 32), UNKNOWN)

    (pulls,) = torch.autograd.grad(figure_loss(logits, unknown, somebody=0.35), logits)
    (none,) = torch.autograd.grad(figure_loss(logits, unknown), logits)

    assert bool((pulls[logits > 0] > 1e-4).all()) is is_mistake
    assert bool((pulls[logits > 0] == 0).all()) is not is_mistake
    assert bool((none[logits > 0] == 0).all())


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


def test_rooms_are_taught_to_what_knows_people(tmp_path: Path) -> None:
    """Each lesson has a file of its own to resume from, and the second begins where the first ended."""
    figure = small_figure()

    def lesson(plan: PartPlan) -> dict[str, torch.Tensor]:
        sampler = CropSampler([person_scene()], batch=1, frames=1, size=32, people_size=64)
        batches = partial(batches_from, partial(plan.batch, sampler, 0), 0)
        train_part(figure, replace(plan, steps=2), tmp_path, batches, lambda now: None)
        return {name: value.clone() for name, value in figure.state_dict().items()}

    before = {name: value.clone() for name, value in figure.state_dict().items()}
    people = lesson(PLAN)
    rooms = lesson(ROOMS)
    kept = {path.stem: torch.load(path, weights_only=True) for path in tmp_path.glob("*.pt")}

    assert set(kept) == {"figure", "figure_rooms"}
    assert not torch.equal(before["stem.filters"], people["stem.filters"])
    for name, weights in (("figure", people), ("figure_rooms", rooms)):
        assert all(torch.equal(value, kept[name]["averaged"][key]) for key, value in weights.items())
