from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from engines.backbones.parts import Eraser, Field, Figure
from engines.backbones.regions import Defocus, Hue
from engines.backbones.tiny import NormalisedConv2d
from engines.conditioning import CODE_LENGTH
from engines.training import field as weather
from engines.training import parts
from engines.training.batches import batches_from
from engines.training.crops import CropSampler
from engines.training.loop import TrainingError
from engines.training.media import Scene
from engines.training.parts import PartBatch, PartPlan, PartProgress, Score, train_part
from engines.training.train import PART_PLANS
from tests.engines.training.test_people import figure_scene, person_scene

WIDTHS = (16, 16, 16)
PARTS: dict[str, Callable[[], nn.Module]] = {
    "figure": Figure,
    "defocus": Defocus,
    "hue": Hue,
    "field": lambda: Field(48, CODE_LENGTH, 16, NormalisedConv2d),
    "eraser": lambda: Eraser(48, WIDTHS, NormalisedConv2d),
}
PLANS = {plan.name: plan for plan in PART_PLANS}


def sampler() -> CropSampler:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 255, (1, 3, 32, 32), dtype=torch.uint8, generator=generator)
    squares = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)
    scenes = [person_scene(), figure_scene(), Scene("squares", squares)]
    return CropSampler(scenes, batch=2, frames=1, size=64, people_size=64)


def new(name: str) -> nn.Module:
    torch.manual_seed(0)
    return PARTS[name]()


def batches_of(plan: PartPlan) -> Callable[[int], Iterator[PartBatch]]:
    return partial(batches_from, partial(plan.batch, sampler(), 0), 0)


def trained(
    plan: PartPlan, run: Path, progress: Callable[[PartProgress], None], score: Score | None = None
) -> dict[str, Tensor]:
    part = new(plan.name)
    train_part(part, plan, run, batches_of(plan), progress, score)
    return cast(dict[str, Tensor], part.state_dict())


def trained_alone(plan: PartPlan, run: Path) -> nn.Module:
    part = new(plan.name)
    train_part(part, plan, run, batches_of(plan), nothing)
    return part


def at(part: nn.Module) -> float:
    """One number of a part, to see where it is."""
    return float(part.state_dict()["direction"][0])


def near(wanted: float) -> Score:
    """A score that is the higher the nearer that number is to what is wanted."""
    return lambda part: torch.tensor([-abs(at(part) - wanted)])


def nothing(now: PartProgress) -> None:
    pass


@pytest.mark.parametrize("name", PARTS)
def test_a_killed_run_ends_where_an_unbroken_one_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(weather, "_BATCH", 2)
    monkeypatch.setattr(weather, "_SIZE", 64)
    plan, seen = replace(PLANS[name], steps=4), list[PartProgress]()

    def killed_after_two(now: PartProgress) -> None:
        if now.step == 2:
            raise KeyboardInterrupt

    start = new(name).state_dict()

    def moved(part: nn.Module) -> Tensor:
        weights = part.state_dict().items()
        return torch.stack([(value - start[key]).square().sum() for key, value in weights]).sum()[None]

    with pytest.raises(KeyboardInterrupt):
        trained(plan, tmp_path / "killed", killed_after_two, moved)
    resumed = trained(plan, tmp_path / "killed", seen.append, moved)
    unbroken = trained(plan, tmp_path / "unbroken", nothing, moved)

    assert [now.step for now in seen] == [3, 4]
    assert all(torch.equal(value, unbroken[key]) for key, value in resumed.items())
    assert any(not torch.equal(value, unbroken[key]) for key, value in start.items())
    assert list((tmp_path / "killed" / name).glob("events.out.tfevents.*"))


@pytest.mark.parametrize("name", ["hue", "defocus"])
def test_constants_are_learned_from_a_batch_seen_again_and_again(name: str, tmp_path: Path) -> None:
    losses, same = list[float](), PLANS[name].batch(sampler(), 0, 0)
    plan = replace(PLANS[name], draw=lambda sampler, step, generator: same, steps=80)
    trained(plan, tmp_path, lambda now: losses.append(now.loss))

    assert losses[-1] < 0.9 * losses[0]


def test_a_finished_run_gives_its_weights_at_once(tmp_path: Path) -> None:
    plan = replace(PLANS["hue"], steps=2)
    first = trained(plan, tmp_path, nothing)
    again = trained(plan, tmp_path, lambda now: pytest.fail("nothing is left to train"))

    assert all(torch.equal(value, again[key]) for key, value in first.items())


