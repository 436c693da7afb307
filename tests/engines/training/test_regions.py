import pytest
import torch
from torch import Tensor

from engines.families import PEOPLE
from engines.training.regions import near_hue
from engines.training.targets import edit

RED = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1)
BLUE = torch.tensor([0.1, 0.25, 0.95]).view(1, 3, 1, 1)
GREY = torch.full((1, 3, 1, 1), 0.5)
ONE = torch.ones(1, 1, 1, 1)


def halves(left: Tensor, right: Tensor) -> Tensor:
    """Two plain colours side by side, each 32 pixels wide."""
    return torch.cat([left.expand(1, 3, 64, 32), right.expand(1, 3, 64, 32)], 3)


def scene() -> tuple[Tensor, Tensor]:
    """Random texture and a person in its left half."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    matte = torch.zeros(1, 1, 64, 64)
    matte[..., :32] = 1
    return picture, matte


def test_only_the_meant_colour_is_meant() -> None:
    mask = near_hue(halves(RED, BLUE), RED)

    assert float(mask[..., 8:24].min()) > 0.9
    assert float(mask[..., 40:56].max()) < 0.01
    assert float(near_hue(GREY.expand(1, 3, 8, 8), RED).max()) < 0.01


def test_red_things_become_blue_and_blue_ones_stay() -> None:
    source = halves(RED, BLUE)
    edited = edit("recolour", source, ONE, BLUE, rgb_of=RED)

    assert bool((edited[:, 2, :, 8:24] > edited[:, 0, :, 8:24] + 0.3).all())
    torch.testing.assert_close(edited[..., 40:56], source[..., 40:56], atol=0.02, rtol=0)


@pytest.mark.parametrize("level", [0.04, 0.5, 0.96])
def test_a_thing_can_be_made_white_grey_or_black(level: float) -> None:
    edited = edit("recolour", halves(RED, BLUE), ONE, torch.full((1, 3, 1, 1), level), rgb_of=RED)[..., 8:24]

    assert float((edited.amax(1) - edited.amin(1)).max()) < 0.06


def test_only_the_meant_colour_stays_in_colour() -> None:
    source = halves(RED, BLUE)
    edited = edit("colour_pop", source, ONE, BLUE, rgb_of=BLUE)

    torch.testing.assert_close(edited[..., 40:56], source[..., 40:56], atol=0.02, rtol=0)
    torch.testing.assert_close(edited[:, 0, :, 8:24], edited[:, 2, :, 8:24], atol=0.01, rtol=0)


@pytest.mark.parametrize("family", sorted(PEOPLE))
def test_an_exact_matte_leaves_the_person_untouched_and_changes_the_rest(family: str) -> None:
    picture, matte = scene()
    edited = edit(family, picture, ONE, BLUE, matte=matte)

    torch.testing.assert_close(edited[..., :32], picture[..., :32])
    assert float((edited[..., 32:] - picture[..., 32:]).abs().mean()) > 0.05


@pytest.mark.parametrize("family", sorted(PEOPLE))
def test_without_a_person_all_is_background_and_with_nothing_else_nothing_is(family: str) -> None:
    picture, matte = scene()

    nobody = edit(family, picture, ONE, BLUE, matte=torch.zeros_like(matte))
    torch.testing.assert_close(edit(family, picture, ONE, BLUE, matte=torch.ones_like(matte)), picture)
    assert float((nobody[..., :32] - picture[..., :32]).abs().mean()) > 0.05


def test_the_person_does_not_bleed_into_the_blurred_background() -> None:
    source = halves(RED, BLUE)
    matte = torch.zeros(1, 1, 64, 64)
    matte[..., :32] = 1

    torch.testing.assert_close(
        edit("background_blur", source, ONE, RED, matte=matte), source, atol=2e-3, rtol=0
    )


def test_the_old_background_leaves_no_rim() -> None:
    """Edge pixels are half old background; before a new one they are half person, half new."""
    matte = torch.zeros(1, 1, 64, 64)
    matte[..., :30] = 1
    matte[..., 30:34] = 0.5
    source = torch.lerp(GREY, RED, matte)

    edited = edit("background_replace", source, ONE, BLUE, matte=matte)

    torch.testing.assert_close(edited, torch.lerp(BLUE, RED, matte), atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("family", "missing"), [("background_blur", "matte"), ("recolour", "rgb_of"), ("snow", "noise")]
)
def test_what_a_family_needs_is_asked_for(family: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"{family} needs .*{missing}"):
        edit(family, scene()[0], ONE, BLUE)
