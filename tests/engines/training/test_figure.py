from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engines.backbones.tiny import Figure, NormalisedConv2d
from engines.training.crops import Footage
from engines.training.figure import PLAN, figure_loss, train_figure
from engines.training.parts import PartProgress


def small_figure() -> Figure:
    torch.manual_seed(0)
    return Figure(48, (16, 16, 16), NormalisedConv2d)


def bright_people() -> Iterator[Footage]:
    """Whoever is bright is a person."""
    generator = torch.Generator().manual_seed(0)
    while True:
        coarse = (torch.rand(4, 1, 4, 4, generator=generator) > 0.5).float()
        mattes = torch.nn.functional.interpolate(coarse, (64, 64))
        pictures = (0.2 + 0.6 * mattes).expand(4, 3, 64, 64)
        yield Footage(pictures[None], mattes[None], torch.ones(4, dtype=torch.bool))


def test_the_loss_is_nothing_for_a_sure_right_answer_and_large_for_a_wrong_one() -> None:
    mattes = torch.zeros(1, 1, 16, 16)
    mattes[..., :8] = 1
    sure = torch.nn.functional.pixel_unshuffle(torch.nn.functional.avg_pool2d(mattes, 2) * 40 - 20, 2)

    assert figure_loss(sure, mattes) < 1e-3
    assert figure_loss(-sure, mattes) > 10


def test_odd_sides_are_kept() -> None:
    assert small_figure()(torch.zeros(1, 48, 12, 20)).shape == (1, 4, 12, 20)


@pytest.mark.usefixtures("clock")
def test_people_are_learned_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    seen: list[PartProgress] = []
    train_figure(small_figure(), bright_people(), replace(PLAN, minutes=0.1), tmp_path, seen.append)
    first = seen[-1].step
    train_figure(small_figure(), bright_people(), replace(PLAN, minutes=0.2), tmp_path, seen.append)

    assert first > 40
    assert [now.step for now in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].loss < 0.5 * seen[0].loss


@pytest.mark.usefixtures("clock")
def test_a_finished_run_gives_its_weights_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, again = small_figure(), Figure(48, (16, 16, 16), NormalisedConv2d)
    train_figure(trained, bright_people(), replace(PLAN, minutes=0.01), tmp_path, lambda now: None)
    train_figure(
        again,
        bright_people(),
        replace(PLAN, minutes=0.01),
        tmp_path,
        lambda now: pytest.fail("nothing is left to train"),
    )

    assert all(torch.equal(value, again.state_dict()[name]) for name, value in trained.state_dict().items())