def test_no_steps_leave_a_part_as_it_is(tmp_path: Path) -> None:
    before = new("figure").state_dict()
    after = trained(replace(PLANS["figure"], steps=0), tmp_path, nothing)

    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_a_part_that_was_known_goes_part_of_the_way(tmp_path: Path) -> None:
    plan = replace(PLANS["hue"], steps=3, new_share=0.25)
    before, after = new("hue").state_dict(), trained(plan, tmp_path, nothing)
    whole_way = torch.load(tmp_path / "hue.pt", weights_only=True)["averaged"]

    for key, value in before.items():
        torch.testing.assert_close(after[key], value.lerp(whole_way[key], 0.25))


def test_what_scored_best_on_the_way_is_kept(tmp_path: Path) -> None:
    """A score that is highest where a weight is nearest to what it was at the fifth of ten steps."""
    plan, on_the_way = replace(PLANS["hue"], steps=10), list[float]()

    def note(part: nn.Module) -> Tensor:
        on_the_way.append(at(part))
        return torch.zeros(1)

    train_part(new("hue"), plan, tmp_path / "a", batches_of(plan), nothing, note)
    wanted, part = on_the_way[5], new("hue")
    result = train_part(part, plan, tmp_path / "b", batches_of(plan), nothing, near(wanted))

    assert (result.step, result.new_share) == (5, 1.0)
    assert result.score == pytest.approx(0.0)
    assert at(part) == pytest.approx(wanted)


def test_the_last_is_kept_where_the_best_on_the_way_was_lucky_with_one_subject(tmp_path: Path) -> None:
    plan, on_the_way = replace(PLANS["hue"], steps=10), list[float]()

    def note(part: nn.Module) -> Tensor:
        on_the_way.append(at(part))
        return torch.zeros(1)

    train_part(new("hue"), plan, tmp_path / "a", batches_of(plan), nothing, note)
    middle, last = on_the_way[5], on_the_way[10]

    def lucky(part: nn.Module) -> Tensor:
        """One of four subjects is much better off half-way, three are a little better off at the end."""
        there, behind = -abs(at(part) - middle), -abs(at(part) - last)
        return torch.tensor([4 * there, behind, behind, behind])

    part = new("hue")
    result = train_part(part, plan, tmp_path / "b", batches_of(plan), nothing, lucky)

    assert result.step == 10
    assert at(part) == last


def test_a_known_part_goes_as_far_as_scores_best(tmp_path: Path) -> None:
    plan, part = replace(PLANS["hue"], steps=5, new_share=0.7), new("hue")
    first = at(part)
    last = at(trained_alone(replace(plan, new_share=1.0), tmp_path / "a"))
    wanted = first + 0.4 * (last - first)
    result = train_part(part, plan, tmp_path / "b", batches_of(plan), nothing, near(wanted))

    assert at(part) == pytest.approx(wanted, abs=abs(last - first) / 10)
    assert result.score == pytest.approx(-abs(at(part) - wanted))


def test_a_known_part_that_got_worse_stays_as_it_was(tmp_path: Path) -> None:
    plan, part = replace(PLANS["hue"], steps=5, new_share=0.7), new("hue")
    first = at(part)
    result = train_part(part, plan, tmp_path, batches_of(plan), nothing, near(first))

    assert result.step == 0
    assert at(part) == first


def test_the_rates_rise_stay_and_fall() -> None:
    plan = replace(PLANS["figure"], steps=1000, fall_share=0.4)
    rates = [plan.schedule(step) for step in (0, 49, 600, 800, 999)]

    assert rates == pytest.approx([0.02, 1.0, 1.0, 0.5, 0.02])


def test_a_part_in_another_version_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(PLANS["hue"], steps=1)
    trained(plan, tmp_path, nothing)
    monkeypatch.setattr(parts, "PART_VERSION", 99)

    with pytest.raises(TrainingError, match=r"hue\.pt is of version 3, this code reads 99"):
        trained(plan, tmp_path, nothing)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_weights(tmp_path: Path) -> None:
    plan = replace(PLANS["hue"], steps=1)
    trained(plan, tmp_path, nothing)
    kept = (tmp_path / "hue.pt").read_bytes()

    def lost(hue: Hue, pictures: Tensor, rgb: Tensor, rgb_of: Tensor) -> Tensor:
        return plan.loss(hue, pictures * float("nan"), rgb, rgb_of)

    with pytest.raises(TrainingError, match=r"of hues became nan at step 1; .*hue\.pt is the last good"):
        trained(replace(plan, steps=2, loss=lost), tmp_path, nothing)
    assert (tmp_path / "hue.pt").read_bytes() == kept
