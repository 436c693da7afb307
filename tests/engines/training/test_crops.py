from dataclasses import replace

import pytest
import torch

from engines.training import figure
from engines.training.batches import generator_at
from engines.training.crops import CropSampler
from engines.training.media import Scene
from tests.engines.training.test_people import person_scene


def test_the_same_seed_gives_the_same_batches() -> None:
    scenes = [Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))]
    sampler = CropSampler(scenes, batch=2, frames=3, size=64)
    first, again, other = (sampler.mixed(0, generator_at(seed, 0)) for seed in (5, 5, 6))

    assert first.pictures.shape == (3, 2, 3, 64, 64)
    assert torch.equal(first.pictures, again.pictures)
    assert not torch.equal(first.pictures, other.pictures)


def test_every_second_batch_is_of_first_frames() -> None:
    scenes = [Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))]
    sampler = CropSampler(scenes, batch=2, frames=3, size=64)
    drawn = [sampler.mixed(step, generator_at(0, step)) for step in range(5)]

    assert [len(each.pictures) for each in drawn] == [3, 1, 3, 1, 3]


def test_every_fifth_batch_is_of_people_where_there_are_any() -> None:
    nobody = Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))
    sampler = CropSampler([person_scene(), nobody], batch=2, frames=3, size=64, people_size=96)
    drawn = [sampler.mixed(step, generator_at(0, step)) for step in range(10)]

    assert [bool(each.has_matte.all()) for each in drawn] == [False, False, False, False, True] * 2
    assert drawn[4].pictures.shape == (1, 2, 3, 96, 96)
    assert drawn[9].mattes.shape == (3, 1, 1, 96, 96)


def test_stills_are_single_frames_of_anything_and_of_people() -> None:
    nobody = Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))
    sampler = CropSampler([person_scene(), nobody], batch=2, frames=3, size=64, people_size=96)
    drawn = [sampler.stills(step, generator_at(0, step)) for step in range(10)]

    assert {len(each.pictures) for each in drawn} == {1}
    assert [bool(each.has_matte.all()) for each in drawn] == [False, False, False, False, True] * 2


def test_people_alone_come_in_two_sizes() -> None:
    sampler = CropSampler([person_scene()], batch=4, frames=3, size=64, people_size=96)

    assert sampler.people(0, torch.Generator()).pictures.shape == (1, 4, 3, 96, 96)
    assert sampler.people(1, torch.Generator()).pictures.shape == (1, 2, 3, 128, 128)


def test_people_are_varied_for_the_part_that_tells_them_and_not_for_edits() -> None:
    sampler = CropSampler([person_scene()], batch=4, frames=3, size=64, people_size=96)
    varied, plain = (
        replace(sampler, varied=varied).people(0, torch.Generator().manual_seed(1))
        for varied in (True, False)
    )
    shown, _ = figure.PLAN.batch(sampler, 0, 0)

    assert not torch.equal(varied.pictures, plain.pictures)
    whole = replace(sampler, varied=True).people(0, generator_at(0, 0)).pictures[0]
    (height, width), (all_high, all_wide) = shown.shape[-2:], whole.shape[-2:]
    assert any(
        torch.equal(shown, whole[..., top : top + height, left : left + width])
        for top in range(all_high - height + 1)
        for left in range(all_wide - width + 1)
    )


def test_without_mattes_there_are_no_people_to_crop() -> None:
    scene = Scene("photo", torch.zeros(1, 3, 256, 256, dtype=torch.uint8))
    with pytest.raises(ValueError, match="no scene has mattes"):
        CropSampler([scene], batch=2, frames=3, size=64).people(0, torch.Generator())
