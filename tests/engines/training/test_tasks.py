import pytest
import torch

from engines.conditioning import AMOUNT_INDEX, RGB_INDEX, RGB_OF_INDEX
from engines.families import (
    FAMILIES,
    NOISE_DRIFT,
    PEOPLE,
    SCREENS,
    STAGE,
    STYLES,
    TAKES_RGB,
    TAKES_RGB_OF,
)
from engines.training.crops import Footage
from engines.training.targets import edit
from engines.training.tasks import Task, can_join, draw_task


def footage(batch: int, people: bool = False) -> Footage:
    pictures = torch.rand(1, batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = Footage.without_mattes(pictures)
    if not people:
        return plain
    return Footage(pictures, torch.ones_like(plain.mattes), torch.ones(batch, dtype=torch.bool))


def drawn(batch: int = 400, people: bool = False) -> Task:
    return draw_task(footage(batch, people), torch.Generator().manual_seed(0))


def test_only_families_that_take_a_colour_have_one() -> None:
    task = drawn()
    for clip in range(400):
        names = set(task.names(clip))
        assert bool(task.rgb[clip].any()) == bool(names & TAKES_RGB)
        assert bool(task.rgb_of[clip].any()) == bool(names & TAKES_RGB_OF)
    assert 0 <= float(task.rgb.min()) <= float(task.rgb.max()) <= 1
    assert 0.4 <= float(task.amounts.min()) <= float(task.amounts.max()) <= 1.6


def test_people_are_edited_only_where_mattes_say_where_they_are() -> None:
    without, with_mattes = drawn(), drawn(people=True)

    assert not any(PEOPLE & set(without.names(clip)) for clip in range(400))
    assert all(PEOPLE & set(with_mattes.names(clip)) for clip in range(400))


def test_every_family_is_drawn() -> None:
    anything, people = drawn(), drawn(60, people=True)
    seen = {name for clip in range(400) for name in anything.names(clip)}
    seen |= {name for clip in range(60) for name in people.names(clip)}

    assert seen == set(FAMILIES)


def test_about_a_fifth_joins_two_edits_in_the_order_they_are_done() -> None:
    task = drawn()
    joined = [names for names in map(task.names, range(400)) if len(names) == 2]

    assert 40 < len(joined) < 110
    for first, second in joined:
        assert can_join(first, second)
        assert (STAGE[first], FAMILIES.index(first)) < (STAGE[second], FAMILIES.index(second))


@pytest.mark.parametrize("kind", [STYLES, SCREENS, PEOPLE, set(NOISE_DRIFT), TAKES_RGB, TAKES_RGB_OF])
def test_two_of_a_kind_do_not_join(kind: set[str]) -> None:
    assert not any(can_join(first, second) for first in kind for second in kind)


def test_nothing_joins_with_the_null_edit_or_itself() -> None:
    assert not any(can_join("unchanged", family) for family in FAMILIES)
    assert not any(can_join(family, family) for family in FAMILIES)
    assert can_join("night", "background_blur")


def test_a_code_names_its_families_amounts_and_colours() -> None:
    task = drawn(50)
    code = task.code(torch.zeros(50))
    for clip in range(50):
        names = task.names(clip)
        assert {FAMILIES[index] for index in code[clip, :AMOUNT_INDEX].nonzero().flatten().tolist()} == set(
            names
        )
        for slot, name in enumerate(names):
            asked = code[clip, AMOUNT_INDEX + FAMILIES.index(name)]
            assert asked == task.amounts[slot, clip].item()
    assert torch.equal(code[:, RGB_INDEX:RGB_OF_INDEX], task.rgb.flatten(1))
    assert torch.equal(code[:, RGB_OF_INDEX:], task.rgb_of.flatten(1))


def test_a_loose_code_still_leans_to_its_family() -> None:
    code = Task.single(FAMILIES).code(torch.full((len(FAMILIES),), 0.1))

    assert torch.equal(code[:, :AMOUNT_INDEX].argmax(1), torch.arange(len(FAMILIES)))
    torch.testing.assert_close(code[:, :AMOUNT_INDEX].sum(1), torch.ones(len(FAMILIES)))
    torch.testing.assert_close(code[:, AMOUNT_INDEX:RGB_INDEX].sum(1), torch.ones(len(FAMILIES)))


def test_the_target_of_joined_edits_is_one_after_the_other() -> None:
    pictures = footage(1).pictures[0]
    families = torch.tensor([[FAMILIES.index("pencil_sketch")], [FAMILIES.index("sepia")]])
    single = Task.single(["pencil_sketch"])
    task = Task(families, single.amounts, single.rgb, single.rgb_of, single.balloons)
    one = torch.ones(1, 1, 1, 1)

    target = task.targets(pictures, pictures, torch.zeros(1, 1, 32, 32), torch.zeros_like(pictures))

    sketch = edit("pencil_sketch", pictures, one, single.rgb)
    torch.testing.assert_close(target, edit("sepia", sketch, one, single.rgb))


def test_balloons_fly_through_the_source_and_are_gone_from_the_target() -> None:
    pictures = footage(60).pictures[0]
    task = next(
        task
        for seed in range(20)
        for task in [draw_task(footage(60), torch.Generator().manual_seed(seed))]
        if any(task.names(clip) == ("remove_balloons",) for clip in range(60))
    )
    clip = next(clip for clip in range(60) if task.names(clip) == ("remove_balloons",))

    first, later = task.sources(pictures, 0), task.sources(pictures, 3)
    target = task.targets(pictures, first, torch.zeros(60, 1, 32, 32), torch.zeros_like(pictures))

    assert not torch.equal(first[clip], later[clip])
    assert torch.equal(target[clip], pictures[clip])
