import pytest
import torch

from engines.families import FAMILIES, NOISE_DRIFT, PEOPLE
from engines.training.media import Scene
from engines.training.trials import (
    JOINED_TRIALS,
    TRIALS,
    Take,
    Trial,
    edit_take,
    filmed,
    implied_iou,
    staged,
    takes_for,
    target_of,
)
from tests.engines.training.test_evaluate import editor, masked_photo, photo

NOISE = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def take(scene: Scene | None = None) -> Take:
    return filmed(scene or masked_photo(), seed=0, frames=3, size=64)


def test_a_photo_is_filmed_and_a_clip_is_cropped_to_the_middle() -> None:
    clip = torch.arange(40, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 256, 300)

    assert filmed(photo(), 0, 30, 256).sources.shape == (30, 3, 256, 256)
    assert filmed(Scene("clip", clip), 0, 30, 256).sources.shape == (30, 3, 256, 256)
    assert int(filmed(Scene("clip", clip), 0, 30, 256).sources[29, 0, 0, 0]) == 29


def test_mattes_are_filmed_with_their_picture() -> None:
    mattes = take().mattes

    assert mattes is not None
    assert mattes.shape == (3, 1, 64, 64)
    assert take(photo()).mattes is None


def test_every_family_is_tried_and_a_dozen_pairs() -> None:
    assert [trial.families for trial in TRIALS] == [(family,) for family in FAMILIES]
    assert len(JOINED_TRIALS) >= 12
    assert all(len(trial.families) == 2 for trial in JOINED_TRIALS)


def test_only_scenes_with_mattes_are_taken_for_people() -> None:
    takes = [take(), take(photo())]

    assert len(takes_for(Trial(("background_blur",)), takes)) == 1
    assert len(takes_for(Trial(("sepia",)), takes)) == 2


def test_balloons_are_put_in_front_only_where_they_are_to_be_removed() -> None:
    plain, trial = take(), Trial(("remove_balloons",))
    flown = staged(plain, trial, seed=1)

    assert staged(plain, Trial(("sepia",)), seed=1) is plain
    assert not torch.equal(flown.sources, plain.sources)
    torch.testing.assert_close(target_of(trial, flown, NOISE), plain.sources.float() / 255)


@pytest.mark.parametrize("family", NOISE_DRIFT)
def test_the_noise_of_each_frame_is_told_where_it_moves(family: str) -> None:
    edited = edit_take(editor(), take(), Trial((family,)).conditioning())
    down, right = NOISE_DRIFT[family][0]

    before, after = edited.noise[0, 0], edited.noise[1, 0]
    rolled = before.roll((down, right), (0, 1))
    inner = slice(24, 40)
    assert torch.equal(after[inner, inner], rolled[inner, inner])


@pytest.mark.parametrize("family", sorted(PEOPLE))
def test_the_exact_edit_implies_exactly_the_person(family: str) -> None:
    trial, scene = Trial((family,)), take()

    assert implied_iou(trial, scene, target_of(trial, scene, NOISE)) > 0.95


def test_an_edit_of_everything_implies_nobody_and_no_edit_only_people() -> None:
    trial, scene = Trial(("background_replace",)), take()
    assert scene.mattes is not None
    everything = target_of(trial, scene, NOISE, torch.zeros_like(scene.mattes))
    share = float((scene.mattes > 0.5).float().mean())

    assert implied_iou(trial, scene, everything) == 0.0
    assert implied_iou(trial, scene, scene.sources.float() / 255) == pytest.approx(share, abs=0.02)


def test_a_scene_without_mattes_implies_nothing() -> None:
    with pytest.raises(ValueError, match="photo has no mattes"):
        implied_iou(Trial(("background_grey",)), take(photo()), torch.zeros(3, 3, 64, 64))
