import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.families import FAMILIES, NOISE_DRIFT
from engines.training.filters import gaussian_blur, luma
from engines.training.targets import GRADED, edit

RED = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1)
BLUE = torch.tensor([0.1, 0.25, 0.95]).view(1, 3, 1, 1)

CHANGING = tuple(family for family in FAMILIES if family not in ("unchanged", "remove_balloons"))


def pictures(batch: int = 1, size: int = 64) -> Tensor:
    """Smooth random colours with a bright disc: something for every recipe to work on."""
    noise = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    smooth = gaussian_blur(noise, 3.0)
    smooth = (smooth - smooth.amin()) / (smooth.amax() - smooth.amin())
    axis = torch.linspace(-1, 1, size)
    disc = (axis[:, None] ** 2 + axis[None] ** 2 < 0.2).float()
    return torch.lerp(smooth, torch.ones_like(smooth), 0.8 * disc)


def edited(family: str, amount: float = 1.0, source: Tensor | None = None, scale: float = 1.0) -> Tensor:
    source = pictures() if source is None else source
    count, size = len(source), source.shape[-2:]
    matte = torch.zeros(count, 1, *size)
    matte[..., : size[1] // 3] = 1
    noise = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(5))
    # A peak that carries a balloon; so small a picture seldom has one.
    noise[:, 0, 20:32, 20:32] += 0.5
    return edit(
        family,
        source,
        torch.full((count, 1, 1, 1), amount),
        BLUE.expand(count, 3, 1, 1),
        rgb_of=RED.expand(count, 3, 1, 1),
        matte=matte,
        noise=noise.repeat(count, 1, 1, 1),
        scale=scale,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_target_is_a_picture_of_the_same_size(family: str) -> None:
    target = edited(family, source=pictures(size=68))

    assert target.shape == (1, 3, 68, 68)
    assert float(target.min()) >= 0
    assert float(target.max()) <= 1


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in NOISE_DRIFT])
def test_a_picture_twice_as_large_gets_the_same_look_at_that_scale(family: str) -> None:
    large = gaussian_blur(pictures(size=132), 2.0)[..., :120, :120]

    made_small = F.avg_pool2d(edited(family, source=large, scale=2.0), 2)

    assert float((made_small - edited(family, source=F.avg_pool2d(large, 2))).abs().mean()) < 0.03


def test_what_is_made_of_noise_has_no_scale() -> None:
    with pytest.raises(ValueError, match="snow is made of the noise of each pixel and has no scale but 1"):
        edited("snow", scale=2.0)


@pytest.mark.parametrize("family", CHANGING)
def test_every_family_but_the_null_edits_changes_the_picture(family: str) -> None:
    assert float((edited(family) - pictures()).abs().mean()) > 0.01


def test_unchanged_changes_nothing() -> None:
    assert torch.equal(edited("unchanged"), pictures())


def test_a_picture_without_balloons_is_what_is_left_when_they_are_removed() -> None:
    assert torch.equal(edited("remove_balloons"), pictures())


def test_the_targets_of_two_families_are_never_the_same() -> None:
    targets = {family: edited(family) for family in ("unchanged", *CHANGING)}
    for first in targets:
        for second in targets:
            if first < second:
                assert float((targets[first] - targets[second]).abs().mean()) > 0.004, (first, second)


@pytest.mark.parametrize("family", sorted(GRADED & set(CHANGING)))
def test_a_graded_family_does_more_when_more_is_asked(family: str) -> None:
    source = pictures()
    slight, plain, strong = (
        float((edited(family, amount) - source).abs().mean()) for amount in (0.5, 1.0, 1.5)
    )

    assert slight < plain < strong


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - GRADED))
def test_any_other_family_blends_when_asked_slightly(family: str) -> None:
    torch.testing.assert_close(edited(family, 0.5), torch.lerp(pictures(), edited(family, 1.0), 0.5))
    assert torch.equal(edited(family, 1.5), edited(family, 1.0))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_picture_of_a_batch_is_edited_alone(family: str) -> None:
    batch = pictures(2)
    torch.testing.assert_close(edited(family, source=batch)[1:], edited(family, source=batch[1:]))


def test_known_answers() -> None:
    grey = torch.full((1, 3, 16, 16), 0.5)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 16, 16)

    torch.testing.assert_close(edited("negative", source=red), 1 - red)
    torch.testing.assert_close(edited("black_and_white", source=red), torch.full_like(red, 0.299))
    torch.testing.assert_close(edited("more_contrast", source=grey), grey)
    torch.testing.assert_close(edited("blur", source=grey), grey)
    torch.testing.assert_close(luma(grey), grey[:, :1])


def test_the_mosaic_is_squares_of_eight_pixels() -> None:
    target = edited("mosaic")

    assert torch.equal(target[..., 0, 0], target[..., 7, 7])
    assert not torch.equal(target[..., 7, 7], target[..., 8, 8])
    torch.testing.assert_close(target[0, :, 0, 0], pictures()[0, :, :8, :8].mean((1, 2)))


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(KeyError):
        edited("hat_on_the_dog")
